//! The cloud as one tree of JSON: to look at every property of every object, and to change any behind an operator's back.

use serde_json::{Value, json};

use super::apigateway::gateway_responses;
use super::{Account, Memory};

impl Memory {
    /// Every property of every object, ids and times included, by account.
    pub fn tree(&self) -> Value {
        let mut tree = json!(self.accounts);
        for (id, account) in &self.accounts {
            for (region, found) in &account.regions {
                for (domain, found) in &found.domains {
                    let shown = &mut tree[id]["regions"][region]["domains"][domain];
                    shown["mappings"] = json!(found.mappings);
                    // As it was given, not as AWS escapes it.
                    if let Some(policy) = &found.policy {
                        shown["policy"] = json!(policy);
                    }
                    if !found.associations.is_empty() {
                        shown["associations"] = json!(found.associations);
                    }
                }
                for (api, found) in &found.apis {
                    let shown = &mut tree[id]["regions"][region]["apis"][api];
                    shown["resources"] = json!(found.resources);
                    if let Some(policy) = &found.policy {
                        shown["policy"] = json!(policy);
                    }
                    shown["deployments"] = json!(found.deployments);
                    shown["stages"] = json!(found.stages);
                    shown["gatewayResponses"] = json!(found.gateway_responses);
                    shown["authorizers"] = json!(found.authorizers);
                    shown["models"] = json!(found.models);
                    shown["validators"] = json!(found.validators);
                    for (id, deployment) in &found.deployments {
                        let answers = json!(deployment.gateway_responses);
                        shown["deployments"][id]["snapshot"] = json!(deployment.snapshot);
                        shown["deployments"][id]["gatewayResponses"] = answers;
                        shown["deployments"][id]["authorizers"] = json!(deployment.authorizers);
                        shown["deployments"][id]["validators"] = json!(deployment.validators);
                    }
                }
            }
        }
        tree
    }

    /// Makes the cloud what a tree says.
    ///
    /// # Errors
    /// The tree lacks something that AWS always has, or has it in another form.
    pub fn plant(&mut self, tree: &Value) -> Result<(), serde_json::Error> {
        let mut accounts = std::collections::BTreeMap::new();
        for (id, shown) in tree.as_object().into_iter().flatten() {
            let mut account: Account = serde_json::from_value(shown.clone())?;
            for (region, found) in &mut account.regions {
                for (domain, found) in &mut found.domains {
                    let shown = &shown["regions"][region]["domains"][domain];
                    found.mappings = serde_json::from_value(shown["mappings"].clone())?;
                    if let Some(associations) = shown.get("associations") {
                        found.associations = serde_json::from_value(associations.clone())?;
                        // There is none for another endpoint than its own.
                        for (endpoint, one) in &mut found.associations {
                            one.access_association_source.clone_from(endpoint);
                        }
                    }
                }
                for (api, found) in &mut found.apis {
                    let shown = &shown["regions"][region]["apis"][api];
                    found.resources = serde_json::from_value(shown["resources"].clone())?;
                    found.deployments = serde_json::from_value(shown["deployments"].clone())?;
                    found.stages = serde_json::from_value(shown["stages"].clone())?;
                    found.gateway_responses = serde_json::from_value(shown["gatewayResponses"].clone())?;
                    gateway_responses::fill(&mut found.gateway_responses);
                    found.authorizers = serde_json::from_value(shown["authorizers"].clone())?;
                    found.models = serde_json::from_value(shown["models"].clone())?;
                    found.validators = serde_json::from_value(shown["validators"].clone())?;
                    for (id, deployment) in &mut found.deployments {
                        let shown = &shown["deployments"][id];
                        deployment.snapshot = serde_json::from_value(shown["snapshot"].clone())?;
                        deployment.gateway_responses = serde_json::from_value(shown["gatewayResponses"].clone())?;
                        deployment.authorizers = serde_json::from_value(shown["authorizers"].clone())?;
                        deployment.validators = serde_json::from_value(shown["validators"].clone())?;
                    }
                }
            }
            accounts.insert(id.clone(), account);
        }
        self.accounts = accounts;
        Ok(())
    }
}

//! Looking at the cloud: what is in it, whatever its ids are, and what a stage serves.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::apigateway::Validator;
use super::iam::Policy;
use super::{
    Account, Api, ApiKey, Authorizer, ClientCertificate, LogGroup, Machine, Memory, Method, Region, Role, UsagePlan,
    partition,
};

/// What answers a request at a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// Such as `/orders/{id}`.
    pub path: String,
    /// As it was when it was deployed.
    pub method: Method,
    /// What the integration does: actions on ARNs.
    pub calls: Vec<(String, String)>,
    /// What decides whether a caller may, as it was when it was deployed.
    pub authorizer: Option<Authorizer>,
    /// Those that the invoke role does not allow now, or not yet, and why; in AWS such a request is answered with 500 (AWS.md §2).
    pub denied: Vec<String>,
}

impl Memory {
    /// All that is in the cloud, without what differs from one run to the next: ids, times, revisions. Two clouds with
    /// one essence are alike for everybody.
    pub fn essence(&self) -> Value {
        let accounts = self.accounts.iter().map(|(id, account)| (id.clone(), essence_of(account)));
        Value::Object(accounts.filter(|(_, account)| *account != json!({})).collect())
    }

    /// What a stage answers a request with: the method of its deployment that matches best. `None` where none does.
    pub fn serves(
        &self,
        account: &str,
        region: &str,
        api: &str,
        stage: &str,
        verb: &str,
        path: &str,
    ) -> Option<Served> {
        let found = self.accounts.get(account)?;
        let machines = &found.regions.get(region)?.machines;
        let api = found.regions.get(region)?.apis.get(api)?;
        let deployment = api.deployments.get(&api.stages.get(stage)?.deployment_id)?;
        // Static segments win over parameters, these over greedy ones; a verb wins over ANY (doc).
        let mut best: Option<(Vec<u8>, &String, &Method)> = None;
        for (pattern, methods) in &deployment.snapshot {
            let (Some(rank), Some(method)) = (matching(pattern, path), methods.get(verb).or(methods.get("ANY"))) else {
                continue;
            };
            if best.as_ref().is_none_or(|(other, ..)| rank < *other) {
                best = Some((rank, pattern, method));
            }
        }
        let (_, path, method) = best?;
        let calls = calls(method);
        let role = method.integration.as_ref().and_then(|integration| integration.credentials.as_ref());
        let authorizer = method.authorizer_id.as_ref().and_then(|id| deployment.authorizers.get(id));
        let asks = authorizer.and_then(|it| Some((it.authorizer_credentials.as_ref()?, function(it)?)));
        let asks = asks.map(|(role, function)| (role, vec![("lambda:InvokeFunction".to_owned(), function)]));
        let roles = role.map(|role| (role, calls.clone())).into_iter().chain(asks);
        let denied = roles.flat_map(|(arn, calls)| -> Vec<String> {
            match found.iam.by_arn(partition(region), account, arn) {
                None => vec![format!("{arn} does not exist")],
                Some(role) if !role.trusts_apigateway() => vec![format!("{arn} does not trust API Gateway")],
                Some(role) if !role.settled(self.now, &self.settings) => vec![format!("{arn} can't be assumed yet")],
                Some(role) => {
                    let seen: Vec<_> = role.seen(self.now, &self.settings).collect();
                    let may = |action: &str, on: &str| seen.iter().all(|role| role.may(&found.iam, action, on));
                    let not_allowed = calls.iter().filter(|(action, on)| !may(action, on));
                    let keys = calls.iter().filter_map(|call| key_asked_for(machines, call));
                    let not_decrypted = keys.filter(|(key, machine)| {
                        let context = BTreeMap::from([(OF_MACHINE, machine.as_str())]);
                        !role.may_under(&found.iam, "kms:Decrypt", key, &context)
                    });
                    let not_allowed = not_allowed.map(|(action, on)| format!("{} may not {action} on {on}", role.name));
                    let not_decrypted = not_decrypted
                        .map(|(key, machine)| format!("{} may not kms:Decrypt on {key} for {machine}", role.name));
                    not_allowed.chain(not_decrypted).collect()
                }
            }
        });
        let denied = denied.collect();
        Some(Served { path: path.clone(), method: method.clone(), calls, authorizer: authorizer.cloned(), denied })
    }
}

/// What Step Functions says in the encryption context of a machine's data (doc, "Data at rest encryption in Step Functions").
const OF_MACHINE: &str = "kms:EncryptionContext:aws:states:stateMachineArn";

/// The key that the caller of this must be able to decrypt with, and for which machine (doc, the same guide, "Required permissions for API
/// callers").
fn key_asked_for(machines: &BTreeMap<String, Machine>, (action, on): &(String, String)) -> Option<(String, String)> {
    const READS: [&str; 3] = ["states:StartSyncExecution", "states:DescribeExecution", "states:GetExecutionHistory"];
    let parts: Vec<&str> = on.splitn(8, ':').take(7).collect();
    let arn = parts.join(":").replacen(":execution:", ":stateMachine:", 1);
    let machine = machines.get(&arn).filter(|_| READS.contains(&action.as_str()))?;
    Some((machine.form.encryption["kmsKeyId"].as_str()?.to_owned(), arn))
}

/// How well a path fits a pattern, the least is the best; `None` where it does not fit.
fn matching(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let split =
        |text: &str| -> Vec<String> { text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect() };
    let (pattern, path) = (split(pattern), split(path));
    let mut rank = Vec::new();
    for (index, part) in pattern.iter().enumerate() {
        if part.ends_with("+}") {
            rank.push(2);
            return (path.len() > index).then_some(rank);
        }
        rank.push(match path.get(index)? {
            found if found == part => 0,
            _ if part.starts_with('{') => 1,
            _ => return None,
        });
    }
    (pattern.len() == path.len()).then_some(rank)
}

/// The function that an authorizer calls.
fn function(authorizer: &Authorizer) -> Option<String> {
    let (_, function) = authorizer.authorizer_uri.as_ref()?.split_once("/functions/")?;
    Some(function.trim_end_matches("/invocations").to_owned())
}

/// What an integration with Step Functions does: its action, on every machine or execution that its templates name.
fn calls(method: &Method) -> Vec<(String, String)> {
    let Some(integration) = &method.integration else { return Vec::new() };
    let Some((_, action)) = integration.uri.as_deref().and_then(|uri| uri.split_once(":states:action/")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for template in integration.request_templates.iter().flat_map(BTreeMap::values).flatten() {
        for (at, _) in template.match_indices("arn:") {
            let end = |c: char| !(c.is_ascii_alphanumeric() || ":-_.".contains(c));
            let arn = template[at..].split(end).next().unwrap_or_default();
            // The template adds an execution's name to what is written.
            let arn =
                if arn.contains(":execution:") { format!("{}:x", arn.trim_end_matches(':')) } else { arn.to_owned() };
            let call = (format!("states:{action}"), arn);
            if call.1.contains(":states:") && !found.contains(&call) {
                found.push(call);
            }
        }
    }
    found
}

fn essence_of(account: &Account) -> Value {
    let mut all = serde_json::Map::new();
    let roles: serde_json::Map<_, _> =
        account.iam.roles.values().map(|role| (role.name.clone(), of_role(role))).collect();
    if !roles.is_empty() {
        all.insert("roles".to_owned(), Value::Object(roles));
    }
    let policies: serde_json::Map<_, _> =
        account.iam.policies.iter().map(|(arn, policy)| (arn.clone(), of_policy(policy))).collect();
    if !policies.is_empty() {
        all.insert("policies".to_owned(), Value::Object(policies));
    }
    for (name, region) in &account.regions {
        let mut apis: Vec<Value> = region.apis.values().map(of_api).collect();
        apis.sort_by_key(ToString::to_string);
        let machines = region.machines.values().map(|machine| (machine.name.clone(), of_machine(machine)));
        let machines: serde_json::Map<_, _> = machines.collect();
        let mut shown = serde_json::Map::new();
        if !apis.is_empty() || !machines.is_empty() {
            shown.extend([("machines".to_owned(), Value::Object(machines)), ("apis".to_owned(), json!(apis))]);
        }
        if !region.log_groups.is_empty() {
            let group = |group: &LogGroup| json!({"retention": group.retention, "tags": group.tags});
            let groups: BTreeMap<_, _> = region.log_groups.iter().map(|(name, one)| (name, group(one))).collect();
            shown.insert("logGroups".to_owned(), json!(groups));
        }
        if !region.usage_plans.is_empty() || !region.api_keys.is_empty() {
            let mut plans: Vec<Value> = region.usage_plans.values().map(|plan| of_plan(region, plan)).collect();
            let mut keys: Vec<Value> = region.api_keys.values().map(of_key).collect();
            plans.sort_by_key(ToString::to_string);
            keys.sort_by_key(ToString::to_string);
            shown.extend([("usagePlans".to_owned(), json!(plans)), ("apiKeys".to_owned(), json!(keys))]);
        }
        if !region.client_certificates.is_empty() {
            let of = |one: &ClientCertificate| json!({"description": one.description, "tags": one.tags});
            let mut all: Vec<Value> = region.client_certificates.values().map(of).collect();
            all.sort_by_key(ToString::to_string);
            shown.insert("clientCertificates".to_owned(), json!(all));
        }
        if !region.domains.is_empty() {
            shown.insert("domains".to_owned(), super::apigateway::domains::essence(&region.domains, &region.apis));
        }
        if let Some(role) = &region.log_role {
            shown.insert("logRole".to_owned(), json!(role));
        }
        if !shown.is_empty() {
            all.insert(name.clone(), Value::Object(shown));
        }
    }
    Value::Object(all)
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// A tag may hold a time.
fn without_time(value: &str) -> &str {
    use aws_smithy_types::date_time::{DateTime, Format};
    if DateTime::from_str(value, Format::DateTime).is_ok() { "a time" } else { value }
}

fn of_role(role: &Role) -> Value {
    let policies = role.policies.iter().map(|(name, text)| (name.clone(), document(text)));
    json!({
        "path": role.path,
        "description": role.description,
        "trust": document(&role.trust),
        "session": role.longest_session,
        "boundary": role.boundary,
        "tags": role.tags.iter().map(|(key, value)| (key, without_time(value))).collect::<BTreeMap<_, _>>(),
        "policies": Value::Object(policies.collect()),
        "attached": role.attached,
    })
}

fn of_policy(policy: &Policy) -> Value {
    json!({
        "description": policy.description,
        "tags": policy.tags,
        "document": document(policy.document()),
        "versions": policy.versions.len(),
    })
}

/// With the names of its APIs and keys for their ids.
fn of_plan(region: &Region, plan: &UsagePlan) -> Value {
    let mut shown = json!(plan);
    shown["id"] = Value::Null;
    let mut keys: Vec<_> = plan.keys.iter().filter_map(|id| region.api_keys.get(id)?.name.as_ref()).collect();
    keys.sort_unstable();
    shown["keys"] = json!(keys);
    let stages = plan.api_stages.iter().map(|one| {
        let api = region.apis.get(&one.api_id).map(|api| &api.name);
        (format!("{} {}", api.map_or("none", String::as_str), one.stage), json!(one.throttle))
    });
    shown["apiStages"] = json!(stages.collect::<BTreeMap<_, _>>());
    shown
}

/// Values are made up, and a description may hold a time.
fn of_key(key: &ApiKey) -> Value {
    let description = key.description.as_ref().map(|text| text.split(" at ").next());
    json!({"name": key.name, "description": description, "enabled": key.enabled, "tags": key.tags})
}

fn of_machine(machine: &Machine) -> Value {
    json!({
        "type": machine.kind,
        "definition": document(&machine.form.definition),
        "role": machine.form.role,
        "logging": machine.form.logging,
        "tracing": machine.form.tracing,
        "encryption": machine.form.encryption,
        "tags": machine.tags,
        "deleting": machine.gone.is_some(),
    })
}

/// Without ids and times, wherever they are.
fn stripped(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        for key in ["id", "rootResourceId", "createdDate", "lastUpdatedDate", "cacheNamespace", "deploymentId"] {
            object.shift_remove(key);
        }
    }
    value
}

fn of_method(method: &Method, authorizers: &BTreeMap<String, Authorizer>) -> Value {
    let mut shown = json!(method);
    if let Some(id) = &method.authorizer_id {
        shown["authorizerId"] = json!(authorizers.get(id).map(|authorizer| &authorizer.name));
    }
    if method.integration.is_some() {
        shown["methodIntegration"] = stripped(shown["methodIntegration"].take());
    }
    shown
}

fn of_api(api: &Api) -> Value {
    type Authorizers = BTreeMap<String, Authorizer>;
    type Validators = BTreeMap<String, Validator>;
    let methods = |methods: &BTreeMap<String, Method>, authorizers: &Authorizers, validators: &Validators| -> Value {
        let shown = methods.iter().map(|(verb, method)| {
            let mut shown = of_method(method, authorizers);
            if let Some(id) = &method.request_validator_id {
                shown["requestValidatorId"] = json!(validators.get(id).map(|validator| &validator.name));
            }
            (verb.clone(), shown)
        });
        Value::Object(shown.collect())
    };
    let by_name = |authorizers: &Authorizers| -> BTreeMap<String, Value> {
        authorizers.values().map(|authorizer| (authorizer.name.clone(), stripped(json!(authorizer)))).collect()
    };
    let models: BTreeMap<_, _> = api
        .models
        .iter()
        .map(|(name, model)| (name, model.schema.as_ref().map(|schema| schema.replace(&api.id, "API"))))
        .collect();
    let mut validators: Vec<_> = api.validators.values().map(|validator| &validator.name).collect();
    validators.sort_unstable();
    let resources: BTreeMap<String, Value> = api
        .resources
        .values()
        .map(|resource| (api.path(resource), methods(&resource.methods, &api.authorizers, &api.validators)))
        .collect();
    let snapshot = |id: &str| {
        let deployment = api.deployments.get(id)?;
        let paths: BTreeMap<_, _> = deployment
            .snapshot
            .iter()
            .map(|(path, one)| (path, methods(one, &deployment.authorizers, &deployment.validators)))
            .collect();
        Some(json!({
            "description": deployment.description,
            "methods": paths,
            "authorizers": by_name(&deployment.authorizers),
            "gatewayResponses": deployment.gateway_responses,
        }))
    };
    let mut deployments: Vec<Value> = api.deployments.keys().filter_map(|id| snapshot(id)).collect();
    deployments.sort_by_key(ToString::to_string);
    let stages: BTreeMap<_, _> = api
        .stages
        .iter()
        .map(|(name, stage)| {
            let mut shown = stripped(json!(stage));
            let deployment = api.deployments.get(&stage.deployment_id);
            shown["serves"] = json!(deployment.and_then(|one| one.description.clone()));
            if let Some(canary) = &stage.canary_settings {
                let deployment = api.deployments.get(&canary.deployment_id);
                shown["canarySettings"]["deploymentId"] = json!(deployment.and_then(|one| one.description.clone()));
            }
            (name, shown)
        })
        .collect();
    let mut shown = stripped(json!(api));
    if let Some(types) = shown["binaryMediaTypes"].as_array_mut() {
        types.sort_by_key(ToString::to_string);
    }
    shown["gatewayResponses"] = json!(api.gateway_responses);
    shown["resources"] = json!(resources);
    shown["authorizers"] = json!(by_name(&api.authorizers));
    if let Some(policy) = &api.policy {
        // Ours names the API by its id.
        shown["policy"] = document(&policy.replace(&api.id, "ID"));
    }
    shown["deployments"] = json!(deployments);
    shown["stages"] = json!(stages);
    shown["models"] = json!(models);
    shown["validators"] = json!(validators);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_pattern_serves() {
        for (pattern, path, rank) in [
            ("/", "/", Some(vec![])),
            ("/a/{id}", "/a/b", Some(vec![0, 1])),
            ("/a/{id}", "/a", None),
            ("/{proxy+}", "/a/b", Some(vec![2])),
            ("/{proxy+}", "/", None),
        ] {
            assert_eq!(matching(pattern, path), rank, "{pattern} {path}");
        }
    }
}

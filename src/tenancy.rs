//! Who may do what: which AWSAccount and tenant a namespace belongs to. Everything fails closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use serde::{Deserialize, Serialize};

use crate::api::conditions::reasons;
use crate::api::{AWSAccount, Authorization, Binding, EndpointType, Namespaces, NamespacesFrom, Tenant};
use crate::aws::partition;
use crate::policy::ceiling::Namespace;
use crate::problem::Problem;

/// Labels of namespaces by name.
pub type NamespaceLabels = BTreeMap<String, BTreeMap<String, String>>;

/// Where an object's AWS objects live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The AWSAccount.
    pub account: String,
    /// Its 12-digit id.
    pub account_id: String,
    /// The Region.
    pub region: String,
    /// The Region's partition.
    pub partition: &'static str,
    /// Another endpoint than AWS's.
    pub endpoint_url: Option<String>,
}

impl Place {
    /// Fills in `${AWS::AccountId}`, `${AWS::Region}` and `${AWS::Partition}`.
    pub fn fill(&self, text: &str) -> String {
        text.replace("${AWS::AccountId}", &self.account_id)
            .replace("${AWS::Region}", &self.region)
            .replace("${AWS::Partition}", self.partition)
    }

    /// As a status shows it.
    pub fn binding(&self) -> Binding {
        Binding { account: self.account.clone(), account_id: self.account_id.clone(), region: self.region.clone() }
    }

    /// The URL below which an API's routes answer.
    pub fn invoke_url(&self, rest_api_id: &str, stage: &str) -> String {
        match &self.endpoint_url {
            // How LocalStack serves stages.
            Some(endpoint) => format!("{}/_aws/execute-api/{rest_api_id}/{stage}", endpoint.trim_end_matches('/')),
            None => {
                let suffix = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
                format!("https://{rest_api_id}.execute-api.{}.{suffix}/{stage}", self.region)
            }
        }
    }
}

/// What admits a namespace.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The account.
    pub account: Arc<AWSAccount>,
    /// The one tenant that matches.
    pub tenant: Tenant,
    /// The namespace, for `${namespace}`.
    pub namespace: Namespace,
}

impl Admission {
    /// Where objects of a Region live; the account's first where none is asked for.
    ///
    /// # Errors
    /// The Region is not the account's.
    pub fn place(&self, region: Option<&str>) -> Result<Place, Problem> {
        let regions = &self.account.spec.regions;
        let name = self.account.name_any();
        let found = match region {
            None => regions.first(),
            Some(wanted) => regions.iter().find(|region| region.name == wanted),
        };
        let Some(found) = found else {
            let known: Vec<_> = regions.iter().map(|region| region.name.as_str()).collect();
            return Err(Problem::stalled(
                reasons::NOT_ADMITTED,
                format!(
                    "spec.region `{}` is not a Region of AWSAccount {name}, which has {}",
                    region.unwrap_or_default(),
                    known.join(", ")
                ),
            ));
        };
        Ok(Place {
            account: name,
            account_id: self.account.spec.account_id.clone(),
            region: found.name.clone(),
            partition: partition(&found.name),
            endpoint_url: self.account.spec.endpoint_url.clone(),
        })
    }

    /// Whether the tenant may expose routes with this authorization; absent lists mean AWS_IAM.
    pub fn exposes(&self, authorization: Authorization) -> bool {
        match self.tenant.exposure.as_ref().and_then(|exposure| exposure.authorizations.as_ref()) {
            Some(list) => list.contains(&authorization),
            None => authorization == Authorization::AwsIam,
        }
    }

    /// Whether the tenant's routes may answer tasks by their tokens.
    pub fn exposes_task_callbacks(&self) -> bool {
        self.tenant.exposure.as_ref().is_some_and(|exposure| exposure.task_callbacks)
    }

    /// Whether the tenant may have APIs of this endpoint type; absent lists mean REGIONAL.
    pub fn exposes_endpoint(&self, endpoint: EndpointType) -> bool {
        match self.tenant.exposure.as_ref().and_then(|exposure| exposure.endpoint_types.as_ref()) {
            Some(list) => list.contains(&endpoint),
            None => endpoint == EndpointType::Regional,
        }
    }
}

/// Finds the one account and tenant for a namespace.
///
/// # Errors
/// None or several admit it.
pub fn admit(
    accounts: &[Arc<AWSAccount>],
    namespaces: &NamespaceLabels,
    namespace: &str,
    account_ref: Option<&str>,
) -> Result<Admission, Problem> {
    let refused = |message: String| Problem::stalled(reasons::NOT_ADMITTED, message);
    let candidates: Vec<&Arc<AWSAccount>> =
        accounts.iter().filter(|account| account_ref.is_none_or(|name| account.name_any() == name)).collect();
    if let (Some(name), true) = (account_ref, candidates.is_empty()) {
        return Err(refused(format!(
            "spec.accountRef.name: there is no AWSAccount `{name}`; name one that admits namespace {namespace}, or leave accountRef out"
        )));
    }
    let mut matches: Vec<(&Arc<AWSAccount>, &Tenant)> = candidates
        .iter()
        .flat_map(|account| account.spec.tenants.iter().map(move |tenant| (*account, tenant)))
        .filter(|(_, tenant)| includes(&tenant.namespaces, None, namespace, namespaces))
        .collect();
    // The watch has no order; a message that changed with it would be a status that changes.
    matches.sort_by_key(|(account, _)| account.name_any());
    match matches.as_slice() {
        [(account, tenant)] => Ok(Admission {
            account: Arc::clone(account),
            tenant: (*tenant).clone(),
            namespace: Namespace::new(namespace).map_err(|error| refused(error.to_string()))?,
        }),
        [] if accounts.is_empty() => Err(refused(
            "there is no AWSAccount; the platform admin must create one with a tenant for this namespace".to_owned(),
        )),
        [] => Err(refused(format!(
            "no tenant of an AWSAccount admits namespace {namespace}; the platform admin must add it to a tenant's `namespaces`"
        ))),
        several => {
            let names: Vec<_> =
                several.iter().map(|(account, tenant)| format!("{}/{}", account.name_any(), tenant.name)).collect();
            let one_account = several.iter().all(|(account, _)| account.name_any() == several[0].0.name_any());
            let mend = if one_account {
                "the platform admin must leave the namespace in just one tenant"
            } else {
                "say which account is meant with spec.accountRef.name"
            };
            Err(refused(format!("namespace {namespace} is in several tenants: {}; {mend}", names.join(", "))))
        }
    }
}

/// Whether `namespace` is meant; `own` is the namespace of the object that says so, absent for cluster-scoped ones.
pub fn includes(meant: &Namespaces, own: Option<&str>, namespace: &str, labels: &NamespaceLabels) -> bool {
    match meant.from {
        NamespacesFrom::All => true,
        NamespacesFrom::Same => own == Some(namespace),
        NamespacesFrom::Selector => {
            let Some(labels) = labels.get(namespace) else { return false };
            // An absent or ill-formed selector admits nobody.
            meant
                .selector
                .clone()
                .and_then(|selector| Selector::try_from(selector).ok())
                .is_some_and(|selector| !selector.selects_all() && selector.matches(labels))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, tenants: serde_json::Value) -> Arc<AWSAccount> {
        let spec = serde_json::json!({
            "accountId": "111122223333",
            "regions": [{"name": "eu-central-1"}, {"name": "cn-north-1"}],
            "tenants": tenants,
        });
        Arc::new(AWSAccount::new(name, serde_json::from_value(spec).unwrap()))
    }

    fn labels() -> NamespaceLabels {
        NamespaceLabels::from([("orders".into(), BTreeMap::from([("team".into(), "orders".into())]))])
    }

    fn team(name: &str) -> serde_json::Value {
        serde_json::json!({"name": name, "namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": name}}}})
    }

    #[test]
    fn one_tenant_admits() {
        let admission =
            admit(&[account("dev", serde_json::json!([team("orders")]))], &labels(), "orders", None).unwrap();
        assert_eq!(admission.tenant.name, "orders");
        assert_eq!(admission.place(None).unwrap().region, "eu-central-1");
        assert_eq!(admission.place(Some("cn-north-1")).unwrap().partition, "aws-cn");
        assert_eq!(
            admission.place(Some("eu-west-1")).unwrap_err().message,
            "spec.region `eu-west-1` is not a Region of AWSAccount dev, which has eu-central-1, cn-north-1"
        );
    }

    #[rstest::rstest]
    #[case::nobody(vec![], None, "there is no AWSAccount; the platform admin must create one with a tenant for this namespace")]
    #[case::not_listed(vec![account("dev", serde_json::json!([team("refunds")]))], None, "no tenant of an AWSAccount admits namespace orders; the platform admin must add it to a tenant's `namespaces`")]
    #[case::selector_that_selects_all(vec![account("dev", serde_json::json!([{"name": "a", "namespaces": {"from": "Selector", "selector": {}}}]))], None, "no tenant of an AWSAccount admits namespace orders; the platform admin must add it to a tenant's `namespaces`")]
    #[case::two_tenants(vec![account("dev", serde_json::json!([team("orders"), {"name": "all", "namespaces": {"from": "All"}}]))], None, "namespace orders is in several tenants: dev/orders, dev/all; the platform admin must leave the namespace in just one tenant")]
    #[case::two_accounts(vec![account("a", serde_json::json!([team("orders")])), account("b", serde_json::json!([team("orders")]))], None, "namespace orders is in several tenants: a/orders, b/orders; say which account is meant with spec.accountRef.name")]
    #[case::unknown_account(vec![account("a", serde_json::json!([team("orders")]))], Some("c"), "spec.accountRef.name: there is no AWSAccount `c`; name one that admits namespace orders, or leave accountRef out")]
    fn everything_else_is_refused(
        #[case] accounts: Vec<Arc<AWSAccount>>,
        #[case] account_ref: Option<&str>,
        #[case] message: &str,
    ) {
        assert_eq!(admit(&accounts, &labels(), "orders", account_ref).unwrap_err().message, message);
    }
}

//! Authorizers of a REST API. A method refers to one by its id, so a change in place keeps the id.
//!
//! | property | create | update | read-back (GetAuthorizers) |
//! |---|---|---|---|
//! | name | CreateAuthorizer `name` | never: another authorizer | `name` |
//! | type | `type` | UpdateAuthorizer `replace /type` between TOKEN and REQUEST | `type` |
//! | function | `authorizerUri` | `replace /authorizerUri` | `authorizerUri` |
//! | role | `authorizerCredentials` | `replace /authorizerCredentials` | `authorizerCredentials` |
//! | identity sources | `identitySource` | `replace /identitySource` | `identitySource` |
//! | validation expression | `identityValidationExpression` | `replace /identityValidationExpression` | `identityValidationExpression` |
//! | TTL | `authorizerResultTtlInSeconds` | `replace /authorizerResultTtlInSeconds` | `authorizerResultTtlInSeconds` |
//! | user pools | `providerARNs` | `add`, `remove /providerARNs` | `providerARNs` |

pub mod remote;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Patch, PatchOp};
use crate::problem::Problem;

/// AWS's type of an authorizer that asks Cognito.
pub const COGNITO: &str = "COGNITO_USER_POOLS";

/// How long API Gateway keeps a Lambda authorizer's answers where nothing is said, in seconds.
pub const DEFAULT_TTL_SECONDS: i32 = 300;

/// An authorizer; desired and observed have one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorizer {
    /// `TOKEN`, `REQUEST` or `COGNITO_USER_POOLS`.
    pub type_: String,
    /// What calls the function ([`uri`]); none of Cognito's.
    pub uri: Option<String>,
    /// The role that API Gateway calls the function with.
    pub credentials: Option<String>,
    /// Mapping expressions such as `method.request.header.Authorization`.
    pub identity_sources: BTreeSet<String>,
    /// What a token must match.
    pub validation_expression: Option<String>,
    /// For how long answers are kept; none of Cognito's.
    pub ttl_seconds: Option<i32>,
    /// The user pools of Cognito's.
    pub provider_arns: BTreeSet<String>,
}

impl Authorizer {
    /// The function that it calls.
    pub fn function(&self) -> Option<&str> {
        self.uri.as_deref()?.split_once(FUNCTIONS)?.1.strip_suffix("/invocations")
    }
}

const FUNCTIONS: &str = ":lambda:path/2015-03-31/functions/";

/// The URI with which API Gateway calls a function, in the function's Region (the SDK's words on `authorizerUri`).
pub fn uri(partition: &str, function_arn: &str) -> String {
    let region = function_arn.split(':').nth(3).unwrap_or_default();
    format!("arn:{partition}:apigateway:{region}{FUNCTIONS}{function_arn}/invocations")
}

/// An authorizer as AWS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// What it is.
    pub authorizer: Authorizer,
}

/// The authorizers of an API as AWS has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// By name.
    pub named: BTreeMap<String, Found>,
    /// Names of further ones by id: AWS has one of a name, emulators take several.
    pub others: BTreeMap<String, String>,
}

impl Observed {
    /// From ids, names and forms; of several with one name, one that is `used` counts.
    pub fn new(mut all: Vec<(String, String, Authorizer)>, used: &BTreeSet<String>) -> Self {
        all.sort_by_key(|(id, ..)| (!used.contains(id), id.clone()));
        let mut observed = Self::default();
        for (id, name, authorizer) in all {
            match observed.named.entry(name) {
                Entry::Occupied(taken) => drop(observed.others.insert(id, taken.key().clone())),
                Entry::Vacant(free) => {
                    free.insert(Found { id, authorizer });
                }
            }
        }
        observed
    }

    /// What a method that refers to this id names: `#` and the id, which no manifest can write, where it is none of [`Self::named`].
    pub fn name(&self, id: &str) -> String {
        let named = self.named.iter().find(|(_, found)| found.id == id);
        named.map_or_else(|| format!("#{id}"), |(name, _)| name.clone())
    }

    /// Ids by name.
    pub fn ids(&self) -> BTreeMap<String, String> {
        self.named.iter().map(|(name, found)| (name.clone(), found.id.clone())).collect()
    }
}

/// The id that a method's authorizer has.
pub fn id(ids: &BTreeMap<String, String>, name: &str) -> Option<String> {
    name.strip_prefix('#').map(str::to_owned).or_else(|| ids.get(name).cloned())
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, authorizer: Box<Authorizer> },
    Update { name: String, id: String, patches: Vec<Patch> },
    Delete { name: String, id: String },
}

impl Step {
    /// The authorizer's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Create { name, .. } | Self::Update { name, .. } | Self::Delete { name, .. } => name,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create authorizer {name}"),
            Self::Update { name, patches, .. } => write!(f, "update {} of authorizer {name}", super::paths(patches)),
            Self::Delete { name, .. } => write!(f, "delete authorizer {name}"),
        }
    }
}

/// What makes the wanted authorizers be there.
///
/// # Errors
/// A change for which AWS has no patch.
pub fn diff(desired: &BTreeMap<String, Authorizer>, observed: &Observed) -> Result<Vec<Step>, Problem> {
    let mut steps = Vec::new();
    for (name, to) in desired {
        match observed.named.get(name) {
            None => steps.push(Step::Create { name: name.clone(), authorizer: Box::new(to.clone()) }),
            Some(found) if found.authorizer == *to => {}
            Some(Found { id, authorizer: from }) => {
                if (from.type_ == COGNITO) != (to.type_ == COGNITO) {
                    return Err(Problem::invalid(format!(
                        "spec.authorizers[{name}]: API Gateway can't change an authorizer of type {} to {}; give the new one another name, and let the routes name it",
                        from.type_, to.type_
                    )));
                }
                steps.push(Step::Update { name: name.clone(), id: id.clone(), patches: patches(from, to) });
            }
        }
    }
    Ok(steps)
}

/// What removes those that are not wanted and that no method in `used` names.
pub fn removal(desired: &BTreeMap<String, Authorizer>, observed: &Observed, used: &BTreeSet<&str>) -> Vec<Step> {
    let unwanted = observed.named.iter().filter(|(name, _)| !desired.contains_key(*name) && !used.contains(&***name));
    let unwanted = unwanted.map(|(name, found)| Step::Delete { name: name.clone(), id: found.id.clone() });
    let others = observed.others.iter().filter(|(id, _)| !used.contains(&*format!("#{id}")));
    unwanted.chain(others.map(|(id, name)| Step::Delete { name: name.clone(), id: id.clone() })).collect()
}

/// The patches of UpdateAuthorizer. An empty value takes a property away.
fn patches(from: &Authorizer, to: &Authorizer) -> Vec<Patch> {
    let joined = |sources: &BTreeSet<String>| identity_source(sources).unwrap_or_default();
    let ttl = |authorizer: &Authorizer| authorizer.ttl_seconds.unwrap_or_default().to_string();
    let texts = [
        ("/type", from.type_.clone(), to.type_.clone()),
        ("/authorizerUri", from.uri.clone().unwrap_or_default(), to.uri.clone().unwrap_or_default()),
        (
            "/authorizerCredentials",
            from.credentials.clone().unwrap_or_default(),
            to.credentials.clone().unwrap_or_default(),
        ),
        ("/identitySource", joined(&from.identity_sources), joined(&to.identity_sources)),
        (
            "/identityValidationExpression",
            from.validation_expression.clone().unwrap_or_default(),
            to.validation_expression.clone().unwrap_or_default(),
        ),
        ("/authorizerResultTtlInSeconds", ttl(from), ttl(to)),
    ];
    let changed = texts.into_iter().filter(|(_, from, to)| from != to);
    let mut patches: Vec<Patch> = changed.map(|(path, _, to)| Patch::replace(path, to)).collect();
    // There must be a user pool at any time, so new ones come first.
    patches.extend(to.provider_arns.difference(&from.provider_arns).map(|arn| Patch::add("/providerARNs", arn)));
    patches.extend(from.provider_arns.difference(&to.provider_arns).map(|arn| Patch {
        op: PatchOp::Remove,
        path: "/providerARNs".to_owned(),
        value: Some(arn.clone()),
    }));
    patches
}

/// As AWS writes them: separated by commas.
fn identity_source(sources: &BTreeSet<String>) -> Option<String> {
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    (!sources.is_empty()).then(|| sources.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Authorizer {
        Authorizer {
            type_: "TOKEN".into(),
            uri: Some(uri("aws", "arn:aws:lambda:eu-west-1:111122223333:function:auth:live")),
            credentials: Some("arn:aws:iam::111122223333:role/r".into()),
            identity_sources: BTreeSet::from(["method.request.header.Authorization".into()]),
            validation_expression: Some("^Bearer .+$".into()),
            ttl_seconds: Some(300),
            provider_arns: BTreeSet::new(),
        }
    }

    fn pools(arns: &[&str]) -> Authorizer {
        Authorizer {
            type_: COGNITO.into(),
            uri: None,
            credentials: None,
            identity_sources: BTreeSet::from(["method.request.header.Authorization".into()]),
            validation_expression: None,
            ttl_seconds: None,
            provider_arns: arns.iter().map(|arn| (*arn).to_owned()).collect(),
        }
    }

    fn observed(of: &[(&str, &str, Authorizer)]) -> Observed {
        let all = of.iter().map(|(id, name, authorizer)| ((*id).into(), (*name).into(), authorizer.clone())).collect();
        Observed::new(all, &BTreeSet::new())
    }

    #[test]
    fn its_function_is_called_in_the_function_s_region() {
        let uri = token().uri.unwrap();
        let function = "arn:aws:lambda:eu-west-1:111122223333:function:auth:live";
        assert_eq!(
            uri,
            format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{function}/invocations")
        );
        assert_eq!(token().function(), Some(function));
        assert_eq!(pools(&[]).function(), None);
    }

    #[test]
    fn a_change_in_place_keeps_the_id() {
        let to = Authorizer {
            type_: "REQUEST".into(),
            identity_sources: BTreeSet::from(["context.identity.sourceIp".into(), "method.request.header.X".into()]),
            validation_expression: None,
            ttl_seconds: Some(0),
            ..token()
        };
        let steps = diff(&BTreeMap::from([("a".into(), to)]), &observed(&[("id", "a", token())])).unwrap();
        let patches = vec![
            Patch::replace("/type", "REQUEST"),
            Patch::replace("/identitySource", "context.identity.sourceIp,method.request.header.X"),
            Patch::replace("/identityValidationExpression", ""),
            Patch::replace("/authorizerResultTtlInSeconds", "0"),
        ];
        assert_eq!(steps, [Step::Update { name: "a".into(), id: "id".into(), patches }]);
    }

    #[test]
    fn user_pools_are_added_before_others_go() {
        let steps = diff(&BTreeMap::from([("a".into(), pools(&["x", "y"]))]), &observed(&[("id", "a", pools(&["z"]))]));
        let Step::Update { patches, .. } = &steps.unwrap()[0] else { panic!() };
        let ops: Vec<_> = patches.iter().map(|patch| (patch.op, patch.value.as_deref())).collect();
        assert_eq!(ops, [(PatchOp::Add, Some("x")), (PatchOp::Add, Some("y")), (PatchOp::Remove, Some("z"))]);
    }

    #[test]
    fn what_aws_has_no_patch_for_is_refused() {
        let problem = diff(&BTreeMap::from([("a".into(), pools(&["x"]))]), &observed(&[("id", "a", token())]));
        assert_eq!(
            problem.unwrap_err().message,
            "spec.authorizers[a]: API Gateway can't change an authorizer of type TOKEN to COGNITO_USER_POOLS; give the new one another name, and let the routes name it"
        );
    }

    #[test]
    fn one_that_is_used_stays_and_of_two_with_one_name_it_is_the_one() {
        let used = BTreeSet::from(["id2".to_owned()]);
        let all = [("id1", "a"), ("id2", "a"), ("id3", "b"), ("id4", "c")];
        let all = all.map(|(id, name)| (id.to_owned(), name.to_owned(), token())).to_vec();
        let observed = Observed::new(all, &used);
        assert_eq!((observed.name("id2"), observed.name("id1")), ("a".to_owned(), "#id1".to_owned()));
        let desired = BTreeMap::from([("a".to_owned(), token())]);
        let gone: Vec<_> = removal(&desired, &observed, &BTreeSet::from(["b"])).iter().map(Step::to_string).collect();
        assert_eq!(gone, ["delete authorizer c", "delete authorizer a"]);
    }
}

//! Resources, methods, integrations and responses of a REST API: everything that a deployment takes a snapshot of.
//!
//! | property | create | update | read-back (GetResources with embedded methods) |
//! |---|---|---|---|
//! | path | CreateResource `pathPart` | never: another resource | `path` |
//! | authorization | PutMethod `authorizationType` | UpdateMethod `replace /authorizationType` | `authorizationType` |
//! | identity of the route | PutMethod `operationName` | UpdateMethod `replace /operationName` | `operationName` |
//! | authorizer | PutMethod `authorizerId` | UpdateMethod `replace /authorizerId` | `authorizerId` |
//! | scopes | PutMethod `authorizationScopes` | UpdateMethod `add`, `remove /authorizationScopes` | `authorizationScopes` |
//! | API key | PutMethod `apiKeyRequired` (false) | UpdateMethod `replace /apiKeyRequired` | `apiKeyRequired` |
//! | declared parameters | PutMethod `requestParameters` | UpdateMethod `add`, `replace`, `remove /requestParameters/<name>` | `requestParameters` |
//! | models of the body | PutMethod `requestModels` | UpdateMethod `add`, `replace`, `remove /requestModels/<type>` | `requestModels` |
//! | validator | PutMethod `requestValidatorId` | UpdateMethod `replace /requestValidatorId` (with nothing: none) | `requestValidatorId` |
//! | content handling | PutIntegration `contentHandling` | UpdateIntegration `replace /contentHandling` (with nothing: none) | `contentHandling` |
//! | integration type | PutIntegration `type` | PutIntegration | `type` |
//! | URI | PutIntegration `uri` | UpdateIntegration `replace /uri` | `uri` |
//! | role | PutIntegration `credentials` | UpdateIntegration `replace /credentials` | `credentials` |
//! | header values | PutIntegration `requestParameters` | UpdateIntegration `add`, `replace`, `remove /requestParameters/<name>` | `requestParameters` |
//! | templates | PutIntegration `requestTemplates` | UpdateIntegration `add`, `replace`, `remove /requestTemplates/<type>` | `requestTemplates` |
//! | passthrough | PutIntegration `passthroughBehavior` | UpdateIntegration `replace /passthroughBehavior` | `passthroughBehavior` |
//! | timeout | PutIntegration `timeoutInMillis` | UpdateIntegration `replace /timeoutInMillis` | `timeoutInMillis` |
//! | method responses | PutMethodResponse | DeleteMethodResponse, PutMethodResponse | `methodResponses` |
//! | their headers | PutMethodResponse `responseParameters` | UpdateMethodResponse `add`, `remove /responseParameters/<name>` | `responseParameters` |
//! | their models | PutMethodResponse `responseModels` | UpdateMethodResponse `add`, `replace`, `remove /responseModels/<type>` | `responseModels` |
//! | integration responses | PutIntegrationResponse | PutIntegrationResponse, DeleteIntegrationResponse | `integrationResponses` |
//! | their headers' values | PutIntegrationResponse `responseParameters` | PutIntegrationResponse | `responseParameters` |

pub mod remote;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Patch, PatchOp, pointer_segment};
use crate::api;

/// API Gateway's default integration timeout, in milliseconds.
pub const DEFAULT_TIMEOUT_MILLIS: i32 = 29_000;

/// Where a method is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct At {
    /// Such as `/orders/{orderId}`.
    pub path: String,
    /// `GET`, `POST`, … or `ANY`.
    pub method: String,
}

impl At {
    /// Of a route's spec.
    pub fn of(spec: &api::APIRouteSpec) -> Self {
        Self { path: spec.path.clone(), method: spec.method.as_str().to_owned() }
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A method with its integration and responses; desired and observed have one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// Whose it is: `<namespace>_<name>` of the route.
    pub operation_name: String,
    /// `NONE`, `AWS_IAM`, `CUSTOM` or `COGNITO_USER_POOLS`.
    pub authorization: String,
    /// The authorizer's name; [`super::authorizer::Observed::name`] for one that has none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<String>,
    /// OAuth scopes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
    /// Whether callers need an API key.
    pub api_key_required: bool,
    /// Declared parameters, as `method.request.querystring.<name>`, and whether they are required.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, bool>,
    /// Names of models by content type: what bodies are checked against.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// The name of the validator; its id where AWS has one that no name is known of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<String>,
    /// What answers; absent where a crash left the method half made.
    pub integration: Option<Integration>,
    /// Declared responses, by status.
    pub responses: BTreeMap<String, MethodResponse>,
    /// Which answers of the integration become which response, by status.
    pub integration_responses: BTreeMap<String, IntegrationResponse>,
}

/// What answers a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Integration {
    /// `AWS` or `MOCK`.
    pub type_: String,
    /// The backend's verb: POST for every Step Functions action, whatever the client's is (AWS.md §2).
    pub http_method: Option<String>,
    /// The Step Functions action.
    pub uri: Option<String>,
    /// The invoke role.
    pub credentials: Option<String>,
    /// What the backend request's headers are set to.
    pub parameters: BTreeMap<String, String>,
    /// Mapping templates by content type.
    pub templates: BTreeMap<String, String>,
    /// `CONVERT_TO_BINARY` or `CONVERT_TO_TEXT`; absent: bodies pass as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<String>,
    /// `NEVER`: anything else sends an unmapped body as it is, with our credentials (AWS.md §3).
    pub passthrough: String,
    /// In milliseconds.
    pub timeout_millis: i32,
}

/// A declared response of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodResponse {
    /// The headers that it may have, as `method.response.header.<name>`.
    pub headers: BTreeSet<String>,
    /// Names of models by content type: what its bodies look like, for generated clients.
    pub models: BTreeMap<String, String>,
}

/// Which answers of the integration become a response, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationResponse {
    /// A regular expression on the backend's status; absent for the default.
    pub selection_pattern: Option<String>,
    /// What the response's headers are set to: `method.response.header.<name>` to `'a literal'`,
    /// `integration.response.header.<name>`, `integration.response.body.<JSONPath>`, `context.<name>` or
    /// `stageVariables.<name>`. The method response must declare each.
    pub headers: BTreeMap<String, String>,
    /// Mapping templates by content type.
    pub templates: BTreeMap<String, String>,
    /// `CONVERT_TO_BINARY` or `CONVERT_TO_TEXT`; absent: bodies pass as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<String>,
}

/// A response header's name in API Gateway's mappings.
pub fn response_header(name: &str) -> String {
    format!("method.response.header.{name}")
}

/// What is wanted at one place.
#[derive(Clone, Debug, PartialEq)]
pub enum Desired {
    /// This method.
    Method(Box<Method>),
    /// Whatever is there now: last known good.
    Keep,
}

/// The API's tree as AWS has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Resource ids by path.
    pub resources: BTreeMap<String, String>,
    /// Methods by place.
    pub methods: BTreeMap<At, Method>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    CreateResource {
        path: String,
    },
    /// Makes the method at this place be `to`. Where AWS refuses it, `from` is put back, so that the next deployment
    /// does not take a half-made method.
    Put {
        at: At,
        from: Option<Box<Method>>,
        to: Box<Method>,
    },
    Delete {
        at: At,
    },
    DeleteResource {
        path: String,
        id: String,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateResource { path } => write!(f, "create resource {path}"),
            Self::Put { at, from: None, .. } => write!(f, "create method {at}"),
            Self::Put { at, from: Some(from), to } => {
                let what: Vec<_> = changed(from, to).collect();
                write!(f, "update {} of method {at}", what.join(", "))
            }
            Self::Delete { at } => write!(f, "delete method {at}"),
            Self::DeleteResource { path, .. } => write!(f, "delete resource {path}"),
        }
    }
}

fn changed(from: &Method, to: &Method) -> impl Iterator<Item = &'static str> {
    [
        ("authorization", authorization(from) != authorization(to)),
        ("owner", from.operation_name != to.operation_name),
        ("validation", from.parameters != to.parameters || from.models != to.models || from.validator != to.validator),
        ("integration", from.integration != to.integration),
        ("responses", from.responses != to.responses || from.integration_responses != to.integration_responses),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
}

/// How callers are authorized.
fn authorization(method: &Method) -> impl PartialEq {
    (&method.authorization, &method.authorizer, &method.scopes, method.api_key_required)
}

/// What makes the observed tree the desired one: parents before children, methods after their resources; then whatever is
/// in the API and not wanted goes. Only an unwanted path parameter whose place another takes goes first: API Gateway
/// has one among siblings.
pub fn diff(desired: &BTreeMap<At, Desired>, observed: &Observed) -> Vec<Step> {
    let wanted_paths: BTreeSet<String> = desired
        .iter()
        .filter(|(at, desired)| matches!(desired, Desired::Method(_)) || observed.methods.contains_key(at))
        .flat_map(|(at, _)| with_ancestors(&at.path))
        .collect();
    // The root comes with the API.
    let new: Vec<&String> =
        wanted_paths.iter().filter(|path| *path != "/" && !observed.resources.contains_key(*path)).collect();
    let unwanted = |path: &str| path != "/" && !wanted_paths.contains(path);
    // A resource is deleted with everything below it, so the topmost unwanted one is enough.
    let going = observed.resources.iter().filter(|(path, _)| unwanted(path) && !unwanted(parent(path)));
    let delete = |(path, id): (&String, &String)| Step::DeleteResource { path: path.clone(), id: id.clone() };
    let replaced =
        |path: &str| is_parameter(path) && new.iter().any(|new| is_parameter(new) && parent(new) == parent(path));
    let (first, last): (Vec<_>, Vec<_>) = going.partition(|(path, _)| replaced(path));
    let below = |path: &str| first.iter().any(|(gone, _)| path == *gone || path.starts_with(&format!("{gone}/")));

    let mut steps: Vec<Step> = first.iter().copied().map(delete).collect();
    steps.extend(new.iter().map(|path| Step::CreateResource { path: (*path).clone() }));
    for (at, wanted) in desired {
        if let Desired::Method(to) = wanted {
            let from = observed.methods.get(at);
            if from != Some(to) {
                steps.push(Step::Put { at: at.clone(), from: from.cloned().map(Box::new), to: to.clone() });
            }
        }
    }
    let gone = observed.methods.keys().filter(|at| !desired.contains_key(at) && !below(&at.path));
    steps.extend(gone.map(|at| Step::Delete { at: at.clone() }));
    steps.extend(last.into_iter().map(delete));
    steps
}

/// Whether a path ends in a parameter.
fn is_parameter(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|last| last.starts_with('{'))
}

/// The tree after the steps: what a deployment would take a snapshot of.
pub fn result(desired: &BTreeMap<At, Desired>, observed: &Observed) -> BTreeMap<At, Method> {
    desired
        .iter()
        .filter_map(|(at, wanted)| match wanted {
            Desired::Method(method) => Some((at.clone(), (**method).clone())),
            Desired::Keep => observed.methods.get(at).map(|method| (at.clone(), method.clone())),
        })
        .collect()
}

/// The parameters of a path, each with its parent.
pub fn parameters_of(path: &str) -> Vec<(String, String)> {
    with_ancestors(path)
        .into_iter()
        .filter_map(|path| {
            let (parent, last) = path.rsplit_once('/')?;
            last.starts_with('{').then(|| (parent.to_owned(), last.to_owned()))
        })
        .collect()
}

/// The names of the parameters of these paths, by their parents.
pub fn parameter_names<'a>(paths: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    paths.into_iter().flat_map(parameters_of).collect()
}

/// Whether a path can't be in one API with paths that have these parameters, because it names one of them differently.
pub fn clashes(path: &str, names: &BTreeMap<String, String>) -> bool {
    parameters_of(path).iter().any(|(parent, name)| names.get(parent).is_some_and(|has| has != name))
}

/// `/a/b` → `/`, `/a`, `/a/b`.
pub fn with_ancestors(path: &str) -> Vec<String> {
    let mut all = vec!["/".to_owned()];
    for (index, _) in path.match_indices('/').skip(1) {
        all.push(path[..index].to_owned());
    }
    if path != "/" {
        all.push(path.to_owned());
    }
    all
}

/// `/a/b` → `/a`; `/a` → `/`.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(index) => &path[..index],
    }
}

impl Method {
    /// The models that it refers to.
    pub fn model_names(&self) -> impl Iterator<Item = &String> {
        self.models.values().chain(self.responses.values().flat_map(|response| response.models.values()))
    }
}

/// The patches of UpdateMethod; `id` knows the ids of authorizers, `validator` is the id of the one that `to` names.
fn method_patches(from: &Method, to: &Method, id: impl Fn(&str) -> String, validator: &str) -> Vec<Patch> {
    let mut patches = Vec::new();
    if from.validator != to.validator {
        patches.push(Patch::replace("/requestValidatorId", validator));
    }
    let flags = |parameters: &BTreeMap<String, bool>| {
        parameters.iter().map(|(name, required)| (name.clone(), required.to_string())).collect::<BTreeMap<_, _>>()
    };
    map_patches(&mut patches, "/requestParameters", &flags(&from.parameters), &flags(&to.parameters));
    map_patches(&mut patches, "/requestModels", &from.models, &to.models);
    if from.authorization != to.authorization {
        patches.push(Patch::replace("/authorizationType", &to.authorization));
    }
    if let Some(authorizer) = &to.authorizer
        && from.authorizer != to.authorizer
    {
        patches.push(Patch::replace("/authorizerId", id(authorizer)));
    }
    patches.extend(to.scopes.difference(&from.scopes).map(|scope| Patch::add("/authorizationScopes", scope)));
    patches.extend(from.scopes.difference(&to.scopes).map(|scope| Patch {
        op: PatchOp::Remove,
        path: "/authorizationScopes".to_owned(),
        value: Some(scope.clone()),
    }));
    if from.api_key_required != to.api_key_required {
        patches.push(Patch::replace("/apiKeyRequired", to.api_key_required.to_string()));
    }
    if from.operation_name != to.operation_name {
        patches.push(Patch::replace("/operationName", &to.operation_name));
    }
    patches
}

/// The patches of UpdateMethodResponse that add, and those that remove: a header is declared before a value is mapped to
/// it, and goes after.
fn method_response_patches(from: &MethodResponse, to: &MethodResponse) -> (Vec<Patch>, Vec<Patch>) {
    let path = |name: &str| format!("/responseParameters/{}", pointer_segment(name));
    // No method response is required to have a header: the value says nothing.
    let mut first: Vec<_> = to.headers.difference(&from.headers).map(|name| Patch::add(path(name), "false")).collect();
    map_patches(&mut first, "/responseModels", &from.models, &to.models);
    let last = from.headers.difference(&to.headers).map(|name| Patch::remove(path(name))).collect();
    (first, last)
}

/// The patches of UpdateIntegration; `None` where only PutIntegration will do.
fn integration_patches(from: &Integration, to: &Integration) -> Option<Vec<Patch>> {
    if from.type_ != to.type_ || from.http_method != to.http_method {
        return None;
    }
    let mut patches = Vec::new();
    for (path, old, new) in [("/uri", &from.uri, &to.uri), ("/credentials", &from.credentials, &to.credentials)] {
        match (old, new) {
            (old, Some(new)) if old.as_ref() != Some(new) => patches.push(Patch::replace(path, new)),
            (Some(_), None) => return None,
            _ => {}
        }
    }
    if from.content_handling != to.content_handling {
        patches.push(Patch::replace("/contentHandling", to.content_handling.clone().unwrap_or_default()));
    }
    if from.passthrough != to.passthrough {
        patches.push(Patch::replace("/passthroughBehavior", &to.passthrough));
    }
    if from.timeout_millis != to.timeout_millis {
        patches.push(Patch::replace("/timeoutInMillis", to.timeout_millis.to_string()));
    }
    map_patches(&mut patches, "/requestParameters", &from.parameters, &to.parameters);
    map_patches(&mut patches, "/requestTemplates", &from.templates, &to.templates);
    Some(patches)
}

fn map_patches(
    patches: &mut Vec<Patch>,
    property: &str,
    from: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
) {
    let path = |key: &str| format!("{property}/{}", pointer_segment(key));
    for (key, value) in to {
        match from.get(key) {
            None => patches.push(Patch::add(path(key), value)),
            Some(old) if old != value => patches.push(Patch::replace(path(key), value)),
            Some(_) => {}
        }
    }
    patches.extend(from.keys().filter(|key| !to.contains_key(*key)).map(|key| Patch::remove(path(key))));
}

#[cfg(test)]
mod tests;

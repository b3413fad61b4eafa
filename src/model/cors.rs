//! Preflights: one OPTIONS method for each path whose routes let web pages call.

use std::collections::{BTreeMap, BTreeSet};

use super::attach::Attachment;
use crate::mapping::{self, Cors, Preflight};
use crate::resources::rest_api::settings::Settings;
use crate::resources::route::{
    At, DEFAULT_TIMEOUT_MILLIS, Desired, Integration, IntegrationResponse, Method, MethodResponse, Observed,
    response_header,
};
use crate::validate::route::operation_name;

/// Whose a preflight is: without `_`, so that no route can have it.
pub const OPERATION_NAME: &str = "stepgate-cors";

/// The preflights of a tree's paths. A route's own OPTIONS takes the place of one. While a route at the path is kept as it
/// is, so is the preflight, which belongs to the form that serves.
pub fn preflights(
    tree: &BTreeMap<At, Desired>,
    attachment: &Attachment,
    observed: &Observed,
    settings: &Settings,
) -> BTreeMap<At, Desired> {
    let rules: BTreeMap<String, Option<&Cors>> =
        attachment.attached.values().map(|route| (operation_name(&route.key), route.cors.as_ref())).collect();
    let there = |at: &At| match &tree[at] {
        Desired::Method(_) => true,
        Desired::Keep => observed.methods.contains_key(at),
    };
    let mut paths: BTreeMap<&str, Vec<&At>> = BTreeMap::new();
    for at in tree.keys().filter(|at| there(at)) {
        paths.entry(&at.path).or_default().push(at);
    }
    let mut made = BTreeMap::new();
    for (path, methods) in paths {
        let at = At { path: path.to_owned(), method: "OPTIONS".to_owned() };
        if tree.contains_key(&at) {
            continue;
        }
        let keeps = methods.iter().any(|at| tree[at] == Desired::Keep);
        let has = observed.methods.get(&at).is_some_and(|method| method.operation_name == OPERATION_NAME);
        if keeps && has {
            made.insert(at, Desired::Keep);
            continue;
        }
        let of_method = methods.iter().filter_map(|at| match &tree[at] {
            Desired::Method(method) => Some((at.method.as_str(), rules.get(&method.operation_name).copied().flatten())),
            Desired::Keep => None,
        });
        if let Some(preflight) = mapping::preflight(of_method) {
            made.insert(at, Desired::Method(Box::new(method(preflight, settings))));
        }
    }
    made
}

/// Browsers send no credentials with a preflight, so it asks for none; it answers with headers and nothing else.
fn method(preflight: Preflight, settings: &Settings) -> Method {
    const STATUS: &str = "204";
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    headers.extend(preflight.headers.iter().map(|(name, value)| (response_header(name), format!("'{value}'"))));
    let chosen = preflight.chosen.iter().map(|name| response_header(name));
    let declared: BTreeSet<String> = headers.keys().cloned().chain(chosen).collect();
    let template = preflight.template.map(|template| ("application/json".to_owned(), template));
    let templates = template.into_iter().collect();
    let response = IntegrationResponse { headers, templates, ..IntegrationResponse::default() };
    Method {
        operation_name: OPERATION_NAME.to_owned(),
        authorization: "NONE".to_owned(),
        authorizer: None,
        scopes: BTreeSet::new(),
        api_key_required: false,
        parameters: BTreeMap::new(),
        models: BTreeMap::new(),
        validator: None,
        integration: Some(Integration {
            type_: "MOCK".to_owned(),
            http_method: None,
            uri: None,
            credentials: None,
            parameters: BTreeMap::new(),
            templates: BTreeMap::from([("application/json".to_owned(), format!("{{\"statusCode\": {STATUS}}}"))]),
            passthrough: "NEVER".to_owned(),
            timeout_millis: DEFAULT_TIMEOUT_MILLIS,
            content_handling: settings.mock_content_handling(),
        }),
        responses: BTreeMap::from([(
            STATUS.to_owned(),
            MethodResponse { headers: declared, ..MethodResponse::default() },
        )]),
        integration_responses: BTreeMap::from([(STATUS.to_owned(), response)]),
    }
}

//! API Gateway's REST APIs: the tree of resources and methods, deployments, which are snapshots of it, and stages.

mod access_associations;
mod account;
mod api_keys;
mod apis;
mod authorizers;
mod checks;
mod client_certificates;
mod deployments;
pub(super) mod domains;
mod export;
pub(super) mod gateway_responses;
mod integrations;
mod methods;
mod models;
mod patch;
mod policy;
mod recent;
mod resources;
mod responses;
pub(super) mod routes;
mod settings;
mod stages;
mod usage_plans;
mod validators;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::wire::{Path, Refusal, Request, marker, page, read_marker};
use super::{Context, Region};
pub use access_associations::AccessAssociation;
pub(super) use account::account;
pub use api_keys::ApiKey;
pub use authorizers::Authorizer;
use checks::{bad, not_found};
pub use client_certificates::ClientCertificate;
pub use domains::{BasePathMapping, DomainName};
use patch::Patch;
pub(super) use recent::Recent;
use routes::operation;
pub use usage_plans::UsagePlan;
pub use validators::Validator;

/// REST APIs by id.
type Apis = BTreeMap<String, Api>;
/// Mapping templates by content type; an empty one is none (rec).
pub type Templates = BTreeMap<String, Option<String>>;
/// Status and body of an answer; no body is `null`.
type Answer = Result<(u16, Value), Refusal>;

/// A REST API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// Ten letters and digits.
    pub id: String,
    /// Not unique.
    pub name: String,
    /// Never empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub created_date: Duration,
    /// Content types that are bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binary_media_types: Vec<String>,
    /// In bytes; absent means off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_compression_size: Option<i64>,
    /// `HEADER` or `AUTHORIZER`.
    pub api_key_source: String,
    /// Its kind of endpoint.
    pub endpoint_configuration: Endpoint,
    /// Whether only custom domains answer.
    pub disable_execute_api_endpoint: bool,
    /// The resource policy, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "policy::escaped")]
    pub policy: Option<String>,
    /// The id of `/`.
    pub root_resource_id: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Its models by name.
    #[serde(skip)]
    pub models: BTreeMap<String, models::Model>,
    /// Its request validators by id.
    #[serde(skip)]
    pub validators: BTreeMap<String, Validator>,
    /// Its resources by id.
    #[serde(skip)]
    pub resources: BTreeMap<String, Resource>,
    /// What the gateway itself answers, by type, where that is not AWS's own.
    #[serde(skip)]
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// Its authorizers by id.
    #[serde(skip)]
    pub authorizers: BTreeMap<String, Authorizer>,
    /// Its deployments by id.
    #[serde(skip)]
    pub deployments: BTreeMap<String, Deployment>,
    /// Its stages by name.
    #[serde(skip)]
    pub stages: BTreeMap<String, Stage>,
}

/// Where an API is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// One of `EDGE`, `REGIONAL`, `PRIVATE`.
    #[serde(default)]
    pub types: Vec<String>,
    /// `ipv4` or `dualstack`.
    #[serde(default)]
    pub ip_address_type: String,
    /// Of a private API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vpc_endpoint_ids: Vec<String>,
}

/// A resource: one segment of a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Six letters and digits; the root's has ten.
    pub id: String,
    /// None at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// None at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_part: Option<String>,
    /// Its methods by verb.
    #[serde(default, rename = "resourceMethods", skip_serializing_if = "BTreeMap::is_empty")]
    pub methods: BTreeMap<String, Method>,
}

/// A method of a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Method {
    /// The client's verb, or `ANY`.
    #[serde(default)]
    pub http_method: String,
    /// `NONE`, `AWS_IAM`, `CUSTOM` or `COGNITO_USER_POOLS`.
    #[serde(default)]
    pub authorization_type: String,
    /// Of `CUSTOM` and `COGNITO_USER_POOLS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer_id: Option<String>,
    /// Whether callers need an API key.
    #[serde(default)]
    pub api_key_required: bool,
    /// Checks requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_validator_id: Option<String>,
    /// For people and generated SDKs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// Declared parameters, and whether they are required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_parameters: Option<BTreeMap<String, bool>>,
    /// Models by content type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_models: Option<BTreeMap<String, String>>,
    /// OAuth scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_scopes: Option<Vec<String>>,
    /// Declared responses by status.
    #[serde(default, rename = "methodResponses", skip_serializing_if = "BTreeMap::is_empty")]
    pub responses: BTreeMap<String, MethodResponse>,
    /// What answers.
    #[serde(rename = "methodIntegration", skip_serializing_if = "Option::is_none")]
    pub integration: Option<Integration>,
}

/// A declared response of a method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MethodResponse {
    /// Its status.
    #[serde(default)]
    pub status_code: String,
    /// Declared headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_parameters: Option<BTreeMap<String, bool>>,
    /// Models by content type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_models: Option<BTreeMap<String, String>>,
}

/// What answers a method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Integration {
    /// `AWS`, `AWS_PROXY`, `HTTP`, `HTTP_PROXY` or `MOCK`.
    #[serde(default)]
    pub r#type: String,
    /// The backend's verb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// The backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Of `HTTP` and `HTTP_PROXY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_type: Option<String>,
    /// The role that calls the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// What the backend request's parameters are set to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_parameters: Option<BTreeMap<String, String>>,
    /// Mapping templates by content type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_templates: Option<Templates>,
    /// What becomes of other content types.
    #[serde(default)]
    pub passthrough_behavior: String,
    /// Conversion of bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<String>,
    /// In milliseconds.
    #[serde(default)]
    pub timeout_in_millis: i64,
    /// The resource's id unless said otherwise.
    #[serde(default)]
    pub cache_namespace: String,
    /// Parameters that make the cache's key.
    #[serde(default)]
    pub cache_key_parameters: Vec<String>,
    /// By status.
    #[serde(default, rename = "integrationResponses", skip_serializing_if = "BTreeMap::is_empty")]
    pub responses: BTreeMap<String, IntegrationResponse>,
}

/// Which answers of the backend become which response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntegrationResponse {
    /// The response's status.
    #[serde(default)]
    pub status_code: String,
    /// A regular expression; absent for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection_pattern: Option<String>,
    /// What the response's headers are set to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_parameters: Option<BTreeMap<String, String>>,
    /// Mapping templates by content type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_templates: Option<Templates>,
    /// Conversion of bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<String>,
}

/// What the gateway itself answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayResponse {
    /// Its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<String>,
    /// What its headers are set to.
    #[serde(default)]
    pub response_parameters: BTreeMap<String, String>,
    /// Bodies by content type.
    #[serde(default)]
    pub response_templates: BTreeMap<String, String>,
}

/// A snapshot of an API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Six letters and digits.
    pub id: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub created_date: Duration,
    /// The methods by path and verb.
    #[serde(skip)]
    pub snapshot: BTreeMap<String, BTreeMap<String, Method>>,
    /// What the gateway itself answers.
    #[serde(skip)]
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// The authorizers that they name, by id.
    #[serde(skip)]
    pub authorizers: BTreeMap<String, Authorizer>,
    /// The request validators, by id.
    #[serde(skip)]
    pub validators: BTreeMap<String, Validator>,
}

/// A name under which a deployment is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Its name.
    pub stage_name: String,
    /// What it serves.
    pub deployment_id: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub created_date: Duration,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub last_updated_date: Duration,
    /// Whether answers are cached.
    pub cache_cluster_enabled: bool,
    /// In GB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_cluster_size: Option<String>,
    /// Whether the cache is there.
    pub cache_cluster_status: String,
    /// For the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_id: Option<String>,
    /// Of the API's documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation_version: Option<String>,
    /// Whether X-Ray traces it.
    pub tracing_enabled: bool,
    /// What a part of its requests gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_settings: Option<Canary>,
    /// Its variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Logging, metrics, throttling and caching by `path/VERB`.
    pub method_settings: BTreeMap<String, settings::MethodSettings>,
    /// Where and how access is logged.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub access_log_settings: BTreeMap<String, String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// What a part of a stage's requests gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// What it serves.
    pub deployment_id: String,
    /// Which part, from 0 to 100.
    pub percent_traffic: f64,
    /// Variables that are other or more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stage_variable_overrides: BTreeMap<String, String>,
    /// Whether it answers from the stage's cache.
    pub use_stage_cache: bool,
}

/// Whole seconds, as answers have them.
mod seconds {
    use super::*;

    pub fn serialize<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(at.as_secs())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    api: &'a str,
    resource: &'a str,
    verb: &'a str,
    status: &'a str,
    /// An authorizer's, deployment's, usage plan's or API key's id, a stage's name, a gateway response's type, or the ARN of what is tagged.
    name: &'a str,
}

pub(super) fn call(context: &mut Context<'_>, region: &mut Region, request: &Request) -> Answer {
    let answer = of_region(context, region, request);
    if answer.is_ok() && request.method() == http::Method::DELETE {
        usage_plans::forget(region);
    }
    answer
}

/// What is not part of an API.
fn of_region(context: &mut Context<'_>, region: &mut Region, request: &Request) -> Answer {
    let path = Path::of(request);
    let segments = path.segments();
    let (operation, at) =
        operation(request.method().as_str(), &segments).ok_or_else(|| Refusal::unknown(request.uri().path()))?;
    let mut body = super::wire::json(request.body())?;
    let patches = checks::model(operation, at, &mut body)?;
    match operation {
        "CreateApiKey" => api_keys::create(context, region, body),
        "GetApiKeys" => api_keys::list(region, &path),
        "GetApiKey" => api_keys::get(region, at, &path),
        "UpdateApiKey" => api_keys::update(context, region, at, &patches),
        "DeleteApiKey" => api_keys::delete(region, at),
        "CreateUsagePlan" => usage_plans::create(context, region, body),
        "GetUsagePlans" => usage_plans::list(region, &path),
        "GetUsagePlan" => usage_plans::get(region, at),
        "UpdateUsagePlan" => usage_plans::update(region, at, &patches),
        "DeleteUsagePlan" => usage_plans::delete(region, at),
        "CreateUsagePlanKey" => usage_plans::attach(region, at, body),
        "GetUsagePlanKeys" => usage_plans::keys(region, at, &path),
        "DeleteUsagePlanKey" => usage_plans::detach(region, at, at.resource),
        "GenerateClientCertificate" => client_certificates::generate(context, region, body),
        "GetClientCertificates" => client_certificates::list(region, &path),
        "GetClientCertificate" => client_certificates::get(region, at),
        "DeleteClientCertificate" => client_certificates::delete(region, at),
        "GetTags" => apis::get_tags(context, region, at),
        "TagResource" => apis::tag(context, region, at, body),
        "UntagResource" => apis::untag(context, region, at, &path),
        _ => {
            if operation == "UpdateStage" {
                client_certificates::check(context, region, &patches)?;
            }
            let is_change = request.method() != http::Method::GET;
            if is_change {
                recent::check(context, &region.recent, (operation, at), &body, &patches)?;
            }
            let answer = of_api(context, &mut region.apis, request)?;
            if is_change && region.apis.contains_key(at.api) {
                recent::note(context, &mut region.recent, (operation, at), &answer.1);
            }
            Ok(answer)
        }
    }
}

fn of_api(context: &mut Context<'_>, apis: &mut Apis, request: &Request) -> Answer {
    let path = Path::of(request);
    let segments = path.segments();
    let (operation, at) =
        operation(request.method().as_str(), &segments).ok_or_else(|| Refusal::unknown(request.uri().path()))?;
    let mut body = super::wire::json(request.body())?;
    let patches = checks::model(operation, at, &mut body)?;
    match operation {
        "CreateRestApi" => apis::create(context, apis, body),
        "GetRestApis" => apis::list(context, apis, &path),
        "GetRestApi" => apis::get(context, apis, at),
        "UpdateRestApi" => apis::update(context, apis, at, &patches),
        "DeleteRestApi" => apis::delete(context, apis, at),
        "CreateResource" => resources::create(context, apis, at, body),
        "GetResources" => resources::list(context, apis, at, &path),
        "GetResource" => resources::get(apis, at, &path),
        "UpdateResource" => resources::update(apis, at, &patches),
        "DeleteResource" => resources::delete(apis, at),
        "PutMethod" => methods::put(apis, at, body),
        "GetMethod" => Ok((200, json!(apis.method(at)?))),
        "UpdateMethod" => methods::update(apis, at, &patches),
        "DeleteMethod" => methods::delete(apis, at),
        "PutMethodResponse" => responses::put_method(apis, at, body),
        "GetMethodResponse" => responses::get_method(apis, at),
        "UpdateMethodResponse" => responses::update_method(apis, at, &patches),
        "DeleteMethodResponse" => responses::delete_method(apis, at),
        "PutIntegration" => integrations::put(context, apis, at, body),
        "GetIntegration" => Ok((200, json!(apis.integration(at)?))),
        "UpdateIntegration" => integrations::update(context, apis, at, &patches),
        "DeleteIntegration" => integrations::delete(apis, at),
        "PutIntegrationResponse" => responses::put_integration(apis, at, body),
        "GetIntegrationResponse" => responses::get_integration(apis, at),
        "UpdateIntegrationResponse" => responses::update_integration(apis, at, &patches),
        "DeleteIntegrationResponse" => responses::delete_integration(apis, at),
        "CreateModel" => models::create(context, apis, at, body),
        "GetModels" => models::list(context, apis, at, &path),
        "GetModel" => models::get(apis, at),
        "UpdateModel" => models::update(apis, at, &patches),
        "DeleteModel" => models::delete(apis, at),
        "CreateRequestValidator" => validators::create(context, apis, at, body),
        "GetRequestValidators" => validators::list(context, apis, at, &path),
        "GetRequestValidator" => validators::get(apis, at),
        "UpdateRequestValidator" => validators::update(apis, at, &patches),
        "DeleteRequestValidator" => validators::delete(apis, at),
        "GetGatewayResponses" => gateway_responses::list(context, apis, at),
        "GetGatewayResponse" => gateway_responses::get(context, apis, at),
        "PutGatewayResponse" => gateway_responses::put(context, apis, at, body),
        "DeleteGatewayResponse" => gateway_responses::delete(context, apis, at),
        "CreateAuthorizer" => authorizers::create(context, apis, at, body),
        "GetAuthorizers" => authorizers::list(context, apis, at, &path),
        "GetAuthorizer" => authorizers::get(context, apis, at),
        "UpdateAuthorizer" => authorizers::update(context, apis, at, &patches),
        "DeleteAuthorizer" => authorizers::delete(context, apis, at),
        "CreateDeployment" => deployments::create(context, apis, at, body),
        "GetDeployments" => deployments::list(context, apis, at, &path),
        "GetDeployment" => deployments::get(context, apis, at, &path),
        "UpdateDeployment" => deployments::update(context, apis, at, &patches),
        "DeleteDeployment" => deployments::delete(context, apis, at),
        "CreateStage" => stages::create(context, apis, at, body),
        "GetStages" => stages::list(context, apis, at, &path),
        "GetStage" => stages::get(context, apis, at),
        "GetExport" => export::get(context, apis, at, &path),
        "UpdateStage" => stages::update(context, apis, at, &patches),
        "DeleteStage" => stages::delete(context, apis, at),
        _ => Err(Refusal::unknown(format!("apigateway:{operation}"))),
    }
}

/// rec: with the account's id.
fn no_api(context: &Context<'_>, id: &str) -> Refusal {
    not_found(format!("Invalid API identifier specified {}:{id}", context.account))
}

fn no_resource() -> Refusal {
    not_found("Invalid Resource identifier specified")
}

fn find<'a>(context: &Context<'_>, apis: &'a mut Apis, id: &str) -> Result<&'a mut Api, Refusal> {
    apis.get_mut(id).ok_or_else(|| no_api(context, id))
}

/// Below an API, an unknown API is answered as an unknown resource (rec).
trait Find {
    fn resource(&mut self, at: Place<'_>) -> Result<&mut Resource, Refusal>;
    fn method(&mut self, at: Place<'_>) -> Result<&mut Method, Refusal>;
    fn integration(&mut self, at: Place<'_>) -> Result<&mut Integration, Refusal>;
}

impl Find for Apis {
    fn resource(&mut self, at: Place<'_>) -> Result<&mut Resource, Refusal> {
        let found = self.get_mut(at.api).and_then(|api| api.resources.get_mut(at.resource));
        found.ok_or_else(no_resource)
    }

    fn method(&mut self, at: Place<'_>) -> Result<&mut Method, Refusal> {
        let found = self.resource(at)?.methods.get_mut(at.verb);
        found.ok_or_else(|| not_found("Invalid Method identifier specified"))
    }

    fn integration(&mut self, at: Place<'_>) -> Result<&mut Integration, Refusal> {
        let found = self.method(at)?.integration.as_mut();
        found.ok_or_else(|| not_found("Invalid Integration identifier specified"))
    }
}

/// One page of a collection: 25 items unless `limit` says otherwise, and never more than 500 (doc).
fn listed(path: &Path, items: Vec<(String, Value)>) -> Answer {
    let size = path.get("limit").and_then(|text| text.parse::<usize>().ok()).unwrap_or(25).clamp(1, 500);
    let after = match path.get("position") {
        None => None,
        Some(text) => Some(read_marker(text).ok_or_else(|| bad("Invalid position parameter"))?),
    };
    let (items, next) = page(items, after.as_deref(), size);
    let mut answer = json!({"item": items});
    if let Some(next) = next {
        answer["position"] = json!(marker(&next));
    }
    Ok((200, answer))
}

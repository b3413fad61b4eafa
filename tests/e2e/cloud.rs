//! AWS by its own SDKs: for changes behind the operator's back, and for all that there is of an object.

use std::collections::{BTreeMap, BTreeSet};

use aws_credential_types::Credentials;
use aws_sdk_apigateway::types::{
    ApiKeySourceType, Authorizer, EndpointConfiguration, GatewayResponse, Method, Model, Op, PatchOperation,
    RequestValidator,
};
use aws_smithy_http_client::Builder;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;
use serde_json::Value;

type Texts = BTreeMap<String, String>;

/// Clients of the emulator; they belong to one test's runtime.
pub struct Cloud {
    pub apigateway: aws_sdk_apigateway::Client,
    pub sfn: aws_sdk_sfn::Client,
    pub iam: aws_sdk_iam::Client,
}

/// A REST API with all that is in it; equal when only ids and dates that AWS gave differ.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiView {
    pub name: String,
    pub description: Option<String>,
    pub tags: Texts,
    /// By verb and path.
    pub methods: BTreeMap<String, Method>,
    /// Deployment and variables by name.
    pub stages: BTreeMap<String, (String, Texts)>,
    pub settings: ApiSettings,
    /// By name.
    pub models: BTreeMap<String, Model>,
    /// By name.
    pub authorizers: BTreeMap<String, Authorizer>,
    /// By name.
    pub validators: BTreeMap<String, RequestValidator>,
    /// By type, AWS's own among them.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
}

/// What holds for a REST API as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiSettings {
    pub version: Option<String>,
    pub binary_media_types: BTreeSet<String>,
    pub minimum_compression_size: Option<i32>,
    pub api_key_source: Option<ApiKeySourceType>,
    pub endpoint: Option<EndpointConfiguration>,
    pub disable_execute_api_endpoint: bool,
    /// The resource policy.
    pub policy: Option<String>,
}

/// A state machine; equal when only dates and AWS's own ids differ.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineView {
    pub definition: String,
    pub role_arn: String,
    pub tracing: bool,
    /// The level, and the log group.
    pub logging: Option<(String, String)>,
    pub tags: Texts,
}

/// A role; equal when only dates and AWS's own ids differ.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleView {
    pub trust: Value,
    pub policies: BTreeMap<String, Value>,
    pub managed_policies: BTreeSet<String>,
    pub tags: Texts,
}

/// A customer-managed policy; equal when only dates and AWS's own ids differ.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyView {
    pub document: String,
    pub versions: usize,
    pub tags: Texts,
}

impl RoleView {
    /// What it allows: `action resource`, sorted.
    pub fn allows(&self) -> BTreeSet<String> {
        let list = |value: &Value| match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            one => one.as_str().map(str::to_owned).into_iter().collect::<Vec<_>>(),
        };
        let statements = self.policies.values().filter_map(|policy| policy["Statement"].as_array()).flatten();
        let allowing = statements.filter(|statement| statement["Effect"] == "Allow");
        allowing
            .flat_map(|statement| {
                let resources = list(&statement["Resource"]);
                list(&statement["Action"]).into_iter().flat_map(move |action| {
                    resources.clone().into_iter().map(move |resource| format!("{action} {resource}"))
                })
            })
            .collect()
    }
}

impl Cloud {
    /// For the emulator at this URL.
    pub fn new(endpoint: &str) -> Cloud {
        Cloud::of_key(endpoint, "test")
    }

    /// For another of its accounts: LocalStack takes an access key of twelve digits for the account's id.
    pub fn in_account(endpoint: &str, account: &str) -> Cloud {
        Cloud::of_key(endpoint, account)
    }

    fn of_key(endpoint: &str, key: &str) -> Cloud {
        let credentials = Credentials::new(key, "test", None, None, "e2e");
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(Builder::new().build_http())
            .build();
        Cloud {
            apigateway: aws_sdk_apigateway::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
        }
    }

    /// A REST API, where it is there.
    pub async fn rest_api(&self, id: &str) -> Option<ApiView> {
        let api = match self.apigateway.get_rest_api().rest_api_id(id).send().await {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found_exception()) => return None,
            answer => answer.unwrap(),
        };
        let mut methods = BTreeMap::new();
        let resources = self.apigateway.get_resources().rest_api_id(id).embed("methods").limit(500).send().await;
        for resource in resources.unwrap().items.unwrap_or_default() {
            let path = resource.path.unwrap();
            for (verb, mut method) in resource.resource_methods.unwrap_or_default() {
                if let Some(integration) = &mut method.method_integration {
                    // The resource's id.
                    integration.cache_namespace = None;
                }
                methods.insert(format!("{verb} {path}"), method);
            }
        }
        let stages = self.apigateway.get_stages().rest_api_id(id).send().await.unwrap().item.unwrap_or_default();
        let stages = stages.into_iter().map(|stage| {
            let variables = stage.variables.unwrap_or_default().into_iter().collect();
            (stage.stage_name.unwrap(), (stage.deployment_id.unwrap_or_default(), variables))
        });
        let of_api = &self.apigateway;
        let models = of_api.get_models().rest_api_id(id).limit(500).send().await.unwrap().items.unwrap_or_default();
        let models = models.into_iter().map(|mut model| {
            model.id = None;
            // References to others name the API.
            model.schema = model.schema.map(|schema| schema.replace(id, "API"));
            (model.name.clone().unwrap(), model)
        });
        let authorizers = of_api.get_authorizers().rest_api_id(id).limit(500).send().await.unwrap().items;
        let authorizers = authorizers.unwrap_or_default().into_iter().map(|mut authorizer| {
            authorizer.id = None;
            (authorizer.name.clone().unwrap(), authorizer)
        });
        let validators = of_api.get_request_validators().rest_api_id(id).limit(500).send().await.unwrap().items;
        let validators = validators.unwrap_or_default().into_iter().map(|mut validator| {
            validator.id = None;
            (validator.name.clone().unwrap(), validator)
        });
        let responses = of_api.get_gateway_responses().rest_api_id(id).limit(500).send().await.unwrap().items;
        let responses = responses.unwrap_or_default().into_iter();
        let responses = responses.map(|response| (response.response_type.as_ref().unwrap().to_string(), response));
        Some(ApiView {
            settings: ApiSettings {
                version: api.version,
                binary_media_types: api.binary_media_types.unwrap_or_default().into_iter().collect(),
                minimum_compression_size: api.minimum_compression_size,
                api_key_source: api.api_key_source,
                endpoint: api.endpoint_configuration,
                disable_execute_api_endpoint: api.disable_execute_api_endpoint,
                policy: api.policy,
            },
            models: models.collect(),
            authorizers: authorizers.collect(),
            validators: validators.collect(),
            gateway_responses: responses.collect(),
            name: api.name.unwrap_or_default(),
            description: api.description,
            tags: api.tags.unwrap_or_default().into_iter().collect(),
            methods,
            stages: stages.collect(),
        })
    }

    /// The ids of the REST APIs whose tags hold this value under this key.
    pub async fn apis_tagged(&self, key: &str, value: &str) -> Vec<String> {
        let apis = self.apigateway.get_rest_apis().limit(500).send().await.unwrap().items.unwrap_or_default();
        let tagged = |tags: &Option<std::collections::HashMap<String, String>>| {
            tags.as_ref().and_then(|tags| tags.get(key)).is_some_and(|has| has == value)
        };
        apis.into_iter().filter(|api| tagged(&api.tags)).filter_map(|api| api.id).collect()
    }

    /// The id of the resource with this path.
    pub async fn resource(&self, api: &str, path: &str) -> String {
        let resources = self.apigateway.get_resources().rest_api_id(api).limit(500).send().await.unwrap();
        let found = resources.items.unwrap_or_default().into_iter().find(|it| it.path.as_deref() == Some(path));
        found.and_then(|resource| resource.id).unwrap_or_else(|| panic!("API {api} has no resource {path}"))
    }

    /// Deployments: descriptions by id; none where the API is gone.
    pub async fn deployments(&self, api: &str) -> Texts {
        let found = match self.apigateway.get_deployments().rest_api_id(api).limit(500).send().await {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found_exception()) => None,
            answer => answer.unwrap().items,
        };
        let found = found.unwrap_or_default().into_iter();
        found.map(|it| (it.id.unwrap(), it.description.unwrap_or_default())).collect()
    }

    /// A state machine, where it is there.
    pub async fn machine(&self, arn: &str) -> Option<MachineView> {
        let machine = match self.sfn.describe_state_machine().state_machine_arn(arn).send().await {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_state_machine_does_not_exist()) => {
                return None;
            }
            answer => answer.unwrap(),
        };
        let tags = self.sfn.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags.unwrap_or_default();
        Some(MachineView {
            definition: machine.definition,
            role_arn: machine.role_arn,
            tracing: machine.tracing_configuration.is_some_and(|tracing| tracing.enabled),
            logging: machine.logging_configuration.and_then(|logging| {
                let level = logging.level.filter(|level| level.as_str() != "OFF")?.to_string();
                let group = logging.destinations?.pop()?.cloud_watch_logs_log_group?.log_group_arn?;
                Some((level, group))
            }),
            tags: tags.into_iter().map(|tag| (tag.key.unwrap(), tag.value.unwrap_or_default())).collect(),
        })
    }

    /// A role by name or ARN, where it is there.
    pub async fn role(&self, role: &str) -> Option<RoleView> {
        let name = role_name(role);
        let found = match self.iam.get_role().role_name(name).send().await {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => {
                return None;
            }
            answer => answer.unwrap().role.unwrap(),
        };
        let mut policies = BTreeMap::new();
        for policy in self.iam.list_role_policies().role_name(name).send().await.unwrap().policy_names {
            match self.iam.get_role_policy().role_name(name).policy_name(&policy).send().await {
                // The operator took it away since it was listed.
                Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => {}
                text => _ = policies.insert(policy, document(&text.unwrap().policy_document)),
            }
        }
        let attached = self.iam.list_attached_role_policies().role_name(name).send().await.unwrap();
        let attached = attached.attached_policies.unwrap_or_default().into_iter();
        Some(RoleView {
            trust: document(&found.assume_role_policy_document.unwrap_or_default()),
            policies,
            managed_policies: attached.filter_map(|policy| policy.policy_arn).collect(),
            tags: found.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        })
    }

    /// A customer-managed policy, where it is there.
    pub async fn policy(&self, arn: &str) -> Option<PolicyView> {
        let found = match self.iam.get_policy().policy_arn(arn).send().await {
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => {
                return None;
            }
            answer => answer.unwrap().policy.unwrap(),
        };
        // Version and policy may go while they are read: the next look shows what is.
        let versions = self.iam.list_policy_versions().policy_arn(arn).send().await.ok()?.versions.unwrap_or_default();
        let version = found.default_version_id.unwrap();
        let text = self.iam.get_policy_version().policy_arn(arn).version_id(version).send().await;
        let text = text.ok().and_then(|answer| answer.policy_version?.document);
        Some(PolicyView {
            document: text.map(|text| document(&text).to_string()).unwrap_or_default(),
            versions: versions.len(),
            tags: found.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        })
    }

    /// The ARN of the role with which API Gateway answers a route, such as `POST /orders`.
    pub async fn invoke_role(&self, api: &str, route: &str) -> String {
        let view = self.rest_api(api).await.unwrap();
        let method = view.methods.get(route).unwrap_or_else(|| panic!("API {api} has no {route}"));
        method.method_integration.as_ref().and_then(|it| it.credentials.clone()).unwrap()
    }

    /// Deletes a role with its policies, again while somebody writes new ones.
    pub async fn delete_role(&self, role: &str) {
        let name = role_name(role);
        loop {
            let view = self.role(name).await.unwrap();
            for policy in view.policies.keys() {
                let _ = self.iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
            }
            for arn in view.managed_policies {
                let _ = self.iam.detach_role_policy().role_name(name).policy_arn(arn).send().await;
            }
            if self.iam.delete_role().role_name(name).send().await.is_ok() {
                return;
            }
        }
    }
}

/// One patch that replaces a property.
pub fn replace(path: &str, value: &str) -> PatchOperation {
    PatchOperation::builder().op(Op::Replace).path(path).value(value).build()
}

/// The name in a role's ARN.
pub fn role_name(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

/// IAM answers with URL-encoded documents.
fn document(text: &str) -> Value {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| std::str::from_utf8(&after[..2]).unwrap());
        bytes.push(escaped.map_or(first, |hex| u8::from_str_radix(hex, 16).unwrap()));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    serde_json::from_slice(&bytes).unwrap()
}

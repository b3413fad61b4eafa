//! API Gateway's calls for resources, methods, integrations and responses.

use std::collections::BTreeMap;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{ContentHandlingStrategy, IntegrationType, Method as SdkMethod};

use super::{
    At, DEFAULT_TIMEOUT_MILLIS, Integration, IntegrationResponse, Method, MethodResponse, Observed, Patch, Step,
    integration_patches, method_patches, method_response_patches, parent,
};
use crate::aws::{AwsError, Class};
use crate::resources::{authorizer, sdk_patches};

/// Reads the whole tree: one call for every 500 resources (AWS.md §2). A method's authorizer is its id.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<Observed, AwsError> {
    let resources = apigateway
        .get_resources()
        .rest_api_id(api)
        .embed("methods")
        .limit(500)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("GetResources"))?;
    let mut observed = Observed::default();
    for resource in resources {
        let (Some(id), Some(path)) = (resource.id, resource.path) else { continue };
        for (verb, method) in resource.resource_methods.unwrap_or_default() {
            observed.methods.insert(At { path: path.clone(), method: verb }, observed_method(method));
        }
        observed.resources.insert(path, id);
    }
    Ok(observed)
}

fn observed_method(method: SdkMethod) -> Method {
    let mut integration_responses = BTreeMap::new();
    let integration = method.method_integration.map(|integration| {
        for (status, response) in integration.integration_responses.unwrap_or_default() {
            integration_responses.insert(
                status,
                IntegrationResponse {
                    selection_pattern: response.selection_pattern.filter(|pattern| !pattern.is_empty()),
                    headers: response.response_parameters.unwrap_or_default().into_iter().collect(),
                    templates: response.response_templates.unwrap_or_default().into_iter().collect(),
                    content_handling: response.content_handling.map(|it| it.as_str().to_owned()),
                },
            );
        }
        Integration {
            type_: integration.r#type.map(|t| t.as_str().to_owned()).unwrap_or_default(),
            http_method: integration.http_method,
            uri: integration.uri,
            credentials: integration.credentials,
            parameters: integration.request_parameters.unwrap_or_default().into_iter().collect(),
            templates: integration.request_templates.unwrap_or_default().into_iter().collect(),
            content_handling: integration.content_handling.map(|it| it.as_str().to_owned()),
            passthrough: integration.passthrough_behavior.unwrap_or_default(),
            timeout_millis: match integration.timeout_in_millis {
                0 => DEFAULT_TIMEOUT_MILLIS,
                millis => millis,
            },
        }
    });
    let authorization = method.authorization_type.unwrap_or_else(|| "NONE".to_owned());
    Method {
        operation_name: method.operation_name.unwrap_or_default(),
        // AWS keeps the id where the type asks for no authorizer any more.
        authorizer: method.authorizer_id.filter(|_| ["CUSTOM", "COGNITO_USER_POOLS"].contains(&&*authorization)),
        authorization,
        scopes: method.authorization_scopes.unwrap_or_default().into_iter().collect(),
        api_key_required: method.api_key_required.unwrap_or_default(),
        parameters: method.request_parameters.unwrap_or_default().into_iter().collect(),
        models: method.request_models.unwrap_or_default().into_iter().collect(),
        validator: method.request_validator_id.filter(|id| !id.is_empty()),
        integration,
        responses: method
            .method_responses
            .unwrap_or_default()
            .into_iter()
            .map(|(status, response)| {
                let headers = response.response_parameters.unwrap_or_default().into_keys().collect();
                let models = response.response_models.unwrap_or_default().into_iter().collect();
                (status, MethodResponse { headers, models })
            })
            .collect(),
        integration_responses,
    }
}

/// The ids of what methods name.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// Of authorizers, by name.
    pub authorizers: &'a BTreeMap<String, String>,
    /// Of request validators, by name.
    pub validators: &'a BTreeMap<String, String>,
}

/// Carries out one step. `resources` are the ids by path, and gain those of new resources.
///
/// # Errors
/// What AWS answers; that something to be deleted is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    api: &str,
    resources: &mut BTreeMap<String, String>,
    named: Named<'_>,
    step: &Step,
) -> Result<(), AwsError> {
    match step {
        Step::CreateResource { path } => {
            let parent_id = id(resources, parent(path), "CreateResource")?;
            let part = path.rsplit('/').next().unwrap_or_default();
            let created = apigateway
                .create_resource()
                .rest_api_id(api)
                .parent_id(parent_id)
                .path_part(part)
                .send()
                .await
                .map_err(AwsError::of("CreateResource"))?;
            let id = created.id.ok_or_else(|| AwsError::incomplete("CreateResource", "id"))?;
            resources.insert(path.clone(), id);
            Ok(())
        }
        Step::Put { at, from, to } => {
            let resource = id(resources, &at.path, "PutMethod")?;
            let place = Place { apigateway, api, resource, verb: &at.method, named };
            let Err(error) = place.change(from.as_deref(), to).await else { return Ok(()) };
            if error.class.is_about_what_was_asked() {
                place.restore(at, from.as_deref()).await?;
            }
            Err(error)
        }
        Step::Delete { at } => {
            let Some(resource) = resources.get(&at.path) else { return Ok(()) };
            Place { apigateway, api, resource, verb: &at.method, named }.delete().await
        }
        Step::DeleteResource { id, .. } => {
            let answer = apigateway.delete_resource().rest_api_id(api).resource_id(id).send().await;
            gone_is_fine(answer.map_err(AwsError::of("DeleteResource")))
        }
    }
}

fn id<'a>(resources: &'a BTreeMap<String, String>, path: &str, operation: &'static str) -> Result<&'a str, AwsError> {
    resources.get(path).map(String::as_str).ok_or_else(|| AwsError::incomplete(operation, "resource for its path"))
}

/// One method of one resource.
struct Place<'a> {
    apigateway: &'a Client,
    api: &'a str,
    resource: &'a str,
    verb: &'a str,
    named: Named<'a>,
}

impl Place<'_> {
    /// Changes only what differs.
    async fn change(&self, from: Option<&Method>, to: &Method) -> Result<(), AwsError> {
        match from {
            None => self.put_method(to).await?,
            Some(from) => {
                let id = |name: &str| self.authorizer(name).unwrap_or_default();
                let patches = method_patches(from, to, id, self.validator(to).unwrap_or_default());
                if !patches.is_empty() {
                    self.apigateway
                        .update_method()
                        .rest_api_id(self.api)
                        .resource_id(self.resource)
                        .http_method(self.verb)
                        .set_patch_operations(sdk_patches(&patches))
                        .send()
                        .await
                        .map_err(AwsError::of("UpdateMethod"))?;
                }
            }
        }
        let none = BTreeMap::new();
        let had = from.map_or(&none, |from| &from.responses);
        let mut last = Vec::new();
        for (status, response) in &to.responses {
            let Some(old) = had.get(status) else {
                self.put_method_response(status, response).await?;
                continue;
            };
            let (first, then) = method_response_patches(old, response);
            self.update_method_response(status, &first).await?;
            last.push((status, then));
        }
        let mut had_integration_responses = from.map(|from| from.integration_responses.clone()).unwrap_or_default();
        let from_integration = from.and_then(|from| from.integration.as_ref());
        if let Some(integration) = &to.integration
            && from_integration != Some(integration)
        {
            match from_integration.and_then(|old| integration_patches(old, integration)) {
                Some(patches) => {
                    self.apigateway
                        .update_integration()
                        .rest_api_id(self.api)
                        .resource_id(self.resource)
                        .http_method(self.verb)
                        .set_patch_operations(sdk_patches(&patches))
                        .send()
                        .await
                        .map_err(AwsError::of("UpdateIntegration"))?;
                }
                None => {
                    self.put_integration(integration).await?;
                    // PutIntegration replaces the integration with its responses.
                    had_integration_responses.clear();
                }
            }
        }
        for (status, response) in &to.integration_responses {
            if had_integration_responses.get(status) != Some(response) {
                self.put_integration_response(status, response).await?;
            }
        }
        for status in had_integration_responses.keys().filter(|status| !to.integration_responses.contains_key(*status))
        {
            let answer = self
                .apigateway
                .delete_integration_response()
                .rest_api_id(self.api)
                .resource_id(self.resource)
                .http_method(self.verb)
                .status_code(status)
                .send()
                .await;
            gone_is_fine(answer.map_err(AwsError::of("DeleteIntegrationResponse")))?;
        }
        for (status, patches) in last {
            self.update_method_response(status, &patches).await?;
        }
        for status in had.keys().filter(|status| !to.responses.contains_key(*status)) {
            let answer = self
                .apigateway
                .delete_method_response()
                .rest_api_id(self.api)
                .resource_id(self.resource)
                .http_method(self.verb)
                .status_code(status)
                .send()
                .await;
            gone_is_fine(answer.map_err(AwsError::of("DeleteMethodResponse")))?;
        }
        Ok(())
    }

    /// The id of a method's validator: a name that is not known is an id.
    fn validator<'m>(&'m self, method: &'m Method) -> Option<&'m str> {
        let name = method.validator.as_ref()?;
        Some(self.named.validators.get(name).unwrap_or(name))
    }

    /// Puts back what was there, from how far the refused change got. The method is never gone meanwhile: a process that follows one that
    /// dies here knows what to keep by what is there. One without an integration was never whole, and would let no deployment pass.
    async fn restore(&self, at: &At, from: Option<&Method>) -> Result<(), AwsError> {
        let Some(from) = from.filter(|from| from.integration.is_some()) else { return self.delete().await };
        let now = observe(self.apigateway, self.api).await?;
        self.change(now.methods.get(at), from).await
    }

    async fn delete(&self) -> Result<(), AwsError> {
        let answer = self
            .apigateway
            .delete_method()
            .rest_api_id(self.api)
            .resource_id(self.resource)
            .http_method(self.verb)
            .send()
            .await;
        gone_is_fine(answer.map_err(AwsError::of("DeleteMethod")))
    }

    fn authorizer(&self, name: &str) -> Option<String> {
        authorizer::id(self.named.authorizers, name)
    }

    async fn put_method(&self, method: &Method) -> Result<(), AwsError> {
        let scopes = (!method.scopes.is_empty()).then(|| method.scopes.iter().cloned().collect());
        self.apigateway
            .put_method()
            .rest_api_id(self.api)
            .resource_id(self.resource)
            .http_method(self.verb)
            .authorization_type(&method.authorization)
            .set_authorizer_id(method.authorizer.as_deref().and_then(|name| self.authorizer(name)))
            .set_authorization_scopes(scopes)
            .api_key_required(method.api_key_required)
            .operation_name(&method.operation_name)
            .set_request_parameters(Some(method.parameters.clone().into_iter().collect()))
            .set_request_models(Some(method.models.clone().into_iter().collect()))
            .set_request_validator_id(self.validator(method).map(str::to_owned))
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("PutMethod"))
    }

    async fn put_method_response(&self, status: &str, response: &MethodResponse) -> Result<(), AwsError> {
        self.apigateway
            .put_method_response()
            .rest_api_id(self.api)
            .resource_id(self.resource)
            .http_method(self.verb)
            .status_code(status)
            .set_response_parameters(Some(response.headers.iter().map(|name| (name.clone(), false)).collect()))
            .set_response_models(Some(response.models.clone().into_iter().collect()))
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("PutMethodResponse"))
    }

    async fn update_method_response(&self, status: &str, patches: &[Patch]) -> Result<(), AwsError> {
        if patches.is_empty() {
            return Ok(());
        }
        self.apigateway
            .update_method_response()
            .rest_api_id(self.api)
            .resource_id(self.resource)
            .http_method(self.verb)
            .status_code(status)
            .set_patch_operations(sdk_patches(patches))
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("UpdateMethodResponse"))
    }

    async fn put_integration(&self, integration: &Integration) -> Result<(), AwsError> {
        self.apigateway
            .put_integration()
            .rest_api_id(self.api)
            .resource_id(self.resource)
            .http_method(self.verb)
            .r#type(IntegrationType::from(integration.type_.as_str()))
            .set_integration_http_method(integration.http_method.clone())
            .set_uri(integration.uri.clone())
            .set_credentials(integration.credentials.clone())
            .set_request_parameters(Some(integration.parameters.clone().into_iter().collect()))
            .set_request_templates(Some(integration.templates.clone().into_iter().collect()))
            .set_content_handling(integration.content_handling.as_deref().map(ContentHandlingStrategy::from))
            .passthrough_behavior(&integration.passthrough)
            .timeout_in_millis(integration.timeout_millis)
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("PutIntegration"))
    }

    async fn put_integration_response(&self, status: &str, response: &IntegrationResponse) -> Result<(), AwsError> {
        self.apigateway
            .put_integration_response()
            .rest_api_id(self.api)
            .resource_id(self.resource)
            .http_method(self.verb)
            .status_code(status)
            .set_selection_pattern(response.selection_pattern.clone())
            .set_content_handling(response.content_handling.as_deref().map(ContentHandlingStrategy::from))
            .set_response_parameters(Some(response.headers.clone().into_iter().collect()))
            .set_response_templates(Some(response.templates.clone().into_iter().collect()))
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("PutIntegrationResponse"))
    }
}

fn gone_is_fine<T>(answer: Result<T, AwsError>) -> Result<(), AwsError> {
    match answer {
        Err(error) if error.class != Class::NotFound => Err(error),
        _ => Ok(()),
    }
}

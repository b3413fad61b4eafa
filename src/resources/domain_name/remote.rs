//! API Gateway's calls for custom domain names.

use std::time::Duration;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::config::timeout::TimeoutConfig;
use aws_sdk_apigateway::types::{
    DomainName, EndpointAccessMode, EndpointConfiguration, EndpointType, IpAddressType, MutualTlsAuthenticationInput,
    SecurityPolicy,
};

use super::{MutualTls, Observed, Settings, Step};
use crate::aws::{AwsError, Class};
use crate::identity::{Owner, Ownership, Tags};
use crate::policy::resource_policy::ResourcePolicy;
use crate::resources::{Claim, rest_api, sdk_patches};

/// Reads a domain name; `None` where it does not exist. A private one has no name of its own in AWS: it is read by its id where
/// that is known and the owner's, and looked for by its tags otherwise.
///
/// # Errors
/// What AWS answers.
pub async fn observe(
    apigateway: &Client,
    name: &str,
    private: bool,
    id: Option<&str>,
    owner: &Owner,
) -> Result<Option<Observed>, AwsError> {
    if !private {
        return get(apigateway, name, None).await;
    }
    if let Some(id) = id
        && let Some(found) = get(apigateway, name, Some(id)).await?
        && owner.reads(&found.tags) == Ownership::Ours
    {
        return Ok(Some(found));
    }
    let all = apigateway
        .get_domain_names()
        .limit(500)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("GetDomainNames"))?;
    let named = all.into_iter().filter(|found| found.domain_name() == Some(name));
    let found: Vec<Observed> = named.filter(|found| found.domain_name_id().is_some()).map(observed).collect();
    let of = |wanted: Ownership| found.iter().find(|one| owner.reads(&one.tags) == wanted);
    let ours = [Ownership::Ours, Ownership::Inherited, Ownership::Released].into_iter().find_map(of);
    Ok(ours.or_else(|| found.iter().find(|one| owner.is_twin(&one.tags))).cloned())
}

async fn get(apigateway: &Client, name: &str, id: Option<&str>) -> Result<Option<Observed>, AwsError> {
    let answer = apigateway.get_domain_name().domain_name(name).set_domain_name_id(id.map(str::to_owned)).send().await;
    match answer.map_err(AwsError::of("GetDomainName")) {
        Err(error) if error.class == Class::NotFound => Ok(None),
        answer => {
            let found = answer?;
            // The answers of GetDomainName and GetDomainNames have one form and two types.
            let one = DomainName::builder()
                .set_domain_name(found.domain_name)
                .set_domain_name_id(found.domain_name_id)
                .set_domain_name_arn(found.domain_name_arn)
                .set_certificate_arn(found.certificate_arn)
                .set_regional_certificate_arn(found.regional_certificate_arn)
                .set_regional_domain_name(found.regional_domain_name)
                .set_regional_hosted_zone_id(found.regional_hosted_zone_id)
                .set_distribution_domain_name(found.distribution_domain_name)
                .set_distribution_hosted_zone_id(found.distribution_hosted_zone_id)
                .set_endpoint_configuration(found.endpoint_configuration)
                .set_domain_name_status(found.domain_name_status)
                .set_domain_name_status_message(found.domain_name_status_message)
                .set_security_policy(found.security_policy)
                .set_endpoint_access_mode(found.endpoint_access_mode)
                .set_tags(found.tags)
                .set_mutual_tls_authentication(found.mutual_tls_authentication)
                .set_ownership_verification_certificate_arn(found.ownership_verification_certificate_arn)
                .set_policy(found.policy);
            Ok(Some(observed(one.build())))
        }
    }
}

fn observed(found: DomainName) -> Observed {
    let endpoint = found.endpoint_configuration.as_ref();
    let type_ = endpoint.and_then(|it| it.types().first()).map_or("EDGE", EndpointType::as_str).to_owned();
    let ip_address_type = endpoint.and_then(|it| it.ip_address_type()).map(|it| it.as_str().to_owned());
    let default_ip = rest_api::settings::default_ip_address_type(&type_);
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (certificate, target, zone) = match type_.as_str() {
        "REGIONAL" => (found.regional_certificate_arn, found.regional_domain_name, found.regional_hosted_zone_id),
        "EDGE" => (found.certificate_arn, found.distribution_domain_name, found.distribution_hosted_zone_id),
        _ => (found.certificate_arn, None, None),
    };
    let mutual_tls = found.mutual_tls_authentication.and_then(|it| {
        let truststore_uri = filled(it.truststore_uri)?;
        Some(MutualTls { truststore_uri, truststore_version: filled(it.truststore_version) })
    });
    let name = found.domain_name.unwrap_or_default();
    let of = format!("/domainnames/{name}+{}", found.domain_name_id.as_deref().unwrap_or_default());
    let policy = filled(found.policy).filter(|_| type_ == "PRIVATE");
    let security_policy = found.security_policy.map_or("TLS_1_0".to_owned(), |it| it.as_str().to_owned());
    Observed {
        id: found.domain_name_id,
        arn: found.domain_name_arn,
        settings: Settings {
            certificate_arn: certificate.unwrap_or_default(),
            // AWS shows one with the other policies too, where it is no setting.
            endpoint_access_mode: found
                .endpoint_access_mode
                .map(|mode| mode.as_str().to_owned())
                .filter(|_| security_policy.starts_with("SecurityPolicy_")),
            security_policy,
            mutual_tls,
            ownership_verification_certificate_arn: filled(found.ownership_verification_certificate_arn),
            ip_address_type: ip_address_type.unwrap_or_else(|| default_ip.to_owned()),
            policy: policy.map(|text| ResourcePolicy::read(&text, &of)),
            endpoint: type_,
        },
        tags: found.tags.unwrap_or_default().into_iter().collect(),
        target: filled(target),
        zone: filled(zone),
        status: found.domain_name_status.map_or("AVAILABLE".to_owned(), |status| status.as_str().to_owned()),
        status_message: filled(found.domain_name_status_message),
    }
}

/// Carries out one step; answers with a new private domain's id. `id` is of a private domain; `arn` of any.
///
/// # Errors
/// What AWS answers; that one to be deleted is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    step: &Step,
    id: Option<&str>,
    arn: impl Fn(&str) -> String,
) -> Result<Option<String>, AwsError> {
    let known = id.map(str::to_owned);
    match step {
        Step::Create { name, settings, tags } => return create(apigateway, name, settings, tags).await,
        Step::Update { name, patches } => {
            let update = apigateway.update_domain_name().domain_name(name).set_domain_name_id(known.clone());
            let update = update.set_patch_operations(sdk_patches(patches));
            update.send().await.map_err(AwsError::of("UpdateDomainName"))?;
        }
        Step::Tag { name, set, remove }
        | Step::Claim { name, claim: Claim { tags: set, remove } }
        | Step::Release { name, tags: set, remove } => {
            if !set.is_empty() {
                let tags = Some(set.clone().into_iter().collect());
                let tag = apigateway.tag_resource().resource_arn(arn(name)).set_tags(tags);
                tag.send().await.map_err(AwsError::of("TagResource"))?;
            }
            if !remove.is_empty() {
                let untag = apigateway.untag_resource().resource_arn(arn(name)).set_tag_keys(Some(remove.clone()));
                untag.send().await.map_err(AwsError::of("UntagResource"))?;
            }
        }
        Step::Delete { name } => {
            let delete = apigateway.delete_domain_name().domain_name(name).set_domain_name_id(known.clone());
            match delete.send().await.map_err(AwsError::of("DeleteDomainName")) {
                Err(error) if error.class != Class::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(known)
}

async fn create(apigateway: &Client, name: &str, settings: &Settings, tags: &Tags) -> Result<Option<String>, AwsError> {
    // A private domain has no client token: a repeat would make a second one, so the SDK must not repeat it by itself.
    let config = aws_sdk_apigateway::config::Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().read_timeout(Duration::from_secs(60)).build());
    let endpoint = EndpointConfiguration::builder()
        .types(EndpointType::from(settings.endpoint.as_str()))
        .ip_address_type(IpAddressType::from(settings.ip_address_type.as_str()));
    let mutual_tls = settings.mutual_tls.as_ref().map(|it| {
        MutualTlsAuthenticationInput::builder()
            .truststore_uri(&it.truststore_uri)
            .set_truststore_version(it.truststore_version.clone())
            .build()
    });
    let regional = settings.endpoint == "REGIONAL";
    let create = apigateway
        .create_domain_name()
        .domain_name(name)
        .endpoint_configuration(endpoint.build())
        .set_regional_certificate_arn(regional.then(|| settings.certificate_arn.clone()))
        .set_certificate_arn((!regional).then(|| settings.certificate_arn.clone()))
        .security_policy(SecurityPolicy::from(settings.security_policy.as_str()))
        .set_endpoint_access_mode(settings.endpoint_access_mode.as_deref().map(EndpointAccessMode::from))
        .set_mutual_tls_authentication(mutual_tls)
        .set_ownership_verification_certificate_arn(settings.ownership_verification_certificate_arn.clone())
        .set_policy(settings.policy.as_ref().map(ToString::to_string))
        .set_tags(Some(tags.clone().into_iter().collect()))
        .customize()
        .config_override(config);
    Ok(create.send().await.map_err(AwsError::of("CreateDomainName"))?.domain_name_id)
}

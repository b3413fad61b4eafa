//! API Gateway: custom domain names and base path mappings. Sources: the SDK's model, API Gateway's reference, users' reports. On AWS a
//! domain name needs a certificate of its own: there they are not run.

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::{
    AccessAssociationSourceType, EndpointConfiguration, EndpointType, Op, ResourceOwner, SecurityPolicy,
};

use super::apigateway::patch;
use super::cloud::{Case, Cloud, Kind, case};

pub const CASES: &[Case] = &[
    case!(a_domain_name_is_there_once_and_can_be_changed),
    case!(a_base_path_is_there_once_and_can_be_moved),
    case!(an_api_that_a_domain_leads_to_stays),
    case!(what_does_not_fit_is_refused, "accepted"),
    case!(a_vpc_endpoint_is_associated_once, "it has no access associations"),
    case!(domain_names_are_listed_in_pages, "`limit` is ignored (TESTBED §2)"),
];

fn certificate(cloud: &Cloud, region: &str) -> String {
    format!("arn:aws:acm:{region}:{}:certificate/11111111-1111-1111-1111-111111111111", cloud.account)
}

/// A regional domain name; each case removes it.
async fn made(cloud: &Cloud) -> Result<String> {
    let name = format!("{}.example.com", cloud.name("domain"));
    let endpoint = EndpointConfiguration::builder().types(EndpointType::Regional).build();
    let create = cloud.apigateway.create_domain_name().domain_name(&name).endpoint_configuration(endpoint);
    let create = create.regional_certificate_arn(certificate(cloud, &cloud.region)).tags("a", "b");
    create.security_policy(SecurityPolicy::Tls12).send().await?;
    Ok(name)
}

/// An API with the stages `dev` and `prod`.
async fn served(cloud: &Cloud) -> Result<String> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let deployment = cloud.deploy(&api).await?;
    for stage in ["dev", "prod"] {
        let create = cloud.apigateway.create_stage().rest_api_id(&api).stage_name(stage).deployment_id(&deployment);
        create.send().await?;
    }
    Ok(api)
}

async fn gone(cloud: &Cloud, name: &str) -> Result<()> {
    cloud.apigateway.delete_domain_name().domain_name(name).send().await?;
    let after = cloud.apigateway.get_domain_name().domain_name(name).send().await;
    cloud.refused(after, "NotFoundException", "Invalid domain name identifier specified")
}

async fn a_domain_name_is_there_once_and_can_be_changed(cloud: Cloud) -> Result<()> {
    if cloud.kind == Kind::Aws {
        return Ok(());
    }
    let name = made(&cloud).await?;
    let endpoint = EndpointConfiguration::builder().types(EndpointType::Regional).build();
    let again = cloud.apigateway.create_domain_name().domain_name(&name).endpoint_configuration(endpoint);
    let again = again.regional_certificate_arn(certificate(&cloud, &cloud.region)).send().await;
    cloud.refused(again, "BadRequestException", "The domain name you provided already exists.")?;
    let patches = [
        patch(Op::Replace, "/securityPolicy", "TLS_1_0"),
        patch(Op::Replace, "/endpointConfiguration/ipAddressType", "dualstack"),
    ];
    let update = cloud.apigateway.update_domain_name().domain_name(&name);
    update.set_patch_operations(Some(patches.into())).send().await?;
    let found = cloud.apigateway.get_domain_name().domain_name(&name).send().await?;
    ensure!(found.security_policy() == Some(&SecurityPolicy::Tls10), "{found:?}");
    let ip = found.endpoint_configuration().and_then(|it| it.ip_address_type()).context("no IP address type")?;
    ensure!(ip.as_str() == "dualstack" && found.regional_domain_name().is_some(), "{found:?}");
    ensure!(found.domain_name_status().is_some_and(|status| status.as_str() == "AVAILABLE"), "{found:?}");
    let arn = found.domain_name_arn().context("no ARN")?;
    cloud.apigateway.tag_resource().resource_arn(arn).tags("c", "d").send().await?;
    cloud.apigateway.untag_resource().resource_arn(arn).tag_keys("a").send().await?;
    let found = cloud.apigateway.get_domain_name().domain_name(&name).send().await?;
    let tags = found.tags().context("no tags")?;
    ensure!(tags.len() == 1 && tags.contains_key("c"), "{tags:?}");
    gone(&cloud, &name).await
}

async fn a_base_path_is_there_once_and_can_be_moved(cloud: Cloud) -> Result<()> {
    if cloud.kind == Kind::Aws {
        return Ok(());
    }
    let (name, api) = (made(&cloud).await?, served(&cloud).await?);
    let map = |path: &str, stage: &str| {
        let create = cloud.apigateway.create_base_path_mapping().domain_name(&name).base_path(path);
        create.rest_api_id(&api).stage(stage).send()
    };
    map("orders", "dev").await?;
    map("(none)", "dev").await?;
    cloud.refused(map("orders", "prod").await, "ConflictException", "Base path already exists for this domain name")?;
    cloud.refused(map("other", "nowhere").await, "BadRequestException", "Invalid stage identifier specified")?;
    let update = cloud.apigateway.update_base_path_mapping().domain_name(&name).base_path("orders");
    update.patch_operations(patch(Op::Replace, "/stage", "prod")).send().await?;
    let found = cloud.apigateway.get_base_path_mappings().domain_name(&name).send().await?;
    let mut shown: Vec<_> = found.items().iter().map(|one| (one.base_path(), one.stage())).collect();
    shown.sort_unstable();
    ensure!(shown == [(Some("(none)"), Some("dev")), (Some("orders"), Some("prod"))], "{shown:?}");
    for path in ["orders", "(none)"] {
        cloud.apigateway.delete_base_path_mapping().domain_name(&name).base_path(path).send().await?;
    }
    let again = cloud.apigateway.delete_base_path_mapping().domain_name(&name).base_path("orders").send().await;
    cloud.refused(again, "NotFoundException", "Invalid base path mapping identifier specified")?;
    gone(&cloud, &name).await
}

async fn an_api_that_a_domain_leads_to_stays(cloud: Cloud) -> Result<()> {
    if cloud.kind == Kind::Aws {
        return Ok(());
    }
    let (name, api) = (made(&cloud).await?, served(&cloud).await?);
    let create = cloud.apigateway.create_base_path_mapping().domain_name(&name).base_path("orders");
    create.rest_api_id(&api).stage("dev").send().await?;
    let delete = cloud.apigateway.delete_rest_api().rest_api_id(&api).send().await;
    cloud.refused(
        delete,
        "BadRequestException",
        "Please remove all base path mappings related to the RestApi in your domains",
    )?;
    cloud.apigateway.delete_base_path_mapping().domain_name(&name).base_path("orders").send().await?;
    gone(&cloud, &name).await
}

async fn what_does_not_fit_is_refused(cloud: Cloud) -> Result<()> {
    if cloud.kind == Kind::Aws {
        return Ok(());
    }
    let name = format!("{}.example.com", cloud.name("domain"));
    let create = |type_: EndpointType, policy: SecurityPolicy, region: &str| {
        let endpoint = EndpointConfiguration::builder().types(type_).build();
        let create = cloud.apigateway.create_domain_name().domain_name(&name).endpoint_configuration(endpoint);
        create.certificate_arn(certificate(&cloud, region)).security_policy(policy).send()
    };
    let refused = create(EndpointType::Edge, SecurityPolicy::Tls12, "eu-central-1").await;
    if refused.is_ok() {
        // The emulator: it goes again.
        cloud.apigateway.delete_domain_name().domain_name(&name).send().await?;
    }
    cloud.refused(refused, "BadRequestException", "Invalid certificate ARN")?;
    let refused = create(EndpointType::Edge, SecurityPolicy::SecurityPolicyTls1313202509, "us-east-1").await;
    cloud.refused(refused, "BadRequestException", "Invalid security policy")
}

/// On AWS it needs a VPC endpoint, too.
async fn a_vpc_endpoint_is_associated_once(cloud: Cloud) -> Result<()> {
    if cloud.kind == Kind::Aws {
        return Ok(());
    }
    let name = format!("{}.example.com", cloud.name("private"));
    let endpoint = EndpointConfiguration::builder().types(EndpointType::Private).build();
    let create = cloud.apigateway.create_domain_name().domain_name(&name).endpoint_configuration(endpoint);
    let made = create.certificate_arn(certificate(&cloud, &cloud.region)).send().await?;
    let (id, domain) = (made.domain_name_id.context("no id")?, made.domain_name_arn.context("no ARN")?);
    let associate = || {
        let create = cloud.apigateway.create_domain_name_access_association().domain_name_arn(&domain);
        let create = create.access_association_source_type(AccessAssociationSourceType::Vpce);
        create.access_association_source("vpce-0123456789abcdef0").tags("a", "b").send()
    };
    let arn = associate().await?.domain_name_access_association_arn.context("no ARN")?;
    let ends = format!("/domainnameaccessassociations/domainname/{name}+{id}/vpcesource/vpce-0123456789abcdef0");
    ensure!(arn.ends_with(&ends), "{arn}");
    cloud.refused(associate().await, "ConflictException", "")?;
    let list = cloud.apigateway.get_domain_name_access_associations().resource_owner(ResourceOwner::SelfValue);
    let found = list.send().await?.items.unwrap_or_default();
    let found: Vec<_> = found.iter().filter(|one| one.domain_name_arn() == Some(&domain)).collect();
    ensure!(found.len() == 1 && found[0].tags().is_some_and(|tags| tags["a"] == "b"), "{found:?}");
    // It holds the domain name.
    let delete = || cloud.apigateway.delete_domain_name().domain_name(&name).domain_name_id(&id).send();
    cloud.refused(delete().await, "BadRequestException", "")?;
    let remove = || {
        let delete = cloud.apigateway.delete_domain_name_access_association();
        delete.domain_name_access_association_arn(&arn).send()
    };
    remove().await?;
    cloud.refused(remove().await, "NotFoundException", "")?;
    delete().await?;
    Ok(())
}

async fn domain_names_are_listed_in_pages(cloud: Cloud) -> Result<()> {
    if cloud.kind == Kind::Aws {
        return Ok(());
    }
    let (one, other) = (made(&cloud).await?, made(&cloud).await?);
    let first = cloud.apigateway.get_domain_names().limit(1).send().await?;
    let pages = cloud.apigateway.get_domain_names().limit(1).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await?;
    gone(&cloud, &one).await?;
    gone(&cloud, &other).await?;
    ensure!(first.items().len() == 1 && first.position().is_some(), "{first:?}");
    for name in [one, other] {
        let found: Vec<_> = all.iter().filter(|domain| domain.domain_name() == Some(&name)).collect();
        // With its tags.
        ensure!(found.len() == 1 && found[0].tags().is_some_and(|tags| tags["a"] == "b"), "{found:?}");
    }
    Ok(())
}

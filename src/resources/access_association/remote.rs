//! API Gateway's calls for domain name access associations.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{AccessAssociationSourceType, DomainNameAccessAssociation, ResourceOwner};

use super::{Associations, Observed, Step};
use crate::aws::{AwsError, Class};
use crate::resources::{all_pages, set_tags};

/// The associations of this account with a private domain name: one call for 500 of the account's (AWS has a quota of 100).
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, domain_arn: &str) -> Result<Associations, AwsError> {
    let all = all_pages(|position| {
        let list = apigateway.get_domain_name_access_associations().resource_owner(ResourceOwner::SelfValue).limit(500);
        async move {
            let page = list.set_position(position).send().await;
            let page = page.map_err(AwsError::of("GetDomainNameAccessAssociations"))?;
            Ok((page.items, page.position))
        }
    })
    .await?;
    let of_the_domain = all.into_iter().filter(|found| found.domain_name_arn.as_deref() == Some(domain_arn));
    let association = |found: DomainNameAccessAssociation| {
        let tags = found.tags.unwrap_or_default().into_iter().collect();
        Some((found.access_association_source?, Observed { arn: found.domain_name_access_association_arn?, tags }))
    };
    Ok(of_the_domain.filter_map(association).collect())
}

/// Carries out one step. `domain_arn` is of the private domain name.
///
/// # Errors
/// What AWS answers; that one to be deleted is already gone is no error.
pub async fn carry_out(apigateway: &Client, step: &Step, domain_arn: &str) -> Result<(), AwsError> {
    match step {
        Step::Create { endpoint, tags, .. } => {
            let create = apigateway
                .create_domain_name_access_association()
                .domain_name_arn(domain_arn)
                .access_association_source_type(AccessAssociationSourceType::Vpce)
                .access_association_source(endpoint)
                .set_tags(Some(tags.clone().into_iter().collect()));
            create.send().await.map_err(AwsError::of("CreateDomainNameAccessAssociation"))?;
        }
        Step::TakeOver { arn, tags, .. } => set_tags(apigateway, arn.clone(), tags, &[]).await?,
        Step::Delete { arn, .. } => {
            let delete = apigateway.delete_domain_name_access_association().domain_name_access_association_arn(arn);
            match delete.send().await.map_err(AwsError::of("DeleteDomainNameAccessAssociation")) {
                Err(error) if error.class != Class::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

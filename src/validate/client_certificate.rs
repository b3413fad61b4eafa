//! Validates the certificate that a stage shows to backends.

use super::settings::{over, tenant};
use crate::api::ClientCertificate;
use crate::policy::glob;
use crate::problem::Problem;
use crate::tenancy::{Admission, Place};

/// The certificate as a stage names it: API Gateway takes an id of its own, or an ARN of ACM's, of the API's account and Region (the
/// Developer Guide, "Use your own ACM certificate for backend mutual TLS").
///
/// # Errors
/// What AWS would refuse, and what the tenant does not admit: whoever shows a certificate is taken for whom it names.
pub fn validate(
    field: &str,
    admission: &Admission,
    place: &Place,
    given: &ClientCertificate,
) -> Result<String, Problem> {
    let (field, certificate) = match (&given.id, &given.acm_certificate_arn) {
        (Some(id), _) => (format!("{field}.id"), id.clone()),
        (None, arn) => (format!("{field}.acmCertificateArn"), place.fill(arn.as_deref().unwrap_or_default())),
    };
    let Place { partition, region, account_id, .. } = place;
    let here = format!("arn:{partition}:acm:{region}:{account_id}:certificate/");
    if given.id.is_none() && !certificate.starts_with(&here) {
        return Err(Problem::invalid(format!(
            "{field}: API Gateway takes a certificate of its own account and Region, whose ARN begins with {here}"
        )));
    }
    let exposure = admission.tenant.exposure.as_ref();
    let list = exposure.map(|exposure| exposure.client_certificates.as_slice()).unwrap_or_default();
    let admits = |pattern: &String| glob::contains(&admission.namespace.resolve(&place.fill(pattern)), &certificate);
    if list.iter().any(admits) {
        return Ok(certificate);
    }
    Err(over(
        &format!("{field}: `{certificate}` is in none of the `exposure.clientCertificates` of {}", tenant(admission)),
        "the platform admin must add it there",
    ))
}

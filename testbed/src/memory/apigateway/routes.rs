//! Which operation a verb and a path ask for: one table, by which a request for an operation can be made, too.

use super::Place;

/// Paths, with a [`Place`]'s names for what varies in them, and the operations there by [`VERBS`].
const ROUTES: &[(&str, [&str; 5])] = &[
    ("restapis", ["CreateRestApi", "GetRestApis", "", "", ""]),
    ("restapis/{api}", ["", "GetRestApi", "PutRestApi", "UpdateRestApi", "DeleteRestApi"]),
    ("restapis/{api}/resources", ["", "GetResources", "", "", ""]),
    ("restapis/{api}/resources/{resource}", ["CreateResource", "GetResource", "", "UpdateResource", "DeleteResource"]),
    (
        "restapis/{api}/resources/{resource}/methods/{verb}",
        ["", "GetMethod", "PutMethod", "UpdateMethod", "DeleteMethod"],
    ),
    (
        "restapis/{api}/resources/{resource}/methods/{verb}/responses/{status}",
        ["", "GetMethodResponse", "PutMethodResponse", "UpdateMethodResponse", "DeleteMethodResponse"],
    ),
    (
        "restapis/{api}/resources/{resource}/methods/{verb}/integration",
        ["", "GetIntegration", "PutIntegration", "UpdateIntegration", "DeleteIntegration"],
    ),
    (
        "restapis/{api}/resources/{resource}/methods/{verb}/integration/responses/{status}",
        [
            "",
            "GetIntegrationResponse",
            "PutIntegrationResponse",
            "UpdateIntegrationResponse",
            "DeleteIntegrationResponse",
        ],
    ),
    ("restapis/{api}/authorizers", ["CreateAuthorizer", "GetAuthorizers", "", "", ""]),
    ("restapis/{api}/authorizers/{name}", ["", "GetAuthorizer", "", "UpdateAuthorizer", "DeleteAuthorizer"]),
    ("restapis/{api}/deployments", ["CreateDeployment", "GetDeployments", "", "", ""]),
    ("restapis/{api}/deployments/{name}", ["", "GetDeployment", "", "UpdateDeployment", "DeleteDeployment"]),
    ("restapis/{api}/models", ["CreateModel", "GetModels", "", "", ""]),
    ("restapis/{api}/models/{name}", ["", "GetModel", "", "UpdateModel", "DeleteModel"]),
    ("restapis/{api}/requestvalidators", ["CreateRequestValidator", "GetRequestValidators", "", "", ""]),
    (
        "restapis/{api}/requestvalidators/{name}",
        ["", "GetRequestValidator", "", "UpdateRequestValidator", "DeleteRequestValidator"],
    ),
    ("restapis/{api}/stages", ["CreateStage", "GetStages", "", "", ""]),
    ("restapis/{api}/stages/{name}", ["", "GetStage", "", "UpdateStage", "DeleteStage"]),
    ("restapis/{api}/stages/{name}/exports/oas30", ["", "GetExport", "", "", ""]),
    ("restapis/{api}/gatewayresponses", ["", "GetGatewayResponses", "", "", ""]),
    (
        "restapis/{api}/gatewayresponses/{name}",
        ["", "GetGatewayResponse", "PutGatewayResponse", "", "DeleteGatewayResponse"],
    ),
    ("account", ["", "GetAccount", "", "UpdateAccount", ""]),
    ("apikeys", ["CreateApiKey", "GetApiKeys", "", "", ""]),
    ("apikeys/{name}", ["", "GetApiKey", "", "UpdateApiKey", "DeleteApiKey"]),
    ("clientcertificates", ["GenerateClientCertificate", "GetClientCertificates", "", "", ""]),
    ("clientcertificates/{name}", ["", "GetClientCertificate", "", "", "DeleteClientCertificate"]),
    ("usageplans", ["CreateUsagePlan", "GetUsagePlans", "", "", ""]),
    ("usageplans/{name}", ["", "GetUsagePlan", "", "UpdateUsagePlan", "DeleteUsagePlan"]),
    ("usageplans/{name}/keys", ["CreateUsagePlanKey", "GetUsagePlanKeys", "", "", ""]),
    ("usageplans/{name}/keys/{resource}", ["", "", "", "", "DeleteUsagePlanKey"]),
    // The domain stands in the place of the API.
    ("domainnames", ["CreateDomainName", "GetDomainNames", "", "", ""]),
    ("domainnames/{api}", ["", "GetDomainName", "", "UpdateDomainName", "DeleteDomainName"]),
    ("domainnames/{api}/basepathmappings", ["CreateBasePathMapping", "GetBasePathMappings", "", "", ""]),
    ("domainnames/{api}/basepathmappings/{name}", ["", "", "", "UpdateBasePathMapping", "DeleteBasePathMapping"]),
    (
        "domainnameaccessassociations",
        ["CreateDomainNameAccessAssociation", "GetDomainNameAccessAssociations", "", "", ""],
    ),
    ("domainnameaccessassociations/{name}", ["", "", "", "", "DeleteDomainNameAccessAssociation"]),
    ("tags/{name}", ["", "GetTags", "TagResource", "", "UntagResource"]),
];

const VERBS: [&str; 5] = ["POST", "GET", "PUT", "PATCH", "DELETE"];

/// The operation of a verb and path, and what the path names.
pub(in super::super) fn operation<'a>(verb: &str, path: &[&'a str]) -> Option<(&'static str, Place<'a>)> {
    let index = VERBS.iter().position(|known| *known == verb)?;
    let (place, operations) =
        ROUTES.iter().find_map(|(pattern, operations)| Some((place(pattern, path)?, operations)))?;
    Some(operations[index]).filter(|operation| !operation.is_empty()).map(|operation| (operation, place))
}

/// A verb and path that ask for an operation, of objects that are not there.
pub(in super::super) fn request(operation: &str) -> Option<(&'static str, String)> {
    ROUTES.iter().find_map(|(pattern, operations)| {
        let index = operations.iter().position(|known| *known == operation)?;
        let segments = pattern.split('/').map(|part| match part {
            "{status}" => "200",
            part if part.starts_with('{') => "none",
            part => part,
        });
        Some((VERBS[index], segments.map(|segment| format!("/{segment}")).collect()))
    })
}

/// What a path names, where it has this pattern.
fn place<'a>(pattern: &str, path: &[&'a str]) -> Option<Place<'a>> {
    let mut parts = pattern.split('/');
    let mut place = Place::default();
    for segment in path {
        match parts.next()? {
            "{api}" => place.api = segment,
            "{resource}" => place.resource = segment,
            "{verb}" => place.verb = segment,
            "{status}" => place.status = segment,
            "{name}" => place.name = segment,
            part if part != *segment => return None,
            _ => {}
        }
    }
    parts.next().is_none().then_some(place)
}

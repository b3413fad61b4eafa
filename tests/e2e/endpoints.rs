//! Endpoints, resource policies and settings of a whole API, from docs/endpoints.md. LocalStack keeps them and enforces none:
//! what a policy lets in, and that a private API has no public address, was not seen.

use aws_sdk_apigateway::operation::get_rest_api::GetRestApiOutput;
use aws_sdk_apigateway::types::EndpointType;
use serde_json::{Value, json};
use stepgate::api::CHECK;

use crate::cloud::{Cloud, replace};
use crate::support::{Namespace, TENANT, page};
use crate::tenancy::account;

async fn api(aws: &Cloud, id: &str) -> GetRestApiOutput {
    aws.apigateway.get_rest_api().rest_api_id(id).send().await.unwrap()
}

fn endpoint(api: &GetRestApiOutput) -> (EndpointType, String) {
    let endpoint = api.endpoint_configuration().unwrap();
    (endpoint.types()[0].clone(), endpoint.ip_address_type().map_or("", |it| it.as_str()).to_owned())
}

/// Its quotes come back escaped, as AWS's do.
fn policy(api: &GetRestApiOutput) -> Value {
    serde_json::from_str(&api.policy().unwrap().replace("\\\"", "\"")).unwrap()
}

#[tokio::test]
async fn settings_are_made_changed_repaired_and_taken_away() {
    let exposure = json!({"exposure": {
        "endpointTypes": ["REGIONAL", "PRIVATE"],
        "resourcePolicyPrincipals": ["444455556666"],
        "vpcSources": ["vpce-0123456789abcdef0"],
    }});
    let ns = Namespace::labelled("e2e-endpoints", &[(TENANT, "e2e-endpoints")]).await;
    ns.apply(&account("e2e-endpoints", &[("e2e-endpoints", exposure)]).await.to_string()).await;
    let manifests = page("docs/endpoints.md");
    ns.apply(&manifests).await;
    ns.ready(&["restapi/images", "restapi/internal"]).await;

    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id =
        async |name: &str| ns.get(&format!("restapi/{name}")).await["status"]["restApiId"].as_str().unwrap().to_owned();
    let (images, internal) = (id("images").await, id("internal").await);
    let made = api(&aws, &images).await;
    let mut types = made.binary_media_types().to_vec();
    types.sort();
    assert_eq!(types, ["image/jpeg", "image/png"]);
    assert_eq!((made.minimum_compression_size, made.disable_execute_api_endpoint), (Some(1024), false));
    assert_eq!(endpoint(&made), (EndpointType::Regional, "dualstack".to_owned()));
    assert_eq!(policy(&made)["Statement"][0]["Resource"], json!(["execute-api:/prod/POST/images"]));
    let private = api(&aws, &internal).await;
    assert_eq!(endpoint(&private), (EndpointType::Private, "dualstack".to_owned()));
    assert_eq!(private.endpoint_configuration().unwrap().vpc_endpoint_ids(), ["vpce-0123456789abcdef0"]);
    let deployments = aws.deployments(&images).await.len();

    // Somebody else's change is undone without a deployment.
    let update = aws.apigateway.update_rest_api().rest_api_id(&images);
    update
        .patch_operations(replace("/policy", ""))
        .patch_operations(replace("/minimumCompressionSize", "5"))
        .send()
        .await
        .unwrap();
    ns.patch("restapi/images", json!({"metadata": {"annotations": {CHECK: "1"}}})).await;
    ns.eventually("restapi/images", "undoes it", async |_| {
        let now = api(&aws, &images).await;
        let back =
            now.minimum_compression_size == Some(1024) && now.policy().is_some_and(|text| text.contains("partner"));
        if back { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert_eq!(aws.deployments(&images).await.len(), deployments);

    // Without their fields all go back to the defaults, with one deployment.
    let plain = "---\napiVersion: stepgate.dev/v1alpha1\nkind: RestAPI\nmetadata: {name: images}\nspec: {stages: [{name: prod}]}\n";
    ns.apply(plain).await;
    ns.eventually("restapi/images", "is as AWS makes one", async |_| {
        let now = api(&aws, &images).await;
        let plain = now.binary_media_types().is_empty()
            && now.minimum_compression_size.is_none()
            && now.policy().is_none_or(str::is_empty)
            && endpoint(&now) == (EndpointType::Regional, "ipv4".to_owned());
        if plain { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    ns.ready(&["restapi/images"]).await;
    assert_eq!(aws.deployments(&images).await.len(), deployments + 1);

    // A private API becomes a public one in place.
    let (_, private) = manifests.split_once("metadata: {name: internal}").unwrap();
    let public = private.replace("{type: PRIVATE, vpcEndpointIds: [vpce-0123456789abcdef0]}", "{type: REGIONAL}");
    ns.apply(&format!("---\napiVersion: stepgate.dev/v1alpha1\nkind: RestAPI\nmetadata: {{name: internal}}{public}"))
        .await;
    ns.eventually("restapi/internal", "is public", async |_| {
        let now = api(&aws, &internal).await;
        let public = endpoint(&now) == (EndpointType::Regional, "ipv4".to_owned())
            && now.endpoint_configuration().unwrap().vpc_endpoint_ids().is_empty();
        if public { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    ns.ready(&["restapi/internal"]).await;
    assert_eq!(id("internal").await, internal);
}

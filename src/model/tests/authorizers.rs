//! Authorizers come before the methods that name them and go after the last.

use super::cloud::Cloud;
use super::text;
use crate::validate::fixture::{ACCOUNT, api, machine, route, with, world};
use crate::world::World;

fn function(name: &str) -> String {
    format!("arn:aws:lambda:eu-central-1:111122223333:function:demo-{name}")
}

fn token(name: &str, of: &str) -> String {
    format!("{{name: {name}, token: {{functionArn: {}}}}}", function(of))
}

/// A RestAPI with these authorizers and the route `demo/orders` with this authorization.
fn scene(authorizers: &[String], authorization: &str) -> World {
    let account = ACCOUNT.replace(
        "[NONE, AWS_IAM]}",
        "[NONE, AWS_IAM, CUSTOM], authorizerArns: [\"arn:aws:lambda:*:*:function:${namespace}-*\"]}",
    );
    let api = api(&format!("{{stages: [{{name: prod}}], authorizers: [{}]}}", authorizers.join(", ")));
    let orders = with(&route("demo/orders", "POST /orders", "a"), &format!("spec: {{authorization: {authorization}}}"));
    world(&[account, api, machine("demo/a", "STANDARD"), orders].concat())
}

const CUSTOM: &str = "{type: CUSTOM, authorizer: jwt}";

#[test]
fn made_before_the_methods_that_name_it_and_called_with_a_role_of_its_own() {
    let mut cloud = Cloud::default();
    let plans = cloud.settle(&scene(&[token("jwt", "auth")], CUSTOM));
    assert_eq!(
        text(&plans.concat()),
        "create role stepgate-authorizer-jwt-#\n\
         write the policy of role stepgate-authorizer-jwt-#\n\
         create role stepgate-invoke-demo-#\n\
         write the policy of role stepgate-invoke-demo-#\n\
         create REST API demo_api\n\
         create authorizer jwt\n\
         create resource /orders\n\
         create method POST /orders\n\
         deploy revision 1, content #\n\
         record revision 1\n\
         create stage prod"
    );
    assert_eq!(cloud.may("authorizer"), ["lambda:InvokeFunction function:demo-auth"]);
    let found = &cloud.authorizers.named["jwt"].authorizer;
    assert!(found.credentials.as_ref().unwrap().contains(":role/stepgate/"), "{found:?}");
}

#[test]
fn another_function_takes_its_place_without_an_outage() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[token("jwt", "auth")], CUSTOM));
    let id = cloud.authorizers.named["jwt"].id.clone();
    let world = scene(&[token("jwt", "next")], CUSTOM);
    assert_eq!(
        text(&cloud.pass(&world)),
        "write the policy of role stepgate-authorizer-jwt-#\n\
         update authorizerUri of authorizer jwt\n\
         deploy revision 2, content #\n\
         record revision 2\n\
         move stage prod"
    );
    let both = ["lambda:InvokeFunction function:demo-auth", "lambda:InvokeFunction function:demo-next"];
    assert_eq!(cloud.may("authorizer"), both, "while the old form may still be served");
    cloud.settle(&world);
    assert_eq!(cloud.may("authorizer"), ["lambda:InvokeFunction function:demo-next"]);
    assert_eq!(cloud.authorizers.named["jwt"].id, id);
}

#[test]
fn a_role_that_is_not_settled_holds_its_authorizer_back() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[token("jwt", "auth")], CUSTOM));
    let role = cloud.roles.keys().find(|name| name.contains("authorizer")).unwrap().clone();
    cloud.unsettled.insert(role, std::time::Duration::from_secs(9));
    let world = scene(&[token("jwt", "next")], CUSTOM);
    assert_eq!(text(&cloud.pass(&world)), "write the policy of role stepgate-authorizer-jwt-#");
    assert_eq!(cloud.plan(&world), "");
    cloud.unsettled.clear();
    cloud.settle(&world);
    assert_eq!(cloud.authorizers.named["jwt"].authorizer.function(), Some(&*function("next")));
}

#[test]
fn removed_while_a_route_names_it_the_route_is_refused_and_keeps_serving() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[token("jwt", "auth")], CUSTOM));
    let world = scene(&[], CUSTOM);
    let look = cloud.look(&world);
    assert_eq!(look.plan.to_string(), "");
    let refusal = look.attachment.refused.values().next().unwrap();
    assert_eq!(
        refusal.problem.message,
        "spec.authorization.authorizer: RestAPI demo/api has no authorizer `jwt`, it has none; name one of spec.authorizers there"
    );
    assert_eq!(cloud.may("authorizer"), ["lambda:InvokeFunction function:demo-auth"]);

    // The route lets go of it: it goes after the last stage that could need it has moved.
    let plans = cloud.settle(&scene(&[], "{type: AWS_IAM}"));
    assert_eq!(
        text(&plans.concat()),
        "update authorization of method POST /orders\n\
         deploy revision 2, content #\n\
         record revision 2\n\
         move stage prod\n\
         delete authorizer jwt\n\
         record revision 2\n\
         delete role stepgate-authorizer-jwt-#"
    );
}

#[test]
fn a_pinned_stage_keeps_the_role_of_the_authorizer_that_it_serves() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[token("jwt", "auth")], CUSTOM));
    let mut world = scene(&[token("jwt", "next")], CUSTOM);
    let api = world.apis.values_mut().next().unwrap();
    std::sync::Arc::make_mut(api).spec.stages[0].revision = Some(1);
    cloud.settle(&world);
    let both = ["lambda:InvokeFunction function:demo-auth", "lambda:InvokeFunction function:demo-next"];
    assert_eq!(cloud.may("authorizer"), both);
}

#[test]
fn one_that_no_route_names_is_no_reason_to_deploy() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[], "{type: AWS_IAM}"));
    let plans = cloud.settle(&scene(&[token("jwt", "auth")], "{type: AWS_IAM}"));
    assert!(plans.concat().contains("create authorizer jwt") && !plans.concat().contains("deploy"), "{plans:#?}");
    // Renaming one of ten needs room: what no method names goes first.
    let ten = |first: &str| {
        let names = std::iter::once(first.to_owned()).chain((1..10).map(|number| format!("a{number}")));
        names.map(|name| token(&name, "auth")).collect::<Vec<_>>()
    };
    cloud.settle(&scene(&ten("jwt"), "{type: AWS_IAM}"));
    cloud.settle(&scene(&ten("other"), "{type: AWS_IAM}"));
    assert!(cloud.authorizers.named.contains_key("other") && !cloud.authorizers.named.contains_key("jwt"));
}

#[test]
fn an_api_as_openapi_says_who_may_call() {
    let world = scene(&[token("jwt", "auth")], "{type: CUSTOM, authorizer: jwt, apiKeyRequired: true}");
    let valid = crate::validate::rest_api::validate(&world, &crate::validate::fixture::the_api(&world)).unwrap();
    let look = Cloud::default().look(&world);
    let routes = look.attachment.attached.values();
    let methods = routes.map(|route| (route.at.clone(), route.method.clone())).collect();
    let document = crate::model::openapi::document(&valid, &methods);
    assert_eq!(document["paths"]["/orders"]["post"]["security"], serde_json::json!([{"jwt": [], "api_key": []}]));
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["api_key"], serde_json::json!({"type": "apiKey", "name": "x-api-key", "in": "header"}));
    let jwt = &schemes["jwt"];
    assert_eq!((&jwt["name"], &jwt["x-amazon-apigateway-authtype"]), (&"Authorization".into(), &"custom".into()));
    let how = &jwt["x-amazon-apigateway-authorizer"];
    assert!(how["authorizerUri"].as_str().unwrap().contains("function:demo-auth/invocations"), "{jwt}");
    assert_eq!((&how["type"], &how["authorizerResultTtlInSeconds"]), (&"token".into(), &300.into()));
}

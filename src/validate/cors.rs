//! CORS of a RestAPI and its routes: what becomes of their answers.

use crate::api::Cors as Spec;
use crate::mapping::Cors;
use crate::resources::gateway_response::{GatewayResponse, GatewayResponses};
use crate::resources::route::response_header;
use crate::validate::route_response::Responses;

/// What AWS's console allows, too: what signed and keyed calls send.
const DEFAULT_HEADERS: [&str; 5] = ["Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Security-Token", "X-Api-Key"];

/// The rules. The CRD has refused whatever browsers or AWS would refuse.
pub fn validate(spec: &Spec) -> Cors {
    let headers = spec.headers.clone().unwrap_or_else(|| DEFAULT_HEADERS.map(str::to_owned).into());
    Cors {
        origins: spec.origins.iter().cloned().collect(),
        headers: headers.into_iter().collect(),
        exposed_headers: spec.exposed_headers.iter().flatten().cloned().collect(),
        credentials: spec.credentials,
        max_age: spec.max_age_seconds,
    }
}

/// Lets a method's responses say who may read them. What the route says itself, in a header or a template of its own, is
/// left to it.
pub fn decorate(responses: &mut Responses, cors: &Cors) {
    let fixed = cors.headers_of_answers();
    let template = cors.template_of_answers();
    for (status, mapped) in &mut responses.mapped {
        for (name, value) in &fixed {
            if !has(mapped.headers.keys(), name) {
                mapped.headers.insert(response_header(name), format!("'{value}'"));
            }
        }
        if let Some(template) = template.as_ref().filter(|_| !has(mapped.headers.keys(), "Access-Control-Allow-Origin"))
        {
            if mapped.templates.is_empty() {
                // It passes as it is.
                mapped.templates.insert("application/json".to_owned(), "$input.body".to_owned());
            }
            for text in mapped.templates.values_mut().filter(|text| !says_origin(text)) {
                text.insert_str(0, template);
            }
        }
        let declared = responses.declared.entry(status.clone()).or_default();
        declared.headers.extend(mapped.headers.keys().cloned());
        if template.is_some() {
            // What a template sets is declared too, as AWS's own CDK does it.
            declared.headers.insert(response_header("Access-Control-Allow-Origin"));
        }
    }
}

/// Lets the errors that API Gateway answers itself say who may read them.
pub fn decorate_errors(responses: &mut GatewayResponses, cors: &Cors) {
    let headers = cors.headers_of_errors();
    if headers.is_empty() {
        return;
    }
    for type_ in ["DEFAULT_4XX", "DEFAULT_5XX"] {
        let plain = || GatewayResponse::new(type_, None, Default::default(), Default::default());
        responses.entry(type_.to_owned()).or_insert_with(plain);
    }
    for response in responses.values_mut() {
        for (name, value) in &headers {
            if !has(response.parameters.keys(), name) {
                response.parameters.insert(format!("gatewayresponse.header.{name}"), format!("'{value}'"));
            }
        }
    }
}

/// Whether a header is among expressions such as `method.response.header.Vary`.
fn has<'a>(mut expressions: impl Iterator<Item = &'a String>, name: &str) -> bool {
    expressions.any(|has| has.rsplit('.').next().is_some_and(|has| has.eq_ignore_ascii_case(name)))
}

/// A second override of one header is answered with a 5xx (AWS.md §3).
fn says_origin(template: &str) -> bool {
    template.to_ascii_lowercase().contains("access-control-allow-origin")
}

#[cfg(test)]
mod tests {
    use crate::validate::fixture::{api, machine, route, the_api, the_route, with, world};
    use crate::validate::{rest_api, route as routes};

    const TWO: &str =
        "{origins: ['https://a.example', 'https://*.b.example'], exposedHeaders: [X-Id], credentials: true}";

    /// The method of a route with this patch of an API with this CORS, as JSON.
    fn method(cors: &str, patch: &str) -> serde_json::Value {
        let cors = if cors.is_empty() { String::new() } else { format!(", cors: {cors}") };
        let spec = format!("{{stages: [{{name: prod}}]{cors}}}");
        let world =
            world(&[api(&spec), machine("demo/m", "STANDARD"), with(&route("demo/r", "POST /x", "m"), patch)].concat());
        let api = the_api(&world);
        let valid = rest_api::validate(&world, &api).unwrap();
        let valid = routes::validate(&world, &api, &valid, &the_route(&world, "demo/r")).unwrap();
        serde_json::to_value(&valid.method).unwrap()
    }

    #[test]
    fn every_answer_says_who_may_read_it() {
        let made = method(TWO, "{}");
        for status in ["202", "400", "502"] {
            let answer = &made["integrationResponses"][status];
            assert_eq!(answer["headers"]["method.response.header.Vary"], "'Origin'");
            assert_eq!(answer["headers"]["method.response.header.Access-Control-Allow-Credentials"], "'true'");
            assert_eq!(answer["headers"]["method.response.header.Access-Control-Expose-Headers"], "'X-Id'");
            let template = answer["templates"]["application/json"].as_str().unwrap();
            assert_eq!(template.matches("responseOverride.header.Access-Control-Allow-Origin").count(), 1);
            let declared = made["responses"][status]["headers"].as_array().unwrap();
            assert!(declared.contains(&"method.response.header.Vary".into()), "{declared:?}");
        }
        assert_eq!(
            method("{origins: ['*']}", "{}")["integrationResponses"]["202"]["headers"],
            serde_json::json!({"method.response.header.Access-Control-Allow-Origin": "'*'"})
        );
    }

    #[test]
    fn a_routes_own_rules_go_before_the_apis_and_its_own_header_before_both() {
        let own = method(TWO, "{spec: {cors: {origins: ['https://own.example']}}}");
        let headers = &own["integrationResponses"]["202"]["headers"];
        assert_eq!(headers["method.response.header.Access-Control-Allow-Origin"], "'https://own.example'");
        let patch = "{spec: {response: {headers: [{name: access-control-allow-origin, value: 'https://x.example'}]}}}";
        let said = method(TWO, patch)["integrationResponses"]["202"].clone();
        assert!(!said["templates"]["application/json"].as_str().unwrap().contains("$origin"), "{said}");
        assert_eq!(method(TWO, "{spec: {method: OPTIONS}}"), method("", "{spec: {method: OPTIONS}}"));
    }

    #[test]
    fn what_passes_as_it_is_passes_with_its_origin() {
        let patch = "{spec: {response: {responses: [{statusCode: 200, integration: {}}]}}}";
        let made = method(TWO, patch);
        let template = made["integrationResponses"]["200"]["templates"]["application/json"].as_str().unwrap();
        assert!(template.ends_with("$input.body"), "{template}");
    }

    #[test]
    fn errors_of_the_gateway_say_it_too() {
        let spec = format!(
            "{{stages: [{{name: prod}}], cors: {TWO}, gatewayResponses: [{{type: THROTTLED, statusCode: 503}}]}}"
        );
        let world = world(&api(&spec));
        let valid = rest_api::validate(&world, &the_api(&world)).unwrap();
        let types: Vec<&String> = valid.gateway_responses.keys().collect();
        assert_eq!(types, ["DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED"]);
        for response in valid.gateway_responses.values() {
            let origin = &response.parameters["gatewayresponse.header.Access-Control-Allow-Origin"];
            assert_eq!(origin, "'https://a.example'");
        }
        assert_eq!(valid.gateway_responses["DEFAULT_4XX"].status, None);
    }
}

use super::*;

fn method(operation: &str) -> Method {
    Method {
        operation_name: operation.into(),
        authorization: "AWS_IAM".into(),
        authorizer: None,
        scopes: BTreeSet::new(),
        api_key_required: false,
        parameters: BTreeMap::new(),
        models: BTreeMap::new(),
        validator: None,
        integration: Some(Integration {
            type_: "AWS".into(),
            http_method: Some("POST".into()),
            uri: Some("arn:aws:apigateway:eu-central-1:states:action/StartExecution".into()),
            credentials: Some("arn:aws:iam::111122223333:role/r".into()),
            parameters: BTreeMap::new(),
            templates: BTreeMap::from([("application/json".into(), "{}".into())]),
            content_handling: None,
            passthrough: "NEVER".into(),
            timeout_millis: DEFAULT_TIMEOUT_MILLIS,
        }),
        responses: BTreeMap::from([("202".into(), MethodResponse::default())]),
        integration_responses: BTreeMap::from([("202".into(), IntegrationResponse::default())]),
    }
}

fn at(method: &str, path: &str) -> At {
    At { path: path.into(), method: method.into() }
}

fn tree(methods: &[(&str, &str)]) -> Observed {
    let mut observed = Observed::default();
    observed.resources.insert("/".into(), "root".into());
    for (verb, path) in methods {
        for path in with_ancestors(path) {
            observed.resources.insert(path.clone(), format!("id-{path}"));
        }
        observed.methods.insert(at(verb, path), method("demo_a"));
    }
    observed
}

fn wanted(methods: &[(&str, &str)]) -> BTreeMap<At, Desired> {
    methods.iter().map(|(verb, path)| (at(verb, path), Desired::Method(Box::new(method("demo_a"))))).collect()
}

fn text(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn parents_come_before_children_and_methods_after_both() {
    assert_eq!(
        text(&diff(&wanted(&[("POST", "/orders/{id}/cancel"), ("GET", "/orders")]), &tree(&[]))),
        [
            "create resource /orders",
            "create resource /orders/{id}",
            "create resource /orders/{id}/cancel",
            "create method GET /orders",
            "create method POST /orders/{id}/cancel"
        ]
    );
}

#[test]
fn what_is_as_wanted_costs_nothing() {
    let methods = [("POST", "/orders/{id}"), ("GET", "/")];
    assert_eq!(diff(&wanted(&methods), &tree(&methods)), vec![]);
}

#[test]
fn what_is_not_wanted_goes_with_its_empty_resources() {
    let observed = tree(&[("GET", "/a"), ("GET", "/b/c/d"), ("POST", "/a")]);
    assert_eq!(
        text(&diff(&wanted(&[("GET", "/a")]), &observed)),
        ["delete method POST /a", "delete method GET /b/c/d", "delete resource /b"]
    );
}

#[test]
fn what_is_kept_is_not_looked_at() {
    let mut observed = tree(&[("GET", "/a/b")]);
    let kept = BTreeMap::from([(at("GET", "/a/b"), Desired::Keep), (at("GET", "/never-there"), Desired::Keep)]);
    observed.methods.get_mut(&at("GET", "/a/b")).unwrap().authorization = "NONE".into();
    assert_eq!(diff(&kept, &observed), vec![]);
    assert_eq!(result(&kept, &observed), observed.methods);
}

#[test]
fn only_the_difference_of_an_integration_is_patched() {
    let from = method("demo_a").integration.unwrap();
    let mut to = from.clone();
    to.templates = BTreeMap::from([("application/x-amz-json-1.0".into(), "{}".into())]);
    to.timeout_millis = 5000;
    to.content_handling = Some("CONVERT_TO_TEXT".into());
    assert_eq!(integration_patches(&to, &from).unwrap()[0], Patch::replace("/contentHandling", ""));
    assert_eq!(
        integration_patches(&from, &to),
        Some(vec![
            Patch::replace("/contentHandling", "CONVERT_TO_TEXT"),
            Patch::replace("/timeoutInMillis", "5000"),
            Patch::add("/requestTemplates/application~1x-amz-json-1.0", "{}"),
            Patch::remove("/requestTemplates/application~1json"),
        ])
    );
    to.type_ = "MOCK".into();
    assert_eq!(integration_patches(&from, &to), None);
}

#[test]
fn a_half_made_method_is_finished() {
    let mut observed = tree(&[("GET", "/a")]);
    let half = observed.methods.get_mut(&at("GET", "/a")).unwrap();
    half.integration = None;
    half.integration_responses.clear();
    assert_eq!(text(&diff(&wanted(&[("GET", "/a")]), &observed)), ["update integration, responses of method GET /a"]);
}

#[test]
fn a_parameter_whose_place_another_takes_goes_first_with_all_below() {
    let observed = tree(&[("GET", "/a/{id}"), ("GET", "/a/{id}/b"), ("GET", "/c/{id}")]);
    assert_eq!(
        text(&diff(&wanted(&[("GET", "/a/{key}")]), &observed)),
        [
            "delete resource /a/{id}",
            "create resource /a/{key}",
            "create method GET /a/{key}",
            "delete method GET /c/{id}",
            "delete resource /c"
        ]
    );
    let proxy = diff(&wanted(&[("ANY", "/a/{proxy+}"), ("GET", "/c/{id}")]), &observed);
    assert_eq!(text(&proxy)[..2], ["delete resource /a/{id}", "create resource /a/{proxy+}"]);
}

#[test]
fn each_change_of_a_method_is_patched_on_its_own() {
    let from = method("demo_a");
    let to = Method {
        authorization: "NONE".into(),
        api_key_required: true,
        operation_name: "demo_b".into(),
        ..from.clone()
    };
    assert_eq!(
        method_patches(&from, &to, str::to_owned, ""),
        [
            Patch::replace("/authorizationType", "NONE"),
            Patch::replace("/apiKeyRequired", "true"),
            Patch::replace("/operationName", "demo_b")
        ]
    );
    assert_eq!(method_patches(&from, &from, str::to_owned, ""), []);
    let checked = Method {
        parameters: BTreeMap::from([("method.request.querystring.page".into(), true)]),
        models: BTreeMap::from([("application/json".into(), "Order".into())]),
        validator: Some("stepgate-body-and-parameters".into()),
        ..from.clone()
    };
    assert_eq!(
        method_patches(&from, &checked, str::to_owned, "v1"),
        [
            Patch::replace("/requestValidatorId", "v1"),
            Patch::add("/requestParameters/method.request.querystring.page", "true"),
            Patch::add("/requestModels/application~1json", "Order"),
        ]
    );
    assert_eq!(
        method_patches(&checked, &from, str::to_owned, ""),
        [
            Patch::replace("/requestValidatorId", ""),
            Patch::remove("/requestParameters/method.request.querystring.page"),
            Patch::remove("/requestModels/application~1json"),
        ]
    );
}

#[test]
fn authorizers_are_named_by_their_ids_and_scopes_change_one_by_one() {
    let from = Method {
        authorization: "COGNITO_USER_POOLS".into(),
        authorizer: Some("old".into()),
        scopes: BTreeSet::from(["a".into(), "b".into()]),
        ..method("demo_a")
    };
    let to =
        Method { authorizer: Some("new".into()), scopes: BTreeSet::from(["b".into(), "c".into()]), ..from.clone() };
    let scope = |op, value: &str| Patch { op, path: "/authorizationScopes".into(), value: Some(value.into()) };
    assert_eq!(
        method_patches(&from, &to, |name| format!("id of {name}"), ""),
        [Patch::replace("/authorizerId", "id of new"), scope(PatchOp::Add, "c"), scope(PatchOp::Remove, "a")]
    );
}

#[test]
fn what_can_not_be_patched_away_is_put_anew() {
    let from = method("demo_a").integration.unwrap();
    let gone = Integration { credentials: None, ..from.clone() };
    assert_eq!(integration_patches(&from, &gone), None);
    let to = Integration {
        uri: Some("arn:aws:apigateway:eu-central-1:states:action/StartSyncExecution".into()),
        passthrough: "WHEN_NO_MATCH".into(),
        parameters: BTreeMap::from([("integration.request.header.A".into(), "'b'".into())]),
        ..from.clone()
    };
    assert_eq!(
        integration_patches(&from, &to),
        Some(vec![
            Patch::replace("/uri", "arn:aws:apigateway:eu-central-1:states:action/StartSyncExecution"),
            Patch::replace("/passthroughBehavior", "WHEN_NO_MATCH"),
            Patch::add("/requestParameters/integration.request.header.A", "'b'"),
        ])
    );
}

#[test]
fn a_response_s_header_is_declared_first_and_taken_back_last() {
    let header = |name: &str| response_header(name);
    let from = MethodResponse {
        headers: BTreeSet::from([header("A"), header("B")]),
        models: BTreeMap::from([("application/json".into(), "Empty".into())]),
    };
    let to = MethodResponse { headers: BTreeSet::from([header("B"), header("C")]), models: BTreeMap::new() };
    assert_eq!(
        method_response_patches(&from, &to),
        (
            vec![
                Patch::add("/responseParameters/method.response.header.C", "false"),
                Patch::remove("/responseModels/application~1json"),
            ],
            vec![Patch::remove("/responseParameters/method.response.header.A")],
        )
    );
    assert_eq!(method_response_patches(&from, &from), (vec![], vec![]));
}

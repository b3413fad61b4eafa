use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn stage(name: &str, serves: Serves, variables: &[(&str, &str)]) -> Desired {
    let settings = Settings { variables: map(variables), ..Settings::default() };
    Desired { name: name.into(), serves, canary: None, settings }
}

fn observed(deployment: &str, settings: Settings) -> BTreeMap<String, Observed> {
    BTreeMap::from([("dev".to_owned(), Observed { deployment_id: deployment.into(), canary: None, settings })])
}

fn texts(steps: &[Vec<Step>]) -> Vec<String> {
    steps.iter().flatten().map(ToString::to_string).collect()
}

fn is(id: &str) -> Serves {
    Serves::Deployment(id.into())
}

#[rstest::rstest]
#[case::as_wanted(stage("dev", is("d1"), &[("a", "1")]), "d1", &[("a", "1")], &[])]
#[case::moved(stage("dev", is("d2"), &[]), "d1", &[], &["move stage dev"])]
#[case::pinned_to_nothing(stage("dev", Serves::Unchanged, &[]), "d1", &[], &[])]
#[case::variables(stage("dev", is("d1"), &[("a", "1")]), "d1", &[("b", "2")], &["update variables/a, variables/b of stage dev"])]
#[case::unwanted(stage("prod", Serves::Unchanged, &[]), "d1", &[], &["delete stage dev"])]
#[case::new_beside(stage("prod", Serves::New, &[]), "d1", &[], &["create stage prod", "delete stage dev"])]
fn stages(
    #[case] desired: Desired,
    #[case] deployment: &str,
    #[case] variables: &[(&str, &str)],
    #[case] steps: &[&str],
) {
    let settings = Settings { variables: map(variables), ..Settings::default() };
    assert_eq!(texts(&diff(&[desired], &observed(deployment, settings))), steps);
}

fn everything() -> Settings {
    let log = AccessLog { destination_arn: "arn:aws:logs:r:a:log-group:g".into(), format: "$context.requestId".into() };
    let throttled = MethodSettings { rate_limit: 5.5, burst_limit: 2, ..MethodSettings::default() };
    Settings {
        description: "d".into(),
        variables: map(&[("a", "1")]),
        tags: map(&[("team", "orders")]),
        tracing: true,
        cache_cluster: Some("0.5".into()),
        client_certificate: Some("a1b2c3".into()),
        access_log: Some(log),
        methods: BTreeMap::from([(ALL_METHODS.to_owned(), throttled)]),
    }
}

/// The patches as `op path value`.
fn patches(steps: &[Vec<Step>]) -> Vec<String> {
    let of = |step: &Step| match step {
        Step::Update { patches, .. } => patches.clone(),
        _ => Vec::new(),
    };
    let line = |patch: Patch| {
        let op = format!("{:?}", patch.op).to_lowercase();
        format!("{op} {} {}", patch.path, patch.value.unwrap_or_default()).trim_end().to_owned()
    };
    steps.iter().flatten().flat_map(of).map(line).collect()
}

#[test]
fn every_setting_is_made_and_taken_back() {
    let wanted = Desired { settings: everything(), ..stage("dev", is("d1"), &[]) };
    let none = observed("d1", Settings::default());
    let made = diff(std::slice::from_ref(&wanted), &none);
    assert_eq!(
        patches(&made),
        [
            "replace /variables/a 1",
            "replace /description d",
            "replace /tracingEnabled true",
            "replace /cacheClusterSize 0.5",
            "replace /cacheClusterEnabled true",
            "replace /clientCertificateId a1b2c3",
            "replace /accessLogSettings/destinationArn arn:aws:logs:r:a:log-group:g",
            "replace /accessLogSettings/format $context.requestId",
            "replace /*/*/metrics/enabled false",
            "replace /*/*/logging/loglevel OFF",
            "replace /*/*/logging/dataTrace false",
            "replace /*/*/throttling/burstLimit 2",
            "replace /*/*/throttling/rateLimit 5.5",
            "replace /*/*/caching/enabled false",
            "replace /*/*/caching/ttlInSeconds 300",
            "replace /*/*/caching/dataEncrypted false",
            "replace /*/*/caching/requireAuthorizationForCacheControl true",
            "replace /*/*/caching/unauthorizedCacheControlHeaderStrategy SUCCEED_WITH_RESPONSE_HEADER",
        ]
    );
    assert_eq!(made[0][1], Step::Tag { name: "dev".into(), set: map(&[("team", "orders")]), remove: vec![] });
    let all = observed("d1", everything());
    assert_eq!(diff(std::slice::from_ref(&wanted), &all), Vec::<Vec<Step>>::new());
    let gone = diff(&[stage("dev", is("d1"), &[])], &all);
    assert_eq!(
        patches(&gone),
        [
            "remove /variables/a",
            "replace /description",
            "replace /tracingEnabled false",
            "replace /cacheClusterEnabled false",
            "replace /clientCertificateId",
            "remove /accessLogSettings",
            "remove /*/*",
        ]
    );
    assert_eq!(gone[0][1], Step::Tag { name: "dev".into(), set: Tags::new(), remove: vec!["team".into()] });
}

#[test]
fn a_new_stage_is_made_with_what_create_takes_and_updated_with_the_rest() {
    let wanted = Desired { settings: everything(), ..stage("prod", Serves::New, &[]) };
    let steps = diff(&[wanted], &BTreeMap::new());
    let [create, rest] = &steps[0][..] else { panic!("{steps:?}") };
    let Step::Create { settings, .. } = create else { panic!("{create}") };
    assert_eq!(
        **settings,
        Settings { client_certificate: None, access_log: None, methods: BTreeMap::new(), ..everything() }
    );
    let rest = patches(&[vec![rest.clone()]]);
    assert_eq!(rest.len(), 13, "{rest:?}");
    assert!(rest[1].starts_with("replace /accessLogSettings/destinationArn"), "{rest:?}");
}

#[rstest::rstest]
#[case("/", "~1/GET")]
#[case("/orders", "orders/GET")]
#[case("/orders/{id}", "orders~1{id}/GET")]
fn a_method_s_key_is_its_patch_path_however_it_is_shown(#[case] path: &str, #[case] key: &str) {
    assert_eq!(method_key(path, "GET"), key);
    for shown in [key.to_owned(), format!("{path}/GET"), format!("{}/GET", &path[1..])] {
        assert_eq!(settings::shown_key(&shown), key, "{shown}");
    }
    assert_eq!(settings::shown_key("*/*"), ALL_METHODS);
}

fn canary<S>(serves: S, percent: f64, variables: &[(&str, &str)]) -> Canary<S> {
    Canary { serves, percent, variables: map(variables), use_stage_cache: false }
}

fn with_canary(canary: Option<Canary<String>>) -> BTreeMap<String, Observed> {
    let mut found = observed("d1", Settings::default());
    found.get_mut("dev").unwrap().canary = canary;
    found
}

#[test]
fn a_canary_is_made_changed_and_promoted_in_one_call_each() {
    let held = stage("dev", is("d1"), &[]);
    let wanted = Desired { canary: Some(canary(is("d2"), 10.5, &[("a", "2")])), ..held.clone() };
    let made = diff(std::slice::from_ref(&wanted), &with_canary(None));
    let text = "update canarySettings/deploymentId, canarySettings/percentTraffic, canarySettings/stageVariableOverrides/a of stage dev";
    assert_eq!(texts(&made), [text]);
    let now = with_canary(Some(canary("d2".into(), 10.5, &[("a", "2")])));
    assert_eq!(diff(&[wanted], &now), Vec::<Vec<Step>>::new());
    // More of it, and without its variable.
    let more = Desired { canary: Some(canary(is("d2"), 50.0, &[])), ..held.clone() };
    let steps = diff(&[more], &now);
    assert_eq!(
        patches(&steps),
        ["replace /canarySettings/percentTraffic 50", "remove /canarySettings/stageVariableOverrides/a"]
    );
    // Promoted: moved, with the variable, and without the canary.
    let steps = diff(&[stage("dev", is("d2"), &[("a", "2")])], &now);
    assert_eq!(texts(&steps), ["move stage dev and update variables/a, canarySettings"]);
    assert_eq!(patches(&steps), ["replace /variables/a 2", "remove /canarySettings"]);
    // Taken back.
    assert_eq!(texts(&diff(&[held], &now)), ["update canarySettings of stage dev"]);
}

#[test]
fn a_canary_of_no_revision_is_left_as_it_is() {
    let wanted = Desired { canary: Some(canary(Serves::Unchanged, 20.0, &[])), ..stage("dev", is("d1"), &[]) };
    assert_eq!(diff(std::slice::from_ref(&wanted), &with_canary(None)), Vec::<Vec<Step>>::new(), "none is made");
    let steps = diff(&[wanted], &with_canary(Some(canary("d2".into(), 10.0, &[]))));
    assert_eq!(patches(&steps), ["replace /canarySettings/percentTraffic 20"]);
    let Step::Update { serves: None, canary: None, .. } = &steps[0][0] else { panic!("{steps:?}") };
}

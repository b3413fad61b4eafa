use std::collections::BTreeSet;

use super::*;
use crate::api::StageStatus;
use crate::resources::route::At;
use crate::validate::fixture::{object, route, with};

/// A record of `demo/r` at `POST /x` in the form with this hash.
fn record(revision: i64, hash: &str) -> Record {
    let at = At { path: "/x".into(), method: "POST".into() };
    let served = ServedRoute { route: Key::new("demo", "r"), at, hash: hash.into(), machines: BTreeSet::new() };
    Record {
        revision,
        rest_api_id: "a1".into(),
        deployment_id: format!("d{revision}"),
        hash: "h".into(),
        routes: if hash.is_empty() { vec![] } else { vec![served] },
        roles: BTreeMap::new(),
        authorizers: false,
        models: false,
        rebuilt: false,
        older: None,
    }
}

/// Stages that follow or are pinned, and the form of the route that each serves.
type Stages<'a> = &'a [(&'a str, bool, &'a str)];

fn computed(before: &str, stages: Stages<'_>, state: &RouteState) -> Computed {
    let route: APIRoute = object(&with(&with(&route("demo/r", "POST /x", "m"), "{metadata: {generation: 3}}"), before));
    let records: Vec<Record> = stages.iter().zip(1..).map(|((_, _, hash), revision)| record(revision, hash)).collect();
    let serving: Vec<Serving<'_>> = stages
        .iter()
        .zip(&records)
        .map(|((stage, follows, _), record)| Serving { stage, follows: *follows, record: Some(record), canary: None })
        .collect();
    let stage_status = |(name, record): (&&str, &Record)| StageStatus {
        name: (*name).to_owned(),
        invoke_url: format!("https://a1/{name}"),
        revision: Some(record.revision),
        canary: None,
    };
    let names = stages.iter().map(|(name, ..)| name);
    let api = RestAPIStatus { stages: names.zip(&records).map(stage_status).collect(), ..RestAPIStatus::default() };
    let mut computed = status(&route, &api, &serving, state);
    publish::set_state(&mut computed.status.common, route.meta().generation, &computed.state);
    computed
}

/// `type status reason generation`, sorted.
fn conditions(computed: &Computed) -> Vec<String> {
    let of = |generation: Option<i64>| generation.map_or(String::new(), |generation| format!(" {generation}"));
    let all = computed.status.common.conditions.iter();
    let mut all: Vec<_> =
        all.map(|c| format!("{} {} {}{}", c.type_, c.status, c.reason, of(c.observed_generation))).collect();
    all.sort();
    all
}

fn attached(hash: &str) -> RouteState {
    RouteState::Attached { hash: hash.into(), problem: None, held: None }
}

fn refused(problem: Problem, refs: bool) -> RouteState {
    let withdrawn = problem.reason == reasons::NOT_ALLOWED;
    RouteState::Refused { refusal: Refusal { problem, refs, withdrawn }, caution: None }
}

fn message(computed: &Computed, type_: &str) -> String {
    computed.status.common.conditions.iter().find(|c| c.type_ == type_).unwrap().message.clone()
}

const SERVED: [&str; 6] = [
    "Accepted True Accepted 3",
    "Programmed True Programmed 3",
    "Ready True Ready 3",
    "Reconciling False Healthy 3",
    "ResolvedRefs True ResolvedRefs 3",
    "Stalled False Healthy 3",
];

#[test]
fn a_served_route_has_its_urls() {
    let computed = computed("{}", &[("prod", true, "new"), ("dev", true, "new")], &attached("new"));
    assert_eq!(conditions(&computed), SERVED);
    assert_eq!(computed.status.url.as_deref(), Some("https://a1/prod/x"));
    assert_eq!(message(&computed, "Ready"), "Served at https://a1/prod/x");
    let stages: Vec<_> = computed.status.stages.iter().map(|s| (s.url.as_str(), s.revision)).collect();
    assert_eq!(stages, [("https://a1/prod/x", Some(1)), ("https://a1/dev/x", Some(2))]);
}

#[rstest::rstest]
#[case::pinned_stages_do_not_count(&[("prod", false, "old"), ("dev", true, "new")], true)]
#[case::pinned_stage_without_it(&[("prod", false, ""), ("dev", true, "new")], true)]
#[case::only_pinned_ones(&[("prod", false, "")], true)]
#[case::a_stage_with_the_old_form(&[("prod", true, "new"), ("dev", true, "old")], false)]
#[case::a_stage_without_it(&[("prod", true, "new"), ("dev", true, "")], false)]
fn every_stage_that_follows_must_serve_the_present_form(#[case] stages: Stages<'_>, #[case] ready: bool) {
    let computed = computed("{}", stages, &attached("new"));
    assert_eq!(conditions(&computed) == SERVED, ready, "{:?}", conditions(&computed));
    assert_eq!(matches!(computed.state, State::Ready(_)), ready);
}

#[test]
fn a_route_that_waits_says_for_what() {
    let waits = |before| {
        let problem = Some(Problem::waiting(reasons::WAITING_FOR_ROLE, "the role is new"));
        let state = RouteState::Attached { hash: "new".into(), problem, held: None };
        computed("{}", &[("prod", true, before)], &state)
    };
    assert_eq!(
        conditions(&waits("")),
        [
            "Accepted True Accepted 3",
            "Programmed False WaitingForRole 3",
            "Ready False WaitingForRole 3",
            "Reconciling True WaitingForRole 3",
            "ResolvedRefs True ResolvedRefs 3",
            "Stalled False Healthy 3",
        ]
    );
    let serves_an_older_form = waits("old");
    assert!(conditions(&serves_an_older_form).contains(&"Programmed True LastKnownGood 2".to_owned()));
    assert!(conditions(&serves_an_older_form).contains(&"Ready False LastKnownGood 3".to_owned()));
    let unknown = computed("{}", &[("prod", true, "")], &attached("new"));
    assert_eq!(message(&unknown, "Ready"), "waiting for the next deployment of the RestAPI");
    assert!(conditions(&unknown).contains(&"Reconciling True Progressing 3".to_owned()));
}

#[test]
fn a_refused_reference_is_told_by_resolved_refs() {
    let missing = Problem::waiting(reasons::WAITING_FOR_REFERENCE, "StateMachine demo/m does not exist");
    let computed = computed("{}", &[("prod", true, "old")], &refused(missing, true));
    assert_eq!(
        conditions(&computed),
        [
            "Accepted True Accepted 3",
            "Programmed True LastKnownGood 2",
            "Ready False LastKnownGood 3",
            "Reconciling True WaitingForReference 3",
            "ResolvedRefs False WaitingForReference 3",
            "Stalled False Healthy 3",
        ]
    );
    assert_eq!(
        message(&computed, "Ready"),
        "StateMachine demo/m does not exist. What was served before keeps serving."
    );
    assert_eq!(message(&computed, "Programmed"), "An earlier form keeps serving: StateMachine demo/m does not exist");
}

#[rstest::rstest]
#[case::conflict(reasons::ROUTE_CONFLICT, "Accepted False Conflicted 3", "Stalled True RouteConflict 3")]
#[case::grant(reasons::NOT_ALLOWED, "Accepted False NotAllowed 3", "Stalled True NotAllowed 3")]
#[case::spec(reasons::INVALID_SPEC, "Accepted False InvalidSpec 3", "Stalled True InvalidSpec 3")]
fn what_is_wrong_with_the_route_itself_is_told_by_accepted(
    #[case] reason: &'static str,
    #[case] accepted: &str,
    #[case] stalled: &str,
) {
    let computed = computed("{}", &[("prod", true, "")], &refused(Problem::stalled(reason, "no"), false));
    let conditions = conditions(&computed);
    assert!(conditions.contains(&accepted.to_owned()) && conditions.contains(&stalled.to_owned()), "{conditions:?}");
    assert!(conditions.contains(&format!("Programmed False {reason} 3")), "{conditions:?}");
    assert_eq!((computed.status.url, computed.status.stages.len()), (None, 0));
}

#[test]
fn what_has_to_be_known_of_the_kept_form_stands_in_the_message() {
    let problem = Problem::stalled(reasons::INVALID_SPEC, "spec.x is wrong");
    let refusal = Refusal { problem, refs: false, withdrawn: false };
    let state = RouteState::Refused { refusal, caution: Some("ATTENTION: it is open") };
    let computed = computed("{}", &[("prod", true, "old")], &state);
    assert!(message(&computed, "Stalled").contains("spec.x is wrong. ATTENTION: it is open"));
}

#[test]
fn a_problem_of_the_api_is_its_routes_problem() {
    let problem = Problem::waiting(reasons::RETRYING, "AWS does not answer");
    let computed = computed("{}", &[], &RouteState::ApiProblem(problem));
    assert_eq!(
        conditions(&computed),
        [
            "Programmed False Retrying 3",
            "Ready False Retrying 3",
            "Reconciling True Retrying 3",
            "Stalled False Healthy 3"
        ]
    );
}

#[rstest::rstest]
#[case::was_ready("{status: {observedGeneration: 3, conditions: [READY]}}", "Ready True Ready 3")]
#[case::changed_since("{status: {observedGeneration: 2, conditions: [READY]}}", "Ready False Paused 3")]
#[case::was_not_ready("{status: {observedGeneration: 3, conditions: [FAILED]}}", "Ready False Paused 3")]
#[case::never_seen("{}", "Ready False Paused 3")]
fn a_paused_route_is_ready_when_nothing_is_held_back(#[case] before: &str, #[case] ready: &str) {
    let condition = |status: &str| {
        format!(
            "{{type: Ready, status: '{status}', reason: R, message: m, lastTransitionTime: '2026-01-01T00:00:00Z'}}"
        )
    };
    let before = before.replace("READY", &condition("True")).replace("FAILED", &condition("False"));
    let paused = refused(Problem::waiting(reasons::PAUSED, "Paused by annotation"), false);
    let computed = computed(&before, &[("prod", true, "old")], &paused);
    let conditions = conditions(&computed);
    assert!(conditions.contains(&ready.to_owned()), "{conditions:?}");
    assert!(conditions.contains(&"Reconciling False Healthy 3".to_owned()));
    assert!(conditions.contains(&"Stalled False Healthy 3".to_owned()));
}

#[test]
fn under_a_paused_api_what_is_served_as_asked_is_ready() {
    let held = Some(State::Paused("Its RestAPI is paused".into()));
    let paused = |hash: &str| RouteState::Attached { hash: hash.into(), problem: None, held: held.clone() };
    assert!(matches!(computed("{}", &[("prod", true, "new")], &paused("new")).state, State::Ready(_)));
    assert!(matches!(computed("{}", &[("prod", true, "old")], &paused("new")).state, State::Paused(_)));
}

#[test]
fn that_there_is_no_such_api_is_not_said_once_there_is() {
    let before = "{status: {conditions: [{type: Accepted, status: 'False', reason: NoSuchAPI, message: none, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}";
    let problem = Problem::waiting(reasons::RETRYING, "AWS does not answer");
    let computed = computed(before, &[("prod", true, "")], &RouteState::ApiProblem(problem));
    assert!(!conditions(&computed).iter().any(|condition| condition.starts_with("Accepted")));
}

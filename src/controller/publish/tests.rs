use super::*;
use crate::problem::Problem;

/// `type status reason` of the conditions, and Ready's message.
fn conditions_of(state: &State) -> (Vec<String>, String) {
    let mut status = CommonStatus::default();
    set_state(&mut status, Some(3), state);
    assert_eq!(status.observed_generation, Some(3));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(3)));
    let line = |c: &Condition| format!("{} {} {}", c.type_, c.status, c.reason);
    (status.conditions.iter().map(line).collect(), status.conditions[0].message.clone())
}

fn problem(kind: Kind) -> Problem {
    match kind {
        Kind::Stalled => Problem::stalled(reasons::INVALID_SPEC, "spec.name is wrong"),
        Kind::Waiting => Problem::waiting(reasons::RETRYING, "AWS does not answer"),
    }
}

#[rstest::rstest]
#[case::ready(State::Ready("Served.".into()), ["Ready True Ready", "Reconciling False Healthy", "Stalled False Healthy"], "Served.")]
#[case::waiting(State::Not { problem: problem(Kind::Waiting), serving: false }, ["Ready False Retrying", "Reconciling True Retrying", "Stalled False Healthy"], "AWS does not answer")]
#[case::stalled(State::Not { problem: problem(Kind::Stalled), serving: false }, ["Ready False InvalidSpec", "Reconciling False Healthy", "Stalled True InvalidSpec"], "spec.name is wrong")]
#[case::last_known_good(State::Not { problem: problem(Kind::Stalled), serving: true }, ["Ready False LastKnownGood", "Reconciling False Healthy", "Stalled True InvalidSpec"], "spec.name is wrong. What was served before keeps serving.")]
#[case::serves_and_waits(State::Not { problem: problem(Kind::Waiting), serving: true }, ["Ready False LastKnownGood", "Reconciling True Retrying", "Stalled False Healthy"], "AWS does not answer. What was served before keeps serving.")]
#[case::paused(State::Paused("create role r".into()), ["Ready False Paused", "Reconciling False Healthy", "Stalled False Healthy"], "create role r")]
#[case::drifted(State::Drifted("create role r".into()), ["Ready False Drifted", "Reconciling False Healthy", "Stalled False Healthy"], "create role r")]
#[case::deleting(State::Deleting(Problem::waiting(reasons::DELETING, "being deleted")), ["Ready False Deleting", "Reconciling True Deleting", "Stalled False Healthy"], "being deleted")]
#[case::deletion_needs_help(State::Deleting(Problem::stalled(reasons::WRONG_ACCOUNT, "another account")), ["Ready False WrongAccount", "Reconciling False Healthy", "Stalled True WrongAccount"], "another account")]
fn conditions_say_how_an_object_stands(#[case] state: State, #[case] conditions: [&str; 3], #[case] message: &str) {
    let (found, says) = conditions_of(&state);
    assert_eq!(found, conditions);
    assert_eq!(says, message);
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let mut conditions = Vec::new();
    set(&mut conditions, READY, Some(false), reasons::RETRYING, "once", Some(1));
    let then = Time(Timestamp::from_second(1_000_000).unwrap());
    conditions[0].last_transition_time = then.clone();
    set(&mut conditions, READY, Some(false), reasons::PAUSED, "again", Some(2));
    assert_eq!((conditions.len(), &conditions[0].last_transition_time), (1, &then));
    assert_eq!((conditions[0].reason.as_str(), conditions[0].observed_generation), ("Paused", Some(2)));
    set(&mut conditions, READY, Some(true), reasons::READY, "at last", Some(2));
    assert_ne!(conditions[0].last_transition_time, then);
}

#[test]
fn a_status_that_says_the_same_is_the_same() {
    let mut status = CommonStatus::default();
    set_state(&mut status, Some(1), &State::Ready("Served.".into()));
    let before = status.clone();
    set_state(&mut status, Some(1), &State::Ready("Served.".into()));
    assert_eq!(status, before, "it is not written again");
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let mut conditions = Vec::new();
    set(&mut conditions, READY, None, reasons::PENDING, &"é".repeat(2000), None);
    assert_eq!(conditions[0].status, "Unknown");
    assert_eq!(conditions[0].message.chars().count(), LONGEST_MESSAGE + 1);
    assert!(conditions[0].message.ends_with("é…"));
}

#[test]
fn a_message_shows_what_can_not_be_seen() {
    let quoted = "spec.region `a\n2026 INFO all is well\u{1b}[31m\u{202e}\u{200b}é🥔`";
    let mut status = CommonStatus::default();
    let problem = Problem::stalled(reasons::NOT_ADMITTED, quoted);
    set_state(&mut status, Some(1), &State::Not { problem, serving: false });
    let says = r"spec.region `a\n2026 INFO all is well\u{1b}[31m\u{202e}\u{200b}é🥔`";
    assert!(status.conditions.iter().filter(|it| it.reason == reasons::NOT_ADMITTED).all(|it| it.message == says));
}

#[test]
fn what_was_told_is_not_told_again_however_long_it_is() {
    for message in ["short".to_owned(), "long ".repeat(1000), "\n".repeat(2000)] {
        for serving in [false, true] {
            let problem = Problem::stalled(reasons::INVALID_SPEC, message.clone());
            let mut status = CommonStatus::default();
            set_state(&mut status, Some(1), &State::Not { problem, serving });
            assert!(told(&status.conditions, &message), "{} characters", message.len());
            assert!(!told(&status.conditions, "another"));
        }
    }
}

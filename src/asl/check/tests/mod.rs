//! The rules for states and transitions; beside it those for what is inside of states.

mod data;
mod fields;
mod tasks;
mod verdicts;

use super::{MachineType, check};
use crate::asl::finding::Severity;
use crate::asl::parse::parse;

/// Severity and text of all findings but advice; warnings in brackets.
fn said(text: &str, machine_type: MachineType) -> Vec<String> {
    let definition = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    check(&definition, machine_type)
        .iter()
        .filter(|finding| finding.severity > Severity::Advice)
        .map(|finding| {
            if finding.is_error() {
                format!("{} {finding}", finding.code)
            } else {
                format!("({}) {finding}", finding.code)
            }
        })
        .collect()
}

#[track_caller]
fn finds(text: &str, expected: &[&str]) {
    assert_eq!(said(text, MachineType::Standard), expected, "{text}");
}

#[test]
fn names_the_place_the_state_and_the_cure() {
    finds(
        "\
StartAt: Chek
States:
  Check:
    Type: Choice
    Choices:
      - {Variable: $.x, IsNull: true, Next: Proces}
      - {Variable: $.y, IsNull: true}
    Default: Nowhere
  Process:
    Type: Task
    Resource: arn:aws:lambda:eu-central-1:111122223333:function:f
    Catch: [{ErrorEquals: [States.ALL], Next: Doen}, {ErrorEquals: [Mine]}]
    Next: Inner
  Done: {Type: Sucseed}
  Loop:
    Type: Map
    ItemProcessor:
      StartAt: Inner
      States:
        Inner: {Type: Pass, Next: Done}
    Next: Done
",
        &[
            "unknown-start line 1, column 10: The definition starts at `Chek`, which none of its states is named; did you \
             mean `Check`?",
            "unknown-next line 6, column 45: State `Check` has a choice rule with Next `Proces`, which no state of this \
             level has; did you mean `Process`?",
            "next-missing line 7, column 9: A choice rule of state `Check` has no Next",
            "unknown-next line 8, column 14: State `Check` has Default `Nowhere`, which no state of this level has; the \
             states there are `Check`, `Process`, `Done`, `Loop`",
            "states-all line 12, column 28: A catcher of state `Process` names States.ALL and is not the last, so those after \
             it never apply; move it to the end",
            "unknown-next line 12, column 47: State `Process` has a catcher with Next `Doen`, which no state of this \
             level has; did you mean `Done`?",
            "next-missing line 12, column 54: A catcher of state `Process` has no Next",
            "unknown-next line 13, column 11: State `Process` has Next `Inner`, which no state of this level has; there \
             is one at another level, but states go only to states of their own level",
            "type-unknown line 14, column 16: State `Done` has the Type `Sucseed`, which does not exist; did you mean \
             `Succeed`?",
            "unreachable-state line 15, column 3: State `Loop` can't be reached: neither StartAt nor another state names \
             it; let a state go to it, or remove it",
            "unknown-next line 20, column 35: State `Inner` has Next `Done`, which no state of this level has; there is \
             one at another level, but states go only to states of their own level",
        ],
    );
}

#[test]
fn wants_a_start_and_states() {
    finds(
        "{}",
        &[
            "start-missing line 1, column 1: The definition has no StartAt",
            "states-missing line 1, column 1: The definition has no States; add States, an object of states by their names",
        ],
    );
    finds(
        "{\"StartAt\": 1, \"States\": []}",
        &[
            "start-missing line 1, column 13: The definition has a StartAt that is not the name of a state",
            "states-missing line 1, column 26: The definition has a States that is not an object of states by their names",
        ],
    );
    finds(
        "{\"StartAt\": \"A\", \"States\": {}}",
        &["states-empty line 1, column 18: The definition has no state in its States"],
    );
    finds(
        "States: {A: {Type: Parallel, Branches: [3, {StartAt: B}], End: true}}",
        &[
            "start-missing line 1, column 1: The definition has no StartAt; add the name of its first state, as StartAt: A",
            "not-an-object line 1, column 41: A branch or processor of state `A` is not an object with StartAt and States",
            "states-missing line 1, column 44: A branch or processor of state `A` has no States; add States, an object of \
             states by their names",
        ],
    );
}

/// The codes found in a machine that starts at A and has a state Z that ends it.
#[track_caller]
fn state(fields: &str, codes: &[&str]) {
    let text = format!(
        "StartAt: A\nStates:\n  A: {{{fields}}}\n  Z: {{Type: Pass, End: true}}\n  Y: {{Type: Pass, Next: Z}}\n"
    );
    let found: Vec<_> = check(&parse(&text).unwrap(), MachineType::Standard)
        .iter()
        .filter(|finding| !finding.pointer.ends_with("/Y") && !finding.pointer.ends_with("/Z"))
        .filter(|finding| finding.severity > Severity::Advice)
        .map(|finding| if finding.is_error() { finding.code.to_owned() } else { format!("({})", finding.code) })
        .collect();
    assert_eq!(found, codes, "{text}");
}

#[test]
fn wants_what_each_type_needs() {
    state("Type: Pass, Next: Z", &[]);
    state("Type: Pass, End: true", &[]);
    state("Type: Pass, Next: Z, End: false", &[]);
    state("Type: Pass, Next: Z, End: true", &["next-and-end"]);
    state("Type: Pass", &["next-missing"]);
    state("Type: Pass, Next: null", &["next-missing"]);
    state("Type: Pass, End: false", &["(end-false)"]);
    state("Type: Pass, End: \"true\"", &["end-not-boolean"]);
    state("Type: Pass, Next: 1", &["unknown-next"]);
    state("Type: Wait, Seconds: 1", &["next-missing"]);
    state("Type: Succeed", &[]);
    state("Type: Fail", &[]);
    state("Type: Task, Resource: 'arn:aws:lambda:eu-central-1:111122223333:function:f', Next: Z", &[]);
    state("Type: Task, Next: Z", &["resource-missing"]);
    state("Type: Task, Resource: [], Next: Z", &["resource-missing"]);
    state("Type: Task, Resource: {Ref: F}, Next: Z", &["(resource-object)"]);
    state("Type: Choice, Default: Z", &["choices-missing"]);
    state("Type: Choice, Choices: [], Default: Z", &["choices-missing"]);
    state("Type: Choice, QueryLanguage: JSONata, Choices: [{Condition: '{% true %}', Next: Z}]", &[]);
    state("Type: Parallel, Next: Z", &["branches-missing"]);
    state("Type: Map, Next: Z", &["item-processor-missing"]);
    state("Type: Map, Iterator: {StartAt: B, States: {B: {Type: Succeed}}}, Next: Z", &[]);
    state("Next: Z", &["type-missing"]);
    state("Type: 1, Next: Z", &["type-unknown"]);
    state("Type: Nap, Next: Z", &["type-unknown"]);
    finds(
        "{\"StartAt\": \"A\", \"States\": {\"A\": 1}}",
        &["not-an-object line 1, column 29: State `A` is not an object"],
    );
}

#[test]
fn refuses_names_that_are_too_long_or_there_twice() {
    let (fits, long) = ("é".repeat(80), "é".repeat(81));
    finds(
        &format!("StartAt: {fits}\nStates:\n  {fits}: {{Type: Pass, Next: {long}}}\n  {long}: {{Type: Succeed}}\n"),
        &[&format!(
            "state-name-too-long line 4, column 3: The state name `{fits}…` has 81 characters; AWS takes at most 80"
        )],
    );
    finds(
        "StartAt: P
States:
  P:
    Type: Parallel
    End: true
    Branches:
      - {StartAt: B, States: {B: {Type: Succeed}}}
      - {StartAt: B, States: {B: {Type: Pass, Next: P}, P: {Type: Fail}}}
",
        &[
            "duplicate-state-name line 8, column 31: State `B` has the same name as one inside of `P`; give it another \
             name; names are unique in the whole machine",
            "duplicate-state-name line 8, column 57: State `P` has the same name as one at the top; give it another name; \
             names are unique in the whole machine",
        ],
    );
}

#[test]
fn finds_states_that_nothing_reaches_and_machines_that_never_end() {
    finds(
        "StartAt: A\nStates:\n  A: {Type: Pass, Next: B}\n  B: {Type: Pass, Next: A}\n",
        &[
            "no-end line 1, column 1: The definition never ends: no state has End: true, or is of Type Succeed or Fail; give a \
             state End: true, or let one go to a state of Type Succeed or Fail",
        ],
    );
    finds(
        "StartAt: A
States:
  A: {Type: Pass, Next: B}
  B: {Type: Pass, Next: A}
  C: {Type: Pass, End: true}
  D: {Type: Pass, Next: E}
  E: {Type: Pass, Next: D}
",
        &[
            "unreachable-state line 5, column 3: State `C` can't be reached: neither StartAt nor another state names it; \
             let a state go to it, or remove it",
            "(cut-off-state) line 6, column 3: State `D` can't be reached from StartAt; let a state that is reached go \
             to it, or remove it",
            "(cut-off-state) line 7, column 3: State `E` can't be reached from StartAt; let a state that is reached go \
             to it, or remove it",
        ],
    );
}

#[test]
fn refuses_what_express_machines_cannot_do() {
    for (resource, code) in [
        ("arn:aws:states:::states:startExecution.sync", Some("express-pattern")),
        ("arn:aws:states:::states:startExecution.sync:2", Some("express-pattern")),
        ("arn:aws-cn:states:::sqs:sendMessage.waitForTaskToken", Some("express-pattern")),
        ("arn:${AWS::Partition}:states:::ecs:runTask.sync", Some("express-pattern")),
        ("arn:aws:states:eu-central-1:111122223333:activity:a", Some("express-activity")),
        ("arn:aws:states:::sqs:sendMessage", None),
        ("arn:aws:states:::aws-sdk:sfn:describeActivity", None),
        ("arn:aws:lambda:eu-central-1:111122223333:function:sync", None),
    ] {
        let text = format!(
            "StartAt: M\nStates:\n  M:\n    Type: Map\n    End: true\n    ItemProcessor: {{StartAt: T, States: \
             {{T: {{Type: Task, Resource: \"{resource}\", End: true}}}}}}\n"
        );
        let definition = parse(&text).unwrap();
        let seen = |machine_type| {
            let mut found = check(&definition, machine_type);
            found.retain(|finding| finding.severity == Severity::Error && finding.code != "parameters-missing");
            found
        };
        assert_eq!(seen(MachineType::Standard), [], "{resource}");
        let found = seen(MachineType::Express);
        assert_eq!(found.first().map(|finding| finding.code), code, "{resource}");
        for finding in found {
            assert_eq!(finding.pointer, "/States/M/ItemProcessor/States/T/Resource");
        }
    }
}

#[test]
fn bounds_what_it_reports() {
    let many: Vec<String> = (0..20_000).map(|i| format!("\"s{i}\":{{}}")).collect();
    let text = format!("{{\"StartAt\":\"s0\",\"States\":{{{}}}}}", many.join(","));
    let found = check(&parse(&text).unwrap(), MachineType::Standard);
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].to_string(), "38999 more findings are not listed; mend those that are, then look again");
    assert!(found[1000].is_error());
}

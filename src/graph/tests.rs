//! Every state and every transition is in every picture, and what an execution did is seen on it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::layout::{Size, lay_out};
use super::{Event, Graph, Items, Kind, Picture, Status, Way, dot, mermaid, svg};
use crate::asl::{Machine, StateType, parse};

fn graph(definition: &Value) -> Graph {
    Graph::read(&Machine::read(definition))
}

/// All pictures of a definition; each holds each state and each transition.
fn try_all(definition: &Value) -> Graph {
    let machine = Machine::read(definition);
    let graph = Graph::read(&machine);
    let states: usize = machine.levels.iter().map(|level| level.states.len()).sum();
    let drawn = |test: fn(Kind) -> bool| {
        graph.levels.iter().flat_map(|level| &level.nodes).filter(|node| test(node.kind)).count()
    };
    assert_eq!(drawn(|kind| matches!(kind, Kind::State(_))), states);
    for (level, shown) in machine.levels.iter().zip(&graph.levels) {
        let edges: HashSet<(usize, &str, bool)> = shown
            .edges
            .iter()
            .filter(|edge| shown.nodes[edge.to].kind != Kind::End)
            .map(|edge| (edge.from, shown.nodes[edge.to].name.as_str(), edge.catch))
            .collect();
        for (index, state) in level.states.iter().enumerate() {
            let node = &shown.nodes[index + 1];
            assert_eq!((node.name.as_str(), node.kind), (state.at.name, Kind::State(state.kind)));
            assert_eq!(node.levels.len(), state.at.levels().count());
            for transition in state.transitions() {
                let catch = matches!(transition.why, crate::asl::Why::Catch(_));
                let name = transition.to.as_str().map_or_else(|| transition.to.to_string(), str::to_owned);
                assert!(edges.contains(&(index + 1, name.as_str(), catch)), "{} to {name}", state.at.name);
            }
        }
    }
    let edges: usize = graph.levels.iter().map(|level| level.edges.len()).sum();
    let texts =
        [mermaid(&graph, None), dot("m", &graph, None), svg(&[Picture { title: "", graph: &graph, way: None }])];
    assert_eq!(texts[0].lines().filter(|line| line.contains("-->") || line.contains("-.->")).count(), edges);
    assert_eq!(texts[1].lines().filter(|line| line.contains(" -> ")).count(), edges);
    assert_eq!(texts[2].matches("<path class=\"edge").count(), edges);
    for text in &texts {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
    graph
}

const EVERY_TYPE: &str = r#"
StartAt: Look
States:
  Look:
    Type: Task
    Resource: arn:aws:states:::dynamodb:getItem
    Parameters: {TableName: t, Key: {}}
    Retry: [{ErrorEquals: [DynamoDB.ThrottlingException, States.Timeout], MaxAttempts: 5}]
    Catch: [{ErrorEquals: [States.ALL], Next: Sorry}]
    Next: Enough?
  Enough?:
    Type: Choice
    Choices:
    - And: [{Variable: $.n, NumericGreaterThan: 3}, {Not: {Variable: $.b, BooleanEquals: true}}]
      Next: Each
    - {Variable: $.state, StringEquals: "new \"one\"", Next: Pause}
    Default: Sorry
  Pause: {Type: Wait, Seconds: 30, Next: Look}
  Each:
    Type: Map
    ItemsPath: $.items
    MaxConcurrency: 5
    ItemProcessor: {StartAt: Pack, States: {Pack: {Type: Pass, End: true}}}
    Next: Both
  Both:
    Type: Parallel
    Branches:
    - {StartAt: Left, States: {Left: {Type: Pass, End: true}}}
    - {StartAt: Right, States: {Right: {Type: Pass, End: true}}}
    Next: Done
  Done: {Type: Succeed}
  Sorry: {Type: Fail, Error: Sorry}
"#;

fn every_type() -> Value {
    parse(EVERY_TYPE).unwrap().value().clone()
}

#[test]
fn every_type_of_state_is_drawn() {
    let graph = try_all(&every_type());
    for kind in StateType::ALL {
        assert!(
            graph.levels.iter().flat_map(|level| &level.nodes).any(|node| node.kind == Kind::State(Some(kind))),
            "{kind:?}"
        );
    }
    insta::assert_snapshot!("mermaid", mermaid(&graph, None));
    insta::assert_snapshot!("dot", dot("every-type", &graph, None));
    insta::assert_snapshot!("svg", svg(&[Picture { title: "every type", graph: &graph, way: None }]));
}

#[rstest::rstest]
#[case(json!({"Variable": "$.n", "NumericGreaterThanEquals": 3}), "$.n ≥ 3")]
#[case(json!({"Variable": "$.a", "StringEquals": "x"}), "$.a = \"x\"")]
#[case(json!({"Variable": "$.a", "StringEqualsPath": "$.b"}), "$.a = $.b")]
#[case(json!({"Variable": "$.a", "StringMatches": "x*"}), "$.a matches \"x*\"")]
#[case(json!({"Variable": "$.t", "TimestampLessThan": "2026-01-01T00:00:00Z"}), "$.t < 2026-01-01T00:00:00Z")]
#[case(json!({"Variable": "$.b", "BooleanEquals": false}), "not($.b)")]
#[case(json!({"Variable": "$.b", "BooleanEqualsPath": "$.c"}), "$.b = $.c")]
#[case(json!({"Variable": "$.p", "IsPresent": true}), "$.p is present")]
#[case(json!({"Variable": "$.p", "IsNull": false}), "$.p is not null")]
#[case(json!({"Or": [{"Variable": "$.b", "BooleanEquals": true}, {"And": [{"Variable": "$.p", "IsString": true},
    {"Not": {"Or": [{"Variable": "$.q", "IsNull": true}, {"Variable": "$.r", "IsNull": true}]}}]}]}),
    "$.b or ($.p is a string and not($.q is null or $.r is null))")]
#[case(json!({"Condition": "{% $states.input.n > 3 %}"}), "$states.input.n > 3")]
fn conditions_can_be_read(#[case] mut rule: Value, #[case] words: &str) {
    rule["Next"] = "A".into();
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [rule]}}});
    let graph = try_all(&definition);
    let edge = graph.levels[0].edges.iter().find(|edge| edge.from == 1).unwrap();
    assert_eq!(edge.labels, [words]);
}

#[test]
fn text_stays_text_in_each_format() {
    let name = "a\"]}|<b>&'`\n#x;%%{}\\ 名";
    let definition =
        json!({"StartAt": name, "States": {name: {"Type": "Task", "Resource": "style: #x;", "Next": "gone\"<"}}});
    let graph = try_all(&definition);
    let text = mermaid(&graph, None);
    assert!(text.contains("a#quot;]}|#lt;b#gt;#amp;'#96; #35;x;#37;#37;{}#92; 名"), "{text}");
    assert!(text.contains("Task · style#58; #35;x;"), "{text}");
    let text = dot("a\"b\\", &graph, None);
    assert!(text.starts_with("digraph \"a\\\"b\\\\\" {"), "{text}");
    assert!(text.contains("<B>a&quot;]}|&lt;b&gt;&amp;&#39;` #x;%%{}\\ 名</B>"), "{text}");
    let text = svg(&[Picture { title: "<t>", graph: &graph, way: None }]);
    assert!(
        text.contains(">a&quot;]}|&lt;b&gt;&amp;&#39;` #x;%%{}\\ 名</text>") && text.contains("&lt;t&gt;"),
        "{text}"
    );
    assert!(text.contains(">no such state</text>"), "{text}");
}

// --- the layout ---

/// Nothing lies on anything else.
#[test]
fn boxes_and_labels_keep_apart_and_edges_go_around_them() {
    let definition = every_type();
    let graph = graph(&definition);
    for level in &graph.levels {
        let boxes: Vec<Size> = level.nodes.iter().map(|_| Size { width: 120.0, height: 40.0 }).collect();
        let size = Size { width: 90.0, height: 17.0 };
        let label = Some(size);
        let links: Vec<_> = level
            .edges
            .iter()
            .map(|edge| super::layout::Link {
                from: edge.from,
                to: edge.to,
                kind: edge.catch,
                label: label.filter(|_| !edge.labels.is_empty()),
                whole: false,
            })
            .collect();
        let layout = lay_out(&boxes, &links);
        let mut areas: Vec<(f64, f64, Size)> =
            layout.boxes.iter().zip(&boxes).map(|((x, y), size)| (*x, *y, *size)).collect();
        areas.extend(layout.routes.iter().filter_map(|route| route.label.map(|(x, y)| (x, y, size))));
        for (index, (x, y, size)) in areas.iter().enumerate() {
            for (left, top, other) in &areas[..index] {
                let beside = x + size.width <= *left || left + other.width <= *x;
                let below = y + size.height <= *top || top + other.height <= *y;
                assert!(beside || below, "{areas:?}");
            }
            assert!(
                *x >= -0.01
                    && x + size.width <= layout.size.width + 0.01
                    && y + size.height <= layout.size.height + 0.01
            );
        }
        for route in &layout.routes {
            for (x, y) in &route.points {
                let inside = layout
                    .boxes
                    .iter()
                    .any(|(left, top)| *x > left + 0.1 && *x < left + 119.9 && *y > top + 0.1 && *y < top + 39.9);
                assert!(!inside, "an edge goes through a box at {x}, {y}");
            }
        }
    }
}

#[test]
fn ten_thousand_states_take_bounded_time() {
    let chain = |state: &dyn Fn(usize) -> Value| {
        let mut states: serde_json::Map<String, Value> = (0..10_000).map(|i| (format!("s{i}"), state(i))).collect();
        states.insert("s10000".to_owned(), json!({"Type": "Succeed"}));
        json!({"StartAt": "s0", "States": states})
    };
    let mut nested = json!({"StartAt": "x0", "States": {"x0": {"Type": "Pass", "End": true}}});
    for i in 1..60 {
        let name = format!("x{i}");
        nested =
            json!({"StartAt": name, "States": {name.clone(): {"Type": "Parallel", "Branches": [nested], "End": true}}});
    }
    let choices: Vec<Value> =
        (0..9_999).map(|i| json!({"Variable": "$.a", "NumericEquals": i, "Next": format!("s{i}")})).collect();
    for (what, definition) in [
        ("far jumps", chain(&|i| json!({"Type": "Pass", "Next": format!("s{}", (i * 7) % 10_000)}))),
        (
            "catchers",
            chain(
                &|i| json!({"Type": "Task", "Resource": "r", "Next": format!("s{}", i + 1), "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "s10000"}]}),
            ),
        ),
        (
            "a fan",
            chain(&|i| {
                if i == 0 {
                    json!({"Type": "Choice", "Choices": choices})
                } else {
                    json!({"Type": "Pass", "End": true})
                }
            }),
        ),
        ("nested", nested),
    ] {
        let start = Instant::now();
        try_all(&definition);
        let took = start.elapsed();
        println!("{what}: {took:?}");
        assert!(took < Duration::from_secs(120), "{what} took {took:?}");
    }
}

/// Anything where a state, a transition or a rule should be.
fn value() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["A", "B", "C", "a\"<", "", "名\n"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        name.clone().prop_map(Value::from),
        Just(json!("arn:aws:states:::lambda:invoke")),
        Just(json!("{% $x %}")),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        let fields = prop::sample::select(vec![
            "Type", "Next", "Default", "End", "StartAt", "States", "Choices", "Catch", "Retry", "ErrorEquals", "Branches",
            "ItemProcessor", "Iterator", "ProcessorConfig", "Mode", "And", "Or", "Not", "Variable", "StringEquals", "Condition", "A", "B",
            "Resource", "Parameters", "FunctionName", "Seconds", "ItemsPath", "MaxAttempts",
        ]);
        let kinds = prop::sample::select(StateType::ALL.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((fields, inner.clone()), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
            (kinds, name.clone(), prop::collection::vec(inner.clone(), 0..3), prop::collection::vec(inner, 0..3)).prop_map(
                |(kind, next, rules, branches)| {
                    let list: Vec<Value> = rules
                        .into_iter()
                        .map(|rule| json!({"Next": next, "Not": rule, "ErrorEquals": ["E"]}))
                        .collect();
                    json!({"Type": kind.name(), "Next": next, "Choices": list, "Catch": list, "Default": next, "End": next.is_empty(),
                        "Branches": branches.iter().map(|state| json!({"StartAt": "A", "States": {"A": state, "B": state}})).collect::<Vec<_>>(),
                        "ItemProcessor": {"StartAt": next, "States": {"A": branches.first()}}})
                }
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_it_holds_it_is_drawn(states in prop::collection::vec((prop::sample::select(vec!["A", "B", "C", "a\"<"]), value()), 0..5), start in value()) {
        let states: serde_json::Map<String, Value> = states.into_iter().map(|(name, state)| (name.to_owned(), state)).collect();
        try_all(&json!({"StartAt": start, "States": states}));
    }

    #[test]
    fn whatever_the_history_it_can_be_read(events in prop::collection::vec((0..12_i64, prop::sample::select(vec![
        "TaskStateEntered", "TaskStateExited", "TaskFailed", "TaskStateAborted", "MapStateEntered", "MapStateStarted", "MapIterationStarted",
        "MapIterationFailed", "MapIterationSucceeded", "MapStateFailed", "MapStateExited", "ParallelStateStarted", "ParallelStateFailed",
        "FailStateEntered", "ExecutionFailed", "ExecutionRedriven", "EvaluationFailed", "New"]),
        prop::sample::select(vec!["Look", "Each", "Pack", "Both", "Left", "Gone"])), 0..30)) {
        let events: Vec<Event> = (1..).zip(events).map(|(id, (previous, kind, state))| Event {
            id, previous: previous.min(id - 1), kind: kind.to_owned(), state: Some(state.to_owned()), ..Event::default()
        }).collect();
        let graph = graph(&every_type());
        let way = Way::of(&graph, &events);
        svg(&[Picture { title: "", graph: &graph, way: Some(&way) }]);
        mermaid(&graph, Some(&way));
        dot("m", &graph, Some(&way));
    }
}

// --- executions ---

/// `id previous type state! error`, as AWS was seen to link them.
fn events(text: &str) -> Vec<Event> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rest = || words[3..].iter();
        Event {
            id: words[0].parse().unwrap(),
            previous: words[1].parse().unwrap(),
            kind: words[2].to_owned(),
            state: rest().find(|word| !word.ends_with('!')).map(|word| (*word).to_owned()),
            error: rest().find_map(|word| word.strip_suffix('!')).map(str::to_owned),
            items: None,
        }
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
}

/// What became of each state, and the edges that were taken.
fn seen(definition: &Value, history: &str) -> (Vec<String>, Vec<String>) {
    let graph = graph(definition);
    let way = Way::of(&graph, &events(history));
    assert_eq!(way.unknown, Vec::<String>::new());
    let (mut states, mut taken) = (Vec::new(), Vec::new());
    for (index, level) in graph.levels.iter().enumerate() {
        for (node, seen) in level.nodes.iter().zip(&way.nodes[index]) {
            if matches!(node.kind, Kind::State(_)) && seen.status != Status::NotReached {
                states.push(format!("{}: {}", node.name, seen.note));
            }
        }
        for (edge, way) in level.edges.iter().zip(&way.edges[index]) {
            let name = |node: usize| match level.nodes[node].kind {
                Kind::Start => "start",
                Kind::End => "end",
                _ => &level.nodes[node].name,
            };
            if *way {
                taken.push(format!(
                    "{} {} {}",
                    name(edge.from),
                    if edge.catch { "caught" } else { "to" },
                    name(edge.to)
                ));
            }
        }
    }
    (states, taken)
}

#[test]
fn a_failure_that_is_caught_is_told_from_one_that_is_not() {
    let task = |catch: Value| json!({"Type": "Task", "Resource": "r", "Catch": catch, "Next": "Good"});
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}]);
    let definition = json!({"StartAt": "Look", "States": {"Look": task(catch), "Good": {"Type": "Pass", "End": true}, "Sorry": {"Type": "Fail"}}});
    let (states, taken) = seen(
        &definition,
        "1 0 ExecutionStarted
         2 0 TaskStateEntered Look
         3 2 TaskScheduled
         4 3 TaskFailed Oops!
         5 4 TaskScheduled
         6 5 TaskFailed Oops!
         7 6 TaskStateExited Look
         8 7 FailStateEntered Sorry
         9 8 ExecutionFailed Sorry!",
    );
    assert_eq!(states, ["Look: caught: Oops", "Sorry: failed: Sorry"]);
    assert_eq!(taken, ["start to Look", "Look caught Sorry"]);
    let (states, taken) = seen(
        &definition,
        "1 0 ExecutionStarted
         2 0 TaskStateEntered Look
         3 2 TaskScheduled
         4 3 TaskFailed Oops!
         5 4 ExecutionFailed Oops!",
    );
    assert_eq!((states, taken), (vec!["Look: failed: Oops".to_owned()], vec!["start to Look".to_owned()]));
    // It waits for its next attempt.
    let (states, _) = seen(
        &definition,
        "1 0 ExecutionStarted
         2 0 TaskStateEntered Look
         3 2 TaskScheduled
         4 3 TaskFailed Oops!",
    );
    assert_eq!(states, ["Look: running"]);
}

#[test]
fn iterations_are_counted_and_what_is_stopped_is_told() {
    let definition = json!({"StartAt": "Each", "States": {
        "Each": {"Type": "Map", "ItemProcessor": {"StartAt": "Try", "States": {
            "Try": {"Type": "Task", "Resource": "r", "Next": "Then"}, "Then": {"Type": "Pass", "End": true}}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "After"}], "End": true},
        "After": {"Type": "Pass", "End": true}}});
    let (states, taken) = seen(
        &definition,
        "1 0 ExecutionStarted
         2 0 MapStateEntered Each
         3 2 MapStateStarted
         4 3 MapIterationStarted Each
         5 3 MapIterationStarted Each
         6 3 MapIterationStarted Each
         7 4 TaskStateEntered Try
         8 5 TaskStateEntered Try
         9 6 TaskStateEntered Try
         10 7 TaskSucceeded
         11 10 TaskStateExited Try
         12 11 PassStateEntered Then
         13 12 PassStateExited Then
         14 13 MapIterationSucceeded Each
         15 8 TaskFailed Oops!
         16 15 MapIterationFailed Each
         17 6 MapIterationAborted Each
         18 15 MapStateFailed
         19 18 MapStateExited Each
         20 19 PassStateEntered After
         21 20 PassStateExited After
         22 21 ExecutionSucceeded",
    );
    assert_eq!(
        states,
        [
            "Each: caught: Oops; 3 iterations: 1 succeeded, 1 failed, 1 aborted",
            "After: succeeded",
            "Try: 1 succeeded, 1 aborted, 1 failed: Oops",
            "Then: succeeded",
        ]
    );
    assert_eq!(
        taken,
        ["start to Each", "Each caught After", "After to end", "start to Try", "Try to Then", "Then to end"]
    );
}

/// LocalStack's snapshots of AWS, test_parallel_state_retry and test_parallel_state_catch, joined.
#[test]
fn a_parallel_state_fails_with_its_branch() {
    let definition = json!({"StartAt": "Both", "States": {
        "Both": {"Type": "Parallel", "Branches": [
            {"StartAt": "Bad", "States": {"Bad": {"Type": "Fail"}}},
            {"StartAt": "Slow", "States": {"Slow": {"Type": "Wait", "Seconds": 9, "End": true}}}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "After"}], "End": true},
        "After": {"Type": "Pass", "End": true}}});
    let (states, taken) = seen(
        &definition,
        "1 0 ExecutionStarted
         2 0 ParallelStateEntered Both
         3 2 ParallelStateStarted
         4 3 FailStateEntered Bad
         5 3 WaitStateEntered Slow
         6 4 ParallelStateStarted
         7 6 FailStateEntered Bad
         8 6 WaitStateEntered Slow
         9 7 ParallelStateFailed
         10 9 ParallelStateExited Both
         11 10 PassStateEntered After
         12 11 PassStateExited After
         13 12 ExecutionSucceeded",
    );
    assert_eq!(states, ["Both: caught", "After: succeeded", "Bad: 2 failed", "Slow: 2 aborted"]);
    assert_eq!(taken, ["start to Both", "Both caught After", "After to end", "start to Bad", "start to Slow"]);
}

#[test]
fn loops_branches_and_what_runs_apart() {
    let definition = json!({"StartAt": "Again?", "States": {
        "Again?": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": true, "Next": "Wait"}], "Default": "Many"},
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Again?"},
        "Many": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "One",
            "States": {"One": {"Type": "Pass", "End": true}}}, "End": true}}});
    let history = "1 0 ExecutionStarted
         2 0 ChoiceStateEntered Again?
         3 2 ChoiceStateExited Again?
         4 3 WaitStateEntered Wait
         5 4 WaitStateExited Wait
         6 5 ChoiceStateEntered Again?
         7 6 ChoiceStateExited Again?
         8 7 MapStateEntered Many
         9 8 MapStateStarted
         10 9 MapRunStarted";
    let (states, taken) = seen(&definition, history);
    assert_eq!(states, ["Again?: 2 succeeded", "Wait: succeeded", "Many: running", "One: "]);
    assert_eq!(taken, ["start to Again?", "Again? to Wait", "Again? to Many", "Wait to Again?"]);
    let mut run = events(history);
    run[9].items = Some(Items { total: 7, succeeded: 4, failed: 1, aborted: 0 });
    let way = Way::of(&graph(&definition), &run);
    assert_eq!(way.nodes[0][3].note, "running; 7 iterations: 4 succeeded, 1 failed, 2 running");
    assert_eq!(way.nodes[1][1].status, Status::Apart);
    let other = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}});
    assert_eq!(Way::of(&graph(&other), &events(history)).unknown, ["Again?", "Many", "Wait"]);
}

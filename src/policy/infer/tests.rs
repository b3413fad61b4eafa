use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Class, Inferred, Machine, Unknown, infer};
use crate::policy::statement::Statement;

mod corpus;
mod properties;
mod rows;

pub(super) const HERE: Machine<'static> =
    Machine { name: "me", account: "111122223333", region: "eu-central-1", partition: "aws" };

/// A definition of one task in a query language. In `arguments`, `@x` stands for a value that only an execution knows, and
/// `text-@x` for one that begins with a literal.
pub(super) fn machine(resource: &str, arguments: &Value, jsonata: bool) -> Value {
    let field = if jsonata { "Arguments" } else { "Parameters" };
    let language = if jsonata { "JSONata" } else { "JSONPath" };
    let mut task = json!({"Type": "Task", "Resource": resource, "End": true});
    if !arguments.is_null() {
        task[field] = in_language(arguments, jsonata);
    }
    json!({"QueryLanguage": language, "StartAt": "Do", "States": {"Do": task}})
}

pub(super) fn in_language(value: &Value, jsonata: bool) -> Value {
    let expression = |text: &str| {
        let (literal, name) = text.split_once('@').unwrap();
        match (jsonata, literal.is_empty()) {
            (true, true) => format!("{{% $states.input.{name} %}}"),
            (true, false) => format!("{{% '{literal}' & $states.input.{name} %}}"),
            (false, true) => format!("$.{name}"),
            (false, false) => format!("States.Format('{literal}{{}}', $.{name})"),
        }
    };
    let dynamic = |value: &Value| value.as_str().is_some_and(|text| text.contains('@'));
    match value {
        Value::Object(map) => {
            let mut written = Map::new();
            for (key, value) in map {
                let key = if dynamic(value) && !jsonata { format!("{key}.$") } else { key.clone() };
                written.insert(key, in_language(value, jsonata));
            }
            Value::Object(written)
        }
        // A list's element can't be a path in JSONPath: the whole list is one.
        Value::Array(items) => Value::Array(items.iter().map(|item| in_language(item, jsonata)).collect()),
        Value::String(text) if text.contains('@') => json!(expression(text)),
        other => other.clone(),
    }
}

/// Lines `actions -> resource [conditions]`, plumbing and invoking marked, unknowns behind `?`. `~` is this Region and account.
pub(super) fn lines(inferred: &Inferred) -> Vec<String> {
    let short =
        |resource: &str| resource.replace("eu-central-1:111122223333", "~").replace("iam::111122223333", "iam::~");
    let mut by_target: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for need in &inferred.needs {
        let Statement { actions, resources, not_resources, conditions, .. } = &need.statement;
        let class = match need.class {
            Class::Task => "",
            Class::Invoke => " (invoke)",
            Class::Plumbing => " (plumbing)",
        };
        let not: Vec<String> = not_resources.iter().map(|resource| format!("not {resource}")).collect();
        let conditions = conditions.iter().flat_map(|(operator, keys)| {
            keys.iter().map(move |(key, values)| format!(" if {operator} {key} {}", values.join("|")))
        });
        let target = resources.iter().chain(&not).map(|resource| short(resource)).collect::<String>();
        let target = format!("{target}{class}{}", conditions.collect::<String>());
        by_target.entry(target).or_default().insert(&actions[0]);
    }
    let mut lines: Vec<String> = by_target
        .into_iter()
        .map(|(target, actions)| format!("{} -> {target}", actions.into_iter().collect::<Vec<_>>().join(" ")))
        .collect();
    for unknown in &inferred.unknown {
        let Statement { actions, resources, .. } = &unknown.statement;
        let resources: Vec<String> = resources.iter().map(|resource| short(resource)).collect();
        lines.push(format!("? {} -> {}", actions.join(" "), resources.join(" ")));
    }
    lines
}

#[test]
fn a_definition_that_calls_nothing_needs_nothing() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "M"},
        "M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Wait", "Seconds": 1, "Next": "C"},
            "C": {"Type": "Task", "Resource": "arn:aws:states:eu-central-1:111122223333:activity:a", "End": true}}}},
    }});
    let inferred = infer(&definition, &HERE);
    assert_eq!(inferred, Inferred::default());
    assert_eq!(inferred.summary(), "no permissions");
}

#[test]
fn states_are_found_at_every_level_and_named() {
    let task = |queue: &str| {
        json!({"Type": "Task", "End": true, "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": format!("https://sqs.eu-central-1.amazonaws.com/111122223333/{queue}")}})
    };
    let definition = json!({"StartAt": "P", "States": {
        "P": {"Type": "Parallel", "Next": "M", "Branches": [{"StartAt": "A", "States": {"A": task("a")}}]},
        "M": {"Type": "Map", "Next": "Z", "ItemProcessor": {"StartAt": "B", "States": {"B": task("b")}}},
        "Z": task("a"),
    }});
    let inferred = infer(&definition, &HERE);
    let [merged] = &inferred.statements()[..] else { panic!("{:?}", inferred.statements()) };
    assert_eq!(
        merged.statement,
        Statement::allow(
            ["sqs:SendMessage"],
            ["arn:aws:sqs:eu-central-1:111122223333:a", "arn:aws:sqs:eu-central-1:111122223333:b"]
        )
    );
    let paths: Vec<&str> = merged.states.iter().map(|state| &*state.path).collect();
    assert_eq!(paths, ["/States/P/Branches/0/States/A", "/States/M/ItemProcessor/States/B", "/States/Z"]);
    assert_eq!(inferred.summary(), "1 statement, 1 service");
}

#[test]
fn variables_of_known_values_are_followed() {
    for (jsonata, url, expected) in [
        (false, json!({"QueueUrl.$": "$queue"}), "a"),
        (true, json!({"QueueUrl": "{% $queue %}"}), "a"),
        (true, json!({"QueueUrl": "{% $queue & '-x' %}"}), "a-x"),
    ] {
        let field = if jsonata { "Arguments" } else { "Parameters" };
        let definition = json!({"QueryLanguage": if jsonata { "JSONata" } else { "JSONPath" }, "StartAt": "A", "States": {
            "A": {"Type": "Pass", "Assign": {"queue": "https://sqs.eu-central-1.amazonaws.com/111122223333/a"}, "Next": "B"},
            "B": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", field: url, "End": true},
        }});
        assert_eq!(lines(&infer(&definition, &HERE)), [format!("sqs:SendMessage -> arn:aws:sqs:~:{expected}")]);
        // A second value that is not known takes the first one's certainty.
        let mut other = definition.clone();
        let unknown = if jsonata { json!({"queue": "{% $states.input.q %}"}) } else { json!({"queue.$": "$.q"}) };
        other["States"]["C"] = json!({"Type": "Pass", "Assign": unknown, "End": true});
        let found = lines(&infer(&other, &HERE));
        assert!(!found[0].ends_with(":a") && found[0].contains('*'), "{found:?}");
    }
}

#[test]
fn merged_without_loss_and_without_what_is_held_already() {
    let task = |table: &str, resource: &str| {
        json!({"Type": "Task", "Next": "Z", "Resource": format!("arn:aws:states:::dynamodb:{resource}"),
        "Parameters": {"TableName": table}})
    };
    let definition = json!({"StartAt": "A", "States": {
        "A": task("orders", "getItem"), "B": task("orders-${Stage}", "getItem"), "C": task("orders-x", "getItem"),
        "D": task("orders", "putItem"), "Z": {"Type": "Succeed"},
    }});
    let statements = infer(&definition, &HERE).statements();
    let text: Vec<String> = statements
        .iter()
        .map(|explained| {
            let names: Vec<&str> = explained.states.iter().map(|state| &*state.name).collect();
            format!(
                "{} {} {}",
                explained.statement.actions.join(","),
                explained.statement.resources.join(","),
                names.join(",")
            )
        })
        .collect();
    let table = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
    assert_eq!(
        text,
        [format!("dynamodb:GetItem {table}-* B,C"), format!("dynamodb:GetItem,dynamodb:PutItem {table} A,D")],
        "orders-x is held by orders-*"
    );
}

#[test]
fn an_unknown_part_says_what_to_write_and_is_settled_by_it() {
    let definition = machine("arn:aws:states:::lambda:invoke", &json!({"FunctionName": "@name"}), true);
    let inferred = infer(&definition, &HERE);
    assert_eq!(
        inferred.unknown[0].to_string(),
        "state `Do` (/States/Do) calls a Lambda function whose name only an execution knows; write by hand a statement with \
         lambda:InvokeFunction on what of `arn:aws:lambda:eu-central-1:111122223333:function:*` it means"
    );
    assert_eq!(inferred.summary(), "no permissions; 1 unknown");
    let settled =
        |action: &str, resource: &str| inferred.unknown[0].is_settled_by(&[Statement::allow([action], [resource])]);
    assert!(settled("lambda:Invoke*", "arn:aws:lambda:eu-central-1:111122223333:function:orders-*"));
    assert!(!settled("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:111122223333:function:orders"));
    assert!(!settled("lambda:GetFunction", "*"));
}

#[test]
fn what_is_not_known_is_one_clear_sentence() {
    let sentences = |resource: &str, arguments: Value| -> Vec<String> {
        let inferred = infer(&machine(resource, &arguments, true), &HERE);
        inferred.unknown.iter().map(Unknown::to_string).collect()
    };
    assert_eq!(
        sentences("arn:aws:states:::elasticmapreduce:createCluster", json!({"ServiceRole": "@s", "JobFlowRole": "@j"})),
        [
            "state `Do` (/States/Do) passes a role that only an execution knows; write by hand a statement with iam:PassRole on what of \
             `arn:aws:iam::111122223333:role/*` it means, with the condition that iam:PassedToService is ec2.amazonaws.com",
            "state `Do` (/States/Do) passes a role that only an execution knows; write by hand a statement with iam:PassRole on what of \
             `arn:aws:iam::111122223333:role/*` it means, with the condition that iam:PassedToService is \
             elasticmapreduce.amazonaws.com",
        ]
    );
    let twice = json!({"RoleArn": "@a", "TrainingJobDefinition": {"RoleArn": "@b"}});
    assert_eq!(sentences("arn:aws:states:::sagemaker:createHyperParameterTuningJob", twice).len(), 1);
    assert_eq!(
        sentences("${Call}", json!({})),
        [
            "state `Do` (/States/Do) has a Resource that is not known, `${Call}`, so neither is which integration it calls; write by \
          hand the statements for what it calls"
        ]
    );
    assert_eq!(
        sentences("arn:aws:states:::aws-sdk:s3:getObjekt", json!({})),
        [
            "state `Do` (/States/Do) calls `s3:getObjekt`, and stepgate knows no IAM action for this operation; write by hand a statement \
          with the actions of s3 that it needs"
        ]
    );
    assert_eq!(
        sentences("arn:aws:states:::dynamodb:getItem", json!({"TableName": "<TableName>"})),
        [
            "state `Do` (/States/Do) names `<TableName>`, a placeholder that nobody has filled in; write by hand a statement with \
          dynamodb:GetItem on what of `arn:aws:dynamodb:eu-central-1:111122223333:table/*` it means"
        ]
    );
}

#[test]
fn a_policy_too_long_in_one_shape_is_written_in_the_other() {
    // Two actions on many tables, each table with an index of its own: by resource it would be a statement for each.
    let mut states = Map::new();
    for n in 0..40 {
        for call in ["getItem", "putItem"] {
            let table = format!("{}{n}", "t".repeat(40));
            states.insert(
                format!("{call}{n}"),
                json!({"Type": "Task", "End": true, "Resource": format!("arn:aws:states:::dynamodb:{call}"), "Parameters": {"TableName": table}}),
            );
        }
    }
    let inferred = infer(&json!({"StartAt": "getItem0", "States": states}), &HERE);
    assert_eq!(inferred.statements().len(), 1);
    assert_eq!(inferred.statements()[0].states.len(), 80);
}

#[test]
fn hostile_definitions_take_linear_time() {
    let begin = std::time::Instant::now();
    let deep = format!("{{% {}'a'{} %}}", "(".repeat(3000), ")".repeat(3000));
    let comparisons = format!("{{% {} %}}", "($a = (b ? 'c' : ".repeat(400));
    let format = format!("States.Format('{}'", "{}".repeat(3000));
    let mut states = Map::new();
    for n in 0..5000 {
        states.insert(
            format!("S{n}"),
            json!({"Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {"TableName": format!("t{n}-${{X}}")}}),
        );
    }
    states.insert(
        "D".into(),
        json!({"Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::sqs:sendMessage",
        "Arguments": {"QueueUrl": deep, "A": comparisons}}),
    );
    states.insert(
        "C".into(),
        json!({"Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::sqs:sendMessage",
        "Arguments": {"QueueUrl": comparisons}}),
    );
    states.insert(
        "F".into(),
        json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {"QueueUrl.$": format}}),
    );
    let inferred = infer(&json!({"StartAt": "D", "States": states}), &HERE);
    assert_eq!(inferred.statements()[0].statement.resources.len(), 5000);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

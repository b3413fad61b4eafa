use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::parse::parse;
use super::{Value, substitute};

fn values() -> BTreeMap<String, Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    [
        ("AWS::AccountId", text("111122223333")),
        ("AWS::Region", text("eu-central-1")),
        ("AWS::Partition", text("aws")),
        ("Table", text("orders")),
        ("Delay", Value::Json(json!(2))),
        ("Flag", Value::Json(json!(true))),
        ("Nothing", Value::Json(json!(null))),
        ("Retry", Value::Json(json!([{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]))),
        ("Quotes", text("it's \"{}\" \\")),
        ("Jsonata", text("{% $states.input %}")),
        ("Close", text(" %}")),
        ("Half", text("% 1 %}")),
        ("Path", text("$.secret")),
        ("JsonString", Value::Json(json!("a ${Table}"))),
        ("JsonPath", Value::Json(json!({"a": {"b.$": "$.c"}}))),
        ("JsonJsonata", Value::Json(json!([["{% 1 %}"]]))),
        ("Rules", Value::Json(json!([{"Variable": "$.x", "IsNull": true, "Next": "A"}]))),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The definition after substitution, and the codes of its errors with their pointers.
fn run(definition: &Json) -> (Json, Vec<(&'static str, String)>) {
    let definition = parse(&definition.to_string()).unwrap();
    let (substituted, findings) = substitute(&definition, &values());
    let errors = findings.into_iter().filter(|finding| finding.is_error());
    (substituted.value().clone(), errors.map(|finding| (finding.code, finding.pointer)).collect())
}

/// A state whose fields hold these strings, before and after.
fn becomes(before: Json, after: Json) {
    let (value, errors) = run(&json!({"States": {"A": before}}));
    assert_eq!(errors, []);
    assert_eq!(value, json!({"States": {"A": after}}));
}

/// A state in which this field is refused, for this reason, and stays as it is.
fn refused(state: Json, field: &str, code: &'static str) {
    let definition = json!({"States": {"A": state}});
    let (value, errors) = run(&definition);
    assert_eq!(errors, [(code, format!("/States/A/{field}"))], "{definition}");
    assert_eq!(value, definition);
}

#[test]
fn puts_values_into_strings() {
    becomes(
        json!({
            "Resource": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:f",
            "TimeoutSeconds": "${Delay}",
            "Comment": "${Table}: ${Delay}, ${Flag}, ${!Table}, ${JsonString} and ${ $x",
            "Retry": "${Retry}",
            "ResultPath": "${Nothing}",
            "Parameters": {"Table": "${Table}", "FilePath": "${Path}", "Text": "$.${Table}", "Raw": "${JsonString}"},
            "Cause": "${Quotes}",
        }),
        json!({
            "Resource": "arn:aws:lambda:eu-central-1:111122223333:function:f",
            "TimeoutSeconds": 2,
            "Comment": "orders: 2, true, ${Table}, a ${Table} and ${ $x",
            "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}],
            "ResultPath": null,
            "Parameters": {"Table": "orders", "FilePath": "$.secret", "Text": "$.orders", "Raw": "a ${Table}"},
            "Cause": "it's \"{}\" \\",
        }),
    );
}

#[test]
fn quotes_values_inside_of_expressions() {
    becomes(
        json!({
            "Arguments": {"T": "{% '${Table}-' & $states.input.id %}", "Q": "{% \"${Quotes}\" %}"},
            "Parameters": {"Q.$": "States.Format('${Quotes} {}', $.id)"},
        }),
        json!({
            "Arguments": {"T": "{% 'orders-' & $states.input.id %}", "Q": r#"{% "it\u0027s \u0022{}\u0022 \\" %}"#},
            "Parameters": {"Q.$": r#"States.Format('it\'s "\{\}" \\ {}', $.id)"#},
        }),
    );
}

#[test]
fn refuses_values_that_would_be_code() {
    let (code, start) = ("substitution-in-expression", "substitution-starts-expression");
    refused(json!({"Output": "{% ${Table} %}"}), "Output", code);
    refused(json!({"Output": "{% 'a' & ${Delay} %}"}), "Output", code);
    refused(json!({"Output": {"a": ["${Jsonata}"]}}), "Output/a/0", start);
    refused(json!({"Comment": "{${Half}"}), "Comment", start);
    refused(json!({"Comment": " ${Jsonata}"}), "Comment", start);
    refused(json!({"Output": "{% 1${Close}"}), "Output", code);
    for field in ["InputPath", "OutputPath", "ResultPath", "ItemsPath", "SecondsPath", "Variable", "ErrorPath"] {
        refused(json!({field: "${Path}"}), field, code);
        refused(json!({field: "$.${Table}"}), field, code);
    }
    refused(json!({"Choices": [{"Variable": "${Path}"}]}), "Choices/0/Variable", code);
    refused(json!({"Catch": [{"ResultPath": "${Path}"}]}), "Catch/0/ResultPath", code);
    refused(json!({"Parameters": {"a": {"b.$": "${Path}"}}}), "Parameters/a/b.$", code);
    refused(json!({"Parameters": {"b.$": "States.Format('{}', ${Path})"}}), "Parameters/b.$", code);
    refused(json!({"Parameters": "${JsonPath}"}), "Parameters", start);
    refused(json!({"Items": "${JsonJsonata}"}), "Items", start);
    refused(json!({"Choices": "${Rules}"}), "Choices", start);
    // A state's fields are what they are inside of Map and Parallel too, and whatever a state is called.
    let inner = |field: &str| json!({"States": {"Parameters": {field: "${Path}"}}});
    refused(json!({"Branches": [inner("InputPath")]}), "Branches/0/States/Parameters/InputPath", code);
    refused(json!({"ItemProcessor": inner("InputPath")}), "ItemProcessor/States/Parameters/InputPath", code);
}

#[test]
fn refuses_what_is_no_text_in_a_longer_string() {
    for name in ["Nothing", "Retry", "JsonPath"] {
        refused(json!({"Comment": format!("a ${{{name}}}")}), "Comment", "substitution-not-text");
    }
}

#[test]
fn says_what_is_unknown_unused_or_in_a_key() {
    let definition = parse("{\"Comment\": \"a\",\n \"A\": {\"${Table}\": \"${Tabel} ${Region}\"}}").unwrap();
    let values = values().into_iter().filter(|(name, _)| name.starts_with("AWS") || name == "Table").collect();
    let (substituted, findings) = substitute(&definition, &values);
    assert_eq!(substituted.value(), definition.value());
    let said: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 1, column 1: the substitution `Table` is declared, and nowhere in the definition stands `${Table}`",
            "line 2, column 8: `${Table}` stands in a key, and only string values are substituted",
            "line 2, column 20: `${Tabel}` names no substitution; known are `AWS::AccountId`, `AWS::Partition`, \
             `AWS::Region`, `Table`; did you mean `${Table}`?",
            "line 2, column 20: `${Region}` names no substitution; known are `AWS::AccountId`, `AWS::Partition`, \
             `AWS::Region`, `Table`; declare `Region`, or write `${!Region}` where the text itself is meant",
        ]
    );
    let errors: Vec<_> = findings.iter().map(super::Finding::is_error).collect();
    assert_eq!(errors, [false, false, true, true]);
}

#[test]
fn keeps_the_positions_of_the_text() {
    let definition = parse("States:\n  A:\n    Retry: ${Retry}\n    End: true\n").unwrap();
    let (substituted, _) = substitute(&definition, &values());
    let at = |pointer| substituted.position(pointer).unwrap().to_string();
    assert_eq!(at("/States/A/End"), "line 4, column 10");
    assert_eq!(at("/States/A/Retry/0/MaxAttempts"), "line 3, column 12");
}

#[test]
fn stays_within_bounds() {
    let text = format!("{{\"a\": [{}]}}", vec!["\"${Big}\""; 1000].join(","));
    let values = |value| BTreeMap::from([("Big".to_owned(), value)]);
    let (substituted, findings) = substitute(&parse(&text).unwrap(), &values(Value::Text("x".repeat(100_000))));
    assert_eq!(findings[0].code, "substitution-too-large");
    assert!(substituted.to_json().len() < 1_100_000);

    let deep = parse(&format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200))).unwrap();
    let (_, findings) = substitute(
        &parse(&format!("{{\"a\":{}\"${{Big}}\"{}}}", "[".repeat(200), "]".repeat(200))).unwrap(),
        &values(Value::Json(deep.value().clone())),
    );
    assert_eq!(findings[0].code, "substitution-too-deep");
}

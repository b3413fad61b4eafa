use rstest::rstest;

use crate::identity::Key;
use crate::policy::layout::Slot;
use crate::validate::fixture::{self, machine, the_machine, with, world};
use crate::validate::state_machine::{ValidMachine, ValidRole, references, starts_machines, validate};

const AROUND: &str = "---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: demo, name: texts}
data: {definition: '{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Succeed\"}}}', table: orders}
";

fn validated(spec: &str) -> Result<ValidMachine, crate::problem::Problem> {
    let manifest = with(&machine("demo/hello", "STANDARD"), &format!("{{spec: {spec}}}"));
    let world =
        world(&[AROUND, &machine("demo/other", "STANDARD"), &machine("shop/other", "STANDARD"), &manifest].concat());
    validate(&world, &the_machine(&world, "demo/hello"))
}

#[rstest]
#[case::name(
    "{name: other-name}",
    "OverCeiling: spec.name: `other-name` is in none of the `namePatterns` of tenant demo in AWSAccount dev; leave spec.name out to get demo_hello, or ask the platform admin to add it"
)]
#[case::region(
    "{region: us-east-1}",
    "NotAdmitted: spec.region `us-east-1` is not a Region of AWSAccount dev, which has eu-central-1, eu-west-1"
)]
#[case::role(
    "{executionRole: {arn: 'arn:aws:iam::111122223333:role/admin'}}",
    "OverCeiling: spec.executionRole.arn: `arn:aws:iam::111122223333:role/admin` is in none of the `executionRoleArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::managed_policy(
    "{executionRole: {managedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess']}}",
    "OverCeiling: spec.executionRole.managedPolicyArns: `arn:aws:iam::aws:policy/AdministratorAccess` is in none of the `managedPolicyArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::state(
    "{definition: '{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"Next\": \"Bee\"}, \"Be\": {\"Type\": \"Succeed\"}}}'}",
    "InvalidDefinition: spec.definition, line 1, column 59: State `A` has Next `Bee`, which no state of this level has; did you mean `Be`?"
)]
#[case::not_json(
    "{definition: '{\"StartAt\": '}",
    "InvalidDefinition: spec.definition, line 1, column 13: expected a JSON value, found the end of the text"
)]
#[case::substitution(
    "{definition: '{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"Comment\": \"${Tabel}\", \"End\": true}}}', substitutions: [{name: Table, value: a}]}",
    "InvalidDefinition: spec.definition, line 1, column 62: `${Tabel}` names no substitution; known are `AWS::AccountId`, `AWS::Partition`, `AWS::Region`, `Table`; did you mean `${Table}`?"
)]
#[case::json(
    "{substitutions: [{name: Delay, json: two}]}",
    "InvalidSpec: spec.substitutions[Delay].json is not JSON: expected ident at line 1 column 2; quote a text twice, as '\"text\"'"
)]
#[case::config_map(
    "{substitutions: [{name: T, configMapKeyRef: {name: nowhere, key: a}}]}",
    "WaitingForReference: spec.substitutions[T].configMapKeyRef: ConfigMap demo/nowhere does not exist"
)]
#[case::config_map_key(
    "{substitutions: [{name: T, configMapKeyRef: {name: texts, key: tabel}}]}",
    "WaitingForReference: spec.substitutions[T].configMapKeyRef: ConfigMap demo/texts has no key `tabel`"
)]
#[case::definition_from(
    "{definition: null, definitionFrom: {configMapKeyRef: {name: texts, key: nothing}}}",
    "WaitingForReference: spec.definitionFrom.configMapKeyRef: ConfigMap demo/texts has no key `nothing`"
)]
#[case::machine(
    "{substitutions: [{name: M, stateMachineRef: {name: nowhere}}]}",
    "WaitingForReference: spec.substitutions[M].stateMachineRef: StateMachine demo/nowhere does not exist"
)]
#[case::machine_not_admitted(
    "{substitutions: [{name: M, stateMachineRef: {namespace: shop, name: other}}]}",
    "NotAllowed: spec.substitutions[M].stateMachineRef: StateMachine shop/other admits only its own namespace; its owner must add namespace demo to spec.allowedCallers.namespaces"
)]
#[case::ceiling(
    "{executionRole: {statements: [{actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:*:demo-q']}, {actions: ['sqs:DeleteQueue'], resources: ['arn:aws:sqs:*:*:demo-q']}]}}",
    "OverCeiling: spec.executionRole.statements[1]: no grant in the tenant's ceiling contains `sqs:DeleteQueue` on `arn:aws:sqs:*:*:demo-q`; narrow the statement, or ask the platform admin to add this to the tenant's ceiling in the AWSAccount"
)]
#[case::ceiling_namespace(
    "{executionRole: {statements: [{actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:*:shop-q']}]}}",
    "OverCeiling: spec.executionRole.statements[0]: no grant in the tenant's ceiling contains `sqs:SendMessage` on `arn:aws:sqs:*:*:shop-q` (it admits the action only on `arn:aws:sqs:*:*:demo-*`); narrow the statement, or ask the platform admin to add this to the tenant's ceiling in the AWSAccount"
)]
fn refused(#[case] spec: &str, #[case] message: &str) {
    let problem = validated(spec).unwrap_err();
    assert_eq!(format!("{}: {}", problem.reason, problem.message), message);
}

/// However wide the tenant's lists are.
#[rstest]
#[case::generated_name(
    "{name: demo_hello}",
    "OverCeiling: spec.name: `demo_hello` is a name that stepgate generates for namespace demo; leave spec.name out to get shop_hello"
)]
#[case::own_generated_name("{name: shop_hello}", "")]
#[case::of_no_namespace("{name: legacy_hello}", "")]
#[case::managed_role(
    "{executionRole: {arn: 'arn:aws:iam::111122223333:role/Stepgate/0123/stepgate-exec-demo_hello-0123'}}",
    "OverCeiling: spec.executionRole.arn: `arn:aws:iam::111122223333:role/Stepgate/0123/stepgate-exec-demo_hello-0123` is a role that stepgate manages for one object; name a role of your own, or leave the field out"
)]
#[case::role_of_its_own("{executionRole: {arn: 'arn:aws:iam::111122223333:role/stepgate'}}", "")]
fn what_no_list_hands_out(#[case] spec: &str, #[case] message: &str) {
    let manifest = with(&machine("shop/hello", "STANDARD"), &format!("{{spec: {spec}}}"));
    let world = world(&[&machine("demo/hello", "STANDARD"), &*manifest].concat());
    let problem = validate(&world, &the_machine(&world, "shop/hello")).err();
    let said = problem.map(|problem| format!("{}: {}", problem.reason, problem.message));
    assert_eq!(said.unwrap_or_default(), message);
}

#[test]
fn a_long_list_of_findings_is_cut() {
    let states: Vec<String> = (0..5).map(|n| format!(r#""S{n}": {{"Type": "Pass", "Next": "Nowhere{n}"}}"#)).collect();
    let definition = format!(r#"{{"StartAt": "S0", "States": {{{}}}}}"#, states.join(", "));
    let message = validated(&format!("{{definition: '{definition}'}}")).unwrap_err().message;
    assert_eq!(message.matches("line 1, column").count(), 3, "{message}");
    assert!(message.ends_with(". And 6 more"), "{message}");
}

#[test]
fn a_policy_that_iam_would_refuse_stands_in_several_or_is_refused() {
    let statement = |n: usize| {
        format!("{{actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:*:demo-{}{n:03}']}}", "q".repeat(200))
    };
    let with = |number: usize| {
        let statements: Vec<_> = (0..number).map(statement).collect();
        validated(&format!("{{executionRole: {{statements: [{}]}}}}", statements.join(", ")))
    };
    let ValidRole::Managed { policy, .. } = with(60).unwrap().role else { panic!("it is managed") };
    let parts: Vec<_> = policy.keys().map(|slot| format!("{slot:?}")).collect();
    assert_eq!(parts, ["Inline", "Part(1)", "Part(2)", "Part(3)"]);
    assert_eq!(
        with(300).unwrap_err().message,
        "spec.executionRole.statements and spec.definition: together they need more than IAM takes for one role, 10240 characters in its inline policy or 6144 in each of 10 managed policies; split it into several StateMachines, or name resources that one pattern holds"
    );
}

#[test]
fn the_definition_comes_with_its_values() {
    let pass = |text: &str| {
        format!(r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Pass", "Result": {text}, "End": true}}}}}}"#)
    };
    let spec =
        |text: &str, substitutions: &str| format!("{{definition: '{}', substitutions: {substitutions}}}", pass(text));
    let result = |spec: String| {
        let definition: serde_json::Value = serde_json::from_str(&validated(&spec).unwrap().definition).unwrap();
        definition["States"]["A"]["Result"].clone()
    };
    assert_eq!(result(spec(r#""${T}""#, "[{name: T, json: '2'}]")), 2);
    assert_eq!(result(spec(r#""in ${T}""#, "[{name: T, configMapKeyRef: {name: texts, key: table}}]")), "in orders");
    assert_eq!(result(spec(r#""${AWS::Partition} ${AWS::Region}""#, "[]")), "aws eu-central-1");
    assert_eq!(result(spec(r#""${T}""#, "[{name: T, value: '${AWS::AccountId}'}]")), "111122223333");
    assert_eq!(
        result(spec(r#""${M}""#, "[{name: M, stateMachineRef: {name: other}}]")),
        "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_other"
    );
    let from =
        validated("{definition: null, definitionFrom: {configMapKeyRef: {name: texts, key: definition}}}").unwrap();
    assert!(from.definition.contains("Succeed"));
}

#[test]
fn names_roles_and_regions() {
    let valid = validated("{}").unwrap();
    assert_eq!((valid.name.as_str(), valid.place.region.as_str()), ("demo_hello", "eu-central-1"));
    assert_eq!(validated("{name: demo-x, region: eu-west-1}").unwrap().name, "demo-x");
    let own = validated("{executionRole: {arn: 'arn:aws:iam::${AWS::AccountId}:role/run-it'}}").unwrap();
    assert_eq!(own.role, ValidRole::Existing("arn:aws:iam::111122223333:role/run-it".into()));
    let traced = validated("{tracing: {enabled: true}}").unwrap();
    let ValidRole::Managed { policy, .. } = traced.role else { panic!("it is managed") };
    assert!(traced.tracing && policy[&Slot::Inline].to_string().contains("xray:PutTraceSegments"));
    assert!(!policy[&Slot::Inline].to_string().contains("Deny"), "plumbing alone can't tag");
}

#[test]
fn references_are_every_object_named() {
    let spec = "{spec: {definition: null, definitionFrom: {configMapKeyRef: {name: texts, key: a}}, substitutions: [{name: A, configMapKeyRef: {name: more, key: a}}, {name: B, stateMachineRef: {namespace: shop, name: other}}]}}";
    let world = world(&with(&machine("demo/hello", "STANDARD"), spec));
    assert_eq!(
        references(&the_machine(&world, "demo/hello")),
        (vec![Key::new("shop", "other")], vec![Key::new("demo", "texts"), Key::new("demo", "more")])
    );
}

#[test]
fn a_machine_that_is_started_by_its_arn_is_referred_to() {
    let task = r#"{"Type": "Task", "Resource": "arn:${AWS::Partition}:states:::states:startExecution", "End": true,
        "Parameters": {"StateMachineArn": "arn:aws:states:${AWS::Region}:${AWS::AccountId}:stateMachine:shop_other:live"}}"#;
    let spec = format!(r#"{{spec: {{definition: '{{"StartAt": "A", "States": {{"A": {task}}}}}'}}}}"#);
    let world = world(&with(&machine("demo/hello", "STANDARD"), &spec));
    let machine = the_machine(&world, "demo/hello");
    assert_eq!(references(&machine).0, [Key::new("shop", "other")]);
    assert!(starts_machines(&machine));
    // Nobody knows before substitution what a JSON document holds.
    let whole =
        r#"{spec: {definition: '{"StartAt": "A", "States": {"A": "${S}"}}', substitutions: [{name: S, json: '{}'}]}}"#;
    let whole = fixture::world(&with(&fixture::machine("demo/whole", "STANDARD"), whole));
    assert!(starts_machines(&the_machine(&whole, "demo/whole")));
    let plain = fixture::world(&fixture::machine("demo/plain", "STANDARD"));
    assert!(!starts_machines(&the_machine(&plain, "demo/plain")));
}

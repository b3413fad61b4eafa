use proptest::prelude::*;
use rstest::rstest;

use super::*;

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/";

fn grant(actions: &[&str], resources: &[&str]) -> Grant {
    let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    Grant { actions: own(actions), resources: own(resources) }
}

fn orders() -> Namespace {
    Namespace::new("orders").unwrap()
}

/// DESIGN §8's ceiling and some more, one of each kind.
fn ceiling() -> Vec<Grant> {
    vec![
        grant(&["dynamodb:GetItem", "dynamodb:PutItem"], &["arn:aws:dynamodb:*:*:table/${namespace}-*"]),
        grant(&["dynamodb:*"], &["arn:aws:dynamodb:*:*:table/${namespace}_own"]),
        grant(&["lambda:*"], &["arn:aws:lambda:*:111122223333:function:${namespace}-*"]),
        grant(&["lambda:UpdateFunctionCode"], &["arn:aws:lambda:*:111122223333:function:${namespace}-code"]),
        grant(&["ec2:DescribeInstanceStatus", "ec2:StartInstances"], &["*"]),
        grant(&["sns:*"], &["arn:aws:sns:*:*:${namespace}-*"]),
        grant(&["ssm:*", "ssm:GetParam*", "ssm:SendCommand"], &["arn:aws:ssm:*:*:*"]),
    ]
}

fn excesses(statement: Statement) -> Vec<Excess> {
    check(&[statement], &ceiling(), &orders()).err().unwrap_or_default()
}

#[rstest]
#[case::as_granted("dynamodb:GetItem", format!("{TABLE}orders-items"))]
#[case::case_of_actions("DynamoDB:getitem", format!("{TABLE}orders-items"))]
#[case::narrower_wildcard("dynamodb:GetItem", format!("{TABLE}orders-a*"))]
#[case::same_wildcard("dynamodb:PutItem", "arn:aws:dynamodb:*:*:table/orders-*".into())]
#[case::action_wildcard_that_reaches_nothing_indirect("dynamodb:*Item", format!("{TABLE}orders_own"))]
#[case::grant_wildcard_for_a_plain_action("lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:111122223333:function:orders-f".into())]
#[case::indirect_named_literally("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-central-1:111122223333:function:orders-code".into())]
#[case::case_of_an_indirect_action("LAMBDA:updatefunctioncode", "arn:aws:lambda:eu-central-1:111122223333:function:orders-code".into())]
#[case::any_resource("ec2:DescribeInstanceStatus", "*".into())]
#[case::one_resource_of_any("ec2:StartInstances", "arn:aws:ec2:eu-central-1:111122223333:instance/i-1".into())]
#[case::wildcard_whose_only_indirect_action_is_named("ssm:Send*", "arn:aws:ssm:eu-central-1:111122223333:document/d".into())]
fn within(#[case] action: &str, #[case] resource: String) {
    assert_eq!(excesses(Statement::allow([action], [resource])), []);
}

#[rstest]
#[case::other_action("dynamodb:DeleteItem", format!("{TABLE}orders-items"))]
#[case::other_namespace("dynamodb:GetItem", format!("{TABLE}refunds-items"))]
#[case::wider_resource("dynamodb:GetItem", format!("{TABLE}*"))]
#[case::any_resource("dynamodb:GetItem", "*".into())]
#[case::wider_action("dynamodb:*Item", format!("{TABLE}orders-items"))]
#[case::action_of_one_grant_resource_of_another("dynamodb:GetItem", "arn:aws:lambda:eu-central-1:111122223333:function:orders-f".into())]
#[case::other_account("lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:444455556666:function:orders-f".into())]
#[case::account_by_wildcard("lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:*:function:orders-f".into())]
#[case::service_not_granted("s3:GetObject", "arn:aws:s3:::orders/*".into())]
#[case::case_of_resources("dynamodb:GetItem", format!("{TABLE}Orders-items"))]
fn not_contained(#[case] action: &str, #[case] resource: String) {
    let found = excesses(Statement::allow([action], [resource.clone()]));
    assert!(
        matches!(&found[..], [Excess::NotContained { statement: 0, action: a, resource: r, .. }] if a == action && *r == resource),
        "{found:?}"
    );
}

#[rstest]
#[case::wildcard_in_the_grant(
    "lambda:UpdateFunctionCode",
    "arn:aws:lambda:eu-central-1:111122223333:function:orders-f"
)]
#[case::another_indirect_of_a_named_service(
    "lambda:UpdateFunctionConfiguration",
    "arn:aws:lambda:eu-central-1:111122223333:function:orders-code"
)]
#[case::resource_policy("dynamodb:PutResourcePolicy", "arn:aws:dynamodb:eu-central-1:111122223333:table/orders_own")]
#[case::tags("dynamodb:TagResource", "arn:aws:dynamodb:eu-central-1:111122223333:table/orders_own")]
#[case::permission("sns:AddPermission", "arn:aws:sns:eu-central-1:111122223333:orders-t")]
#[case::whole_service("iam:PassRole", "arn:aws:iam::111122223333:role/r")]
#[case::stack("cloudformation:CreateStack", "*")]
#[case::assume("sts:AssumeRole", "arn:aws:iam::111122223333:role/r")]
fn not_literal(#[case] action: &str, #[case] resource: &str) {
    let found = excesses(Statement::allow([action], [resource]));
    assert!(matches!(&found[..], [Excess::NotLiteral { action: a, .. }] if a == action), "{found:?}");
}

#[rstest]
#[case::whole_service("lambda:*", "lambda:UpdateFunctionCode")]
#[case::prefix("lambda:Update*", "lambda:UpdateFunctionCode")]
#[case::question_marks("lambda:UpdateFunctionCod?", "lambda:UpdateFunctionCode")]
#[case::case_of_letters("LAMBDA:update*", "lambda:UpdateFunctionCode")]
#[case::one_of_two_named("ssm:S*", "ssm:StartSession")]
#[case::family_in_any_service("sns:Put*", "sns:Put*Policy")]
#[case::tags_in_any_service("sns:Tag*", "sns:TagResource")]
#[case::inside_an_indirect_service("iam:Get*", "iam:*")]
#[case::all_actions("*", "iam:*")]
fn wildcard_reaches_an_indirect_action(#[case] action: &str, #[case] expected: &str) {
    let everything = [grant(&["*"], &["*"]), grant(&["ssm:SendCommand"], &["*"])];
    let found = check(&[Statement::allow([action], ["*"])], &everything, &orders()).unwrap_err();
    assert!(matches!(&found[..], [Excess::ReachesIndirect { reached, .. }] if reached == expected), "{found:?}");
}

#[test]
fn a_wildcard_in_the_ceiling_is_no_literal_name() {
    for action in ["iam:*", "cloudformation:Create*", "codebuild:StartBuild*"] {
        let same = [grant(&[action], &["*"])];
        let found = check(&[Statement::allow([action], ["*"])], &same, &orders()).unwrap_err();
        assert!(matches!(&found[..], [Excess::ReachesIndirect { .. }]), "{found:?}");
    }
}

#[test]
fn named_on_another_resource_does_not_admit_a_wildcard() {
    let here = "arn:aws:ssm:eu-central-1:111122223333:document/here";
    let ceiling = [
        grant(&["ssm:*"], &["*"]),
        grant(&["ssm:SendCommand"], &["arn:aws:ssm:eu-central-1:111122223333:document/there"]),
    ];
    let found = check(&[Statement::allow(["ssm:Send*"], [here])], &ceiling, &orders()).unwrap_err();
    assert!(matches!(&found[..], [Excess::ReachesIndirect { .. }]), "{found:?}");
}

#[test]
fn a_pair_may_not_be_proven_by_two_grants_together() {
    let ceiling = [grant(&["s3:GetObject"], &["arn:aws:s3:::b/a*"]), grant(&["s3:GetObject"], &["arn:aws:s3:::b/b*"])];
    let found = check(&[Statement::allow(["s3:GetObject"], ["arn:aws:s3:::b/?*"])], &ceiling, &orders()).unwrap_err();
    assert_eq!(found.len(), 1);
}

#[test]
fn every_pair_counts() {
    let found = excesses(Statement::allow(
        ["dynamodb:GetItem", "dynamodb:DeleteItem"],
        [format!("{TABLE}orders-a"), format!("{TABLE}refunds-a")],
    ));
    let pairs: Vec<(&str, &str)> = found
        .iter()
        .map(|e| match e {
            Excess::NotContained { action, resource, .. } => (&action[9..], &resource[TABLE.len()..]),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(pairs, [("GetItem", "refunds-a"), ("DeleteItem", "orders-a"), ("DeleteItem", "refunds-a")]);
}

#[test]
fn all_but_some_is_everything() {
    let mut statement = Statement::allow(["sns:Publish"], [] as [&str; 0]);
    statement.not_resources = vec!["arn:*:sns:*:*:*".into()];
    assert!(matches!(&excesses(statement.clone())[..], [Excess::NotContained { resource, .. }] if resource == "*"));
    assert_eq!(check(&[statement], &[grant(&["sns:Publish"], &["*"])], &orders()), Ok(()));
}

#[test]
fn a_deny_needs_no_grant_and_a_condition_gives_none() {
    let mut statement = Statement::allow(["s3:*"], ["*"]);
    statement.effect = Effect::Deny;
    assert_eq!(check(&[statement], &[], &orders()), Ok(()));

    let mut narrowed = Statement::allow(["s3:GetObject"], ["*"]);
    narrowed
        .conditions
        .entry("StringEquals".into())
        .or_default()
        .insert("aws:ResourceAccount".into(), vec!["1".into()]);
    assert_eq!(check(&[narrowed], &[], &orders()).unwrap_err().len(), 1);
}

#[rstest]
#[case::no_grant(
    "s3:GetObject",
    "arn:aws:s3:::b/k",
    "statements[0]: no grant in the tenant's ceiling contains `s3:GetObject` on `arn:aws:s3:::b/k`; narrow the statement, or ask the platform admin to add this to the tenant's ceiling in the AWSAccount"
)]
#[case::granted_elsewhere(
    "dynamodb:GetItem",
    "arn:aws:dynamodb:*:*:table/x",
    "statements[0]: no grant in the tenant's ceiling contains `dynamodb:GetItem` on `arn:aws:dynamodb:*:*:table/x` (it admits the action only on `arn:aws:dynamodb:*:*:table/orders-*`, `arn:aws:dynamodb:*:*:table/orders_own`); narrow the statement, or ask the platform admin to add this to the tenant's ceiling in the AWSAccount"
)]
#[case::indirect(
    "secretsmanager:GetSecretValue",
    "*",
    "statements[0]: no grant in the tenant's ceiling names `secretsmanager:GetSecretValue` literally on `*`, and a wildcard does not admit it, because it can read secrets, among them those of other systems; remove it, or ask the platform admin to name it in the tenant's ceiling in the AWSAccount"
)]
#[case::wildcard(
    "dynamodb:*",
    "arn:aws:dynamodb:*:*:table/orders_own",
    "statements[0]: `dynamodb:*` on `arn:aws:dynamodb:*:*:table/orders_own` is over the tenant's ceiling, because it includes `dynamodb:Put*Policy`, which can open a resource to others by changing its policy and is admitted only where the ceiling names it literally; list the actions that the definition needs instead of the wildcard"
)]
#[case::no_service(
    "GetItem",
    "*",
    "statements[0].actions: `GetItem` names no service; write it as `service:Action`, for example `dynamodb:GetItem`"
)]
#[case::any_service(
    "*:GetItem",
    "*",
    "statements[0].actions: `*:GetItem` has a wildcard in its service, which IAM does not take; name the service"
)]
#[case::variable_in_an_action(
    "s3:${aws:username}",
    "*",
    "statements[0].actions: `s3:${aws:username}` is not an action; write it as `service:Action`: letters, digits and `-` before the colon, letters, digits, `*` and `?` after it"
)]
#[case::variable(
    "dynamodb:GetItem",
    "arn:aws:dynamodb:*:*:table/orders-${aws:PrincipalTag/x}",
    "statements[0].resources: `arn:aws:dynamodb:*:*:table/orders-${aws:PrincipalTag/x}` holds a policy variable `${…}`, which can't be proven to stay within a ceiling; write its value out"
)]
#[case::namespace_is_for_grants(
    "dynamodb:GetItem",
    "arn:aws:dynamodb:*:*:table/${namespace}-x",
    "statements[0].resources: `arn:aws:dynamodb:*:*:table/${namespace}-x` holds a policy variable `${…}`, which can't be proven to stay within a ceiling; write its value out"
)]
fn is_said_in_one_sentence(#[case] action: &str, #[case] resource: &str, #[case] message: &str) {
    let found: Vec<String> = excesses(Statement::allow([action], [resource])).iter().map(ToString::to_string).collect();
    assert_eq!(found, [message]);
}

#[test]
fn a_long_list_of_granted_resources_is_cut() {
    let on: Vec<String> = (1..=5).map(|i| format!("arn:aws:s3:::b{i}/*")).collect();
    let ceiling = [Grant { actions: vec!["s3:GetObject".into()], resources: on }];
    let found = check(&[Statement::allow(["s3:GetObject"], ["*"])], &ceiling, &orders()).unwrap_err();
    assert!(
        found[0]
            .to_string()
            .contains("only on `arn:aws:s3:::b1/*`, `arn:aws:s3:::b2/*`, `arn:aws:s3:::b3/*` and 2 more)"),
        "{}",
        found[0]
    );
}

#[test]
fn the_position_of_the_statement_is_said() {
    let good = Statement::allow(["ec2:StartInstances"], ["*"]);
    let bad = Statement::allow(["s3:GetObject"], ["*"]);
    let found = check(&[good, bad], &ceiling(), &orders()).unwrap_err();
    assert!(found[0].to_string().starts_with("statements[1]: "), "{}", found[0]);
}

#[rstest]
#[case::as_documented(grant(&["dynamodb:GetItem"], &["arn:aws:dynamodb:*:*:table/${namespace}-*"]), None)]
#[case::everything(grant(&["*"], &["*"]), None)]
#[case::no_service(grant(&["GetItem"], &["*"]), Some("`GetItem` names no service; write it as `service:Action`, for example `dynamodb:GetItem`"))]
#[case::not_an_arn(grant(&["s3:*"], &["b/*"]), Some("`b/*` is neither an ARN, `arn:partition:service:region:account:resource`, nor `*`; write it as one of them"))]
#[case::variable(grant(&["s3:*"], &["arn:aws:s3:::${aws:username}"]), Some("`arn:aws:s3:::${aws:username}` holds a policy variable `${…}`, which can't be proven to stay within a ceiling; write its value out"))]
fn grants_are_validated(#[case] grant: Grant, #[case] message: Option<&str>) {
    assert_eq!(grant.validate().err().map(|e| e.to_string()).as_deref(), message);
}

#[test]
fn what_is_wrong_in_a_grant_grants_nothing() {
    let ceiling = [grant(&["*:GetObject", "s3:PutObject"], &["*"]), grant(&["s3:GetObject"], &["arn:aws:s3:*"])];
    let statement = Statement::allow(["s3:GetObject"], ["arn:aws:s3:::b/k"]);
    assert_eq!(check(&[statement], &ceiling, &orders()).unwrap_err().len(), 1);
}

#[rstest]
#[case::label("team-1", true)]
#[case::longest(&"a".repeat(63), true)]
#[case::too_long(&"a".repeat(64), false)]
#[case::empty("", false)]
#[case::wildcard("team*", false)]
#[case::upper("Team", false)]
#[case::colon("a:b", false)]
#[case::edge("-a", false)]
#[case::other_edge("a-", false)]
fn namespaces_are_dns_labels(#[case] name: &str, #[case] expected: bool) {
    assert_eq!(Namespace::new(name).is_ok(), expected);
}

#[rstest]
#[case::listed(&["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"], "arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess", true)]
#[case::by_glob(&["arn:aws:iam::111122223333:role/${namespace}/*"], "arn:aws:iam::111122223333:role/orders/x", true)]
#[case::other_namespace(&["arn:aws:iam::111122223333:role/${namespace}/*"], "arn:aws:iam::111122223333:role/refunds/x", false)]
#[case::nothing_listed(&[], "arn:aws:iam::111122223333:role/x", false)]
#[case::everything(&["*"], "arn:aws:iam::111122223333:role/x", true)]
#[case::a_glob_is_not_one_arn(&["*"], "arn:aws:iam::111122223333:role/*", false)]
#[case::not_an_arn(&["*"], "x", false)]
#[case::pattern_that_is_no_arn(&["arn:aws:iam:*"], "arn:aws:iam::111122223333:role/x", false)]
fn arns_are_listed(#[case] patterns: &[&str], #[case] arn: &str, #[case] expected: bool) {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    assert_eq!(arn_allowed(&patterns, arn, &orders()), expected);
}

/// Actions that DESIGN §1 names; the table may grow but not lose one.
#[rstest]
fn what_the_design_lists_is_indirect(
    #[values(
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "ssm:SendCommand",
        "ssm:StartSession",
        "cloudformation:CreateStack",
        "codebuild:StartBuild",
        "ec2:ModifyInstanceAttribute",
        "secretsmanager:GetSecretValue",
        "kms:CreateGrant",
        "s3:PutBucketPolicy",
        "kms:PutKeyPolicy",
        "iam:PassRole",
        "sts:AssumeRole",
        "organizations:CreateAccount",
        "apigateway:POST",
        "states:UpdateStateMachine",
        "states:TagResource",
        "sqs:TagQueue",
        "s3:PutObjectTagging",
        "rds:AddTagsToResource",
        "logs:PutResourcePolicy",
        "events:PutTargets"
    )]
    action: &str,
) {
    let wide = [grant(&["*"], &["*"])];
    let statement = [Statement::allow([action], ["*"])];
    assert!(matches!(check(&statement, &wide, &orders()).unwrap_err()[..], [Excess::NotLiteral { .. }]));
    assert_eq!(check(&statement, &[grant(&[action], &["*"])], &orders()), Ok(()));
}

/// What the examples and ordinary tasks need is not in the table.
#[rstest]
fn ordinary_actions_pass_by_wildcard(
    #[values(
        "dynamodb:PutItem",
        "sqs:SendMessage",
        "sns:Publish",
        "lambda:InvokeFunction",
        "s3:PutObject",
        "s3:GetObject",
        "ec2:DescribeInstanceStatus",
        "ec2:StartInstances",
        "ec2:StopInstances",
        "states:StartExecution",
        "states:DescribeExecution",
        "events:PutEvents",
        "bedrock:InvokeModel",
        "execute-api:Invoke",
        "ecs:RunTask"
    )]
    action: &str,
) {
    assert_eq!(check(&[Statement::allow([action], ["*"])], &[grant(&["*"], &["*"])], &orders()), Ok(()));
}

proptest! {
    /// Whatever a statement that passes lets a role do, one grant lets it do too, and nothing indirect comes with a wildcard.
    #[test]
    fn what_passes_is_granted(
        granted in "lambda:([A-Z][a-z]{0,2}|[*?]){1,3}", on in "[ab*?]{1,4}",
        written in "lambda:([A-Z][a-z]{0,2}|[*?]){1,3}", at in "[ab*?]{1,4}",
        action in "lambda:([A-Z][a-z]{0,2}){1,3}", object in "[ab]{1,5}",
    ) {
        let arn = |name: &str| format!("arn:aws:lambda:r:1:{name}");
        let ceiling = [grant(&[&granted], &[&arn(&on)])];
        if check(&[Statement::allow([&written], [arn(&at)])], &ceiling, &orders()).is_ok() {
            if glob::matches_ignore_case(&written, &action) && glob::matches(&at, &object) {
                prop_assert!(glob::matches_ignore_case(&granted, &action) && glob::matches(&on, &object));
            }
            prop_assert!(!glob::matches_ignore_case(&written, "lambda:UpdateFunctionCode"));
        }
    }
}

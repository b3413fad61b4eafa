//! An object gets another name, as Git has it: the old one goes, and the new one comes, at once. Some things in AWS there can be only one of.

use rstest::rstest;
use serde_json::Value;

use super::scene::Scene;
use super::{Found, Moment, drive, uncrashed};

/// Each kind, by the name of its object.
const MANIFESTS: &str = r#"
{kind: AWSAccount, metadata: {name: a}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
  tenants: [{name: all, namespaces: {from: All}, exposure: {authorizations: [NONE], domains: ["*.example.com"]}}]}}
---
{kind: StateMachine, metadata: {namespace: team, name: $MACHINE}, spec: {type: EXPRESS,
  definition: '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'}}
---
{kind: RestAPI, metadata: {namespace: team, name: $API}, spec: {stages: [{name: prod}],
  domainMappings: [{domainRef: {name: $DOMAIN}, basePath: team, stage: prod}]}}
---
{kind: APIRoute, metadata: {namespace: team, name: $ROUTE}, spec: {apiRef: {name: $API}, method: POST, path: /say,
  authorization: {type: NONE}, apiKeyRequired: true,
  target: {action: StartSyncExecution, stateMachineRef: {name: $MACHINE}}}}
---
{kind: UsagePlan, metadata: {namespace: team, name: $PLAN}, spec: {apiStages: [{apiRef: {name: $API}, stage: prod}],
  rotationGracePeriod: 0s, apiKeys: [{name: own, secretKeyRef: {name: value, key: value}}]}}
---
{kind: APIDomain, metadata: {namespace: team, name: $DOMAIN}, spec: {domainName: team.example.com,
  certificateArn: "arn:aws:acm:us-east-1:111122223333:certificate/1"}}
---
{kind: Secret, metadata: {namespace: team, name: value}, stringData: {value: the-value-of-a-partner}}
"#;

const NAMES: [&str; 5] = ["$MACHINE", "$API", "$ROUTE", "$PLAN", "$DOMAIN"];

/// With one of them under another name.
pub fn scene(renamed: &str) -> Scene {
    let named = |text: String, name: &str| {
        let new = if name == renamed { "renamed".to_owned() } else { name[1..].to_lowercase() };
        text.replace(name, &new)
    };
    let text = NAMES.into_iter().fold(MANIFESTS.to_owned(), named);
    Scene::of(serde_saphyr::from_multiple::<Value>(&text).unwrap())
}

#[rstest]
#[case::machine("$MACHINE")]
#[case::api("$API")]
#[case::route("$ROUTE")]
#[case::plan("$PLAN")]
#[case::domain("$DOMAIN")]
#[tokio::test(start_paused = true)]
async fn under_another_name_it_is_as_if_it_had_never_had_one(#[case] renamed: &str) {
    let (before, after) = (scene(""), scene(renamed));
    let start = Moment::first(&before);
    let made = drive(&start, &before, None).await.unwrap();
    let anew = drive(&start, &after, None).await.unwrap();
    let run = uncrashed("rename", &made, &after).await;
    assert_eq!(anew.difference_now(&run.end), None);
    let mut found = Found::default();
    found.crash("rename", &made, &after, &run, &[]).await;
    found.end(renamed);
}

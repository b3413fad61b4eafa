//! Execution roles at every crash point: whose policy needs several documents, and which keeps for running executions what a new
//! definition no longer needs.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use stepgate_testbed::memory::{ACCOUNT, Fault, Memory, Service, answer};

use super::operator::{Operator, Site};
use super::scene::Scene;
use super::{Found, Moment, carry_out, drive, kubernetes, uncrashed};

/// A definition that sends to these queues, one after the other.
pub fn sends(queues: &[&str]) -> String {
    let next = queues.iter().skip(1).chain([&"End"]);
    let states: serde_json::Map<String, Value> = queues
        .iter()
        .zip(next)
        .map(|(queue, next)| {
            let url = format!("https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{queue}");
            let task = json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage",
                "Parameters": {"QueueUrl": url, "MessageBody": "m"}, "Next": next});
            ((*queue).to_owned(), task)
        })
        .chain([("End".to_owned(), json!({"Type": "Succeed"}))])
        .collect();
    json!({"StartAt": states.keys().next(), "States": states}).to_string()
}

pub fn scene(kind: &str, queues: &[&str], statements: &[Value]) -> Scene {
    let mut spec = json!({"type": kind, "definition": sends(queues)});
    if !statements.is_empty() {
        spec["executionRole"] = json!({"statements": statements});
    }
    Scene::of(vec![
        json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {
            "accountId": ACCOUNT, "regions": [{"name": "us-east-1"}],
            "tenants": [{"name": "all", "namespaces": {"from": "All"}, "ceiling": [{"actions": ["sqs:*"], "resources": ["*"]}]}]}}),
        json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "StateMachine",
            "metadata": {"name": "m", "namespace": "team", "generation": 1}, "spec": spec}),
    ])
}

/// What a role needs for these queues: about 100 characters each.
pub fn queues(action: &str, numbers: std::ops::Range<usize>) -> Value {
    let arn =
        |n| format!("arn:aws:sqs:us-east-1:{ACCOUNT}:a-queue-with-a-name-that-is-long-enough-to-fill-policies-{n:04}");
    json!({"actions": [action], "resources": numbers.map(arn).collect::<Vec<_>>()})
}

fn nothing() -> Moment {
    Moment::first(&scene("STANDARD", &[], &[]))
}

fn role(moment: &Moment) -> Value {
    let essence = moment.aws.essence();
    let mut roles = essence[ACCOUNT]["roles"].as_object().unwrap().iter();
    roles.find(|(name, _)| name.contains("stepgate-exec")).unwrap().1.clone()
}

#[tokio::test(start_paused = true)]
async fn a_policy_in_several_documents_is_made_changed_and_removed() {
    let start = nothing();
    let mut found = Found::default();
    let large = scene("EXPRESS", &["q"], &[queues("sqs:SendMessage", 0..110), queues("sqs:DeleteMessage", 0..8)]);
    let made = found.phase("make", &start, &large).await;
    let attached = |moment: &Moment| role(moment)["attached"].as_object().unwrap().len();
    assert_eq!(attached(&made), 2);
    // Half of it goes, as much comes: everything moves from one document to another.
    let other =
        scene("EXPRESS", &["q"], &[queues("sqs:ChangeMessageVisibility", 0..8), queues("sqs:SendMessage", 55..165)]);
    let moved = found.phase("change", &made, &other).await;
    assert_eq!(attached(&moved), 2);
    let small = scene("EXPRESS", &["q"], &[queues("sqs:SendMessage", 0..2)]);
    let inline = found.phase("shrink", &moved, &small).await;
    assert_eq!(attached(&inline), 0);
    let fresh = uncrashed("make", &start, &small).await.end;
    assert_eq!(inline.aws.essence(), fresh.aws.essence(), "as if it had been so from the beginning");
    let gone = found.phase("delete", &moved, &other.gone()).await;
    assert_eq!(gone.aws.essence(), start.aws.essence());
    found.end("roles");
}

/// AWS's own request, as a user makes it.
pub fn states(aws: &mut Memory, operation: &str, body: &Value) {
    let request = http::Request::post("https://states.us-east-1.amazonaws.com/")
        .header("x-amz-target", format!("AWSStepFunctions.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string().into_bytes())
        .unwrap();
    let answer = aws.handle(&request);
    assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(answer.body()));
}

#[rstest::rstest]
#[case::express("EXPRESS")]
#[case::standard("STANDARD")]
#[tokio::test(start_paused = true)]
async fn a_running_execution_survives_a_definition_that_drops_its_later_task(#[case] kind: &str) {
    let mut found = Found::default();
    let both = scene(kind, &["first", "later"], &[]);
    let mut made = found.phase("make", &nothing(), &both).await;
    let machine = format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:team_m");
    if kind == "STANDARD" {
        states(&mut made.aws, "StartExecution", &json!({"stateMachineArn": machine, "name": "monday"}));
    }
    let may = |moment: &Moment, queue: &str| role(moment)["policies"].to_string().contains(&format!(":{queue}\""));

    let other = scene(kind, &["first", "new"], &[]);
    let mut updated = found.phase("update", &made, &other).await;
    assert!(["first", "later", "new"].iter().all(|queue| may(&updated, queue)), "it can do all of both");

    // As long as one may run, a look at it changes nothing.
    updated.aws.advance(Duration::from_mins(if kind == "EXPRESS" { 4 } else { 400 }));
    let mut later = found.phase("look", &updated, &other).await;
    assert!(may(&later, "later"));
    later.aws.advance(Duration::from_mins(2));
    if kind == "STANDARD" {
        let execution = format!("{}:monday", machine.replace(":stateMachine:", ":execution:"));
        // One that started after the update does not count.
        states(&mut later.aws, "StartExecution", &json!({"stateMachineArn": machine, "name": "tuesday"}));
        states(&mut later.aws, "StopExecution", &json!({"executionArn": execution}));
    }
    let narrowed = found.phase("narrow", &later, &other).await;
    assert!(may(&narrowed, "first") && may(&narrowed, "new") && !may(&narrowed, "later"));
    let fresh = uncrashed("make", &nothing(), &other).await.end;
    assert_eq!(role(&narrowed), role(&fresh), "nothing is left of it");
    found.end("roles");
}

/// Whoever looks at it, and whenever.
#[rstest::rstest]
#[case::denied(
    "AccessDeniedException",
    "User is not authorized to perform: states:ListExecutions",
    "; the platform admin must check the operator's AWS permissions (docs/aws-permissions.md)"
)]
#[case::throttled("ThrottlingException", "Rate exceeded", "")]
#[tokio::test(start_paused = true)]
async fn executions_that_can_not_be_listed_hold_up_the_narrowing_and_nothing_else(
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] mend: &str,
) {
    let may = |moment: &Moment, queue: &str| role(moment)["policies"].to_string().contains(&format!(":{queue}\""));
    let scenes = ["later", "new", "newest"].map(|queue| scene("STANDARD", &["first", queue], &[]));
    let mut now = drive(&nothing(), &scenes[0], None).await.unwrap();
    now = drive(&now, &scenes[1], None).await.unwrap();
    now.aws.advance(Duration::from_mins(10));

    let site = Site::new(now.aws, now.objects);
    site.aws.faults(move |attempt| {
        let lists = attempt.call.operation == "ListExecutions";
        lists.then(|| Fault::Answer(answer(Service::States, 400, code, message)))
    });
    let look = carry_out(&site, &scenes[1]).await.unwrap();
    let shown = look.objects.of("statemachines").next().unwrap().1.clone();
    let says = kubernetes::condition(&shown, "PolicyNarrowingPending").unwrap()["message"].as_str().unwrap().to_owned();
    let why = format!(
        "still run can't be read (ListExecutions: {message} ({code}){mend}); the role keeps what they may need"
    );
    assert!(says.contains(&why), "{says}");
    let mut updated = carry_out(&site, &scenes[2]).await.unwrap();
    assert!(updated.aws.essence().to_string().contains("newest"), "a change is carried out meanwhile");
    assert!(["first", "later", "new", "newest"].iter().all(|queue| may(&updated, queue)));

    updated.aws.advance(Duration::from_mins(10));
    let narrowed = drive(&updated, &scenes[2], None).await.unwrap();
    assert!(may(&narrowed, "newest") && !may(&narrowed, "later") && !may(&narrowed, "new"));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_gives_running_executions_an_hour_and_no_more() {
    let mut found = Found::default();
    let machine = scene("STANDARD", &["q"], &[]);
    let mut now = found.phase("make", &nothing(), &machine).await;
    let arn = format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:team_m");
    states(&mut now.aws, "StartExecution", &json!({"stateMachineArn": arn, "name": "monday"}));
    let made = now.aws.essence();
    for minutes in [0, 30, 29] {
        now.aws.advance(Duration::from_mins(minutes));
        let site = Site::new(now.aws, now.objects);
        machine.gone().apply(&site.server);
        Operator::start(&site).round(true).await;
        now = Moment::of(&site);
        assert_eq!(now.aws.essence(), made);
        let (_, object) = now.objects.of("statemachines").next().unwrap();
        let says = kubernetes::condition(object, "Reconciling").unwrap();
        assert_eq!(says["reason"], "DeletionBlocked", "{says}");
        let deleted = object["metadata"]["deletionTimestamp"].as_str().unwrap().parse::<Timestamp>().unwrap();
        let until = (deleted + Duration::from_hours(1)).to_string();
        let text =
            format!("1 execution is running; it is deleted when they have ended, or at {until} (deletionGracePeriod)");
        assert!(says["message"].as_str().unwrap().starts_with(&text), "{says}");
    }
    now.aws.advance(Duration::from_mins(2));
    let gone = found.phase("delete", &now, &machine.gone()).await;
    assert_eq!(gone.aws.essence(), nothing().aws.essence());
    found.end("grace period");
}

#[tokio::test(start_paused = true)]
async fn a_full_account_is_asked_before_a_role_is_made() {
    let mut full = nothing();
    full.aws.settings.role_limit = 1;
    let wanted = scene("EXPRESS", &["q"], &[]);
    let site = Site::new(full.aws, full.objects);
    site.aws.with(Memory::reset_counts);
    wanted.apply(&site.server);
    let error = Operator::start(&site).settle().await.unwrap_err();
    assert!(
        error.contains("the account has 1 IAM roles of the 1 that it may have, and this needs another; the platform admin must delete roles that nobody uses, or ask AWS for a higher quota"),
        "{error}"
    );
    assert!(!error.contains("LimitExceeded"), "CreateRole was not tried");
    let create = (Service::Iam, "CreateRole".to_owned());
    assert_eq!(site.aws.with(|memory| memory.counts().get(&create).map_or(0, |count| count.done + count.refused)), 0);
}

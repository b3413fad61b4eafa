//! Roles that exist become execution roles in place: what others wrote in them stays, executions that run keep what they need, and when
//! a machine parts from one, it is as it was.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_iam::types::Tag;
use serde_json::{Value, json};
use stepgate::aws::{Session, Sessions};
use stepgate::identity::Key;
use stepgate_testbed::memory::{ACCOUNT, InProcess, Service, answer};

use super::kubernetes::{Objects, condition, is};
use super::operator::{Operator, Site};
use super::races::raced;
use super::roles::{sends, states};
use super::scene::{Scene, add};
use super::takeover::{heir, lost};
use super::{Found, Moment, difference, drive, uncrashed};

const BOUNDARY: &str = "arn:aws:iam::aws:policy/AmazonSQSFullAccess";
const ATTACHED: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
pub const ASKED: &str = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess";

pub fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/team/{name}")
}

/// A machine with this execution role.
fn machine(name: &str, kind: &str, queues: &[&str], role: &Value) -> Value {
    json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "StateMachine",
        "metadata": {"name": name, "namespace": "team", "generation": 1},
        "spec": {"type": kind, "definition": sends(queues), "executionRole": role}})
}

fn account(adoptable: &[&str]) -> Value {
    json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {
        "accountId": ACCOUNT, "regions": [{"name": "us-east-1"}],
        "tenants": [{"name": "all", "namespaces": {"from": "All"}, "ceiling": [{"actions": ["sqs:*"], "resources": ["*"]}],
            "adoptableArns": adoptable, "executionRoleArns": ["arn:aws:iam::*:role/team/*"],
            "managedPolicyArns": [ASKED]}]}})
}

pub fn scene(kind: &str, queues: &[&str], role: &Value) -> Scene {
    Scene::of(vec![account(&["arn:aws:iam::*:role/team/*"]), machine("m", kind, queues, role)])
}

pub fn adopts(name: &str) -> Value {
    json!({"adoption": {"policy": "Adopt", "arn": arn(name)}})
}

async fn session(aws: &InProcess, scene: &Scene) -> Arc<Session> {
    let sessions = Sessions::with_http_client(aws.http_client(), Arc::new(|_, _, _| {}));
    sessions.get(&scene.world.accounts[0], "us-east-1").await.unwrap()
}

/// An account in which others have made two roles, with all that a role can have.
pub async fn start() -> Moment {
    let scene = scene("EXPRESS", &[], &json!({}));
    let first = Moment::first(&scene);
    let aws = InProcess::new(first.aws);
    let iam = &session(&aws, &scene).await.iam;
    for name in ["legacy", "second"] {
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}}]});
        let role = iam.create_role().role_name(name).path("/team/").assume_role_policy_document(trust.to_string());
        let role = role.description("by hand").max_session_duration(7200).permissions_boundary(BOUNDARY);
        role.tags(Tag::builder().key("team").value("orders").build().unwrap()).send().await.unwrap();
        let policy =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]});
        let inline = iam.put_role_policy().role_name(name).policy_name("by-hand").policy_document(policy.to_string());
        inline.send().await.unwrap();
        iam.attach_role_policy().role_name(name).policy_arn(ATTACHED).send().await.unwrap();
    }
    Moment { aws: aws.with(|memory| memory.clone()), objects: first.objects }
}

/// But for a neighbour's.
fn roles(moment: &Moment) -> Value {
    let mut roles = moment.aws.tree()[ACCOUNT]["iam"]["roles"].clone();
    roles.as_object_mut().unwrap().shift_remove("neighbour");
    roles
}

fn role(moment: &Moment, name: &str) -> Value {
    roles(moment)[name].clone()
}

/// What of a role is none of ours.
pub fn theirs(role: &Value) -> Value {
    let mut role = role.clone();
    role["trusted_since"].take();
    let mut trust: Value = serde_json::from_str(role["trust"].as_str().unwrap()).unwrap();
    trust["Statement"].as_array_mut().unwrap().retain(|statement| statement["Sid"] != "stepgate");
    role["trust"] = trust;
    role["policies"].as_object_mut().unwrap().shift_remove("stepgate");
    role["tags"].as_object_mut().unwrap().retain(|key, _| !key.starts_with("stepgate.dev/"));
    let ours = |arn: &Value| *arn == ASKED || arn.as_str().unwrap().contains(":policy/stepgate/");
    role["attached"].as_object_mut().unwrap().retain(|_, arn| !ours(arn));
    role
}

/// A role as a whole, but for when its trust policy was written.
fn whole(role: &Value) -> Value {
    let mut role = role.clone();
    role["trusted_since"].take();
    role["trust"] = serde_json::from_str(role["trust"].as_str().unwrap()).unwrap();
    role
}

fn same(before: &Value, after: &Value, what: &str) {
    assert_eq!(difference(before, after), None, "{what}");
}

fn of_machine(moment: &Moment, name: &str) -> Value {
    moment.aws.tree()[ACCOUNT]["regions"]["us-east-1"]["machines"]
        .as_object()
        .and_then(|all| all.values().find(|one| one["name"] == format!("team_{name}")).cloned())
        .unwrap_or_default()
}

fn object(moment: &Moment, name: &str) -> Value {
    Value::clone(moment.objects.by_id(&("statemachines".to_owned(), "team".to_owned(), name.to_owned())).unwrap())
}

fn later(mut moment: Moment, minutes: u64) -> Moment {
    moment.aws.advance(Duration::from_mins(minutes));
    moment
}

/// Its own, another, one that is made, its own again by ARN: at every effect a crash, and in the end nobody can tell.
#[tokio::test(start_paused = true)]
async fn a_machine_goes_from_role_to_role_and_leaves_each_as_it_was() {
    let (start, queues) = (start().await, ["q"]);
    let of = |role: &Value| scene("EXPRESS", &queues, role);
    let mut found = Found::default();
    let by_arn = of(&json!({"arn": arn("legacy")}));
    let owned = found.phase("own role", &start, &by_arn).await;

    let mut first = adopts("legacy");
    first["managedPolicyArns"] = json!([ASKED]);
    let adopted = found.phase("adopt", &owned, &of(&first)).await;
    let (before, now) = (role(&start, "legacy"), role(&adopted, "legacy"));
    same(&theirs(&before), &theirs(&now), "what others wrote");
    assert_eq!(now["tags"]["stepgate.dev/adopted"], "true");
    assert!(now["policies"]["stepgate"].as_str().unwrap().contains("sqs:SendMessage"), "{now}");
    assert!(now["trust"].as_str().unwrap().contains("aws:SourceArn"), "{now}");
    assert!(now["attached"].to_string().contains(ASKED), "{now}");
    let revision = |moment: &Moment| of_machine(moment, "m")["revision"].clone();
    assert_eq!(revision(&adopted), revision(&owned), "the machine is not touched");
    let shown = object(&adopted, "m");
    assert!(is(&shown, "Ready"), "{shown:#}");
    assert_eq!(shown["status"]["roleArn"], arn("legacy"));
    assert_eq!(shown["status"]["adoptedRoles"], json!([arn("legacy")]));

    let other = found.phase("another", &adopted, &of(&adopts("second"))).await;
    let shown = object(&other, "m");
    let says = condition(&shown, "PolicyNarrowingPending").unwrap();
    assert!(says["message"].as_str().unwrap().starts_with("Executions that started before"), "{says}");
    assert!(role(&other, "legacy")["policies"]["stepgate"].is_string(), "an execution may still need it");
    assert_eq!(of_machine(&other, "m")["form"]["role"], arn("second"));
    let other = found.phase("and parted", &later(other, 6), &of(&adopts("second"))).await;
    same(&whole(&before), &whole(&role(&other, "legacy")), "as it was");
    assert_eq!(object(&other, "m")["status"]["adoptedRoles"], json!([arn("second")]));

    let made = found.phase("made", &other, &of(&json!({}))).await;
    let made = found.phase("and parted again", &later(made, 6), &of(&json!({}))).await;
    same(&whole(&role(&start, "second")), &whole(&role(&made, "second")), "as it was");
    assert_eq!(roles(&made).as_object().unwrap().len(), 3);
    assert_eq!(object(&made, "m")["status"].get("adoptedRoles"), None);

    let back = found.phase("back", &made, &of(&adopts("legacy"))).await;
    let back = found.phase("the made one goes", &later(back, 6), &of(&adopts("legacy"))).await;
    assert_eq!(roles(&back).as_object().unwrap().len(), 2);

    // The same role, by its ARN: nothing is updated, and executions that run are waited for all the same.
    let held = found.phase("let go", &back, &by_arn).await;
    assert!(role(&held, "legacy")["policies"]["stepgate"].is_string(), "an execution may still need it");
    let end = found.phase("and gone", &later(held, 6), &by_arn).await;
    same(&whole(&before), &whole(&role(&end, "legacy")), "as it was");
    assert_eq!(revision(&end), revision(&back), "the machine is not touched");
    let gone = found.phase("delete", &back, &by_arn.gone()).await;
    for name in ["legacy", "second"] {
        same(&whole(&role(&start, name)), &whole(&role(&gone, name)), name);
    }
    assert_eq!(of_machine(&gone, "m"), Value::Null);
    found.end("adopted roles");
}

/// A role is made first, and the machine then may still be refused, or become one with another role.
#[tokio::test(start_paused = true)]
async fn who_changes_their_mind_while_a_role_is_made_leaves_none_behind() {
    let start = start().await;
    let of = |role: &Value| scene("EXPRESS", &["q"], role);
    let (makes, adopting, names) = (of(&json!({})), of(&adopts("legacy")), of(&json!({"arn": arn("legacy")})));
    let made = uncrashed("make", &start, &makes).await;
    let (adopted, named) =
        (uncrashed("adopt", &start, &adopting).await.end, uncrashed("name", &start, &names).await.end);
    let mut found = Found::default();
    found.crash("make", &start, &makes, &made, &[("adopt", &adopting, &adopted), ("name", &names, &named)]).await;
    found.end("a role for nothing");
}

/// The manifest is already another when the cluster is rebuilt, which knows only what AWS says.
#[rstest::rstest]
#[case::made_then_adopted(json!({}), adopts("legacy"))]
#[case::made_then_named(json!({}), json!({"arn": arn("legacy")}))]
#[case::adopted_then_made(adopts("legacy"), json!({}))]
#[case::adopted_then_another(adopts("legacy"), adopts("second"))]
#[tokio::test(start_paused = true)]
async fn who_takes_over_a_machine_and_gives_it_another_role_leaves_none_behind(
    #[case] before: Value,
    #[case] after: Value,
) {
    let start = start().await;
    let of = |role: &Value| heir(&scene("EXPRESS", &["q"], role));
    let end = drive(&start, &of(&after), None).await.unwrap();
    let lost = lost(&drive(&start, &of(&before), None).await.unwrap());
    let mut found = Found::default();
    let taken = found.phase("take over", &lost, &of(&after)).await;
    let taken = found.phase("the other one goes", &later(taken, 6), &of(&after)).await;
    assert_eq!(difference(&end.aws.essence(), &taken.aws.essence()), None);
    found.end("taken over with another role");
}

/// One starts now; answers with what stops it.
fn runs(moment: &mut Moment) -> impl Fn(&mut Moment) + use<> {
    let arn = format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:team_m");
    states(&mut moment.aws, "StartExecution", &json!({"stateMachineArn": arn, "name": "monday"}));
    let execution = format!("{}:monday", arn.replace(":stateMachine:", ":execution:"));
    move |moment| states(&mut moment.aws, "StopExecution", &json!({"executionArn": execution}))
}

#[tokio::test(start_paused = true)]
async fn a_running_execution_keeps_what_it_needs_of_an_adopted_role() {
    let start = start().await;
    let mut found = Found::default();
    let of = |queues: &[&str]| scene("STANDARD", queues, &adopts("legacy"));
    let may = |moment: &Moment, queue: &str| {
        let role = role(moment, "legacy");
        role["policies"]["stepgate"].as_str().is_some_and(|text| text.contains(&format!(":{queue}\"")))
    };
    let mut made = found.phase("make", &start, &of(&["first", "later"])).await;
    assert!(may(&made, "first") && may(&made, "later"));
    let stop = runs(&mut made);
    let updated = found.phase("update", &made, &of(&["first", "new"])).await;
    assert!(["first", "later", "new"].iter().all(|queue| may(&updated, queue)), "it can do all of both");
    let mut held = found.phase("look", &later(updated, 400), &of(&["first", "new"])).await;
    assert!(may(&held, "later"));
    stop(&mut held);
    let narrowed = found.phase("narrow", &later(held, 20), &of(&["first", "new"])).await;
    assert!(may(&narrowed, "new") && !may(&narrowed, "later"));
    same(&theirs(&role(&start, "legacy")), &theirs(&role(&narrowed, "legacy")), "what others wrote");
    found.end("adopted roles");
}

#[tokio::test(start_paused = true)]
async fn what_others_wrote_goes_where_that_is_said_and_no_execution_needs_it() {
    let start = start().await;
    let mut found = Found::default();
    let own = scene("STANDARD", &["q"], &json!({"arn": arn("legacy")}));
    let mut owned = found.phase("own role", &start, &own).await;
    let stop = runs(&mut owned);
    let mut role_of_it = adopts("legacy");
    role_of_it["adoption"]["unmanaged"] = json!("Remove");
    let alone = scene("STANDARD", &["q"], &role_of_it);
    let mut held = found.phase("adopt", &owned, &alone).await;
    same(&theirs(&role(&start, "legacy")), &theirs(&role(&held, "legacy")), "an execution may still need it");
    let shown = object(&held, "m");
    let says = condition(&shown, "PolicyNarrowingPending").unwrap();
    assert_eq!(says["reason"], "ExecutionsRunning", "{says}");
    assert!(is(&object(&held, "m"), "Ready"));
    stop(&mut held);
    let done = found.phase("strip", &later(held, 20), &alone).await;
    let left = role(&done, "legacy");
    assert_eq!(left["policies"].as_object().unwrap().keys().collect::<Vec<_>>(), ["stepgate"]);
    assert_eq!(left["attached"], json!({}));
    assert!(!left["trust"].as_str().unwrap().contains("lambda"), "{left}");
    // These are no permissions.
    for what in ["boundary", "description", "longest_session", "path", "id"] {
        assert_eq!(left[what], role(&start, "legacy")[what], "{what}");
    }
    assert_eq!(left["tags"]["team"], "orders");

    // A machine that does not run with it yet waits for nothing.
    let fresh = found.phase("adopt at once", &start, &alone).await;
    assert_eq!(role(&fresh, "legacy")["attached"], json!({}));
    found.end("adopted roles");
}

/// About 100 characters each.
fn queues(action: &str, numbers: std::ops::Range<usize>) -> Value {
    let arn =
        |n| format!("arn:aws:sqs:us-east-1:{ACCOUNT}:a-queue-with-a-name-that-is-long-enough-to-fill-policies-{n:04}");
    json!({"actions": [action], "resources": numbers.map(arn).collect::<Vec<_>>()})
}

#[tokio::test(start_paused = true)]
async fn policies_beside_the_inline_one_come_and_go_with_the_adoption() {
    let start = start().await;
    let mut found = Found::default();
    let large = |name: &str| {
        let mut role = adopts(name);
        role["statements"] = json!([queues("sqs:SendMessage", 0..110), queues("sqs:DeleteMessage", 0..8)]);
        scene("EXPRESS", &["q"], &role)
    };
    let made = found.phase("adopt", &start, &large("legacy")).await;
    // But for a neighbour's.
    let policies = |moment: &Moment| moment.aws.tree()[ACCOUNT]["iam"]["policies"].as_object().unwrap().len() - 1;
    assert_eq!((role(&made, "legacy")["attached"].as_object().unwrap().len(), policies(&made)), (3, 2));
    // Both roles have policies of their own for a while.
    let both = found.phase("another", &made, &large("second")).await;
    assert_eq!(policies(&both), 4);
    let moved = found.phase("and parted", &later(both, 6), &large("second")).await;
    assert_eq!(policies(&moved), 2);
    same(&whole(&role(&start, "legacy")), &whole(&role(&moved, "legacy")), "as it was");
    let gone = found.phase("delete", &moved, &large("second").gone()).await;
    same(&whole(&role(&start, "second")), &whole(&role(&gone, "second")), "as it was");
    assert_eq!(policies(&gone), 0);

    // No room beside what others wrote.
    let site = Site::new(start.aws.clone(), start.objects.clone());
    let arns = queues("sqs:SendMessage", 0..90)["resources"].clone();
    let statement = json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arns});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let iam = &session(&site.aws, &large("legacy")).await.iam;
    iam.put_role_policy().role_name("legacy").policy_name("large").policy_document(policy).send().await.unwrap();
    site.look_again();
    let full = Moment::of(&site);
    let mut role_of_it = adopts("legacy");
    role_of_it["statements"] = json!([queues("sqs:SendMessage", 0..40)]);
    let site = Site::new(full.aws.clone(), full.objects.clone());
    let (_, error) = says(&site, &scene("EXPRESS", &["q"], &role_of_it), "m").await;
    assert!(error.contains("spec.executionRole.adoption: the inline policies that role legacy has take"), "{error}");
    assert!(error.contains("or set unmanaged: Remove"), "{error}");
    same(&roles(&full), &roles(&Moment::of(&site)), "it is left alone");
    found.end("adopted roles");
}

#[tokio::test(start_paused = true)]
async fn deletion_leaves_an_adopted_role_or_takes_it_as_the_manifest_says() {
    let start = start().await;
    let mut found = Found::default();
    let with = |policy: &str| {
        let mut machine = machine("m", "EXPRESS", &["q"], &adopts("legacy"));
        machine["spec"]["deletionPolicy"] = json!(policy);
        Scene::of(vec![account(&["arn:aws:iam::*:role/team/*"]), machine])
    };
    let made = found.phase("adopt", &start, &with("Delete")).await;
    let gone = found.phase("delete", &made, &with("Delete").gone()).await;
    assert_eq!(roles(&gone).as_object().unwrap().keys().collect::<Vec<_>>(), ["second"]);

    let made = found.phase("adopt to retain", &start, &with("Retain")).await;
    let kept = found.phase("retain", &made, &with("Retain").gone()).await;
    assert_eq!(of_machine(&kept, "m")["form"]["role"], arn("legacy"), "it goes on to run with it");
    let left = role(&kept, "legacy");
    assert!(
        left["policies"]["stepgate"].is_string() && left["tags"]["stepgate.dev/released-from"].is_string(),
        "{left}"
    );
    let again = found.phase("take back", &kept, &with("Retain")).await;
    assert_eq!(role(&again, "legacy")["tags"], role(&made, "legacy")["tags"]);
    let parted = found.phase("and delete", &again, &with("Delete").gone()).await;
    assert!(role(&parted, "legacy")["tags"]["stepgate.dev/released-from"].is_string());
    found.end("adopted roles");
}

#[tokio::test(start_paused = true)]
async fn a_rebuilt_cluster_takes_an_adopted_role_over() {
    let adopted = scene("EXPRESS", &["q"], &adopts("legacy"));
    let made = drive(&start().await, &adopted, None).await.unwrap();
    let mut aws = made.aws.clone();
    let lost =
        aws.tree().to_string().replace(r#""stepgate.dev/cluster-uid":"uid""#, r#""stepgate.dev/cluster-uid":"lost""#);
    aws.plant(&serde_json::from_str(&lost).unwrap()).unwrap();
    let rebuilt = Moment { aws, objects: Objects::default() };
    let mut heir = adopted.clone();
    Arc::make_mut(&mut heir.world.accounts[0]).spec.takeover_from = vec!["lost".into()];
    let site = Site::new(rebuilt.aws.clone(), Objects::default());
    assert_eq!(says(&site, &adopted, "m").await.0, "OwnershipConflict", "without a word it is another's");
    same(&roles(&rebuilt), &roles(&Moment::of(&site)), "and left alone");
    let mut found = Found::default();
    let taken = found.phase("take over", &rebuilt, &heir).await;
    same(&roles(&made), &roles(&taken), "only tags change, and they are as before");
    assert_eq!(object(&taken, "m")["status"]["adoptedRoles"], json!([arn("legacy")]));
    found.end("adopted roles");
}

#[tokio::test(start_paused = true)]
async fn two_operators_at_once_adopt_a_role_as_one_does() {
    let (start, scene) = (start().await, scene("EXPRESS", &["q"], &adopts("legacy")));
    let end = drive(&start, &scene, None).await.unwrap();
    for seed in 0..10 {
        for stale in [false, true] {
            let raced = raced(&start, &scene, seed, stale).await.unwrap();
            assert_eq!(end.difference_now(&raced), None, "seed {seed}, stale {stale}");
        }
    }
}

/// What the machine says, after a process has looked at everything a few times.
async fn says(site: &Site, scene: &Scene, name: &str) -> (String, String) {
    scene.apply(&site.server);
    let mut operator = Operator::start(site);
    for _ in 0..4 {
        operator.round(true).await;
    }
    let shown = object(&Moment::of(site), name);
    let ready = condition(&shown, "Ready").unwrap();
    (ready["reason"].as_str().unwrap().to_owned(), ready["message"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn no_role_is_adopted_that_is_not_admitted_or_is_somebody_s() {
    let start = start().await;
    let with =
        |adoptable: &[&str], role: &Value| Scene::of(vec![account(adoptable), machine("m", "EXPRESS", &["q"], role)]);
    let of = |policy: &str, arn: &str| json!({"adoption": {"policy": policy, "arn": arn}});
    let any = ["arn:aws:iam::*:role/*"];
    let none = "is in none of the `adoptableArns` of tenant all in AWSAccount a";
    let waits = "spec.executionRole.adoption.arn: there is no role `";
    let aws_s = format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/states.amazonaws.com/AWSServiceRoleForStates");
    let cases: [(Scene, &str, &str); 9] = [
        (with(&[], &adopts("legacy")), "OverCeiling", none),
        (with(&[], &of("AdoptOrCreate", &arn("legacy"))), "OverCeiling", none),
        (with(&["arn:aws:iam::*:role/legacy"], &adopts("legacy")), "OverCeiling", none),
        // Who admits everything has not thought of roles.
        (with(&["*", "arn:aws:*", "arn:aws:i*:*:*:*"], &adopts("legacy")), "OverCeiling", none),
        (with(&any, &of("Adopt", &format!("arn:aws:iam::{ACCOUNT}:role/legacy"))), "WaitingForReference", waits),
        (with(&any, &adopts("third")), "WaitingForReference", waits),
        (with(&any, &of("Adopt", "arn:aws:iam::444455556666:role/legacy")), "InvalidSpec", "is not a role of account"),
        (with(&any, &of("Adopt", &aws_s)), "InvalidSpec", "is a role that AWS itself manages"),
        (
            with(
                &any,
                &of("AdoptOrCreate", &format!("arn:aws:iam::{ACCOUNT}:role/stepgate/0123456789abcdef/stepgate-exec-x")),
            ),
            "OverCeiling",
            "is a role that stepgate manages for one object",
        ),
    ];
    for (scene, reason, text) in cases {
        let site = Site::new(start.aws.clone(), start.objects.clone());
        let (says, message) = says(&site, &scene, "m").await;
        assert!(says == reason && message.contains(text), "{says}: {message}\nnot {reason}: {text}");
        same(&start.aws.essence(), &Moment::of(&site).aws.essence(), &message);
    }

    // Any tag of ours says that it is somebody's.
    for tag in ["stepgate.dev/released-from", "stepgate.dev/adopted", "stepgate.dev/cluster", "stepgate.dev/updated"] {
        let site = Site::new(start.aws.clone(), start.objects.clone());
        let scene = with(&any, &adopts("legacy"));
        let iam = &session(&site.aws, &scene).await.iam;
        iam.tag_role()
            .role_name("legacy")
            .tags(Tag::builder().key(tag).value("x").build().unwrap())
            .send()
            .await
            .unwrap();
        site.look_again();
        let before = Moment::of(&site).aws.essence();
        let (says, message) = says(&site, &scene, "m").await;
        assert!(says == "OwnershipConflict" && message.starts_with("role `legacy` exists in AWS"), "{says}: {message}");
        same(&before, &Moment::of(&site).aws.essence(), tag);
    }

    // Whose it is, is said.
    let first = drive(&start, &with(&any, &adopts("legacy")), None).await.unwrap();
    let mut two = with(&any, &adopts("legacy"));
    add(&mut two.world, machine("another", "EXPRESS", &["q"], &adopts("legacy")));
    let site = Site::new(first.aws.clone(), first.objects.clone());
    let (reason, message) = says(&site, &two, "another").await;
    assert_eq!(reason, "OwnershipConflict");
    assert!(message.contains("its owner tags name StateMachine team/m of cluster test"), "{message}");
    same(&first.aws.essence(), &Moment::of(&site).aws.essence(), "the second changes nothing");

    // A status that names another's role lets go of nothing.
    let site = Site::new(first.aws.clone(), first.objects.clone());
    let mut forged = with(&any, &adopts("legacy"));
    add(&mut forged.world, machine("forged", "EXPRESS", &["q"], &json!({})));
    forged.apply(&site.server);
    let mut operator = Operator::start(&site);
    operator.settle().await.unwrap();
    let key = Key::new("team", "forged");
    let status = object(&Moment::of(&site), "forged")["status"].clone();
    let mut lie = status.clone();
    lie["adoptedRoles"] = json!([arn("legacy"), arn("second")]);
    site.server.forge_status("statemachines", &key, lie);
    let before = roles(&Moment::of(&site));
    operator.round(true).await;
    operator.settle().await.unwrap();
    same(&before, &roles(&Moment::of(&site)), "a forged status");
    assert_eq!(object(&Moment::of(&site), "forged")["status"].get("adoptedRoles"), None);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_role_it_is_made_or_waited_for() {
    let start = start().await;
    let or_create =
        |name: &str| scene("EXPRESS", &["q"], &json!({"adoption": {"policy": "AdoptOrCreate", "arn": arn(name)}}));
    let made = drive(&start, &or_create("third"), None).await.unwrap();
    let names = |moment: &Moment| roles(moment).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(names(&made).iter().any(|name| name.starts_with("stepgate-exec-team_m")), "{:?}", names(&made));
    assert!(object(&made, "m")["status"]["roleArn"].as_str().unwrap().contains(":role/stepgate/"));
    same(&whole(&role(&start, "legacy")), &whole(&role(&made, "legacy")), "others");
    // It comes, and is adopted; it goes, and the machine has one all the same.
    let there = drive(&made, &or_create("legacy"), None).await.unwrap();
    let there = drive(&later(there, 6), &or_create("legacy"), None).await.unwrap();
    assert_eq!(names(&there), ["legacy", "second"]);
    let site = Site::new(there.aws.clone(), there.objects.clone());
    let iam = &session(&site.aws, &or_create("legacy")).await.iam;
    for name in ["stepgate", "by-hand"] {
        iam.delete_role_policy().role_name("legacy").policy_name(name).send().await.unwrap();
    }
    iam.detach_role_policy().role_name("legacy").policy_arn(ATTACHED).send().await.unwrap();
    iam.delete_role().role_name("legacy").send().await.unwrap();
    let again = drive(&Moment::of(&site), &or_create("legacy"), None).await.unwrap();
    assert!(names(&again).iter().any(|name| name.starts_with("stepgate-exec-team_m")), "{:?}", names(&again));
    let (reason, message) = says(&site, &scene("EXPRESS", &["q"], &adopts("legacy")), "m").await;
    assert!(message.contains("there is no role `"), "{reason}: {message}");

    // No role is made, so none need be allowed; and what the operator may not do, its admin reads.
    let mut full = start.clone();
    full.aws.settings.role_limit = 3;
    drive(&full, &or_create("legacy"), None).await.unwrap();
    let error = drive(&full, &or_create("third"), None).await.err().unwrap();
    assert!(error.contains("the account has 3 IAM roles of the 3 that it may have"), "{error}");
    let site = Site::new(start.aws.clone(), start.objects.clone());
    site.aws.faults(|attempt| {
        let words = "User: stepgate is not authorized to perform: iam:GetRole on resource: role legacy";
        (attempt.call.operation == "GetRole")
            .then(|| stepgate_testbed::memory::Fault::Answer(answer(Service::Iam, 403, "AccessDenied", words)))
    });
    let (_, message) = says(&site, &scene("EXPRESS", &["q"], &adopts("legacy")), "m").await;
    assert!(
        message
            .starts_with("GetRole: User: stepgate is not authorized to perform: iam:GetRole on resource: role legacy")
            && message
                .ends_with("the platform admin must check the operator's AWS permissions (docs/aws-permissions.md)"),
        "{message}"
    );
}

/// Somebody changes the role: what is ours is as it was, told once; what is theirs is theirs to change.
#[tokio::test(start_paused = true)]
async fn drift_of_what_is_ours_is_repaired_and_of_what_is_theirs_is_no_drift() {
    let mut role_of_it = adopts("legacy");
    role_of_it["managedPolicyArns"] = json!([ASKED]);
    let scene = scene("EXPRESS", &["q"], &role_of_it);
    let made = drive(&start().await, &scene, None).await.unwrap();
    let reports = drive(&start().await, &scene.with_drift_policy(stepgate::api::DriftPolicy::Report), None).await;
    let reports = reports.unwrap();
    let anything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}"#;
    let changes = [
        "ours gone",
        "ours other",
        "untrusted",
        "ours detached",
        "theirs gone",
        "theirs more",
        "theirs off",
        "theirs on",
    ];
    for (change, reporting) in changes.iter().flat_map(|change| [(*change, false), (*change, true)]) {
        let from = if reporting { &reports } else { &made };
        let site = Site::new(from.aws.clone(), from.objects.clone());
        let iam = &session(&site.aws, &scene).await.iam;
        let put = |name: &str| iam.put_role_policy().role_name("legacy").policy_name(name).policy_document(anything);
        let gone = |name: &str| iam.delete_role_policy().role_name("legacy").policy_name(name);
        let attach = |arn: &str| iam.attach_role_policy().role_name("legacy").policy_arn(arn);
        let detach = |arn: &str| iam.detach_role_policy().role_name("legacy").policy_arn(arn);
        match change {
            "ours gone" => drop(gone("stepgate").send().await.unwrap()),
            "ours other" => drop(put("stepgate").send().await.unwrap()),
            "untrusted" => {
                let update = iam.update_assume_role_policy().role_name("legacy").policy_document(trust);
                update.send().await.unwrap();
            }
            "ours detached" => drop(detach(ASKED).send().await.unwrap()),
            "theirs gone" => drop(gone("by-hand").send().await.unwrap()),
            "theirs more" => drop(put("more").send().await.unwrap()),
            "theirs off" => drop(detach(ATTACHED).send().await.unwrap()),
            _ => drop(attach(BOUNDARY).send().await.unwrap()),
        }
        let changed = role(&Moment::of(&site), "legacy");
        Operator::start(&site).settle().await.unwrap();
        let after = Moment::of(&site);
        let told = |reason: &str| {
            let new = after.objects.events.iter().skip(from.objects.events.len());
            new.filter(|event| event["reason"] == reason).count()
        };
        let ours = !change.starts_with("theirs");
        let now = role(&after, "legacy");
        same(&theirs(&changed), &theirs(&now), change);
        assert_eq!(
            (told("DriftRepaired"), told("DriftDetected")),
            (usize::from(ours && !reporting), usize::from(ours && reporting)),
            "{change}"
        );
        match ours && !reporting {
            false => same(&whole(&changed), &whole(&now), change),
            true => {
                let of_ours = |role: &Value| (role["policies"]["stepgate"].clone(), role["attached"].clone());
                assert_eq!(of_ours(&now), of_ours(&role(&made, "legacy")), "{change}");
                assert!(now["trust"].as_str().unwrap().contains("aws:SourceArn"), "{change}");
            }
        }
    }
}

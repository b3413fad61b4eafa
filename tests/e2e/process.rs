//! The operator as a process among others that come and go: killed at random, its API server and AWS stopped and started,
//! its calls slow and broken. `PROCESS_SEED=n` rolls the dice otherwise.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stepgate_testbed::OperatorOptions;

use crate::cloud::Cloud;
use crate::neighbours::Neighbours;
use crate::proxy::Proxy;
use crate::support::{Namespace, Suite, TENANT, account, assert_for_people, machine, rest_api, route, start};

const MACHINES: usize = 10;
const ROUTES: usize = 16;

/// A creation of which nobody knows what became is waited out, 11 minutes at most.
const PATIENCE: Duration = Duration::from_mins(15);

fn names(kind: &str, prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{kind}/{prefix}{number}")).collect()
}

fn all() -> Vec<String> {
    let api = vec!["restapi/api".to_owned()];
    [names("statemachine", "m", MACHINES), api, names("apiroute", "r", ROUTES)].concat()
}

fn routes(count: usize) -> String {
    let one = |number: usize| route(&format!("r{number}"), &format!("/r{number}"), &format!("m{}", number % MACHINES));
    (0..count).map(one).collect()
}

fn machines(says: &str) -> String {
    (0..MACHINES).map(|number| machine(&format!("m{number}"), says)).collect()
}

async fn ready(ns: &Namespace) {
    let all = all();
    ns.ready(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn it_converges_whatever_dies() {
    let seed = std::env::var("PROCESS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut dice = StdRng::seed_from_u64(seed);
    let options = OperatorOptions { name: Some("process".into()), ..OperatorOptions::default() };
    let suite: &'static Suite = Box::leak(Box::new(start(None, options).await.unwrap()));
    let (testbed, operator) = (suite.testbed, suite.operator);
    let proxy = Proxy::start(testbed.aws_endpoint()).await;
    let mut ns = Namespace::on(suite, "process", &[(TENANT, "process")]).await;
    ns.patience = PATIENCE;
    ns.apply(&account("process", proxy.url())).await;

    // Others live there too.
    let aws = Cloud::new(testbed.aws_endpoint());
    let neighbours = Neighbours::move_in(&aws, "theirs", "/stepgate/").await;
    let untouched = neighbours.look(&aws).await;

    // Killed under load, while calls are slow and break.
    proxy.shake(seed);
    ns.apply(&[machines("hello"), rest_api("api"), routes(ROUTES / 2)].concat()).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(dice.random_range(100..2_500))).await;
        operator.kill().await.unwrap();
        operator.restart().await.unwrap();
    }
    ns.apply(&routes(ROUTES)).await;
    tokio::time::sleep(Duration::from_millis(dice.random_range(100..2_500))).await;
    operator.kill().await.unwrap();

    // The API server goes, and comes again; meanwhile the operator ends cleanly when it is told to.
    operator.restart().await.unwrap();
    testbed.stop_apiserver().await.unwrap();
    tokio::time::sleep(Duration::from_millis(dice.random_range(100..2_000))).await;
    let told = Instant::now();
    assert!(operator.stop().await.unwrap(), "it does not end well");
    let took = told.elapsed();
    assert!(took < Duration::from_secs(9), "it takes {took:?} to end, and is killed after 10 s");
    // One that starts meanwhile waits for it.
    operator.restart().await.unwrap();
    testbed.start_apiserver().await.unwrap();
    // Not only when all is well again: one in five calls still goes wrong, and what is asked for now is made all the same.
    let asked = proxy.broken();
    ns.apply(&[machine("late", "late"), route("late", "/late", "late")].concat()).await;
    ns.ready(&["statemachine/late", "apiroute/late"]).await;
    assert!(proxy.broken() > asked, "nothing went wrong meanwhile");
    proxy.lift();
    ns.says("late", "late").await;
    ready(&ns).await;
    ns.says("r0", "hello").await;

    // Nothing is there twice, and nobody was touched.
    assert_eq!(neighbours.look(&aws).await, untouched);
    assert_eq!(aws.apis_tagged("stepgate.dev/namespace", "process").await.len(), 1);
    let machines_in_aws = ns.in_aws().await.into_iter().filter(|name| name.starts_with("state machine")).count();
    assert_eq!(machines_in_aws, MACHINES + 1);

    // AWS goes, people see why it waits, and what comes again is empty: everything is made anew.
    testbed.stop_aws().await.unwrap();
    ns.apply(&machine("m0", "bye")).await;
    let message = ns.condition("statemachine/m0", "Reconciling", "True", "Retrying").await;
    assert!(!message.is_empty());
    assert_for_people(&message);
    testbed.start_aws().await.unwrap();
    let neighbours = Neighbours::move_in(&aws, "theirs", "/stepgate/").await;
    let untouched = neighbours.look(&aws).await;
    ns.says_again("r0", "bye").await;
    ns.says_again("r1", "hello").await;
    ready(&ns).await;
    assert_eq!(aws.apis_tagged("stepgate.dev/namespace", "process").await.len(), 1);

    // Killed while everything is deleted.
    proxy.shake(seed + 1);
    let everything = || all().into_iter().chain(["apiroute/late".to_owned(), "statemachine/late".to_owned()]);
    for object in everything() {
        ns.delete(&object).await;
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(dice.random_range(100..1_500))).await;
        operator.kill().await.unwrap();
        operator.restart().await.unwrap();
    }
    proxy.lift();
    for object in everything() {
        ns.gone(&object).await;
    }
    assert_eq!(ns.in_aws().await.into_iter().collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(neighbours.look(&aws).await, untouched);
    operator.stop().await.unwrap();
}

//! What waits for others goes on when they come, not at the next resync: here that is an hour away. New roles are given
//! time here, as on AWS.

use std::time::{Duration, Instant};

use serde_json::json;
use stepgate_testbed::OperatorOptions;
use tokio::sync::OnceCell;

use crate::support::{Namespace, Suite, TENANT, assert_for_people, machine, rest_api, route, start, suite};

/// Waking takes moments, and a new role its time; a busy machine may need more, but no hour.
const SECONDS: Duration = Duration::from_secs(60);

/// An operator that compares with AWS once an hour, on a control plane of its own.
async fn patient() -> &'static Suite {
    static PATIENT: OnceCell<Result<Suite, String>> = OnceCell::const_new();
    let start = async || {
        let args = ["--resync-period=1h", "--propagation-wait=6s"].map(str::to_owned).to_vec();
        start(Some(suite().await), OperatorOptions { args, ..OperatorOptions::default() })
            .await
            .map_err(|error| format!("{error:#}"))
    };
    match PATIENT.get_or_init(start).await {
        Ok(suite) => suite,
        Err(error) => panic!("the testbed did not start: {error}"),
    }
}

#[tokio::test]
async fn a_route_to_a_machine_that_is_not_there() {
    let ns = Namespace::on(patient().await, "e2e-wake-machine", &[(TENANT, "e2e")]).await;
    ns.apply(&(machine("other", "other") + &rest_api("api"))).await;
    ns.apply(&(route("other", "/other", "other") + &route("orders", "/orders", "orders"))).await;
    let missing = "spec.target.stateMachineRef: StateMachine e2e-wake-machine/orders does not exist";
    assert_eq!(ns.condition("apiroute/orders", "Reconciling", "True", "WaitingForReference").await, missing);
    assert_eq!(ns.condition("apiroute/orders", "ResolvedRefs", "False", "WaitingForReference").await, missing);
    ns.condition("apiroute/orders", "Accepted", "True", "Accepted").await;
    // The RestAPI has nothing to wait for any more, so nothing but a wake brings the next look.
    ns.ready(&["apiroute/other", "restapi/api"]).await;

    ns.apply(&machine("orders", "orders")).await;
    let started = Instant::now();
    ns.ready(&["apiroute/orders"]).await;
    assert!(started.elapsed() < SECONDS, "{:?}", started.elapsed());
    ns.says("orders", "orders").await;
}

#[tokio::test]
async fn an_api_that_is_not_there() {
    let ns = Namespace::on(patient().await, "e2e-wake-api", &[(TENANT, "e2e")]).await;
    ns.apply(&(machine("work", "done") + &route("orders", "/orders", "work"))).await;
    let missing = "spec.apiRef: RestAPI e2e-wake-api/api does not exist";
    assert_eq!(ns.condition("apiroute/orders", "Reconciling", "True", "NoSuchAPI").await, missing);
    assert_eq!(ns.condition("apiroute/orders", "Accepted", "False", "NoSuchAPI").await, missing);
    ns.ready(&["statemachine/work"]).await;

    ns.apply(&rest_api("api")).await;
    let started = Instant::now();
    ns.ready(&["apiroute/orders"]).await;
    assert!(started.elapsed() < SECONDS, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_namespace_that_is_admitted_later() {
    let ns = Namespace::on(patient().await, "e2e-wake-namespace", &[]).await;
    ns.apply(&machine("work", "done")).await;
    ns.stalled("statemachine/work", "NotAdmitted").await;
    ns.patch("namespace/e2e-wake-namespace", json!({"metadata": {"labels": {TENANT: "e2e"}}})).await;
    let started = Instant::now();
    ns.ready(&["statemachine/work"]).await;
    assert!(started.elapsed() < SECONDS, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_new_invoke_role_is_given_time() {
    let ns = Namespace::on(patient().await, "e2e-wake-role", &[(TENANT, "e2e")]).await;
    ns.apply(&(machine("work", "done") + &rest_api("api") + &route("orders", "/orders", "work"))).await;
    for object in ["restapi/api", "apiroute/orders"] {
        let waits = "Normal WaitingForRole: waiting until AWS sees the new invoke role everywhere";
        let told = ns.event(object, waits).await;
        assert_for_people(&told);
    }
    ns.ready(&["restapi/api", "apiroute/orders"]).await;
    ns.says("orders", "done").await;
}

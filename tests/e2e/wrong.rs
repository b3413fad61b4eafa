//! When things are wrong.

use crate::support::{Namespace, machine, rest_api, route};

#[tokio::test]
async fn a_good_route_serves() {
    let ns = Namespace::new("e2e-good").await;
    ns.apply(&(machine("work", "done") + &rest_api("api") + &route("orders", "/orders", "work"))).await;
    ns.ready(&["statemachine/work", "restapi/api", "apiroute/orders"]).await;
    ns.says("orders", "done").await;
}

use kube::runtime::reflector::store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::validate::fixture::{ACCOUNT, api, machine, object, route, with};

/// A few objects as the watches have them, and whom a change wakes.
struct Watches {
    stores: Stores,
    queues: Queues,
    accounts: UnboundedReceiver<ObjectRef<AWSAccount>>,
    machines: UnboundedReceiver<ObjectRef<StateMachine>>,
    apis: UnboundedReceiver<ObjectRef<RestAPI>>,
    routes: UnboundedReceiver<ObjectRef<APIRoute>>,
    plans: UnboundedReceiver<ObjectRef<UsagePlan>>,
    domains: UnboundedReceiver<ObjectRef<APIDomain>>,
    account_store: Writer<AWSAccount>,
    machine_store: Writer<StateMachine>,
    api_store: Writer<RestAPI>,
    route_store: Writer<APIRoute>,
    plan_store: Writer<UsagePlan>,
    domain_store: Writer<APIDomain>,
    seen: Seen,
}

fn hello() -> String {
    with(&machine("demo/hello", "STANDARD"), "{metadata: {generation: 1, uid: u1}}")
}

fn the_api() -> String {
    with(&api("{stages: [{name: prod}]}"), "{metadata: {generation: 1, uid: u2}}")
}

fn greet() -> String {
    with(&route("demo/greet", "GET /hello", "hello"), "{metadata: {generation: 1, uid: u3}}")
}

impl Watches {
    /// Of the machines `demo/hello`, `demo/caller` (which names the former and a ConfigMap) and `shop/far`, the API
    /// `demo/api`, and the routes `demo/greet` to `hello` and `shop/far` to `shop/far`: all seen before.
    fn new() -> Self {
        let (accounts_tx, accounts) = unbounded_channel();
        let (machines_tx, machines) = unbounded_channel();
        let (apis_tx, apis) = unbounded_channel();
        let (routes_tx, routes) = unbounded_channel();
        let (plans_tx, plans) = unbounded_channel();
        let (plan_reader, plan_store) = store();
        let (domains_tx, domains) = unbounded_channel();
        let (account_reader, account_store) = store();
        let (machine_reader, machine_store) = store();
        let (api_reader, api_store) = store();
        let (route_reader, route_store) = store();
        let (domain_reader, domain_store) = store();
        let stores = Stores {
            accounts: account_reader,
            machines: machine_reader,
            apis: api_reader,
            routes: route_reader,
            plans: plan_reader,
            domains: domain_reader,
            namespaces: store().0,
            config_maps: store().0,
            secrets: store().0,
            revisions: store().0,
            bursts: Default::default(),
        };
        let queues = Queues {
            accounts: accounts_tx,
            machines: machines_tx,
            apis: apis_tx,
            routes: routes_tx,
            plans: plans_tx,
            domains: domains_tx,
        };
        let seen = Seen::default();
        let mut watches = Self {
            stores,
            queues,
            accounts,
            machines,
            apis,
            routes,
            plans,
            domains,
            account_store,
            machine_store,
            api_store,
            route_store,
            plan_store,
            domain_store,
            seen,
        };
        let caller = "{spec: {substitutions: [{name: M, stateMachineRef: {name: hello}}, {name: C, configMapKeyRef: {name: texts, key: a}}]}}";
        watches.account(ACCOUNT);
        for manifest in [hello(), with(&machine("demo/caller", "STANDARD"), caller), machine("shop/far", "STANDARD")] {
            watches.machine(&manifest);
        }
        watches.api(&the_api());
        for manifest in [greet(), route("shop/far", "GET /far", "far")] {
            watches.route(&manifest);
        }
        watches
    }

    fn woken(&mut self) -> Vec<String> {
        let mut woken = Vec::new();
        while let Ok(it) = self.accounts.try_recv() {
            woken.push(format!("AWSAccount {}", it.name));
        }
        while let Ok(it) = self.machines.try_recv() {
            woken.push(format!("StateMachine {}/{}", it.namespace.unwrap(), it.name));
        }
        while let Ok(it) = self.apis.try_recv() {
            woken.push(format!("RestAPI {}/{}", it.namespace.unwrap(), it.name));
        }
        while let Ok(it) = self.routes.try_recv() {
            woken.push(format!("APIRoute {}/{}", it.namespace.unwrap(), it.name));
        }
        while let Ok(it) = self.plans.try_recv() {
            woken.push(format!("UsagePlan {}/{}", it.namespace.unwrap(), it.name));
        }
        while let Ok(it) = self.domains.try_recv() {
            woken.push(format!("APIDomain {}/{}", it.namespace.unwrap(), it.name));
        }
        woken.sort();
        woken.dedup();
        woken
    }

    fn wake(&mut self, object: &impl Wakes, gone: bool) -> Vec<String> {
        object.wake(gone, &mut self.seen, &self.stores, &self.queues);
        self.woken()
    }

    fn account(&mut self, manifest: &str) -> Vec<String> {
        let object: AWSAccount = object(manifest);
        self.account_store.apply_watcher_event(&Event::Apply(object.clone()));
        self.wake(&object, false)
    }

    fn machine(&mut self, manifest: &str) -> Vec<String> {
        let object: StateMachine = object(manifest);
        self.machine_store.apply_watcher_event(&Event::Apply(object.clone()));
        self.wake(&object, false)
    }

    fn api(&mut self, manifest: &str) -> Vec<String> {
        let object: RestAPI = object(manifest);
        self.api_store.apply_watcher_event(&Event::Apply(object.clone()));
        self.wake(&object, false)
    }

    fn domain(&mut self, manifest: &str) -> Vec<String> {
        let object: APIDomain = object(manifest);
        self.domain_store.apply_watcher_event(&Event::Apply(object.clone()));
        self.wake(&object, false)
    }

    fn route(&mut self, manifest: &str) -> Vec<String> {
        let object: APIRoute = object(manifest);
        self.route_store.apply_watcher_event(&Event::Apply(object.clone()));
        self.wake(&object, false)
    }

    fn plan(&mut self, manifest: &str) -> Vec<String> {
        let object: UsagePlan = object(manifest);
        self.plan_store.apply_watcher_event(&Event::Apply(object.clone()));
        self.wake(&object, false)
    }

    /// Of the UsagePlans `demo/gold`, with a key from a Secret, and `demo/silver`, which has that key from there; both for
    /// `demo/api`.
    fn with_plans() -> Self {
        let mut watches = Self::new();
        watches.plan(&gold());
        watches.plan(&silver());
        watches
    }
}

fn gold() -> String {
    plan(
        "gold",
        "{apiStages: [{apiRef: {name: api}, stage: prod}], apiKeys: [{name: a, secretKeyRef: {name: keys, key: a}}]}",
    )
}

fn silver() -> String {
    plan(
        "silver",
        "{apiStages: [{apiRef: {name: api}, stage: dev}], apiKeys: [{name: b, from: {usagePlan: gold, key: a}}]}",
    )
}

fn plan(name: &str, spec: &str) -> String {
    let meta = format!("{{namespace: demo, name: {name}, generation: 1, uid: uid-{name}}}");
    format!("---\napiVersion: stepgate.dev/v1alpha1\nkind: UsagePlan\nmetadata: {meta}\nspec: {spec}\n")
}

const READY: &str = "{type: Ready, status: 'True', reason: R, message: m, lastTransitionTime: '2026-01-01T00:00:00Z'}";

#[test]
fn what_was_seen_wakes_nobody_again() {
    let mut watches = Watches::new();
    assert_eq!(watches.machine(&hello()), [""; 0]);
    assert_eq!(watches.api(&the_api()), [""; 0]);
    assert_eq!(watches.route(&greet()), [""; 0]);
    assert_eq!(watches.account(ACCOUNT), [""; 0]);
}

#[test]
fn a_lost_record_wakes_its_api_and_a_pruned_one_nobody() {
    let mut watches = Watches::new();
    let served = "{status: {stages: [{name: prod, invokeUrl: u, revision: 3, canary: {percent: 1, revision: 4}}]}}";
    watches.api(&with(&the_api(), served));
    let record = |revision: i64, uid: &str| ControllerRevision {
        metadata: kube::api::ObjectMeta {
            name: Some(format!("restapi-api-{revision}")),
            namespace: Some("demo".into()),
            labels: Some([(crate::records::LABEL.to_owned(), uid.to_owned())].into()),
            ..Default::default()
        },
        revision: Some(revision),
        ..Default::default()
    };
    assert_eq!(watches.wake(&record(3, "u2"), false), [""; 0]);
    assert_eq!(watches.wake(&record(3, "u2"), true), ["RestAPI demo/api"]);
    assert_eq!(watches.wake(&record(4, "u2"), true), ["RestAPI demo/api"]);
    assert_eq!(watches.wake(&record(2, "u2"), true), [""; 0]);
    assert_eq!(watches.wake(&record(3, "another"), true), [""; 0]);
}

#[test]
fn an_account_that_recovers_wakes_what_lives_in_it() {
    let mut watches = Watches::new();
    let ready = with(ACCOUNT, &format!("{{status: {{conditions: [{READY}]}}}}"));
    let all = ["RestAPI demo/api", "StateMachine demo/caller", "StateMachine demo/hello", "StateMachine shop/far"];
    assert_eq!(watches.account(&ready), all);
    assert_eq!(watches.account(&ready), [""; 0]);
    assert_eq!(watches.account(ACCOUNT), [""; 0], "that it fails, each of them finds out by itself");
    assert_eq!(watches.account(&ready), all);
}

#[test]
fn a_change_of_status_only_wakes_nobody() {
    let mut watches = Watches::new();
    let status = format!("{{status: {{observedGeneration: 1, conditions: [{READY}], appliedHash: h, revisionId: r}}}}");
    assert_eq!(watches.machine(&with(&hello(), &status)), [""; 0]);
    let status =
        format!("{{status: {{observedGeneration: 1, conditions: [{READY}], appliedHash: h, attachedRoutes: 3}}}}");
    assert_eq!(watches.route(&with(&greet(), &format!("{{status: {{url: u, conditions: [{READY}]}}}}"))), [""; 0]);
    // Whether it is Stalled is what its routes' deletion asks for: known once, it wakes no more.
    watches.api(&with(&the_api(), &status));
    let again =
        format!("{{status: {{observedGeneration: 1, conditions: [{READY}], appliedHash: i, attachedRoutes: 4}}}}");
    assert_eq!(watches.api(&with(&the_api(), &again)), [""; 0]);
    let labels = "{metadata: {labels: {a: b}, annotations: {c: d}, resourceVersion: '7'}}";
    assert_eq!(watches.machine(&with(&hello(), labels)), [""; 0]);
}

#[rstest::rstest]
#[case::spec("{metadata: {generation: 2}}")]
#[case::paused("{metadata: {annotations: {stepgate.dev/paused: 'true'}}}")]
#[case::abandoned("{metadata: {annotations: {stepgate.dev/abandon: 'true'}}}")]
#[case::check("{metadata: {annotations: {stepgate.dev/check-requested-at: '2026-11-21T12:00:00Z'}}}")]
#[case::finalizer("{metadata: {finalizers: [stepgate.dev/aws]}}")]
#[case::made_anew("{metadata: {uid: other}}")]
fn an_object_s_own_change_wakes_it(#[case] patch: &str) {
    let mut watches = Watches::new();
    assert!(watches.machine(&with(&hello(), patch)).contains(&"StateMachine demo/hello".to_owned()));
    assert!(watches.api(&with(&the_api(), patch)).contains(&"RestAPI demo/api".to_owned()));
    assert_eq!(watches.route(&with(&greet(), patch)), ["APIRoute demo/greet", "RestAPI demo/api"]);
    let all = watches.account(&with(ACCOUNT, patch));
    assert_eq!(
        all,
        [
            "AWSAccount dev",
            "RestAPI demo/api",
            "StateMachine demo/caller",
            "StateMachine demo/hello",
            "StateMachine shop/far"
        ]
    );
}

#[rstest::rstest]
#[case::arn("{status: {stateMachineArn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:demo_hello'}}", false)]
#[case::callers("{metadata: {generation: 2}, spec: {allowedCallers: {namespaces: {from: All}}}}", true)]
#[case::deletion("{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}", true)]
fn what_others_see_of_a_machine_wakes_those_that_name_it(#[case] patch: &str, #[case] itself: bool) {
    let mut watches = Watches::new();
    let woken = watches.machine(&with(&hello(), patch));
    let mut expected = vec!["RestAPI demo/api", "StateMachine demo/caller"];
    expected.extend(itself.then_some("StateMachine demo/hello"));
    assert_eq!(woken, expected);
}

#[test]
fn what_is_gone_wakes_those_that_name_it_once() {
    let mut watches = Watches::new();
    let hello: StateMachine = object(&hello());
    watches.machine_store.apply_watcher_event(&Event::Delete(hello.clone()));
    assert_eq!(watches.wake(&hello, true), ["RestAPI demo/api", "StateMachine demo/caller", "StateMachine demo/hello"]);
    assert_eq!(watches.wake(&hello, true), [""; 0]);
    let greet: APIRoute = object(&greet());
    assert_eq!(watches.wake(&greet, true), ["APIRoute demo/greet", "RestAPI demo/api"]);
    let api: RestAPI = object(&the_api());
    assert_eq!(watches.wake(&api, true), ["APIRoute demo/greet", "APIRoute shop/far", "RestAPI demo/api"]);
}

#[test]
fn a_stage_that_moves_wakes_the_routes_and_machines_that_are_going() {
    let mut watches = Watches::new();
    let moved = "{status: {stages: [{name: prod, invokeUrl: u, revision: 2}]}}";
    assert_eq!(watches.api(&with(&the_api(), moved)), ["APIRoute demo/greet", "APIRoute shop/far"]);
    watches.machine(&with(&machine("shop/far", "STANDARD"), "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}"));
    let again = "{status: {stages: [{name: prod, invokeUrl: u, revision: 3}]}}";
    assert_eq!(
        watches.api(&with(&the_api(), again)),
        ["APIRoute demo/greet", "APIRoute shop/far", "StateMachine shop/far"]
    );
}

#[test]
fn a_binding_wakes_the_account_that_it_names() {
    let mut watches = Watches::new();
    let bound = "{status: {binding: {account: dev, accountId: '111122223333', region: eu-central-1}}}";
    assert_eq!(watches.machine(&with(&hello(), bound)), ["AWSAccount dev"]);
    assert!(watches.api(&with(&the_api(), bound)).contains(&"AWSAccount dev".to_owned()));
}

#[test]
fn only_routes_that_are_admitted_hold_up_others() {
    let mut watches = Watches::new();
    let (api, later) = (Key::new("demo", "api"), || Instant::now() + std::time::Duration::from_mins(1));
    assert_eq!(watches.stores.bursts.ends_in(&api, later()), None);
    let woken = watches.route(&with(&route("shop/far", "GET /farther", "far"), "{metadata: {generation: 2, uid: u4}}"));
    assert_eq!(watches.stores.bursts.ends_in(&api, Instant::now()), None, "of another namespace, without a grant");
    assert_eq!(woken, ["APIRoute shop/far", "RestAPI demo/api"], "which is told so");
    watches.route(&with(&greet(), "{metadata: {generation: 2}, spec: {path: /hi}}"));
    assert!(watches.stores.bursts.ends_in(&api, Instant::now()).is_some());
}

#[test]
fn a_namespace_s_labels_wake_what_is_in_it() {
    let mut watches = Watches::new();
    let labelled = |team: &str| -> PartialObjectMeta<Namespace> {
        object(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{team: {team}}}}}}}"))
    };
    assert_eq!(watches.wake(&labelled("a"), false), ["RestAPI demo/api", "StateMachine shop/far"]);
    assert_eq!(watches.wake(&labelled("a"), false), [""; 0]);
    assert_eq!(watches.wake(&labelled("b"), false), ["RestAPI demo/api", "StateMachine shop/far"]);
}

#[test]
fn a_config_map_wakes_the_machines_that_name_it() {
    let mut watches = Watches::new();
    let version = |name: &str, version: u8| -> PartialObjectMeta<ConfigMap> {
        object(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{namespace: demo, name: {name}, resourceVersion: '{version}'}}}}"
        ))
    };
    assert_eq!(watches.wake(&version("texts", 1), false), ["StateMachine demo/caller"]);
    assert_eq!(watches.wake(&version("texts", 1), false), [""; 0]);
    assert_eq!(watches.wake(&version("texts", 2), false), ["StateMachine demo/caller"]);
    assert_eq!(watches.wake(&version("others", 1), false), [""; 0]);
}

#[test]
fn a_secret_wakes_the_plans_that_take_a_key_from_it() {
    let mut watches = Watches::with_plans();
    let secret = |name: &str, version: u8| -> PartialObjectMeta<Secret> {
        object(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{namespace: demo, name: {name}, resourceVersion: '{version}'}}}}"
        ))
    };
    assert_eq!(watches.wake(&secret("keys", 1), false), ["UsagePlan demo/gold"]);
    assert_eq!(watches.wake(&secret("keys", 1), false), [""; 0]);
    assert_eq!(watches.wake(&secret("keys", 2), false), ["UsagePlan demo/gold"]);
    assert_eq!(watches.wake(&secret("others", 1), false), [""; 0]);
}

#[rstest::rstest]
#[case::who_may("{spec: {allowedUsagePlans: {namespaces: {from: All}}}}")]
#[case::another_stage("{spec: {stages: [{name: prod}, {name: dev}]}}")]
#[case::in_aws("{status: {restApiId: a1, stages: [{name: prod, invokeUrl: u}]}}")]
#[case::deletion("{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}")]
fn what_a_plan_sees_of_an_api_wakes_it(#[case] patch: &str) {
    let mut watches = Watches::with_plans();
    let woken = watches.api(&with(&the_api(), patch));
    for plan in ["UsagePlan demo/gold", "UsagePlan demo/silver"] {
        assert!(woken.contains(&plan.to_owned()), "{woken:?}");
    }
    let nothing = watches.api(&with(&the_api(), patch));
    assert_eq!(nothing, [""; 0]);
}

#[test]
fn a_plan_wakes_those_that_share_its_keys_and_lets_go_of_what_waits_for_them() {
    let mut watches = Watches::with_plans();
    let keys = "{status: {apiKeys: [{name: a, id: k1}]}}";
    assert_eq!(watches.plan(&with(&gold(), keys)), ["UsagePlan demo/silver"]);
    assert_eq!(watches.plan(&with(&gold(), keys)), [""; 0]);
    let going = "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}, status: {apiKeys: [{name: a, id: k1}]}}";
    assert_eq!(watches.plan(&with(&gold(), going)), ["UsagePlan demo/gold"]);
    let without = "{metadata: {generation: 2}, spec: {apiKeys: null}}";
    assert_eq!(watches.plan(&with(&silver(), without)), ["UsagePlan demo/gold", "UsagePlan demo/silver"]);
}

#[test]
fn a_domain_and_the_apis_that_name_it_wake_each_other() {
    let mut watches = Watches::new();
    let site = "{apiVersion: stepgate.dev/v1alpha1, kind: APIDomain, metadata: {namespace: shop, name: site, generation: 1}, spec: {domainName: a.example.com, certificateArn: c}}";
    assert_eq!(watches.domain(site), ["APIDomain shop/site"]);
    let names = "{metadata: {generation: 2}, spec: {domainMappings: [{domainRef: {name: site, namespace: shop}, stage: prod}]}}";
    let api = with(&the_api(), names);
    assert_eq!(watches.api(&api), ["APIDomain shop/site", "RestAPI demo/api"]);
    let staged = with(&api, "{status: {conditions: [], restApiId: a, stages: [{name: prod, invokeUrl: u}]}}");
    assert!(watches.api(&staged).contains(&"APIDomain shop/site".to_owned()), "its stage is there");
    let told =
        with(site, "{status: {conditions: [], mappings: [{apiRef: {name: api, namespace: demo}, serves: prod}]}}");
    assert_eq!(watches.domain(&told), ["RestAPI demo/api"]);
    assert_eq!(watches.domain(&told), [""; 0]);
    let elsewhere = with(&staged, "{metadata: {generation: 3}, spec: {domainMappings: []}}");
    assert_eq!(watches.api(&elsewhere), ["APIDomain shop/site", "RestAPI demo/api"], "it still leads there");
}

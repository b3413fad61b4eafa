//! Random manifests of a team, and what people do to them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use stepgate::api::DELETIONS_RELEASED;
use stepgate::identity::Cluster;
use stepgate::world::World;
use stepgate_testbed::memory::ACCOUNT;

use super::around::{Around, Change, around, change};
use super::operator::CLUSTER_UID;
use super::scene::{ADOPTABLE, Scene, add};
use super::takeover::LOST;

const PATHS: [&str; 6] = ["/", "/a", "/a/{id}", "/a/{id}/x", "/b", "/c/{proxy+}"];
const VERBS: [&str; 3] = ["GET", "POST", "DELETE"];
const STAGES: [&str; 3] = ["dev", "test", "prod"];
const MACHINES: usize = 3;

/// The manifests of a team: machines, an API with its stages, routes, and what is around it.
#[derive(Clone, Debug)]
pub struct Spec {
    around: Around,
    machines: Vec<Machine>,
    stages: BTreeMap<usize, Stage>,
    routes: BTreeMap<(usize, usize), Route>,
    history: i32,
    paused: bool,
    reports: bool,
    /// So few deletions an hour pass.
    brake: Option<u8>,
    /// Whether what a lost cluster made is taken over.
    pub heir: bool,
}

#[derive(Clone, Debug)]
pub struct Machine {
    express: bool,
    /// Its role is the namespace's.
    shares: bool,
    /// Its role, where it does not share one, is one that others made.
    adopts: bool,
    traced: bool,
    /// It sends to a queue, and needs a permission.
    sends: Option<u8>,
    seconds: u8,
}

#[derive(Clone, Debug)]
pub struct Stage {
    variable: u8,
    /// Serves the oldest revision that there is.
    pinned: bool,
    /// It is deployed by hand, and so many percent of the requests get the newest revision.
    canary: Option<u8>,
}

#[derive(Clone, Debug)]
pub struct Route {
    machine: usize,
    input: usize,
    signed: bool,
    seconds: Option<u8>,
}

/// One thing that people do to their manifests.
#[derive(Clone, Debug)]
pub enum Edit {
    Route((usize, usize), Option<Route>),
    Machine(usize, Machine),
    MoreMachines(Machine),
    FewerMachines,
    Stage(usize, Option<Stage>),
    History(i32),
    Around(Change),
    Pause(bool),
    Report(bool),
    Brake(Option<u8>),
}

fn machine() -> impl Strategy<Value = Machine> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(0..2u8), 1..3u8).prop_map(
        |(express, shares, adopts, traced, sends, seconds)| Machine { express, shares, adopts, traced, sends, seconds },
    )
}

fn stage() -> impl Strategy<Value = Stage> {
    (0..3u8, prop::bool::weighted(0.2), prop::option::weighted(0.2, 0..=100u8))
        .prop_map(|(variable, pinned, canary)| Stage { variable, pinned, canary })
}

fn route() -> impl Strategy<Value = Route> {
    (0..3usize, 0..5usize, any::<bool>(), prop::option::of(1..20u8))
        .prop_map(|(machine, input, signed, seconds)| Route { machine, input, signed, seconds })
}

/// Manifests, with at most so many machines.
pub fn spec(most: usize) -> impl Strategy<Value = Spec> {
    let place = (0..PATHS.len(), 0..VERBS.len());
    (
        prop::collection::vec(machine(), 1..=most),
        prop::collection::btree_map(0..STAGES.len(), stage(), 1..=most),
        prop::collection::btree_map(place, route(), 1..=2 * most),
        1..4i32,
        around(most),
    )
        .prop_map(|(machines, stages, routes, history, around)| Spec {
            around,
            machines,
            stages,
            routes,
            history,
            paused: false,
            reports: false,
            brake: None,
            heir: false,
        })
}

/// What people do to them.
pub fn edit() -> impl Strategy<Value = Edit> {
    let place = (0..PATHS.len(), 0..VERBS.len());
    prop_oneof![
        4 => (place, prop::option::weighted(0.7, route())).prop_map(|(at, route)| Edit::Route(at, route)),
        2 => (0..3usize, machine()).prop_map(|(index, machine)| Edit::Machine(index, machine)),
        1 => machine().prop_map(Edit::MoreMachines),
        1 => Just(Edit::FewerMachines),
        2 => (0..STAGES.len(), prop::option::weighted(0.7, stage())).prop_map(|(at, stage)| Edit::Stage(at, stage)),
        1 => (0..4i32).prop_map(Edit::History),
        4 => change().prop_map(Edit::Around),
        1 => any::<bool>().prop_map(Edit::Pause),
        1 => any::<bool>().prop_map(Edit::Report),
        1 => prop::option::of(1..3u8).prop_map(Edit::Brake),
    ]
}

impl Spec {
    /// What people do to their manifests.
    pub fn edit(&mut self, edit: &Edit) {
        match edit.clone() {
            Edit::Route(at, Some(route)) => drop(self.routes.insert(at, route)),
            Edit::Route(at, None) => drop(self.routes.remove(&at)),
            Edit::Machine(index, machine) => {
                let index = index % self.machines.len();
                self.machines[index] = machine;
            }
            Edit::MoreMachines(machine) if self.machines.len() < MACHINES => self.machines.push(machine),
            Edit::FewerMachines if self.machines.len() > 1 => drop(self.machines.pop()),
            Edit::Stage(at, Some(stage)) => drop(self.stages.insert(at, stage)),
            Edit::Stage(at, None) if self.stages.len() > 1 => drop(self.stages.remove(&at)),
            Edit::History(limit) => self.history = limit,
            Edit::Around(change) => self.around.edit(&change),
            Edit::Pause(paused) => self.paused = paused,
            Edit::Report(reports) => self.reports = reports,
            Edit::Brake(brake) => self.brake = brake,
            _ => {}
        }
    }

    /// Nothing held back.
    pub fn released(mut self) -> Self {
        (self.paused, self.reports, self.brake) = (false, false, None);
        self.stages.values_mut().for_each(|stage| (stage.pinned, stage.canary) = (false, None));
        self
    }

    /// Whether AWS becomes what the manifests say.
    pub fn is_carried_out(&self) -> bool {
        !self.paused && !self.reports
    }

    /// The manifests; a pinned stage takes the oldest revision.
    pub fn scene(&self, oldest: Option<i64>) -> Scene {
        let mut world = World::new(Cluster { name: "test".into(), uid: CLUSTER_UID.into() });
        let mut object = |kind: &str, name: &str, spec: Value| {
            let mut meta = json!({"namespace": "team", "name": name});
            if self.paused {
                meta["annotations"] = json!({stepgate::api::PAUSED: "true"});
            }
            add(
                &mut world,
                json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}),
            );
        };
        let drift = if self.reports { "Report" } else { "Correct" };
        for (index, machine) in self.machines.iter().enumerate() {
            let mut states = json!({"Wait": {"Type": "Wait", "Seconds": machine.seconds, "End": true}});
            if let Some(queue) = machine.sends {
                states["Wait"] = json!({"Type": "Wait", "Seconds": machine.seconds, "Next": "Send"});
                let url = format!("https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/queue-{queue}");
                states["Send"] = json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
                    "Parameters": {"QueueUrl": url, "MessageBody": "x"}});
            }
            let definition = json!({"StartAt": "Wait", "States": states}).to_string();
            object(
                "StateMachine",
                &machine.name(index),
                json!({
                    "type": if machine.express { "EXPRESS" } else { "STANDARD" },
                    "definition": definition, "tracing": {"enabled": machine.traced}, "driftPolicy": drift,
                    "executionRole": machine.role(index),
                }),
            );
        }
        let stages: Vec<Value> = self
            .stages
            .iter()
            .map(|(name, stage)| {
                let mut shown = json!({"name": STAGES[*name], "variables": {"v": stage.variable.to_string()}});
                if let (true, Some(revision)) = (stage.pinned, oldest) {
                    shown["revision"] = json!(revision);
                }
                if let Some(percent) = stage.canary {
                    shown["deploy"] = json!("Manual");
                    shown["canary"] = json!({"percent": percent});
                }
                shown
            })
            .collect();
        let names: Vec<&str> = self.stages.keys().map(|name| STAGES[*name]).collect();
        let mut spec = json!({"stages": stages, "revisionHistoryLimit": self.history, "driftPolicy": drift});
        spec["domainMappings"] = self.around.mappings(&names);
        object("RestAPI", "api", spec);
        for (kind, name, spec) in self.around.objects(&names, drift) {
            object(kind, &name, spec);
        }
        for ((path, verb), route) in &self.routes {
            let index = route.machine % self.machines.len();
            let machine = &self.machines[index];
            let mut input = vec![json!({"to": "/fixed", "value": "1"})];
            match route.input {
                1 => input.push(json!({"to": "/q", "query": "q"})),
                2 => input.push(json!({"to": "/h", "header": "X-H"})),
                3 if PATHS[*path].contains("{id}") => input.push(json!({"to": "/id", "path": "id"})),
                4 => input.push(json!({"to": "/all", "queryList": "all"})),
                _ => {}
            }
            let action = if machine.express { "StartSyncExecution" } else { "StartExecution" };
            let mut spec = json!({"apiRef": {"name": "api"}, "method": VERBS[*verb], "path": PATHS[*path],
                "authorization": {"type": if route.signed { "AWS_IAM" } else { "NONE" }},
                "target": {"action": action, "stateMachineRef": {"name": machine.name(index)}},
                "request": {"input": input}});
            if let Some(seconds) = route.seconds {
                spec["timeoutMillis"] = json!(i64::from(seconds) * 1000);
            }
            object("APIRoute", &format!("r{path}{verb}"), spec);
        }
        let mut account: Value = serde_saphyr::from_str(
            "{apiVersion: stepgate.dev/v1alpha1, kind: AWSAccount, metadata: {name: dev}, spec: {
                accountId: '111122223333', regions: [{name: us-east-1}], tenants: [{name: all, namespaces: {from: All},
                ceiling: [{actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:*:queue-*']}],
                adoptableArns: [],
                exposure: {authorizations: [NONE, AWS_IAM], domains: ['*.example.com']}}]}}",
        )
        .unwrap();
        let roles = (0..MACHINES).flat_map(|index| [true, false].map(|express| adopted_role(index, express)));
        account["spec"]["tenants"][0]["adoptableArns"] = roles.collect();
        match self.brake {
            Some(most) => account["spec"]["maxDeletionsPerHour"] = json!(most),
            None => account["metadata"]["annotations"] = json!({DELETIONS_RELEASED: "2100-01-01T00:00:00Z"}),
        }
        if self.heir {
            account["spec"]["takeoverFrom"] = json!([LOST]);
        }
        self.around.secrets().for_each(|secret| add(&mut world, secret));
        add(&mut world, account);
        Scene { world }
    }
}

/// The role that a machine adopts. One of another type may come before it goes.
fn adopted_role(index: usize, express: bool) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role{ADOPTABLE}m{index}-{}", if express { "express" } else { "standard" })
}

impl Machine {
    fn role(&self, index: usize) -> Value {
        match (self.shares, self.adopts) {
            (true, _) => json!({"scope": "Namespace"}),
            (false, true) => json!({"adoption": {"policy": "Adopt", "arn": adopted_role(index, self.express)}}),
            (false, false) => json!({}),
        }
    }

    /// Its type and whose its role is can't be changed: another one then.
    fn name(&self, index: usize) -> String {
        let type_ = if self.express { "express" } else { "standard" };
        format!("m{index}-{type_}{}", if self.shares { "-shares" } else { "" })
    }
}

//! Random manifests of what spans RestAPIs: a custom domain that leads to the team's API, and usage plans with keys for its
//! stages.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

const PLANS: usize = 2;

/// What there is around an API.
#[derive(Clone, Debug)]
pub struct Around {
    domain: Option<Domain>,
    plans: BTreeMap<usize, Plan>,
    /// Which value each plan's own key has now.
    values: [u8; PLANS],
}

#[derive(Clone, Debug)]
pub struct Domain {
    /// Where the API is on it, and by which of its stages.
    mapped: Option<(bool, usize)>,
    tag: u8,
}

#[derive(Clone, Debug)]
pub struct Plan {
    /// Which of the API's stages.
    stages: BTreeSet<usize>,
    rate: Option<u8>,
    daily: bool,
    /// A key with a value of a Secret, and whether it is enabled.
    own: Option<bool>,
    /// A key whose value is made up.
    made: bool,
}

/// One thing that people do.
#[derive(Clone, Debug)]
pub enum Change {
    Domain(Option<Domain>),
    Plan(usize, Option<Plan>),
    Value(usize, u8),
}

fn domain() -> impl Strategy<Value = Domain> {
    (prop::option::weighted(0.8, (any::<bool>(), 0..3usize)), 0..2u8).prop_map(|(mapped, tag)| Domain { mapped, tag })
}

fn plan() -> impl Strategy<Value = Plan> {
    let stages = prop::collection::btree_set(0..3usize, 0..=2);
    (stages, prop::option::of(1..3u8), any::<bool>(), prop::option::of(any::<bool>()), any::<bool>())
        .prop_map(|(stages, rate, daily, own, made)| Plan { stages, rate, daily, own, made })
}

/// Manifests, with at most so many usage plans.
pub fn around(most: usize) -> impl Strategy<Value = Around> {
    let plans = prop::collection::btree_map(0..PLANS, plan(), 0..=most.min(PLANS));
    (prop::option::of(domain()), plans).prop_map(|(domain, plans)| Around { domain, plans, values: [0; PLANS] })
}

/// What people do to them.
pub fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => prop::option::weighted(0.7, domain()).prop_map(Change::Domain),
        3 => (0..PLANS, prop::option::weighted(0.7, plan())).prop_map(|(at, plan)| Change::Plan(at, plan)),
        1 => (0..PLANS, 0..3u8).prop_map(|(at, value)| Change::Value(at, value)),
    ]
}

impl Around {
    /// What people do to their manifests.
    pub fn edit(&mut self, change: &Change) {
        match change.clone() {
            Change::Domain(domain) => self.domain = domain,
            Change::Plan(at, Some(plan)) => drop(self.plans.insert(at, plan)),
            Change::Plan(at, None) => drop(self.plans.remove(&at)),
            Change::Value(at, value) => self.values[at] = value,
        }
    }

    /// `domainMappings` of the API, whose stages these are.
    pub fn mappings(&self, stages: &[&str]) -> Value {
        let mapped = self.domain.as_ref().and_then(|domain| domain.mapped);
        let mapping = mapped.map(|(root, stage)| {
            let mut mapping = json!({"domainRef": {"name": "domain"}, "stage": stages[stage % stages.len()]});
            if !root {
                mapping["basePath"] = json!("team");
            }
            mapping
        });
        json!(mapping.into_iter().collect::<Vec<_>>())
    }

    /// The other objects: kind, name and spec.
    pub fn objects(&self, stages: &[&str], drift: &str) -> Vec<(&'static str, String, Value)> {
        let domain = self.domain.as_ref().map(|domain| {
            let certificate = "arn:aws:acm:${AWS::Region}:${AWS::AccountId}:certificate/1";
            let spec = json!({"domainName": "team.example.com", "certificateArn": certificate, "securityPolicy": "TLS_1_2",
                "tags": {"n": domain.tag.to_string()}, "driftPolicy": drift});
            ("APIDomain", "domain".to_owned(), spec)
        });
        let plans = self.plans.iter().map(|(at, plan)| {
            let named: BTreeSet<&str> = plan.stages.iter().map(|stage| stages[stage % stages.len()]).collect();
            let named: Vec<_> = named.iter().map(|stage| json!({"apiRef": {"name": "api"}, "stage": stage})).collect();
            let mut keys = Vec::new();
            if let Some(enabled) = plan.own {
                let from = json!({"name": format!("value-{at}"), "key": "value"});
                keys.push(json!({"name": "own", "secretKeyRef": from, "enabled": enabled}));
            }
            if plan.made {
                let into = json!({"secretName": format!("made-{at}"), "key": "value"});
                keys.push(json!({"name": "made", "generate": into}));
            }
            let mut spec =
                json!({"apiStages": named, "apiKeys": keys, "rotationGracePeriod": "0s", "driftPolicy": drift});
            if let Some(rate) = plan.rate {
                spec["throttle"] = json!({"rateLimit": rate, "burstLimit": 10});
            }
            if plan.daily {
                spec["quota"] = json!({"limit": 100, "period": "DAY"});
            }
            ("UsagePlan", format!("plan-{at}"), spec)
        });
        domain.into_iter().chain(plans).collect()
    }

    /// The Secrets with the values of keys.
    pub fn secrets(&self) -> impl Iterator<Item = Value> {
        self.values.iter().enumerate().map(|(at, value)| {
            let text = format!("a-value-of-plan-{at}-number-{value}");
            json!({"kind": "Secret", "metadata": {"namespace": "team", "name": format!("value-{at}")}, "stringData": {"value": text}})
        })
    }
}

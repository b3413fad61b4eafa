//! AWS's quotas as token buckets on the virtual clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wire::{Call, Refusal, Request, Service, json};

/// How often something was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// AWS did it.
    pub done: u64,
    /// AWS refused it with an error other than throttling.
    pub refused: u64,
    /// AWS refused it: too many calls.
    pub throttled: u64,
}

impl std::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            done: self.done + other.done,
            refused: self.refused + other.refused,
            throttled: self.throttled + other.throttled,
        }
    }
}

/// A quota per account and Region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// The service.
    pub service: Service,
    /// The operation; empty for all of the service together.
    pub operation: &'static str,
    /// Calls at once.
    pub burst: f64,
    /// Calls per second after that.
    pub rate: f64,
}

const fn quota(service: Service, operation: &'static str, burst: f64, rate: f64) -> Quota {
    Quota { service, operation, burst, rate }
}

/// The documented quotas (AWS.md §1). Where only a rate is documented, the burst is the number that it names. IAM's are
/// not published.
pub const QUOTAS: &[Quota] = &[
    quota(Service::ApiGateway, "", 40.0, 10.0),
    quota(Service::ApiGateway, "CreateRestApi", 1.0, 1.0 / 3.0),
    quota(Service::ApiGateway, EDGE, 1.0, 1.0 / 30.0),
    quota(Service::ApiGateway, "DeleteRestApi", 1.0, 1.0 / 30.0),
    quota(Service::ApiGateway, "CreateDeployment", 1.0, 1.0 / 5.0),
    quota(Service::ApiGateway, "CreateResource", 5.0, 5.0),
    quota(Service::ApiGateway, "DeleteResource", 5.0, 5.0),
    quota(Service::ApiGateway, "GetResources", 5.0, 2.5),
    quota(Service::ApiGateway, "UpdateAccount", 1.0, 1.0 / 20.0),
    quota(Service::ApiGateway, "UpdateUsagePlan", 1.0, 1.0 / 20.0),
    quota(Service::ApiGateway, "CreateApiKey", 5.0, 5.0),
    quota(Service::ApiGateway, "DeleteApiKey", 5.0, 5.0),
    quota(Service::ApiGateway, "CreateDomainName", 1.0, 1.0 / 30.0),
    quota(Service::ApiGateway, "UpdateDomainName", 1.0, 1.0 / 30.0),
    quota(Service::ApiGateway, "DeleteDomainName", 1.0, 1.0 / 30.0),
    quota(Service::States, "CreateStateMachine", 100.0, 1.0),
    quota(Service::States, "UpdateStateMachine", 100.0, 1.0),
    quota(Service::States, "DeleteStateMachine", 100.0, 1.0),
    quota(Service::States, "DescribeStateMachine", 200.0, 20.0),
    quota(Service::States, "ListStateMachines", 100.0, 5.0),
    quota(Service::States, "ListExecutions", 100.0, 2.0),
    quota(Service::States, "TagResource", 200.0, 1.0),
    quota(Service::States, "UntagResource", 200.0, 1.0),
    quota(Service::States, "ListTagsForResource", 100.0, 1.0),
];

/// CreateRestApi of an edge-optimised API has a quota of its own.
const EDGE: &str = "CreateRestApi (edge)";

/// What is left of each quota, by account, Region and place in [`QUOTAS`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets(BTreeMap<(String, String, usize), Bucket>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Buckets {
    /// Takes one call from every quota that it counts for, or none where one is used up.
    pub fn take(&mut self, call: &Call, request: &Request, now: Duration) -> Result<(), Refusal> {
        let operation = match call.operation.as_str() {
            "CreateRestApi" if is_edge(request) => EDGE,
            operation => operation,
        };
        let counts = |quota: &Quota| {
            quota.service == call.service && (quota.operation.is_empty() || quota.operation == operation)
        };
        let mut filled = Vec::new();
        for (index, quota) in QUOTAS.iter().enumerate().filter(|(_, quota)| counts(quota)) {
            let key = (call.account.clone(), call.region.clone(), index);
            let Bucket { tokens, at } = self.0.get(&key).copied().unwrap_or(Bucket { tokens: quota.burst, at: now });
            let tokens = (tokens + now.saturating_sub(at).as_secs_f64() * quota.rate).min(quota.burst);
            // A token that is short by a rounding error is there.
            let missing = 1.0 - tokens;
            if missing > 1e-6 {
                let seconds = Duration::from_secs_f64(missing / quota.rate).as_secs() + 1;
                return Err(Refusal::throttled(call.service, seconds));
            }
            filled.push((key, Bucket { tokens: tokens - 1.0, at: now }));
        }
        self.0.extend(filled);
        Ok(())
    }
}

/// Edge-optimised is the default.
fn is_edge(request: &Request) -> bool {
    let types = json(request.body()).unwrap_or_default()["endpointConfiguration"]["types"].clone();
    types.as_array().is_none_or(|types| types.is_empty() || types.iter().any(|one| one == "EDGE"))
}

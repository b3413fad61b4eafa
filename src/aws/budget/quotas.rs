//! AWS's documented quotas of its control plane, as one table (AWS.md §1).

use std::fmt;

/// Calls that share one quota for all operations together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// API Gateway, per account and Region.
    ApiGateway,
    /// Step Functions, per account and Region.
    StepFunctions,
    /// IAM, per account.
    Iam,
    /// CloudWatch Logs, per account and Region.
    Logs,
    /// STS, per account and Region.
    Sts,
}

impl Family {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiGateway => "API Gateway",
            Self::StepFunctions => "Step Functions",
            Self::Iam => "IAM",
            Self::Logs => "CloudWatch Logs",
            Self::Sts => "STS",
        }
    }

    /// Whether its quotas hold for the whole account rather than for each Region.
    pub fn is_global(self) -> bool {
        self == Self::Iam
    }

    /// The quota of all operations together, where there is one.
    pub fn all(self) -> Option<Quota> {
        match self {
            Self::ApiGateway => Some(Quota::new(10, 1, 40)),
            Self::StepFunctions => None,
            // Unpublished: a modest assumption, which throttling lowers further.
            Self::Iam => Some(Quota::new(10, 1, 20)),
            // Of the operations that are used, those with the least have 5 a second.
            Self::Logs => Some(Quota::new(5, 1, 5)),
            // 600 a second are documented; nothing here comes near it.
            Self::Sts => Some(Quota::new(20, 1, 20)),
        }
    }

    /// The quota of one operation, beside that of all together.
    pub fn of(self, operation: &str) -> Option<Quota> {
        let table = match self {
            Self::ApiGateway => API_GATEWAY,
            Self::StepFunctions => STEP_FUNCTIONS,
            Self::Iam | Self::Logs | Self::Sts => &[],
        };
        table.iter().find(|(name, _)| *name == operation).map(|(_, quota)| *quota)
    }
}

/// CreateRestApi for an edge-optimized API, which has a quota of its own.
pub const CREATE_EDGE_API: &str = "CreateRestApi (EDGE)";

/// None of them can be raised. "n per s seconds" is kept without a burst: n calls, evenly spread, fit every window of
/// that length, whichever way AWS counts.
const API_GATEWAY: &[(&str, Quota)] = &[
    ("CreateRestApi", Quota::new(1, 3, 1)),
    (CREATE_EDGE_API, Quota::new(1, 30, 1)),
    ("DeleteRestApi", Quota::new(1, 30, 1)),
    ("PutRestApi", Quota::new(1, 1, 1)),
    ("CreateDeployment", Quota::new(1, 5, 1)),
    ("CreateResource", Quota::new(5, 1, 1)),
    ("DeleteResource", Quota::new(5, 1, 1)),
    ("GetResources", Quota::new(5, 2, 1)),
    ("UpdateAccount", Quota::new(1, 20, 1)),
    ("UpdateUsagePlan", Quota::new(1, 20, 1)),
    ("CreateApiKey", Quota::new(5, 1, 1)),
    ("DeleteApiKey", Quota::new(5, 1, 1)),
    ("CreateDomainName", Quota::new(1, 30, 1)),
    ("UpdateDomainName", Quota::new(1, 30, 1)),
    ("DeleteDomainName", Quota::new(1, 30, 1)),
];

/// Token buckets, as documented. Of values that differ between Regions, the smaller.
const STEP_FUNCTIONS: &[(&str, Quota)] = &[
    ("CreateStateMachine", Quota::new(1, 1, 100)),
    ("UpdateStateMachine", Quota::new(1, 1, 100)),
    ("DeleteStateMachine", Quota::new(1, 1, 100)),
    ("DescribeStateMachine", Quota::new(20, 1, 200)),
    ("ListStateMachines", Quota::new(5, 1, 100)),
    ("ListExecutions", Quota::new(2, 1, 100)),
    ("ListTagsForResource", Quota::new(1, 1, 100)),
    ("TagResource", Quota::new(1, 1, 200)),
    ("UntagResource", Quota::new(1, 1, 200)),
];

/// So many calls in so many seconds, after a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls in each period.
    pub calls: u32,
    /// The period's seconds.
    pub seconds: u32,
    /// How many calls may be made at once after a time without any.
    pub burst: u32,
}

impl Quota {
    const fn new(calls: u32, seconds: u32, burst: u32) -> Self {
        Self { calls, seconds, burst }
    }

    /// Calls a second.
    pub fn rate(self) -> f64 {
        f64::from(self.calls) / f64::from(self.seconds)
    }

    /// In words: `1 CreateDeployment per 5 s`.
    pub fn words(self, what: &str) -> impl fmt::Display {
        let Self { calls, seconds, .. } = self;
        match seconds {
            1 => format!("{calls} {what} per s"),
            _ => format!("{calls} {what} per {seconds} s"),
        }
    }
}

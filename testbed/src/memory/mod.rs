//! An AWS in memory, at the wire level: IAM and STS (query protocol), Step Functions (JSON 1.0) and API Gateway (REST).
//!
//! It takes an HTTP request and gives the HTTP response that AWS would give, so that an operator's own serialising,
//! retries and parsing of errors are under test. It is plain data: it can be cloned, compared and shown; its clock is
//! virtual, its ids come from a seed, it has no threads and never sleeps. A failing seed replays exactly.
//!
//! ```
//! use stepgate_testbed::memory::{Memory, Settings};
//!
//! let mut aws = Memory::new(7, Settings::default());
//! let body = b"Action=GetCallerIdentity&Version=2011-06-15".to_vec();
//! let answer = aws.handle(&http::Request::post("https://sts.amazonaws.com/").body(body).unwrap());
//! assert_eq!(answer.status(), 200);
//! ```
//!
//! What it knows is what the operator and its tests use. An operation or a parameter that it does not know is answered
//! with status 501, never ignored. Each error's words are AWS's: recorded ("rec"), from its documentation ("doc") or
//! reported by users ("field"); where they are only believed, a comment says so.

mod apigateway;
mod client;
mod essence;
mod iam;
mod imds;
mod logs;
mod policy;
mod quota;
mod serve;
mod sfn;
mod sts;
mod tree;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use apigateway::{
    AccessAssociation, Api, ApiKey, Authorizer, BasePathMapping, ClientCertificate, Deployment, DomainName,
    Integration, IntegrationResponse, Method, MethodResponse, Resource, Stage, UsagePlan,
};
pub use client::{Attempt, Fault, InProcess, answer, throttled};
pub use essence::Served;
pub use iam::{Policy, Role};
pub use logs::LogGroup;
pub use quota::{Count, QUOTAS, Quota};
pub use serve::serve;
pub use sfn::Machine;
pub use wire::{Call, Request, Response, Service};

use quota::Buckets;
use wire::Refusal;

/// The account whose credentials are not known otherwise.
pub const ACCOUNT: &str = "111122223333";

/// How this AWS behaves where AWS itself differs from moment to moment. The default is an AWS without delays and quotas.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The account of calls that are not signed, or with an access key that STS did not give out. An access key of
    /// twelve digits stands for the account of that number.
    pub account: String,
    /// Whether quotas are enforced (AWS.md §1).
    pub quotas: bool,
    /// How long after its creation, or a change of its trust, no service can assume a role (AWS.md §2).
    pub role_propagation: Duration,
    /// How long after CreateRole reads do not show the role.
    pub role_staleness: Duration,
    /// How long after CreateRestApi GetRestApis does not show the API.
    pub api_staleness: Duration,
    /// How long a change in API Gateway takes: its answer comes then, and until then other changes of the same API are refused
    /// (AWS.md §2).
    pub api_change: Duration,
    /// How long after its creation calls that name a resource as their parent, or refer to a model, request validator, authorizer or
    /// deployment, are refused as if it were not there (AWS.md §2).
    pub reference_staleness: Duration,
    /// How long after UpdateStateMachine reads show the machine as it was.
    pub machine_staleness: Duration,
    /// How long a deleted machine is DELETING.
    pub machine_deletion: Duration,
    /// Roles in an account.
    pub role_limit: usize,
    /// Regional APIs in an account and Region.
    pub api_limit: usize,
    /// Resources in an API.
    pub resource_limit: usize,
    /// The longest integration timeout, in milliseconds.
    pub longest_timeout: i64,
    /// How long a domain name is UPDATING after a change.
    pub domain_update: Duration,
    /// The role that API Gateway writes logs with where none was set.
    pub log_role: Option<String>,
    /// A list's page has at most so many, whatever a call asks for: that is only an upper limit (doc).
    pub page: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: ACCOUNT.to_owned(),
            quotas: false,
            role_propagation: Duration::ZERO,
            role_staleness: Duration::ZERO,
            api_staleness: Duration::ZERO,
            api_change: Duration::ZERO,
            reference_staleness: Duration::ZERO,
            machine_staleness: Duration::ZERO,
            machine_deletion: Duration::ZERO,
            role_limit: 1_000,
            api_limit: 600,
            resource_limit: 300,
            longest_timeout: 29_000,
            domain_update: Duration::ZERO,
            log_role: None,
            page: None,
        }
    }
}

impl Settings {
    /// Delays as users report them of AWS, and its quotas.
    pub fn lifelike() -> Self {
        Self {
            quotas: true,
            role_propagation: Duration::from_secs(10),
            role_staleness: Duration::from_secs(1),
            api_staleness: Duration::from_secs(2),
            api_change: Duration::from_millis(200),
            reference_staleness: Duration::from_secs(1),
            machine_staleness: Duration::from_secs(2),
            machine_deletion: Duration::from_secs(30),
            domain_update: Duration::from_secs(20),
            ..Self::default()
        }
    }
}

/// The cloud: accounts, their Regions, and the objects in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// How it behaves; may be changed at any time.
    pub settings: Settings,
    /// Since the Unix epoch.
    now: Duration,
    rng: Xoshiro256PlusPlus,
    accounts: BTreeMap<String, Account>,
    /// Accounts by access key, for keys that STS gave out.
    keys: BTreeMap<String, String>,
    buckets: Buckets,
    counts: BTreeMap<(Service, String), Count>,
    requests: u64,
}

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// IAM, which is global.
    pub iam: iam::Iam,
    /// Regions by name.
    pub regions: BTreeMap<String, Region>,
}

/// One Region of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// State machines by ARN.
    pub machines: BTreeMap<String, Machine>,
    /// REST APIs by id.
    pub apis: BTreeMap<String, Api>,
    /// Custom domain names by name; private ones by name and id.
    pub domains: BTreeMap<String, DomainName>,
    /// The role that API Gateway writes logs with.
    pub log_role: Option<String>,
    /// Log groups by name.
    pub log_groups: BTreeMap<String, LogGroup>,
    /// Usage plans by id.
    #[serde(default)]
    pub usage_plans: BTreeMap<String, UsagePlan>,
    /// API keys by id.
    #[serde(default)]
    pub api_keys: BTreeMap<String, ApiKey>,
    /// Client certificates by id.
    #[serde(default)]
    pub client_certificates: BTreeMap<String, ClientCertificate>,
    /// What is not done with in each REST API, by id.
    #[serde(skip)]
    recent: BTreeMap<String, apigateway::Recent>,
}

/// What an operation sees around it.
struct Context<'a> {
    account: &'a str,
    region: &'a str,
    now: Duration,
    rng: &'a mut Xoshiro256PlusPlus,
    settings: &'a Settings,
    /// Whether API Gateway has a role to write logs with.
    may_log: bool,
}

impl Context<'_> {
    /// A random id of lower-case letters and digits, as API Gateway has them.
    fn id(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(LETTERS[self.rng.random_range(0..LETTERS.len())])).collect()
    }

    fn uuid(&mut self) -> String {
        let hex = format!("{:032x}", self.rng.random::<u128>());
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    fn partition(&self) -> &'static str {
        partition(self.region)
    }
}

/// The partition of a Region.
fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

impl Memory {
    /// An empty AWS, at 2026-01-01T00:00:00Z.
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            settings,
            now: Duration::from_secs(1_767_225_600),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            accounts: BTreeMap::new(),
            keys: BTreeMap::new(),
            buckets: Buckets::default(),
            counts: BTreeMap::new(),
            requests: 0,
        }
    }

    /// The virtual time, since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Sets the time; it never goes back.
    pub fn set_now(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Whether an operation is known. It is asked for, with nothing said of what: so this can't differ from what is answered.
    pub fn knows(service: Service, operation: &str) -> bool {
        let (verb, path) = match service {
            Service::ApiGateway => match apigateway::routes::request(operation) {
                Some(route) => route,
                None => return false,
            },
            _ => ("POST", "/".to_owned()),
        };
        let (target, body) = match service {
            Service::Iam => (String::new(), format!("Action={operation}&Version=2010-05-08")),
            Service::Sts => (String::new(), format!("Action={operation}&Version=2011-06-15")),
            Service::States => (format!("AWSStepFunctions.{operation}"), String::new()),
            Service::Logs => (format!("Logs_20140328.{operation}"), String::new()),
            Service::ApiGateway => (String::new(), String::new()),
        };
        let request = http::Request::builder().method(verb).uri(path).header("x-amz-target", target);
        let answer = request.body(body.into_bytes()).map(|request| Self::new(0, Settings::default()).handle(&request));
        // Where one is known, what is said of it may be not.
        let unknown = format!("does not know {}:{operation}", format!("{service:?}").to_lowercase());
        answer.is_ok_and(|answer| !String::from_utf8_lossy(answer.body()).contains(&unknown))
    }

    /// Answers one request.
    pub fn handle(&mut self, request: &Request) -> Response {
        self.requests += 1;
        let id = format!("00000000-0000-4000-a000-{:012}", self.requests);
        if let Some(answer) = imds::answer(request, &id) {
            return answer;
        }
        let call = match wire::identify(request, &self.settings.account, &self.keys) {
            Ok(call) => call,
            Err(refusal) => return refusal.into_response(None, &id),
        };
        let answer = self.answer(&call, request);
        let count = self.counts.entry((call.service, call.operation.clone())).or_default();
        match answer {
            Ok((status, value)) => {
                count.done += 1;
                wire::success(&call, status, &value, &id)
            }
            Err(refusal) => {
                count.refused += u64::from(!refusal.throttles());
                count.throttled += u64::from(refusal.throttles());
                refusal.into_response(Some(call.service), &id)
            }
        }
    }

    /// How long it takes until this is answered, where it is not refused.
    fn takes(&self, request: &Request) -> Duration {
        match wire::identify(request, &self.settings.account, &self.keys) {
            Ok(Call { service: Service::ApiGateway, mutates: true, .. }) => self.settings.api_change,
            _ => Duration::ZERO,
        }
    }

    fn answer(&mut self, call: &Call, request: &Request) -> Result<(u16, Value), Refusal> {
        if self.settings.quotas {
            self.buckets.take(call, request, self.now)?;
        }
        let paged = self.settings.page.filter(|_| !call.mutates).map(|most| wire::paged(call, request, most));
        let request = paged.as_ref().unwrap_or(request);
        let Self { settings, now, rng, accounts, keys, .. } = self;
        let region = accounts.get(&call.account).and_then(|account| account.regions.get(&call.region));
        let may_log = settings.log_role.is_some() || region.is_some_and(|region| region.log_role.is_some());
        let (now, settings) = (*now, &*settings);
        let context = &mut Context { account: &call.account, region: &call.region, now, rng, settings, may_log };
        if call.service == Service::Sts {
            return sts::call(context, &call.operation, wire::form(request.body()), accounts, keys).map(ok);
        }
        let account = accounts.entry(call.account.clone()).or_default();
        match call.service {
            Service::Iam => account.iam.call(context, &call.operation, wire::form(request.body())).map(ok),
            Service::States => {
                let Account { iam, regions } = account;
                let Region { machines, log_groups, .. } = regions.entry(call.region.clone()).or_default();
                sfn::call(context, iam, log_groups, machines, &call.operation, wire::json(request.body())?).map(ok)
            }
            Service::Logs => {
                let groups = &mut account.regions.entry(call.region.clone()).or_default().log_groups;
                logs::call(context, groups, &call.operation, wire::json(request.body())?).map(ok)
            }
            _ => {
                let Account { iam, regions } = account;
                let region = regions.entry(call.region.clone()).or_default();
                match call.operation.as_str() {
                    "GetAccount" | "UpdateAccount" => {
                        apigateway::account(context, iam, &mut region.log_role, &call.operation, request)
                    }
                    _ => apigateway::domains::call(context, region, request),
                }
            }
        }
    }

    /// An account, to look at; `None` where no call ever came for it.
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// A Region of an account, to look at.
    pub fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.regions.get(region)
    }

    /// How often each operation was called, by service and name.
    pub fn counts(&self) -> &BTreeMap<(Service, String), Count> {
        &self.counts
    }

    /// Calls of all operations together.
    pub fn total(&self) -> Count {
        self.counts.values().fold(Count::default(), |sum, count| sum + *count)
    }

    /// Forgets what was counted.
    pub fn reset_counts(&mut self) {
        self.counts.clear();
    }
}

fn ok(value: Value) -> (u16, Value) {
    (200, value)
}

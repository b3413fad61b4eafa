//! The stages of a RestAPI.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientCertificate, Method};

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.canary) || has(self.revision) || (has(self.deploy) && self.deploy == 'Manual')").message("a canary needs a stage that stays: set `revision` to what the stage serves now, or `deploy: Manual`")
)]
pub struct Stage {
    /// Letters, digits, `_` and `-`; the first segment of every URL.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[A-Za-z0-9_-]+$")"##).message("a stage's name holds letters, digits, `_` and `-`"))]
    pub name: String,
    /// Pins the stage to a revision (see `status.revisions`); absent: as `deploy` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub revision: Option<i64>,
    /// What a stage without `revision` does when there is a newer revision.
    #[serde(default)]
    pub deploy: Deploy,
    /// Sends a part of the requests to another revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Shown in the AWS console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Tags of the stage in AWS; keys can't begin with `aws:` or `stepgate.dev/`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50), extend("additionalProperties" = {"type": "string", "maxLength": 256}))]
    pub tags: BTreeMap<String, String>,
    /// Stage variables, for raw templates; the built-ins `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}` may stand in the values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 100), extend("additionalProperties" = {"type": "string", "maxLength": 512}))]
    pub variables: BTreeMap<String, String>,
    /// What it shows to HTTPS backends that want to know who calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// A line for each request, in CloudWatch Logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
    /// What API Gateway tells of its work on each request, in a log group that AWS makes: `API-Gateway-Execution-Logs_<api>/<stage>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_logging: Option<ExecutionLogging>,
    /// CloudWatch metrics for each method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Switch>,
    /// X-Ray tracing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Switch>,
    /// How many requests are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttling: Option<Throttling>,
    /// A cache of answers, which AWS bills by the hour; the tenant's `exposure.cacheClusterSizes` must admit its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<StageCache>,
    /// Other settings for single methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path", "method"]))]
    pub methods: Vec<StageMethod>,
}

impl Stage {
    /// Whether it serves every newest revision.
    pub fn follows(&self) -> bool {
        self.revision.is_none() && self.deploy == Deploy::Auto
    }
}

/// What a stage without `revision` does when there is a newer revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Deploy {
    /// It serves the newest.
    #[default]
    Auto,
    /// It stays at what it serves. A new stage begins with the newest.
    Manual,
}

/// Sends a part of a stage's requests to another revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Which part of the requests, from 0 to 100.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percent: f64,
    /// The revision that they get; absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub revision: Option<i64>,
    /// Stage variables that are other or more for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 100), extend("additionalProperties" = {"type": "string", "maxLength": 512}))]
    pub variables: BTreeMap<String, String>,
    /// Whether they are answered from the stage's cache.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_stage_cache: bool,
}

/// A line for each request, in CloudWatch Logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.logGroupArn) || !has(self.retentionDays)").message("`logGroupArn` names a log group of your own, whose retention is yours to set: leave `retentionDays` out"))]
pub struct AccessLog {
    /// The line, with `$context` variables, `$context.requestId` or `$context.extendedRequestId` among them; absent: JSON (docs/stages.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3072))]
    pub format: Option<String>,
    /// How many days the log group that is made here keeps lines; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self in [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]").message("CloudWatch Logs keeps lines for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days"))]
    pub retention_days: Option<i32>,
    /// A log group of your own, which the tenant's `exposure.logGroupArns` must admit; the built-ins `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}` may stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):logs:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):log-group:[A-Za-z0-9_./#-]+$")"##).message("write the ARN of a log group without `:*` at its end: arn:aws:logs:REGION:ACCOUNT:log-group:NAME (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub log_group_arn: Option<String>,
}

/// What API Gateway tells of its work on each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionLogging {
    /// How much.
    pub level: ExecutionLogLevel,
    /// Also the whole requests and answers, with whatever is in them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_trace: bool,
}

/// How much API Gateway tells of its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionLogLevel {
    /// Nothing.
    #[default]
    Off,
    /// Errors.
    Error,
    /// Errors, and every step.
    Info,
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Switch {
    /// Whether it is on.
    pub enabled: bool,
}

/// How many requests are taken; more are answered with 429.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Requests a second in the long run; absent: 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub rate_limit: Option<f64>,
    /// Requests at once; absent: 5000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub burst_limit: Option<i32>,
}

/// A stage's cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageCache {
    /// How large it is.
    pub cluster_size: CacheClusterSize,
    /// How its methods use it.
    #[serde(flatten)]
    pub settings: CacheSettings,
}

/// How methods use their stage's cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheSettings {
    /// Whether answers come from the cache; absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How many seconds an answer is kept; absent: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub ttl_seconds: Option<i32>,
    /// Whether the cache is encrypted; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Whether a client needs the right `execute-api:InvalidateCache` to pass the cache by (`Cache-Control: max-age=0`); absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_authorization_for_cache_control: Option<bool>,
    /// What becomes of such a request without that right; absent: SUCCEED_WITH_RESPONSE_HEADER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unauthorized_cache_control_header_strategy: Option<UnauthorizedCacheControl>,
}

/// Sizes of caches in GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum CacheClusterSize {
    #[serde(rename = "0.5")]
    Half,
    #[serde(rename = "1.6")]
    OnePointSix,
    #[serde(rename = "6.1")]
    SixPointOne,
    #[serde(rename = "13.5")]
    ThirteenPointFive,
    #[serde(rename = "28.4")]
    TwentyEightPointFour,
    #[serde(rename = "58.2")]
    FiftyEightPointTwo,
    #[serde(rename = "118")]
    OneHundredEighteen,
    #[serde(rename = "237")]
    TwoHundredThirtySeven,
}

impl CacheClusterSize {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Half => "0.5",
            Self::OnePointSix => "1.6",
            Self::SixPointOne => "6.1",
            Self::ThirteenPointFive => "13.5",
            Self::TwentyEightPointFour => "28.4",
            Self::FiftyEightPointTwo => "58.2",
            Self::OneHundredEighteen => "118",
            Self::TwoHundredThirtySeven => "237",
        }
    }
}

/// What becomes of a request that would pass the cache by and may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnauthorizedCacheControl {
    /// It is refused.
    #[serde(rename = "FAIL_WITH_403")]
    FailWith403,
    /// It is answered from the cache, with a `Warning` header.
    #[default]
    SucceedWithResponseHeader,
    /// It is answered from the cache.
    SucceedWithoutResponseHeader,
}

impl UnauthorizedCacheControl {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailWith403 => "FAIL_WITH_403",
            Self::SucceedWithResponseHeader => "SUCCEED_WITH_RESPONSE_HEADER",
            Self::SucceedWithoutResponseHeader => "SUCCEED_WITHOUT_RESPONSE_HEADER",
        }
    }
}

/// Other settings for one method; what is absent is as for the stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageMethod {
    /// The route's path, such as `/orders/{orderId}`.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/"))]
    pub path: String,
    /// The route's method.
    pub method: Method,
    /// What API Gateway tells of its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_logging: Option<ExecutionLogging>,
    /// CloudWatch metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Switch>,
    /// How many requests are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttling: Option<Throttling>,
    /// How it uses the stage's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSettings>,
}

/// A stage that exists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// Its name.
    pub name: String,
    /// The URL below which the routes answer.
    pub invoke_url: String,
    /// The revision that it serves; absent where it serves a deployment that is none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// What a part of its requests gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStatus>,
}

/// What a part of a stage's requests gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// Which part, from 0 to 100.
    pub percent: f64,
    /// The revision; absent where it is a deployment that is none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

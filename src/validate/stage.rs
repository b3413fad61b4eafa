//! Validates the stages of a RestAPI.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use serde::Serialize;

use super::{admitted_arn, client_certificate, logging};
use crate::api::conditions::reasons;
use crate::api::{
    CacheSettings, Deploy, ExecutionLogLevel, ExecutionLogging, Exposure, RestAPI, Stage, StageMethod, Switch,
    Throttling,
};
use crate::identity::{Owner, log_group_name};
use crate::problem::Problem;
use crate::resources::log_group;
use crate::resources::stage::{ALL_METHODS, AccessLog, MethodSettings, Settings, method_key};
use crate::tenancy::{Admission, Place};

/// The line of a request where no other is asked for.
pub const DEFAULT_FORMAT: &str = r#"{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","caller":"$context.identity.caller","user":"$context.identity.user","requestTime":"$context.requestTime","method":"$context.httpMethod","path":"$context.path","status":"$context.status","protocol":"$context.protocol","responseLength":"$context.responseLength","integrationStatus":"$context.integration.status","integrationLatency":"$context.integration.latency","error":"$context.error.message","integrationError":"$context.integration.error"}"#;

/// A stage that can be built.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValidStage {
    /// Its name.
    pub name: String,
    /// The revision that it is pinned to.
    pub revision: Option<i64>,
    /// Whether it stays at what it serves, where no revision is said.
    pub manual: bool,
    /// What a part of its requests gets.
    pub canary: Option<ValidCanary>,
    /// What it is beside what it serves, built-ins filled in.
    pub settings: Settings,
    /// The log group that is made for it.
    pub log_group: Option<log_group::Desired>,
}

impl ValidStage {
    /// Whether it serves every newest revision.
    pub fn follows(&self) -> bool {
        self.revision.is_none() && !self.manual
    }

    /// Whether API Gateway writes logs for it.
    pub fn logs(&self) -> bool {
        self.settings.access_log.is_some() || self.settings.methods.values().any(|method| method.log_level != "OFF")
    }
}

/// A canary that can be built.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValidCanary {
    /// The revision; absent: the newest.
    pub revision: Option<i64>,
    /// Which part of the requests, from 0 to 100.
    pub percent: f64,
    /// Variables that are other or more.
    pub variables: BTreeMap<String, String>,
    /// Whether it answers from the stage's cache.
    pub use_stage_cache: bool,
}

/// Validates all of them.
///
/// # Errors
/// The first problem.
pub fn validate(
    api: &RestAPI,
    owner: &Owner,
    admission: &Admission,
    place: &Place,
) -> Result<Vec<ValidStage>, Problem> {
    let stage = |stage: &Stage| {
        let valid = Validating { field: format!("spec.stages[{}]", stage.name), owner, admission, place };
        valid.stage(stage)
    };
    api.spec.stages.iter().map(stage).collect()
}

struct Validating<'a> {
    field: String,
    owner: &'a Owner,
    admission: &'a Admission,
    place: &'a Place,
}

impl Validating<'_> {
    fn stage(&self, stage: &Stage) -> Result<ValidStage, Problem> {
        let field = &self.field;
        let canary = match &stage.canary {
            None => None,
            Some(canary) => Some(ValidCanary {
                revision: canary.revision,
                percent: canary.percent,
                variables: self.variables(&format!("{field}.canary.variables"), &canary.variables)?,
                use_stage_cache: canary.use_stage_cache,
            }),
        };
        super::tags::check(field, &stage.tags)?;
        let (access_log, log_group) = self.access_log(stage)?;
        Ok(ValidStage {
            name: stage.name.clone(),
            revision: stage.revision,
            manual: stage.deploy == Deploy::Manual,
            canary,
            settings: Settings {
                description: stage.description.clone().unwrap_or_default(),
                variables: self.variables(&format!("{field}.variables"), &stage.variables)?,
                tags: stage.tags.clone(),
                tracing: stage.tracing.is_some_and(|tracing| tracing.enabled),
                cache_cluster: self.cache_cluster(stage)?,
                client_certificate: self.client_certificate(stage)?,
                access_log,
                methods: self.methods(stage)?,
            },
            log_group,
        })
    }

    /// Names `[A-Za-z0-9_]+`, 64 characters; values `[A-Za-z0-9-._~:/?#&=,]+`, 512 characters (AWS.md §1 and §3).
    fn variables(&self, field: &str, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Problem> {
        let mut variables = BTreeMap::new();
        for (name, value) in given {
            let value = self.place.fill(value);
            if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(Problem::invalid(format!(
                    "{field}: `{name}` is no name for a stage variable; use up to 64 letters, digits and `_`"
                )));
            }
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
            if value.is_empty() || value.len() > 512 || !value.chars().all(fits) {
                return Err(Problem::invalid(format!(
                    "{field}.{name}: API Gateway takes 1 to 512 letters, digits and `-._~:/?#&=,` in a stage variable's value, not `{value}`"
                )));
            }
            variables.insert(name.clone(), value);
        }
        Ok(variables)
    }

    fn exposure(&self) -> Option<&Exposure> {
        self.admission.tenant.exposure.as_ref()
    }

    fn cache_cluster(&self, stage: &Stage) -> Result<Option<String>, Problem> {
        let Some(cache) = &stage.cache else {
            let uses = |method: &&StageMethod| method.cache.is_some();
            return match stage.methods.iter().find(uses) {
                None => Ok(None),
                Some(StageMethod { path, method, .. }) => Err(Problem::invalid(format!(
                    "{}.methods[{path},{}].cache: the stage has no cache; set {}.cache.clusterSize",
                    self.field,
                    method.as_str(),
                    self.field,
                ))),
            };
        };
        let size = cache.cluster_size;
        if !self.exposure().is_some_and(|exposure| exposure.cache_cluster_sizes.contains(&size)) {
            return Err(Problem::stalled(
                reasons::OVER_CEILING,
                format!(
                    "{}.cache.clusterSize: tenant {} of AWSAccount {} does not admit {}; choose another, or ask the platform admin to add it to exposure.cacheClusterSizes",
                    self.field,
                    self.admission.tenant.name,
                    self.admission.account.name_any(),
                    size.as_str(),
                ),
            ));
        }
        Ok(Some(size.as_str().to_owned()))
    }

    fn client_certificate(&self, stage: &Stage) -> Result<Option<String>, Problem> {
        let field = format!("{}.clientCertificate", self.field);
        let valid = |given| client_certificate::validate(&field, self.admission, self.place, given);
        stage.client_certificate.as_ref().map(valid).transpose()
    }

    fn access_log(&self, stage: &Stage) -> Result<(Option<AccessLog>, Option<log_group::Desired>), Problem> {
        let Some(log) = &stage.access_log else { return Ok((None, None)) };
        let Place { partition, region, account_id, .. } = self.place;
        let field = format!("{}.accessLog", self.field);
        let format = log.format.clone().unwrap_or_else(|| DEFAULT_FORMAT.to_owned());
        // The API Gateway Developer Guide, "Set up CloudWatch API logging".
        if !format.contains("$context.requestId") && !format.contains("$context.extendedRequestId") {
            return Err(Problem::invalid(format!(
                "{field}.format: API Gateway wants $context.requestId or $context.extendedRequestId in it; add one"
            )));
        }
        if format.contains(['\n', '\r']) {
            return Err(Problem::invalid(format!(
                "{field}.format: a request's line is one line; take out the line breaks (in YAML, `>-` folds them)"
            )));
        }
        let of_region = format!("arn:{partition}:logs:{region}:{account_id}:log-group:");
        match &log.log_group_arn {
            None => {
                let name = log_group_name(self.owner, &stage.name);
                let destination_arn = format!("{of_region}{name}");
                let group = log_group::Desired { name, retention_days: log.retention_days, owner: self.owner.clone() };
                Ok((Some(AccessLog { destination_arn, format }), Some(group)))
            }
            Some(arn) => {
                let list = self.exposure().map_or(&[][..], |exposure| &exposure.log_group_arns);
                let field = format!("{field}.logGroupArn");
                let (admission, place) = (self.admission, self.place);
                let destination_arn = admitted_arn(admission, place, &field, "exposure.logGroupArns", list, arn)?;
                if !destination_arn.starts_with(&of_region) {
                    return Err(Problem::invalid(format!(
                        "{field}: API Gateway writes to log groups of its own account and Region, whose ARNs begin with {of_region}"
                    )));
                }
                logging::is_no_stage_s(&field, &destination_arn, &of_region)?;
                Ok((Some(AccessLog { destination_arn, format }), None))
            }
        }
    }

    fn methods(&self, stage: &Stage) -> Result<BTreeMap<String, MethodSettings>, Problem> {
        let mut all = MethodSettings::default();
        let cache = stage.cache.as_ref().map(|cache| cache.settings);
        let given = overlay(&mut all, stage.execution_logging, stage.metrics, stage.throttling, cache);
        let mut methods = BTreeMap::new();
        if given {
            methods.insert(ALL_METHODS.to_owned(), all.clone());
        }
        let mut seen = BTreeSet::new();
        for StageMethod { path, method, execution_logging, metrics, throttling, cache } in &stage.methods {
            let key = method_key(path, method.as_str());
            if !seen.insert(key.clone()) {
                return Err(Problem::invalid(format!(
                    "{}.methods: {} {path} is there twice; leave one of them",
                    self.field,
                    method.as_str()
                )));
            }
            let mut own = all.clone();
            overlay(&mut own, *execution_logging, *metrics, *throttling, *cache);
            methods.insert(key, own);
        }
        Ok(methods)
    }
}

/// Sets what is given; whether anything is.
fn overlay(
    settings: &mut MethodSettings,
    logging: Option<ExecutionLogging>,
    metrics: Option<Switch>,
    throttling: Option<Throttling>,
    cache: Option<CacheSettings>,
) -> bool {
    if let Some(ExecutionLogging { level, data_trace }) = logging {
        settings.log_level = match level {
            ExecutionLogLevel::Off => "OFF",
            ExecutionLogLevel::Error => "ERROR",
            ExecutionLogLevel::Info => "INFO",
        }
        .to_owned();
        settings.data_trace = data_trace;
    }
    if let Some(metrics) = metrics {
        settings.metrics = metrics.enabled;
    }
    if let Some(Throttling { rate_limit, burst_limit }) = throttling {
        settings.rate_limit = rate_limit.unwrap_or(settings.rate_limit);
        settings.burst_limit = burst_limit.unwrap_or(settings.burst_limit);
    }
    if let Some(cache) = cache {
        settings.caching = cache.enabled.unwrap_or(true);
        settings.cache_ttl_seconds = cache.ttl_seconds.unwrap_or(settings.cache_ttl_seconds);
        settings.cache_encrypted = cache.encrypted.unwrap_or(settings.cache_encrypted);
        settings.require_authorization_for_cache_control =
            cache.require_authorization_for_cache_control.unwrap_or(settings.require_authorization_for_cache_control);
        if let Some(strategy) = cache.unauthorized_cache_control_header_strategy {
            settings.unauthorized_cache_control_header_strategy = strategy.as_str().to_owned();
        }
    }
    logging.is_some() || metrics.is_some() || throttling.is_some() || cache.is_some()
}

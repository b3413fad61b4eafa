//! What a stage is beside what it serves, and the patches between two of those.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{Patch, pointer_segment};
use crate::identity::Tags;

/// The key of the settings for all methods without settings of their own.
pub const ALL_METHODS: &str = "*/*";

/// What a stage is beside what it serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Shown in the console.
    pub description: String,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// Its tags, without AWS's own.
    pub tags: Tags,
    /// Whether X-Ray traces it.
    pub tracing: bool,
    /// The size of its cache, where it has one.
    pub cache_cluster: Option<String>,
    /// What it shows to HTTPS backends: an id of API Gateway's, or an ARN of ACM's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// Where access is logged, and how.
    pub access_log: Option<AccessLog>,
    /// Settings of methods by [`method_key`]; what has none has AWS's defaults.
    pub methods: BTreeMap<String, MethodSettings>,
}

/// Where access is logged, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// The log group's ARN.
    pub destination_arn: String,
    /// The line of a request.
    pub format: String,
}

/// Logging, metrics, throttling and caching of a method; the default is AWS's (recorded).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodSettings {
    /// Whether CloudWatch gets metrics.
    pub metrics: bool,
    /// `OFF`, `ERROR` or `INFO`.
    pub log_level: String,
    /// Whether whole requests are logged.
    pub data_trace: bool,
    /// Requests at once.
    pub burst_limit: i32,
    /// Requests a second.
    pub rate_limit: f64,
    /// Whether answers come from the cache.
    pub caching: bool,
    /// How long an answer is kept.
    pub cache_ttl_seconds: i32,
    /// Whether the cache is encrypted.
    pub cache_encrypted: bool,
    /// Whether passing the cache by needs a right.
    pub require_authorization_for_cache_control: bool,
    /// What becomes of a request without it.
    pub unauthorized_cache_control_header_strategy: String,
}

impl Default for MethodSettings {
    fn default() -> Self {
        Self {
            metrics: false,
            log_level: "OFF".to_owned(),
            data_trace: false,
            burst_limit: 5_000,
            rate_limit: 10_000.0,
            caching: false,
            cache_ttl_seconds: 300,
            cache_encrypted: false,
            require_authorization_for_cache_control: true,
            unauthorized_cache_control_header_strategy: "SUCCEED_WITH_RESPONSE_HEADER".to_owned(),
        }
    }
}

impl MethodSettings {
    /// Each value under its patch path.
    fn values(&self) -> [(&'static str, String); 10] {
        [
            ("/metrics/enabled", self.metrics.to_string()),
            ("/logging/loglevel", self.log_level.clone()),
            ("/logging/dataTrace", self.data_trace.to_string()),
            ("/throttling/burstLimit", self.burst_limit.to_string()),
            ("/throttling/rateLimit", self.rate_limit.to_string()),
            ("/caching/enabled", self.caching.to_string()),
            ("/caching/ttlInSeconds", self.cache_ttl_seconds.to_string()),
            ("/caching/dataEncrypted", self.cache_encrypted.to_string()),
            ("/caching/requireAuthorizationForCacheControl", self.require_authorization_for_cache_control.to_string()),
            (
                "/caching/unauthorizedCacheControlHeaderStrategy",
                self.unauthorized_cache_control_header_strategy.clone(),
            ),
        ]
    }
}

/// The key of a method's settings, as patch paths have it: the path without its first slash, its others as `~1`; the root
/// is `~1` (go-to-k/cdkd#971, tried there on AWS).
pub fn method_key(path: &str, method: &str) -> String {
    let path = path.trim_start_matches('/');
    format!("{}/{method}", pointer_segment(if path.is_empty() { "/" } else { path }))
}

/// The same of a key that AWS shows, whichever way it writes slashes.
pub fn shown_key(key: &str) -> String {
    let plain = key.replace("~1", "/");
    match plain.rsplit_once('/') {
        Some((path, method)) => method_key(path, method),
        None => plain,
    }
}

impl Settings {
    /// This as CreateStage makes it: the rest takes an UpdateStage.
    pub(super) fn as_created(&self) -> Self {
        Self { client_certificate: None, access_log: None, methods: BTreeMap::new(), ..self.clone() }
    }

    /// The patches that make `found` this.
    pub(super) fn patches(&self, found: &Self) -> Vec<Patch> {
        let mut patches = entries("/variables/", &self.variables, &found.variables);
        if self.description != found.description {
            patches.push(Patch::replace("/description", &self.description));
        }
        if self.tracing != found.tracing {
            patches.push(Patch::replace("/tracingEnabled", self.tracing.to_string()));
        }
        match (&self.cache_cluster, &found.cache_cluster) {
            (wanted, has) if wanted == has => {}
            (None, _) => patches.push(Patch::replace("/cacheClusterEnabled", "false")),
            (Some(size), has) => {
                patches.push(Patch::replace("/cacheClusterSize", size));
                if has.is_none() {
                    patches.push(Patch::replace("/cacheClusterEnabled", "true"));
                }
            }
        }
        if self.client_certificate != found.client_certificate {
            // An empty one takes it away, as Terraform does; `remove` is for the keys of maps.
            let certificate = self.client_certificate.clone().unwrap_or_default();
            patches.push(Patch::replace("/clientCertificateId", certificate));
        }
        match (&self.access_log, &found.access_log) {
            (None, Some(_)) => patches.push(Patch::remove("/accessLogSettings")),
            (None, None) => {}
            (Some(wanted), found) => {
                let found = found.clone().unwrap_or_default();
                if wanted.destination_arn != found.destination_arn {
                    patches.push(Patch::replace("/accessLogSettings/destinationArn", &wanted.destination_arn));
                }
                if wanted.format != found.format {
                    patches.push(Patch::replace("/accessLogSettings/format", &wanted.format));
                }
            }
        }
        patches.extend(self.method_patches(found));
        patches
    }

    /// Settings of a method are all of them, or none: AWS removes no single one (go-to-k/cdkd#971), and a new entry begins as
    /// a copy of that for all methods (recorded), so all of a new one are said.
    fn method_patches(&self, found: &Self) -> Vec<Patch> {
        let mut patches = Vec::new();
        for (key, wanted) in &self.methods {
            let has = found.methods.get(key).map(MethodSettings::values);
            for (index, (path, value)) in wanted.values().into_iter().enumerate() {
                if has.as_ref().is_none_or(|has| has[index].1 != value) {
                    patches.push(Patch::replace(format!("/{key}{path}"), value));
                }
            }
        }
        let unwanted = found.methods.keys().filter(|key| !self.methods.contains_key(*key));
        patches.extend(unwanted.map(|key| Patch::remove(format!("/{key}"))));
        patches
    }

    /// The tags to set, and those to take off.
    pub(super) fn tag_changes(&self, found: &Self) -> (Tags, Vec<String>) {
        let set = self.tags.iter().filter(|(key, value)| found.tags.get(*key) != Some(value));
        let remove = found.tags.keys().filter(|key| !self.tags.contains_key(*key));
        (set.map(|(key, value)| (key.clone(), value.clone())).collect(), remove.cloned().collect())
    }
}

/// The patches of a map's entries: `add` is refused (recorded), `replace` makes an entry too.
pub(super) fn entries(under: &str, wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<Patch> {
    let changed = wanted.iter().filter(|(name, value)| found.get(*name) != Some(value));
    let removed = found.keys().filter(|name| !wanted.contains_key(*name));
    changed
        .map(|(name, value)| Patch::replace(format!("{under}{name}"), value))
        .chain(removed.map(|name| Patch::remove(format!("{under}{name}"))))
        .collect()
}

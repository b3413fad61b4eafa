//! A stage's settings per method.

use serde::{Deserialize, Serialize};

use super::super::wire::Refusal;
use super::checks::bad;

/// Logging, metrics, throttling and caching of a method on a stage; AWS's defaults (rec).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodSettings {
    /// Whether CloudWatch gets metrics.
    pub metrics_enabled: bool,
    /// `OFF`, `ERROR` or `INFO`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_level: Option<String>,
    /// Whether bodies are logged.
    pub data_trace_enabled: bool,
    /// Requests at once.
    pub throttling_burst_limit: i64,
    /// Requests per second.
    pub throttling_rate_limit: f64,
    /// Whether answers are cached.
    pub caching_enabled: bool,
    /// How long.
    pub cache_ttl_in_seconds: i64,
    /// Whether the cache is encrypted.
    pub cache_data_encrypted: bool,
    /// Whether clients need a right to pass the cache by.
    pub require_authorization_for_cache_control: bool,
    /// What those without it get.
    pub unauthorized_cache_control_header_strategy: String,
}

impl Default for MethodSettings {
    fn default() -> Self {
        Self {
            metrics_enabled: false,
            logging_level: None,
            data_trace_enabled: false,
            throttling_burst_limit: 5_000,
            throttling_rate_limit: 10_000.0,
            caching_enabled: false,
            cache_ttl_in_seconds: 300,
            cache_data_encrypted: false,
            require_authorization_for_cache_control: true,
            unauthorized_cache_control_header_strategy: "SUCCEED_WITH_RESPONSE_HEADER".to_owned(),
        }
    }
}

impl MethodSettings {
    /// Sets one; `None` where there is none of that name, or the value is none.
    pub(super) fn set(&mut self, group: &str, setting: &str, value: &str) -> Option<()> {
        let flag = value == "true";
        match (group, setting) {
            ("metrics", "enabled") => self.metrics_enabled = flag,
            ("logging", "loglevel") => self.logging_level = Some(value.to_owned()),
            ("logging", "dataTrace") => self.data_trace_enabled = flag,
            ("throttling", "burstLimit") => self.throttling_burst_limit = value.parse().ok()?,
            ("throttling", "rateLimit") => self.throttling_rate_limit = value.parse().ok()?,
            ("caching", "enabled") => self.caching_enabled = flag,
            ("caching", "ttlInSeconds") => self.cache_ttl_in_seconds = value.parse().ok()?,
            ("caching", "dataEncrypted") => self.cache_data_encrypted = flag,
            ("caching", "requireAuthorizationForCacheControl") => self.require_authorization_for_cache_control = flag,
            ("caching", "unauthorizedCacheControlHeaderStrategy") => {
                value.clone_into(&mut self.unauthorized_cache_control_header_strategy);
            }
            _ => return None,
        }
        Some(())
    }
}

/// rec, with AWS's own missing commas.
pub(super) fn invalid(path: &str) -> Refusal {
    let of = |start: &str, comma: &str| {
        let caching = [
            "ttlInSeconds",
            "enabled",
            "dataEncrypted",
            "requireAuthorizationForCacheControl",
            "unauthorizedCacheControlHeaderStrategy",
        ];
        let caching: Vec<String> = caching.iter().map(|one| format!("{start}/caching/{one}")).collect();
        format!(
            "{start}/metrics/enabled, {start}/logging/dataTrace, {start}/logging/loglevel, {start}/throttling/burstLimit{comma}{start}/throttling/rateLimit{comma}{}",
            caching.join(", ")
        )
    };
    bad(format!(
        "Invalid method setting path: {path}. Must be one of: [/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, /accessLogSettings/format, {}, {}, /variables/{{variable_name}}, /tracingEnabled]",
        of("/{resourcePath}/{httpMethod}", ""),
        of("/*/*", " "),
    ))
}

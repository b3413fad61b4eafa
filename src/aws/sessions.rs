//! Clients per account and Region.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::identity::SharedIdentityCache;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::Mutex;

use super::budget::{Budget, Family, Permits, Room};
use super::error::AwsError;
use super::fence::Fenced;
use super::meter::{CallObserver, Meter};
use super::role_room::RoleRoom;
use crate::api::{AWSAccount, AWSAccountSpec};
use crate::resources::rest_api::census::Census;

/// The clients for one account and Region.
#[derive(Debug)]
pub struct Session {
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// API Gateway.
    pub apigateway: aws_sdk_apigateway::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// Whether the account has room for another role.
    pub roles: Arc<RoleRoom>,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Whether API Gateway was seen to have a role to write logs with: it is one for the account and Region.
    pub has_log_role: AtomicBool,
    /// Whose APIs there are.
    pub census: Census,
    sts: aws_sdk_sts::Client,
}

/// Makes and keeps sessions. The HTTP client can be replaced, so that an AWS in process can stand behind it.
pub struct Sessions {
    http: SharedHttpClient,
    observer: CallObserver,
    budget: Arc<Budget>,
    kept: Mutex<HashMap<(Key, String), Arc<Session>>>,
}

/// What of an AWSAccount decides how calls are made; another value means another session.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    account_id: String,
    role: Option<String>,
    endpoint: Option<String>,
}

impl Key {
    fn of(spec: &AWSAccountSpec) -> Self {
        Self {
            account_id: spec.account_id.clone(),
            role: spec.credentials.as_ref().map(|c| c.assume_role.role_arn.clone()),
            endpoint: spec.endpoint_url.clone(),
        }
    }
}

impl Sessions {
    /// Sessions over the real network.
    pub fn new(observer: CallObserver) -> Self {
        Self::with_http_client(https(), observer)
    }

    /// Sessions over another HTTP client.
    pub fn with_http_client(http: SharedHttpClient, observer: CallObserver) -> Self {
        Self { http, observer, budget: Arc::default(), kept: Mutex::default() }
    }

    /// The same, with another budget than the default.
    pub fn with_budget(self, budget: Arc<Budget>) -> Self {
        Self { budget, ..self }
    }

    /// The session for an account and Region. Before it is handed out the first time, the account id is compared with
    /// what the credentials say.
    ///
    /// # Errors
    /// [`SessionError`] where the credentials are refused or belong to another account.
    pub async fn get(&self, account: &AWSAccount, region: &str) -> Result<Arc<Session>, SessionError> {
        let key = (Key::of(&account.spec), region.to_owned());
        if let Some(session) = self.kept.lock().await.get(&key) {
            return Ok(session.clone());
        }
        let session = Arc::new(self.connect(&account.spec, region).await);
        session.verify(&account.spec.account_id).await?;
        self.kept.lock().await.insert(key, session.clone());
        Ok(session)
    }

    /// Asks AWS again whose credentials these are; for the AWSAccount's own check.
    ///
    /// # Errors
    /// As [`Sessions::get`]; the kept session is dropped then.
    pub async fn verify(&self, account: &AWSAccount, region: &str) -> Result<(), SessionError> {
        let session = self.get(account, region).await?;
        let verified = session.verify(&account.spec.account_id).await;
        if let Err(SessionError::WrongAccount { .. }) = verified {
            self.kept.lock().await.remove(&(Key::of(&account.spec), region.to_owned()));
        }
        verified
    }

    async fn connect(&self, spec: &AWSAccountSpec, region: &str) -> Session {
        let own = self.loader(spec, region).load().await;
        let config = match &spec.credentials {
            None => own,
            Some(credentials) => {
                let provider = AssumeRoleProvider::builder(&credentials.assume_role.role_arn)
                    .session_name("stepgate")
                    .region(Region::new(region.to_owned()))
                    .configure(&own)
                    .build()
                    .await;
                own.into_builder()
                    .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(provider))
                    .build()
            }
        };
        self.clients(&config, spec, region)
    }

    /// How calls are made, whoever makes them.
    pub(super) fn loader(&self, spec: &AWSAccountSpec, region: &str) -> ConfigLoader {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .http_client(self.http.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            // No limit for an attempt as a whole: it may have to wait for AWS's quotas.
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .read_timeout(Duration::from_secs(30))
                    .build(),
            );
        match &spec.endpoint_url {
            Some(url) => loader.endpoint_url(url),
            None => loader,
        }
    }

    pub(super) fn clients(&self, config: &SdkConfig, spec: &AWSAccountSpec, region: &str) -> Session {
        /// A client that is counted and keeps to its budget.
        macro_rules! client {
            ($sdk:ident, $family:expr) => {{
                let mut builder = $sdk::config::Builder::from(config).interceptor(Meter(self.observer.clone()));
                let line = self.budget.line(&spec.account_id, region, spec.endpoint_url.as_deref(), $family);
                if let Some(mut inner) = config.identity_cache() {
                    if let Some(line) = line {
                        builder = builder.interceptor(Room { line: line.clone() });
                        inner = SharedIdentityCache::new(Permits { line, inner });
                    }
                    builder = builder.identity_cache(Fenced(inner));
                }
                $sdk::Client::from_conf(builder.build())
            }};
        }
        Session {
            sfn: client!(aws_sdk_sfn, Family::StepFunctions),
            apigateway: client!(aws_sdk_apigateway, Family::ApiGateway),
            iam: client!(aws_sdk_iam, Family::Iam),
            roles: Arc::default(),
            logs: client!(aws_sdk_cloudwatchlogs, Family::Logs),
            has_log_role: AtomicBool::default(),
            census: Census::default(),
            sts: client!(aws_sdk_sts, Family::Sts),
        }
    }
}

impl Session {
    async fn verify(&self, account_id: &str) -> Result<(), SessionError> {
        let identity = self.sts.get_caller_identity().send().await.map_err(AwsError::of("GetCallerIdentity"))?;
        match identity.account() {
            Some(found) if found == account_id => Ok(()),
            found => Err(SessionError::WrongAccount {
                expected: account_id.to_owned(),
                found: found.unwrap_or("unknown").to_owned(),
            }),
        }
    }
}

/// A client for the real network.
pub fn https() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The credentials belong to another account.
    #[error(
        "spec.accountId of the AWSAccount is {expected}, but the operator's credentials belong to account {found}: correct accountId, or give credentials of that account"
    )]
    WrongAccount {
        /// What the AWSAccount says.
        expected: String,
        /// What AWS says.
        found: String,
    },
    /// AWS refused, or did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// The partition of a Region, by its name.
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("us-iso-") => "aws-iso",
        _ if region.starts_with("us-isob-") => "aws-iso-b",
        _ => "aws",
    }
}

//! One AWS of the three, and what every case needs of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_apigateway::types::IntegrationType;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use serde_json::json;
use stepgate_testbed::memory::{ACCOUNT, InProcess};

/// Which AWS it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    LocalStack,
    Aws,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "the AWS in memory",
            Self::LocalStack => "LocalStack",
            Self::Aws => "AWS",
        })
    }
}

/// A case that runs.
pub type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One behaviour of AWS.
pub struct Case {
    pub name: &'static str,
    pub run: fn(Cloud) -> Running,
    /// Why it does not hold on LocalStack.
    pub localstack: Option<&'static str>,
}

/// A case, and why it does not hold on LocalStack, if so.
macro_rules! case {
    ($run:ident) => {
        Case { name: stringify!($run), run: |cloud| Box::pin($run(cloud)), localstack: None }
    };
    ($run:ident, $why:literal) => {
        Case { name: stringify!($run), run: |cloud| Box::pin($run(cloud)), localstack: Some($why) }
    };
}
pub(crate) use case;

/// What a case made, and must remove.
enum Made {
    Policy(String),
    Role(String),
    Machine(String),
    Api(String),
}

/// An AWS with its clients.
#[derive(Clone)]
pub struct Cloud {
    pub kind: Kind,
    pub account: String,
    pub region: String,
    pub iam: aws_sdk_iam::Client,
    pub sfn: aws_sdk_sfn::Client,
    pub apigateway: aws_sdk_apigateway::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub sts: aws_sdk_sts::Client,
    /// The AWS in memory whose time passes only by [`Cloud::pause`].
    clock: Option<InProcess>,
    run: String,
    made: Arc<Mutex<Vec<Made>>>,
}

static NAMES: AtomicUsize = AtomicUsize::new(0);

impl Cloud {
    pub fn in_memory(aws: &InProcess) -> Self {
        Self::of(Kind::Memory, ACCOUNT, &config(aws.http_client(), None))
    }

    /// The same with delays and quotas.
    pub fn in_time(aws: &InProcess) -> Self {
        Self { clock: Some(aws.clone()), ..Self::in_memory(aws) }
    }

    /// The emulator, or the AWS in memory on a port.
    pub fn at(endpoint: &str, kind: Kind) -> Self {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let account = if kind == Kind::Memory { ACCOUNT } else { "000000000000" };
        Self::of(kind, account, &config(http, Some(endpoint)))
    }

    pub async fn aws() -> Result<Self> {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let retry = RetryConfig::adaptive().with_max_attempts(20);
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).retry_config(retry).load().await;
        let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await?;
        Ok(Self::of(Kind::Aws, caller.account().context("no account")?, &config))
    }

    fn of(kind: Kind, account: &str, config: &SdkConfig) -> Self {
        Self {
            kind,
            account: account.to_owned(),
            region: config.region().map_or("us-east-1", Region::as_ref).to_owned(),
            iam: aws_sdk_iam::Client::new(config),
            sfn: aws_sdk_sfn::Client::new(config),
            apigateway: aws_sdk_apigateway::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            sts: aws_sdk_sts::Client::new(config),
            clock: None,
            run: format!("{:x}", std::process::id()),
            made: Arc::default(),
        }
    }

    /// The same AWS for one case.
    pub fn scope(&self) -> Self {
        Self { made: Arc::default(), ..self.clone() }
    }

    /// Lets time pass.
    pub async fn pause(&self, time: Duration) {
        match &self.clock {
            Some(aws) => aws.with(|memory| memory.advance(time)),
            None => tokio::time::sleep(time).await,
        }
    }

    /// Removes what the case made, the last first.
    pub async fn clean(&self) {
        if self.clock.is_some() {
            // Nobody tries again here.
            self.pause(Duration::from_secs(60)).await;
        }
        let mut made: Vec<_> = std::mem::take(&mut *self.made.lock().unwrap());
        while let Some(one) = made.pop() {
            match one {
                Made::Machine(arn) => drop(self.sfn.delete_state_machine().state_machine_arn(arn).send().await),
                Made::Api(id) => drop(self.apigateway.delete_rest_api().rest_api_id(id).send().await),
                Made::Role(name) => self.delete_role(&name).await,
                Made::Policy(arn) => self.delete_policy(&arn).await,
            }
        }
    }

    async fn delete_policy(&self, arn: &str) {
        let versions = self.iam.list_policy_versions().policy_arn(arn).send().await;
        for version in versions.iter().flat_map(|list| list.versions()).filter(|version| !version.is_default_version) {
            drop(
                self.iam
                    .delete_policy_version()
                    .policy_arn(arn)
                    .set_version_id(version.version_id.clone())
                    .send()
                    .await,
            );
        }
        drop(self.iam.delete_policy().policy_arn(arn).send().await);
    }

    async fn delete_role(&self, name: &str) {
        let inline = self.iam.list_role_policies().role_name(name).send().await;
        for policy in inline.map(|list| list.policy_names).unwrap_or_default() {
            drop(self.iam.delete_role_policy().role_name(name).policy_name(policy).send().await);
        }
        let attached = self.iam.list_attached_role_policies().role_name(name).send().await;
        for arn in attached.iter().flat_map(|list| list.attached_policies()).filter_map(|policy| policy.policy_arn()) {
            drop(self.iam.detach_role_policy().role_name(name).policy_arn(arn).send().await);
        }
        drop(self.iam.delete_role().role_name(name).send().await);
    }

    /// A name that nobody else has.
    pub fn name(&self, what: &str) -> String {
        format!("stepgate-conformance-{}-{}-{what}", self.run, NAMES.fetch_add(1, Ordering::Relaxed))
    }

    fn note(&self, made: Made) {
        self.made.lock().unwrap().push(made);
    }

    /// That this role is to be removed.
    pub fn made_role(&self, name: &str) {
        self.note(Made::Role(name.to_owned()));
    }

    /// A role that a service may assume; its name and ARN.
    pub async fn role(&self, service: &str) -> Result<(String, String)> {
        let name = self.name("role");
        self.made_role(&name);
        let role = self.iam.create_role().role_name(&name).assume_role_policy_document(trust(service));
        let role = role.send().await?.role.context("no role")?;
        Ok((name, role.arn))
    }

    /// A customer-managed policy under a path of its own; its name, path and ARN.
    pub async fn policy(&self, document: &str) -> Result<(String, String, String)> {
        let (name, path) = (self.name("policy"), format!("/{}/", self.name("path")));
        let create = self.iam.create_policy().policy_name(&name).path(&path).policy_document(document);
        let made = create.tags(aws_sdk_iam::types::Tag::builder().key("a").value("b").build()?).send().await?;
        let arn = made.policy.and_then(|policy| policy.arn).context("no ARN")?;
        self.note(Made::Policy(arn.clone()));
        Ok((name, path, arn))
    }

    /// A machine of this name; a fresh role takes its time on AWS.
    pub async fn machine(&self, name: &str, role: &str, definition: &str) -> Result<String> {
        let patience = if self.kind == Kind::Aws || self.clock.is_some() { 24 } else { 0 };
        for tried in 0.. {
            let create = self.sfn.create_state_machine().name(name).role_arn(role).definition(definition);
            match create.send().await {
                Ok(made) => {
                    self.note(Made::Machine(made.state_machine_arn.clone()));
                    return Ok(made.state_machine_arn);
                }
                Err(error) if error.code() == Some("AccessDeniedException") && tried < patience => {
                    self.pause(Duration::from_secs(5)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        unreachable!("it is tried for ever")
    }

    /// That this machine is to be removed.
    pub fn made_machine(&self, arn: &str) {
        self.note(Made::Machine(arn.to_owned()));
    }

    /// An API; its id and its root's.
    pub async fn api(&self) -> Result<(String, String)> {
        let made = self.apigateway.create_rest_api().name(self.name("api")).send().await?;
        let id = made.id.context("no id")?;
        self.note(Made::Api(id.clone()));
        Ok((id, made.root_resource_id.context("no root")?))
    }

    /// That this API is to be removed.
    pub fn made_api(&self, id: &str) {
        self.note(Made::Api(id.to_owned()));
    }

    /// A resource; its id.
    pub async fn resource(&self, api: &str, parent: &str, part: &str) -> Result<String> {
        let made = self.apigateway.create_resource().rest_api_id(api).parent_id(parent).path_part(part);
        made.send().await?.id.context("no id")
    }

    /// A method without authorization.
    pub async fn method(&self, api: &str, resource: &str, verb: &str) -> Result<()> {
        let put = self.apigateway.put_method().rest_api_id(api).resource_id(resource).http_method(verb);
        put.authorization_type("NONE").send().await?;
        Ok(())
    }

    /// A method that a mock answers.
    pub async fn mock(&self, api: &str, resource: &str, verb: &str) -> Result<()> {
        self.method(api, resource, verb).await?;
        let put = self.apigateway.put_integration().rest_api_id(api).resource_id(resource).http_method(verb);
        put.r#type(IntegrationType::Mock).request_templates("application/json", "{\"statusCode\": 200}").send().await?;
        Ok(())
    }

    /// A deployment; its id.
    pub async fn deploy(&self, api: &str) -> Result<String> {
        self.apigateway.create_deployment().rest_api_id(api).send().await?.id.context("no id")
    }

    /// That AWS refuses it with this code, and, but on the emulator, in these words.
    pub fn refused<T: fmt::Debug, E>(
        &self,
        answer: Result<T, SdkError<E, HttpResponse>>,
        code: &str,
        words: &str,
    ) -> Result<()>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = match answer {
            Ok(value) => bail!("{code} was expected, and AWS did it: {value:?}"),
            Err(error) => error,
        };
        let (found, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
        ensure!(found == code, "{code} was expected, and there is {found}: {message}");
        let said = self.kind == Kind::LocalStack || message.contains(words);
        ensure!(said, "{code} in the words `{words}` was expected, and they are `{message}`");
        Ok(())
    }
}

fn config(http: SharedHttpClient, endpoint: Option<&str>) -> SdkConfig {
    let credentials = Credentials::builder().access_key_id("test").secret_access_key("test");
    let credentials = credentials.provider_name("conformance").build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .http_client(http);
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    config.build()
}

/// A trust policy.
pub fn trust(service: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]})
    .to_string()
}

/// A permissions policy.
pub fn policy(action: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}).to_string()
}

/// A definition.
pub fn definition(comment: &str) -> String {
    json!({"Comment": comment, "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}).to_string()
}

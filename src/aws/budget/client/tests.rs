use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::types::EndpointConfiguration;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use tokio::time::Instant;

use crate::api::AWSAccountSpec;
use crate::aws::budget::{Budget, Event, Observer, Priority, Quotas};
use crate::aws::{AwsError, Class, Session, Sessions};

use super::*;

/// An AWS that answers at once, and notes when it was called and when the request was signed.
#[derive(Clone, Debug)]
struct Aws {
    start: Instant,
    calls: Arc<Mutex<Vec<(Duration, String)>>>,
    /// So many calls are answered with this first.
    refusals: Arc<AtomicUsize>,
    refusal: (u16, &'static [(&'static str, &'static str)], &'static str),
}

impl Aws {
    fn new() -> Self {
        Self { start: Instant::now(), calls: Arc::default(), refusals: Arc::default(), refusal: (200, &[], "") }
    }

    fn refusing(times: usize, status: u16, headers: &'static [(&str, &str)], body: &'static str) -> Self {
        Self { refusals: Arc::new(times.into()), refusal: (status, headers, body), ..Self::new() }
    }

    /// Seconds between the first call that this counts and each of them.
    fn seconds(&self, path: &str) -> Vec<u64> {
        let calls = self.calls.lock().unwrap();
        let mine = calls.iter().filter(|(_, called)| called.contains(path));
        mine.map(|(at, _)| at.as_secs_f64().round() as u64).collect()
    }

    async fn session(&self, observer: Observer) -> Session {
        let sessions = Sessions::with_http_client(SharedHttpClient::new(self.clone()), Arc::new(|_, _, _| {}))
            .with_budget(Arc::new(Budget::new(Quotas::Always, observer)));
        session(&sessions, "http://aws.test").await
    }
}

async fn session(sessions: &Sessions, endpoint: &str) -> Session {
    let spec: AWSAccountSpec = serde_json::from_value(serde_json::json!({
        "accountId": "000000000000",
        "regions": [{"name": "us-east-1"}],
        "endpointUrl": endpoint,
        "tenants": [],
    }))
    .unwrap();
    let credentials = aws_credential_types::Credentials::new("id", "secret", None, None, "test");
    let config = sessions.loader(&spec, "us-east-1").credentials_provider(credentials).load().await;
    sessions.clients(&config, &spec, "us-east-1")
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert!(request.headers().contains_key("authorization"), "it is signed");
        let called = format!("{} {}", request.method(), request.uri());
        self.calls.lock().unwrap().push((self.start.elapsed(), called));
        let refuse =
            self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let (status, headers, body) = if refuse { self.refusal } else { (200, &[] as &[_], r#"{"id": "a"}"#) };
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Aws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn nobody() -> Observer {
    Arc::new(|_| {})
}

async fn deploy(session: &Session) {
    session.apigateway.create_deployment().rest_api_id("a").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_is_not_counted_against_any_time_limit() {
    let aws = Aws::new();
    let session = aws.session(nobody()).await;
    // The last of them waits for 100 s: longer than any of the client's limits.
    futures::future::join_all((0..21).map(|_| deploy(&session))).await;
    assert_eq!(aws.seconds("/deployments"), (0..21).map(|call| call * 5).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let session = session(&Sessions::new(Arc::new(|_, _, _| {})), &endpoint).await;
    let started = Instant::now();
    let answer = session.apigateway.get_rest_api().rest_api_id("a").send().await;
    let error = AwsError::of("GetRestApi")(answer.unwrap_err());
    assert_eq!(error.class, Class::Retryable, "{error}");
    let seconds = started.elapsed().as_secs();
    // Three attempts of 30 s, and what lies between them.
    assert!((90..100).contains(&seconds), "{seconds} s: {error}");
}

#[tokio::test(start_paused = true)]
async fn every_attempt_needs_a_permit_and_retry_after_is_kept() {
    const BODY: &str = r#"{"message": "Too Many Requests"}"#;
    let headers: &[(&str, &str)] = &[("retry-after", "30"), ("x-amzn-errortype", "TooManyRequestsException")];
    let aws = Aws::refusing(1, 429, headers, BODY);
    let session = aws.session(nobody()).await;
    deploy(&session).await;
    assert_eq!(aws.seconds("/deployments"), [0, 30]);
    // The rate was halved; one success has given 5 % back.
    deploy(&session).await;
    let third = aws.seconds("/deployments")[2];
    assert!((38..=40).contains(&third), "{third}");
}

#[rstest::rstest]
#[case::api_gateway(429, "TooManyRequestsException", "Too Many Requests", true)]
#[case::step_functions(400, "ThrottlingException", "Rate exceeded", true)]
#[case::count(429, "LimitExceededException", "Maximum number of Resources for this API has been reached.", false)]
#[case::missing(404, "NotFoundException", "Invalid API identifier specified", false)]
#[case::their_fault(500, "InternalFailure", "Internal error", false)]
#[tokio::test(start_paused = true)]
async fn only_throttling_lowers_the_rate(
    #[case] status: u16,
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] lowers: bool,
) {
    let heard: Arc<Mutex<Vec<f64>>> = Arc::default();
    let rates = Arc::clone(&heard);
    let observer: Observer = Arc::new(move |event| {
        if let Event::Rate { rate, .. } = event {
            rates.lock().unwrap().push(*rate);
        }
    });
    let headers: &'static [(&str, &str)] = Box::leak(Box::new([("x-amzn-errortype", code)]));
    let body: &'static str = Box::leak(format!(r#"{{"message": "{message}", "__type": "{code}"}}"#).into_boxed_str());
    let aws = Aws::refusing(1, status, headers, body);
    let session = aws.session(observer).await;
    let config = aws_sdk_sfn::config::Config::builder().retry_config(RetryConfig::disabled());
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:a";
    let call = session.sfn.describe_state_machine().state_machine_arn(arn).customize().config_override(config);
    let error = AwsError::of("DescribeStateMachine")(call.send().await.unwrap_err());
    assert_eq!(matches!(error.class, Class::Throttled(_)), lowers, "{error}");
    assert_eq!(*heard.lock().unwrap(), if lowers { vec![10.0] } else { vec![] });
}

#[tokio::test(start_paused = true)]
async fn iam_s_throttling_is_told_by_its_code_alone() {
    const BODY: &str = "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>r</RequestId></ErrorResponse>";
    let heard: Arc<Mutex<Vec<f64>>> = Arc::default();
    let rates = Arc::clone(&heard);
    let observer: Observer = Arc::new(move |event| {
        if let Event::Rate { rate, .. } = event {
            rates.lock().unwrap().push(*rate);
        }
    });
    let aws = Aws::refusing(1, 400, &[], BODY);
    let session = aws.session(observer).await;
    let config = aws_sdk_iam::config::Config::builder().retry_config(RetryConfig::disabled());
    let call = session.iam.delete_role().role_name("r").customize().config_override(config);
    call.send().await.unwrap_err();
    assert_eq!(*heard.lock().unwrap(), [5.0]);
}

#[tokio::test(start_paused = true)]
async fn an_edge_optimized_api_has_a_quota_of_its_own() {
    let aws = Aws::new();
    let session = aws.session(nobody()).await;
    let create = async |endpoint: EndpointType| {
        let endpoint = EndpointConfiguration::builder().types(endpoint).build();
        session.apigateway.create_rest_api().name("a").endpoint_configuration(endpoint).send().await.unwrap();
    };
    create(EndpointType::Edge).await;
    create(EndpointType::Regional).await;
    create(EndpointType::Regional).await;
    create(EndpointType::Edge).await;
    assert_eq!(aws.seconds("/restapis"), [0, 0, 3, 30]);
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_whose_scope_it_is() {
    let heard: Arc<Mutex<Vec<Priority>>> = Arc::default();
    let priorities = Arc::clone(&heard);
    let observer: Observer = Arc::new(move |event| {
        if let Event::Waited { priority, .. } = event {
            priorities.lock().unwrap().push(*priority);
        }
    });
    let aws = Aws::new();
    let session = aws.session(observer).await;
    deploy(&session).await;
    let caller = Caller::new(Priority::User, "shop");
    let work = caller.scope(deploy(&session));
    tokio::pin!(work);
    assert!(futures::FutureExt::now_or_never(work.as_mut()).is_none());
    let said = caller.waiting().unwrap().to_string();
    assert_eq!(said, "waiting for API Gateway's quota of 1 CreateDeployment per 5 s, about 5 s");
    work.await;
    assert_eq!(*heard.lock().unwrap(), [Priority::Resync, Priority::User]);
}

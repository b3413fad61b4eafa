//! What surrounds the controllers: leader election, health, metrics, logs, shutdown.

mod http;
mod leader;
mod metrics;
mod panics;
mod shutdown;
mod start;
mod telemetry;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;

pub use metrics::Metrics;

use crate::aws::Sessions;
use crate::aws::budget::{Budget, Quotas};
use crate::controller;
use crate::identity::Cluster;

/// After SIGTERM what runs is given this long; Kubernetes kills after 30 s, and an API server that is gone must not
/// hold the process.
const SHUTDOWN: Duration = Duration::from_secs(8);

/// What `stepgate run` is told.
pub struct Options {
    /// A name that stays when the cluster is rebuilt.
    pub cluster_name: String,
    /// What the controllers are told.
    pub controller: controller::Config,
    /// Whether calls to AWS wait for its quotas.
    pub quotas: Quotas,
    /// Where metrics and health are served.
    pub metrics_address: SocketAddr,
    /// The namespace of the Lease; absent: no leader election.
    pub lease_namespace: Option<String>,
}

/// Runs the operator until it is told to stop.
///
/// # Errors
/// What keeps it from running at all.
pub async fn run(options: Options) -> anyhow::Result<()> {
    telemetry::init();
    panics::tell();
    let stop = shutdown::token()?;
    let client = Client::try_default().await.context("there is no way to the Kubernetes API server")?;
    let metrics = Arc::new(Metrics::default());
    let served = http::serve(options.metrics_address, Arc::clone(&metrics), stop.clone()).await?;
    let observer = Arc::clone(&metrics);
    let sessions = Sessions::new(Arc::new(move |service, operation, outcome| {
        observer.aws_call(service, operation, outcome);
    }));
    let observer = Arc::clone(&metrics);
    let budget = Budget::new(options.quotas, Arc::new(move |event| observer.budget(event)));
    let sessions = Arc::new(sessions.with_budget(Arc::new(budget)));

    let lease = options.lease_namespace.as_deref();
    let (leader, uid) = tokio::select! {
        started = start(&client, lease, &stop) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    let cluster = Cluster { name: options.cluster_name, uid };
    tracing::info!(cluster = cluster.name, uid = cluster.uid, "running");
    let controllers = controller::run(client, cluster, options.controller, sessions, metrics, stop.clone());
    bounded(controllers, &stop).await;
    if let Some(leader) = leader {
        // Hands the Lease to the next one.
        let _ = tokio::time::timeout(Duration::from_secs(1), leader.release()).await;
    }
    served.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Runs until the end, or for a bounded time after `stop`.
async fn bounded(work: impl Future<Output = ()>, stop: &CancellationToken) {
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN).await;
    };
    tokio::select! {
        () = work => {}
        () = deadline => tracing::warn!("stopped with work unfinished; it is taken up again at the next start"),
    }
}

/// Waits for the Lease, and for what the API server says of the cluster.
async fn start(
    client: &Client,
    lease_namespace: Option<&str>,
    stop: &CancellationToken,
) -> anyhow::Result<(Option<leader::Leader>, String)> {
    let leader = match lease_namespace {
        Some(namespace) => Some(leader::wait(client.clone(), namespace, stop.clone()).await?),
        None => None,
    };
    Ok((leader, start::answer(async || cluster_uid(client).await).await?))
}

async fn cluster_uid(client: &Client) -> anyhow::Result<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = namespaces.get_metadata("kube-system").await.context("the namespace kube-system can't be read")?;
    system.uid().context("the namespace kube-system has no UID")
}

//! One operator at a time. A Lease is no fence: what is done in AWS must hold with two.

use anyhow::Context;
use kube::Client;
use kube_lease_manager::LeaseManagerBuilder;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::start;

const LEASE: &str = "stepgate";

/// Being the leader.
pub struct Leader {
    ends: Box<dyn Future<Output = ()> + Send + Unpin>,
}

impl Leader {
    /// Gives the Lease back.
    pub async fn release(self) {
        self.ends.await;
    }
}

/// Waits until this process is the leader; when it no longer is, `stop` is cancelled.
///
/// # Errors
/// The Lease can't be had at all.
pub async fn wait(client: Client, namespace: &str, stop: CancellationToken) -> anyhow::Result<Leader> {
    let manager = start::answer(async || {
        let manager = LeaseManagerBuilder::new(client.clone(), LEASE)
            .with_namespace(namespace)
            .with_identity(identity())
            .with_duration(15)
            .with_grace(5);
        manager.build().await.with_context(|| format!("Lease {namespace}/{LEASE} can't be read or made"))
    });
    let manager = manager.await?;
    let (mut leads, task) = manager.watch().await;
    tracing::info!("waiting for the Lease");
    leads.wait_for(|leads| *leads).await.context("leader election ended")?;
    let lost = stop.clone();
    let follow = tokio::spawn(follow(leads, lost));
    Ok(Leader {
        ends: Box::new(Box::pin(async move {
            // Both end with the last receiver; their errors have no reader any more.
            let _ = follow.await;
            let _ = task.await;
        })),
    })
}

/// Keeps the channel open until the Lease is lost or the process stops; closing it releases the Lease.
async fn follow(mut leads: watch::Receiver<bool>, stop: CancellationToken) {
    tokio::select! {
        _ = leads.wait_for(|leads| !*leads) => {
            tracing::error!("the Lease is lost");
            stop.cancel();
        }
        () = stop.cancelled() => {}
    }
}

fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "stepgate".to_owned());
    format!("{host}-{}", std::process::id())
}

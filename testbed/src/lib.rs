//! A real Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager) and an AWS emulator that executes
//! (LocalStack), as plain processes on free ports of 127.0.0.1: no container engine, no cluster.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use stepgate_testbed::{Operator, OperatorOptions, Options, Testbed};
//!
//! let testbed = Testbed::start(Options::default()).await?;
//! let operator = Operator::start(&testbed, OperatorOptions::default()).await?;
//! testbed.kubectl(["get", "namespaces"]).await?;
//! # drop(operator);
//! # Ok(()) }
//! ```
//!
//! And an AWS in memory, deterministic, for what no emulator can be made to do: see [`memory`].
//!
//! Nothing runs pods: the operator is a process of its own, under the chart's ServiceAccount. When the owner of a
//! [`Testbed`] drops it, panics or is killed, every process ends and its directory is removed (`reaper.sh`).

mod argocd;
mod assets;
mod aws;
pub mod bench;
mod calls;
mod control_plane;
mod curl;
pub mod demo;
mod git;
pub mod memory;
mod operator;
mod ports;
mod processes;
mod relay;
pub mod serve;
mod testbed;

pub use argocd::{ArgoCd, NAMESPACE as ARGOCD_NAMESPACE, Refresh, application};
pub use assets::helm;
pub use aws::{Aws, Emulator};
pub use calls::{Calls, Expect, Step, Variables, matches};
pub use curl::{Request, Response};
pub use git::GitRepository;
pub use operator::{Operator, OperatorOptions};
pub use relay::Relay;
pub use testbed::{Access, Options, Testbed, repository};

/// Says what takes long, on standard error.
pub(crate) fn progress(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

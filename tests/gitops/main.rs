//! The GitOps suite: what is pushed to a git repository is applied by a real Argo CD, whose application controller reads
//! our status with the chart's health checks, on a real control plane, against an AWS that executes.
//!
//! `make test-gitops` runs it; `cargo test` alone does not, because Argo CD is built first. One testbed serves all tests,
//! which run beside each other, each in a namespace with an Application of its own, and in every mode of Argo CD.
#![allow(clippy::unwrap_used)]

mod deletion;
mod examples;
mod frame;
mod health;
mod platform;
mod sync;

#[path = "../e2e/cloud.rs"]
#[allow(dead_code)]
mod cloud;
#[path = "../e2e/lag.rs"]
mod lag;
#[path = "../e2e/record.rs"]
mod record;
#[path = "../conditions/rows.rs"]
#[allow(dead_code)]
mod rows;
#[path = "../e2e/support.rs"]
#[allow(dead_code)]
mod support;

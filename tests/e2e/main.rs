//! The end-to-end suite: the operator as the chart's ServiceAccount on a real control plane, against an AWS that executes.
//!
//! One testbed serves all tests (`support::suite`), which run beside each other, each in namespaces of its own.
#![allow(clippy::unwrap_used)]

mod chart;
mod cloud;
mod deletion;
mod drift;
mod escalation;
mod examples;
mod faults;
mod gateway_responses;
mod mapping;
mod plan;
mod process;
mod proxy;
mod quotas;
mod record;
#[path = "../conditions/rows.rs"]
mod rows;
mod schema;
mod schema_cases;
mod stages;
mod support;
mod tenancy;
mod wrong;

//! The end-to-end suite: the operator as the chart's ServiceAccount on a real control plane, against an AWS that executes.
//!
//! One testbed serves all tests (`support::suite`), which run beside each other, each in namespaces of its own.
//! `STEPGATE_E2E_LAG=1500` lets the operator hear of everything late and in another order (`lag`), which shows what a test takes
//! for granted of it.
#![allow(clippy::unwrap_used)]

mod adoption;
mod authorization;
mod brake;
mod by_arn;
mod canary;
mod chart;
mod cloud;
mod cors;
mod deletion;
mod domains;
mod drift;
mod encryption;
mod endpoints;
mod escalation;
mod examples;
mod faults;
mod gateway_responses;
mod graph;
mod invoke;
mod kinds;
mod lag;
mod legacy;
mod lost_records;
mod mapping;
mod moves;
mod namespaces;
mod neighbours;
mod outputs;
mod plan;
mod process;
mod proxy;
mod quotas;
mod record;
mod role_quota;
mod roles;
#[path = "../conditions/rows.rs"]
mod rows;
mod schema;
mod schema_cases;
mod schema_domains;
mod stage_settings;
mod stages;
mod support;
mod takeover;
mod tenancy;
mod usage_plans;
mod wrong;

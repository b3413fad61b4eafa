//! The controllers: numbered steps, one file per kind, and what they share.

pub mod api_domain;
pub mod api_route;
pub mod aws_account;
mod backoff;
mod brake;
mod burst;
mod changes;
mod coming;
mod context;
mod creation;
mod daily;
mod drifts;
mod effects;
mod finalizer;
mod generated;
mod lifecycle;
mod narrowing;
mod outputs;
mod panics;
mod passes;
pub mod publish;
mod quota;
pub mod rest_api;
mod route_status;
mod run;
mod served;
mod slots;
pub mod state_machine;
mod steps;
mod stores;
pub mod usage_plan;
mod wake;
mod written;

pub use context::{Clock, Config, Context};
pub use run::run;
pub use stores::{Stores, Writers};

//! The messages that a user reads, and what is admitted.

mod api_domain;
mod authorizer;
mod execution_role;
mod rest_api;
mod route;
mod settings;
mod stage;
mod state_machine;
mod usage_plan;

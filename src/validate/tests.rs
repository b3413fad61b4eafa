//! The messages that a user reads, and what is admitted.

mod execution_role;
mod rest_api;
mod route;
mod stage;
mod state_machine;

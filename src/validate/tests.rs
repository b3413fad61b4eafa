//! The messages that a user reads, and what is admitted.

mod rest_api;
mod route;
mod state_machine;

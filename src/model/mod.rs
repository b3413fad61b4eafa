//! The AWS objects of one Kubernetes object, as they should be (build), and the plan from what AWS has to them (diff).
//! Pure: `validate` has refused everything that could fail.

pub mod api;
pub mod attach;
pub mod cors;
pub mod domain;
pub mod execution_role;
mod invoke_roles;
pub mod machine;
pub mod openapi;
#[cfg(test)]
mod tests;
pub mod usage_plan;

//! IAM statements: what they are, how they are compared, and which of them a tenant may have. Pure: knows neither
//! Kubernetes nor an AWS client.
//!
//! Statements are of three classes (DESIGN §1), and each class is bounded by something else:
//!
//! - **Task** statements are what an execution role lets its definition do. They are the user's own words, so each one must
//!   be provably contained in the tenant's ceiling: [`ceiling::check`].
//! - **Invoke** statements let API Gateway start, describe or stop the executions of machines. They follow from routes and are
//!   bounded by `allowedCallers` and `targets` before they get here: [`roles::invoke_statements`].
//! - **Plumbing** follows from a field and is bounded by what bounds that field: [`roles::plumbing_logging`],
//!   [`roles::plumbing_tracing`], [`roles::deny_owner_tags`]. It never passes through the ceiling.
//!
//! Inference, which a later issue brings, is a module beside these that reads a definition (`crate::asl`) and yields task
//! [`statement::Statement`]s with what it could not tell. Its statements join the written ones where an execution
//! role's document is put together, before [`ceiling::check`], so that both go through the same proof.

pub mod ceiling;
pub mod glob;
pub mod indirect;
pub mod resource;
pub mod roles;
pub mod statement;
pub mod trust;

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
//!   [`roles::plumbing_tracing`], [`encryption::plumbing`], [`roles::deny_owner_tags`]. It never passes through the ceiling.
//!
//! [`infer`] reads a definition (`crate::asl`) and says what it needs, of which class, for which states, and what it can't tell.
//! What it finds joins the written statements where an execution role's document is put together (`crate::validate`), and
//! both go through the same proof.

pub mod ceiling;
pub mod encryption;
pub mod glob;
pub mod indirect;
pub mod infer;
pub mod layout;
pub mod resource;
pub mod resource_policy;
pub mod roles;
pub mod statement;
pub mod trust;

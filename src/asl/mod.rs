//! Amazon States Language: text to a [`Definition`] with positions, substitutions, and the checks whose failure
//! CreateStateMachine surely refuses. Knows nothing of Kubernetes or AWS clients.
//!
//! ```text
//! text ─ parse ─▶ Definition ─ substitute ─▶ Definition ─ check ─▶ findings
//!                     │                          │
//!                  position(pointer)          to_json() ─▶ what AWS is given
//! ```
//!
//! Text from users is hostile until proven otherwise: every function here takes time linear in its input, uses a
//! bounded stack ([`MAX_DEPTH`]) and never panics.

mod check;
mod expression;
mod finding;
mod json;
mod near;
mod parse;
mod substitute;
mod text;
mod walk;
mod yaml;

pub use check::{MachineType, check};
pub use finding::{Finding, Severity};
pub use parse::{MAX_DEPTH, ParseError, parse};
pub use substitute::{Value, substitute};
pub use text::{Definition, MAX_SIZE, Position};
pub use walk::{Level, Pointer, StateRef, levels, walk};

#[cfg(test)]
mod corpora_tests;
#[cfg(test)]
mod property_tests;

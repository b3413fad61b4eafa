//! Amazon States Language: text to a [`Definition`] with positions, substitutions, and the analyser, which finds what
//! CreateStateMachine refuses and what is wrong all the same. Knows nothing of Kubernetes or AWS clients.
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
mod codes;
mod expression;
mod finding;
mod json;
mod model;
mod near;
mod parse;
mod substitute;
mod text;
mod walk;
mod yaml;

pub use check::{MachineType, Usage, check, check_used};
pub use codes::{Basis, RULES, Rule};
pub use finding::{Finding, Severity};
pub use model::{Machine, MachineLevel, QueryLanguage, State, StateType, Transition, Why};
pub(crate) use near::Speller;
pub use parse::{MAX_DEPTH, ParseError, parse};
pub use substitute::{Value, substitute, unresolved};
pub use text::{Definition, MAX_SIZE, Position};
pub use walk::{Level, Pointer, StateRef, levels, walk};

#[cfg(test)]
mod corpora_tests;
#[cfg(test)]
mod property_tests;

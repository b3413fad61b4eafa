//! Talking to AWS: one session per account and Region, the classes of its errors, the count of its calls, and their budget.

pub mod budget;
pub mod error;
pub mod fence;
mod meter;
mod role_room;
mod sessions;

pub use error::{AwsError, Class};
pub use meter::{CallObserver, Outcome};
pub use sessions::{Session, SessionError, Sessions, https, partition};

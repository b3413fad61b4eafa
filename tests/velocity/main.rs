//! Mapping templates on the real Apache Velocity 1.7, with API Gateway's variables (`testbed/velocity`).
//!
//! What must hold for every request template and every call: it prints JSON with just the keys that Step Functions'
//! request has, the machine is a configured one, and the input is exactly the document that the route describes.
//! Needs Java 17 and Maven; without them the suite says so and passes.

// Helpers outside of the tests themselves unwrap too: here, a panic is a failed test.
#![allow(clippy::unwrap_used)]

mod cors;
mod evaluate;
mod examples;
mod harness;
mod requests;
mod responses;

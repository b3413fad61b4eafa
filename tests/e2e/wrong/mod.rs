//! When things are wrong: each test reads what a user would read.

mod definitions;
mod domains;
mod ownership;
mod permissions;
mod routes;
mod tenancy;
mod wakes;

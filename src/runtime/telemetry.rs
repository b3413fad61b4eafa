//! Logs: text on a terminal, JSON elsewhere; `RUST_LOG` sets the levels.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt, registry};

/// At TRACE the AWS SDK tells what it sends and gets, the values of API keys among it; nobody can ask for that.
fn tells_no_bodies(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("aws_")
}

/// Sets up logging for the process.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_lease_manager=warn"));
    let logs = registry().with(filter).with(filter_fn(tells_no_bodies));
    let layer = fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.with(layer).init();
    } else {
        logs.with(layer.json().flatten_event(true).with_span_list(false)).init();
    }
}

//! Logs: text on a terminal, JSON elsewhere; `RUST_LOG` sets the levels.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Sets up logging for the process.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_lease_manager=warn"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.init();
    } else {
        logs.json().flatten_event(true).with_span_list(false).init();
    }
}

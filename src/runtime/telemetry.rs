//! Logs: text on a terminal, JSON elsewhere; `RUST_LOG` sets the levels. An event is one line, whatever it quotes.

use std::io::{self, IsTerminal, Write};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::printable::{printable, printable_json};

/// At TRACE the AWS SDK tells what it sends and gets, the values of API keys among it; nobody can ask for that.
fn tells_no_bodies(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("aws_")
}

/// Sets up logging for the process.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_lease_manager=warn"));
    let logs = registry().with(filter).with(filter_fn(tells_no_bodies));
    if io::stderr().is_terminal() {
        logs.with(text(io::stderr)).init();
    } else {
        logs.with(json(io::stderr)).init();
    }
}

/// Text in which fields show what can't be seen.
fn text<S, W>(writer: impl Fn() -> W + Send + Sync + 'static) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Write,
{
    let fields = debug_fn(|to, field, value| {
        let value = printable(&format!("{value:?}"));
        match field.name() {
            "message" => write!(to, "{value}"),
            name => write!(to, "{name}={value}"),
        }
    });
    fmt::layer().fmt_fields(fields.delimited(" ")).with_writer(writer)
}

/// An object for each event.
fn json<S, W>(writer: impl Fn() -> W + Send + Sync + 'static) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Write,
{
    fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(move || Shown(writer()))
}

/// JSON has escapes for control characters, and leaves what turns the writing round as it is.
struct Shown<W>(W);

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable_json(&String::from_utf8_lossy(lines)).as_bytes())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::subscriber::with_default;
    use tracing_subscriber::Registry;

    use super::*;

    /// It begins a line that looks like an event, colours a terminal in both ways, and turns the writing round.
    const HOSTILE: &str = "x\r\n2026-01-01 INFO all is well\u{1b}[31m\u{9b}2J\u{7}\u{2028}\u{202e}";

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of an event that quotes a text everywhere, in a span that does too.
    fn written(lines: &Lines, layer: impl Layer<Registry> + Send + Sync, quoted: &str) -> String {
        with_default(registry().with(layer), || {
            let span = tracing::info_span!("reconcile", object = %quoted);
            let _entered = span.enter();
            tracing::warn!(step = quoted, error = %quoted, "failed: {quoted}");
        });
        String::from_utf8(std::mem::take(&mut lines.0.lock().unwrap())).unwrap()
    }

    fn as_text(quoted: &str) -> String {
        let lines = Lines::default();
        let to = lines.clone();
        written(&lines, text(move || to.clone()), quoted)
    }

    #[test]
    fn a_line_of_text_is_one_event_whatever_it_quotes() {
        let (plain, hostile) = (as_text("plain"), as_text(HOSTILE));
        for part in ["WARN", "reconcile", "object=plain", "failed: plain", "error=plain", "step=\"plain\""] {
            assert!(plain.contains(part), "no `{part}` in {plain}");
        }
        // Its own colours are all that can't be seen.
        let unseen = |text: &str| text.chars().filter(|c| c.is_control()).collect::<String>();
        assert_eq!(unseen(&hostile), unseen(&plain), "{hostile:?}");
        assert!(!hostile.contains(['\u{2028}', '\u{202e}']), "{hostile:?}");
        assert_eq!(hostile.matches(r"x\r\n2026-01-01 INFO all is well\u{1b}[31m\u{9b}2J").count(), 4, "{hostile}");
    }

    #[test]
    fn a_line_of_json_is_one_event_whatever_it_quotes() {
        let lines = Lines::default();
        let to = lines.clone();
        let hostile = written(&lines, json(move || to.clone()), HOSTILE);
        let line = hostile.strip_suffix('\n').unwrap();
        assert!(!line.contains(|c: char| c.is_control() || ['\u{2028}', '\u{202e}'].contains(&c)), "{line:?}");
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&event["level"], &event["step"], &event["error"]),
            (&"WARN".into(), &HOSTILE.into(), &HOSTILE.into())
        );
        assert_eq!(
            (&event["message"], &event["span"]["object"]),
            (&format!("failed: {HOSTILE}").into(), &HOSTILE.into())
        );
    }
}

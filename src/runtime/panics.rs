//! What the log says of a panic: where it was, and its words only where they stand so in the source. Others are made of values, which may
//! be secret.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};

/// Tells panics of this process so from now on. `RUST_BACKTRACE=1` adds the calls that led there, which hold no values.
pub fn tell() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = Backtrace::capture();
        let backtrace = matches!(backtrace.status(), BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(
            at,
            says = words(panic.payload()),
            backtrace,
            "panic: this is a bug of stepgate, please report it"
        );
    }));
}

fn words(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(not told, because values are in it)")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its error shows what was parsed, as many do.
    #[derive(Debug)]
    struct Shown;

    impl std::str::FromStr for Shown {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            Err(format!("not {text}"))
        }
    }

    #[test]
    fn values_are_told_to_nobody() {
        let said = |panic: fn()| words(&*std::panic::catch_unwind(panic).unwrap_err());
        assert_eq!(said(|| panic!("no stage")), "no stage");
        let unread = said(|| {
            "never-to-be-told".parse::<Shown>().unwrap();
        });
        assert!(!unread.contains("never-to-be-told"), "{unread}");
        let formatted = said(|| {
            let secret = String::from("never-to-be-told");
            panic!("it is {secret}");
        });
        assert!(!formatted.contains("never-to-be-told"), "{formatted}");
    }
}

//! Ports that nobody else takes between the moment they are found and the moment a program listens on them.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

/// Below the range from which systems take the ports of outgoing connections.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// The ports of one testbed. Other testbeds stay off them, also while the program on a port is stopped, because each is
/// locked by a file for as long as this value lives.
#[derive(Default)]
pub(crate) struct Ports {
    locks: Mutex<Vec<File>>,
}

impl Ports {
    /// A port of 127.0.0.1 on which nothing listens.
    ///
    /// # Errors
    /// When none is found in a thousand tries, or the lock directory can't be written.
    pub(crate) fn take(&self) -> Result<u16> {
        let user = std::env::var("USER").unwrap_or_default();
        let dir = std::env::temp_dir().join(format!("stepgate-ports-{user}"));
        std::fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
        for _ in 0..1000 {
            let random = RandomState::new().build_hasher().finish() % u64::from(RANGE.end - RANGE.start);
            let port = RANGE.start + u16::try_from(random)?;
            let path = dir.join(port.to_string());
            let lock = File::create(&path).with_context(|| format!("can't create {}", path.display()))?;
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
                self.locks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(lock);
                return Ok(port);
            }
        }
        bail!("no free port between {} and {}", RANGE.start, RANGE.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_again_when_its_owner_is_gone() {
        let (one, two) = (Ports::default(), Ports::default());
        let port = one.take().unwrap();
        let path = |port: u16| {
            let user = std::env::var("USER").unwrap_or_default();
            std::env::temp_dir().join(format!("stepgate-ports-{user}")).join(port.to_string())
        };
        assert!(File::open(path(port)).unwrap().try_lock().is_err(), "another testbed could take {port}");
        assert_ne!(two.take().unwrap(), port);
        drop(one);
        assert!(File::open(path(port)).unwrap().try_lock().is_ok());
    }
}

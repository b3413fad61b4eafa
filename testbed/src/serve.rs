//! A testbed that outlives the command that started it: `.testbed/` holds who owns it, what it said and how to use it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::argocd::ArgoCd;
use crate::operator::{Operator, OperatorOptions};
use crate::testbed::{Access, Options, Testbed, repository};
use crate::{demo, progress};

/// The directory in which a running testbed is recorded, `.testbed` in the repository unless a test uses its own.
#[derive(Clone, Debug)]
pub struct State {
    dir: PathBuf,
}

impl State {
    /// The record in this directory, which is made when it is missing.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new(dir: &Path) -> Result<State> {
        fs::create_dir_all(dir).with_context(|| format!("can't create {}", dir.display()))?;
        Ok(State { dir: std::path::absolute(dir)? })
    }

    /// To be sourced by a shell.
    pub fn env_path(&self) -> PathBuf {
        self.dir.join("env")
    }

    /// The command that stops what is recorded here.
    pub(crate) fn stop_command(&self) -> String {
        if self.dir == repository().join(".testbed") {
            "make down".to_owned()
        } else {
            format!("testbed --state-dir {} down", self.dir.display())
        }
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("testbed.log")
    }

    fn access_path(&self) -> PathBuf {
        self.dir.join("access.json")
    }

    /// The file that holds the owner's pid and that the owner keeps locked while it lives.
    fn owner(&self) -> Result<File> {
        let path = self.dir.join("owner");
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        open.with_context(|| format!("can't open {}", path.display()))
    }

    /// The pid of the owner, when one lives.
    fn owner_pid(&self) -> Result<Option<u32>> {
        let mut owner = self.owner()?;
        if owner.try_lock().is_ok() {
            return Ok(None);
        }
        let mut text = String::new();
        owner.read_to_string(&mut text)?;
        Ok(text.trim().parse().ok())
    }

    /// How to use the testbed that runs, when it is ready.
    ///
    /// # Errors
    /// When its record can't be read.
    pub fn access(&self) -> Result<Option<Access>> {
        if self.owner_pid()?.is_none() {
            return Ok(None);
        }
        match fs::read(self.access_path()) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn forget(&self) {
        for path in [self.env_path(), self.access_path()] {
            // It may never have been written.
            let _ = fs::remove_file(path);
        }
    }

    fn publish(&self, access: &Access) -> Result<()> {
        let mut env = String::from("# Source this file to use the testbed: . .testbed/env\n");
        let programs = std::env::current_exe()?.parent().map(|dir| dir.to_string_lossy().into_owned());
        for (key, value) in access.env() {
            let value = match (key.as_str(), &programs) {
                ("PATH", Some(programs)) => format!("{}:{programs}", access.bin_dir().display()),
                _ => value,
            };
            let rest = if key == "PATH" { ":\"$PATH\"" } else { "" };
            env += &format!("export {key}={}{rest}\n", quoted(&value));
        }
        // A CA bundle of the user breaks SDKs that talk plain HTTP to the emulator.
        env += "unset AWS_CA_BUNDLE AWS_PROFILE AWS_SESSION_TOKEN\n";
        fs::write(self.env_path(), env)?;
        // Last and whole: who waits for the testbed waits for this file.
        let part = self.access_path().with_extension("part");
        fs::write(&part, serde_json::to_vec(access)?)?;
        fs::rename(part, self.access_path())?;
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Starts a testbed, with an Argo CD when `gitops`, and holds it until a signal says to stop.
///
/// # Errors
/// When another one runs under the same record, or the start fails.
pub async fn serve(state: &State, options: Options, operator: Option<OperatorOptions>, gitops: bool) -> Result<()> {
    let mut owner = state.owner()?;
    if owner.try_lock().is_err() {
        bail!("a testbed is already up: see {}", state.env_path().display());
    }
    owner.set_len(0)?;
    write!(owner, "{}", std::process::id())?;
    state.forget();
    let held = async {
        let testbed = Testbed::start(options).await?;
        let operator = match operator {
            Some(operator) => Some(Operator::start(&testbed, operator).await?),
            None => None,
        };
        if operator.is_some() {
            demo::apply_account(&testbed).await?;
        }
        if gitops {
            ArgoCd::start(&testbed).await?.hands_on().await?;
        }
        state.publish(testbed.access())?;
        std::future::pending::<()>().await;
        drop(operator);
        drop(testbed);
        Ok(())
    };
    // Dropping the future drops the testbed, which ends its processes.
    let result = until_stopped(held).await.unwrap_or(Ok(()));
    state.forget();
    result
}

/// The outcome, or none when SIGINT, SIGTERM or SIGHUP came first.
///
/// # Errors
/// None of its own.
pub async fn until_stopped<T>(work: impl Future<Output = T>) -> Option<T> {
    let stopped = async {
        let wait = |kind| async move {
            match signal(kind) {
                Ok(mut stream) => drop(stream.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait(SignalKind::interrupt()) => {}
            () = wait(SignalKind::terminate()) => {}
            () = wait(SignalKind::hangup()) => {}
        }
    };
    tokio::select! {
        outcome = work => Some(outcome),
        () = stopped => None,
    }
}

/// Starts `testbed serve` with these arguments in the background and waits until it is ready. One that is up already is left
/// as it is; one that was started here is stopped when a signal comes before it is ready.
///
/// # Errors
/// When the start fails, with what it said.
pub async fn up(state: &State, serve_args: &[String]) -> Result<Access> {
    if let Some(access) = state.access()? {
        progress("the testbed is already up");
        return Ok(access);
    }
    let ours = state.owner_pid()?.is_none();
    if ours {
        let log = File::create(state.log_path())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg("--state-dir").arg(&state.dir).args(serve_args);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut child = command.spawn().context("can't start `testbed serve`")?;
        // Reaped here, so that an early end is seen as one.
        std::thread::spawn(move || child.wait());
    }
    match until_stopped(ready(state)).await {
        Some(access) => access,
        None => {
            if ours {
                down(state).await?;
            }
            bail!("stopped before the testbed was ready")
        }
    }
}

/// Waits for the owner to publish the testbed, and shows what it says.
async fn ready(state: &State) -> Result<Access> {
    let mut log = File::open(state.log_path())?;
    let started = Instant::now();
    loop {
        let access = state.access()?;
        let mut said = String::new();
        log.read_to_string(&mut said)?;
        eprint!("{said}");
        if let Some(access) = access {
            return Ok(access);
        }
        // The owner takes its lock in its first moments.
        if started.elapsed() > Duration::from_secs(2) && state.owner_pid()?.is_none() {
            bail!("the testbed ended before it was ready; its log is {}", state.log_path().display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Stops the testbed and waits until it is gone. Nothing happens when none is up.
///
/// # Errors
/// When it does not end within 30 s.
pub async fn down(state: &State) -> Result<()> {
    let Some(pid) = state.owner_pid()? else {
        state.forget();
        progress("no testbed is up");
        return Ok(());
    };
    let _ = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid.to_string()]).status()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while state.owner_pid()?.is_some() {
        if Instant::now() > deadline {
            bail!("the testbed (process {pid}) did not end within 30 s");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    progress("the testbed is down");
    Ok(())
}

//! The processes of one testbed, and the certainty that none outlives it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

const POLL: Duration = Duration::from_millis(25);

/// What to run, under a name that is unique in its testbed.
#[derive(Default)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    /// Added to the environment.
    pub(crate) env: Vec<(String, String)>,
    /// Where it runs; absent: in the testbed's directory.
    pub(crate) dir: Option<PathBuf>,
    /// It fetches from the internet and needs the user's proxies and certificates; they are taken off every other program.
    pub(crate) online: bool,
}

/// The running processes of a testbed and its directory; both are gone soon after this value, or the process that holds
/// it, is.
pub(crate) struct Processes {
    dir: PathBuf,
    running: Mutex<BTreeMap<String, Child>>,
    reaper: Child,
}

impl Processes {
    /// Makes the testbed's directory and starts its reaper.
    pub(crate) fn new() -> Result<Self> {
        let dir = new_directory()?;
        for sub in ["pids", "log", "bin"] {
            fs::create_dir(dir.join(sub))?;
        }
        let reaper = Command::new("sh")
            .args(["-c", include_str!("../reaper.sh"), "stepgate-reaper"])
            .arg(&dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("can't start `sh`, which ends the testbed's processes when it is left")?;
        Ok(Processes { dir, running: Mutex::default(), reaper })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn log_path(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(format!("{name}.log"))
    }

    fn pid_path(&self, name: &str) -> PathBuf {
        self.dir.join("pids").join(name)
    }

    /// Starts a program in a process group of its own, its output appended to its log.
    pub(crate) fn start(&self, program: &Program) -> Result<()> {
        let mut running = self.lock();
        if running.contains_key(&program.name) {
            bail!("{} is already running", program.name);
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log_path(&program.name))?;
        let mut command = Command::new("sh");
        // The pid is on disk before the program runs, so that there is no moment in which the reaper doesn't know of it.
        command.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(self.pid_path(&program.name)).arg(&program.path);
        command.args(&program.args).current_dir(program.dir.as_ref().unwrap_or(&self.dir));
        if !program.online {
            without_aws(&mut command);
        }
        command.envs(program.env.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().with_context(|| format!("can't start {}", program.path.display()))?;
        running.insert(program.name.clone(), child);
        Ok(())
    }

    /// The process id, while the program runs.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        let mut running = self.lock();
        let child = running.get_mut(name)?;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    /// Runs a program to its end and says whether it succeeded; `waiting` is called every few moments.
    pub(crate) async fn run(&self, program: &Program, mut waiting: impl FnMut()) -> Result<bool> {
        self.start(program)?;
        while self.pid(&program.name).is_some() {
            waiting();
            tokio::time::sleep(POLL).await;
        }
        let child = self.lock().remove(&program.name);
        let _ = fs::remove_file(self.pid_path(&program.name));
        Ok(child.context("the program was stopped")?.wait()?.success())
    }

    /// Ends a program: SIGTERM, and SIGKILL after `grace`. Nothing happens when it does not run. Answers whether it ended well.
    pub(crate) async fn stop(&self, name: &str, grace: Duration) -> Result<bool> {
        let Some(mut child) = self.lock().remove(name) else {
            return Ok(true);
        };
        if !grace.is_zero() {
            signal_group("TERM", child.id());
            let deadline = Instant::now() + grace;
            while child.try_wait()?.is_none() && Instant::now() < deadline {
                tokio::time::sleep(POLL).await;
            }
        }
        signal_group("KILL", child.id());
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None => tokio::time::sleep(POLL).await,
            }
        };
        match fs::remove_file(self.pid_path(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(status.success()),
        }
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the program ends before, or is not ready in time; the message shows the end of its log.
    pub(crate) async fn wait_ready(&self, name: &str, timeout: Duration, ready: impl AsyncFn() -> bool) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let reason = loop {
            // A stranger who answers on our port is not our program.
            if self.pid(name).is_none() {
                break "ended before it was ready".to_owned();
            }
            if ready().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                break format!("was not ready after {} s", timeout.as_secs());
            }
            tokio::time::sleep(POLL * 2).await;
        };
        Err(anyhow!("{name} {reason}. The end of its log:\n{}", tail(&self.log_path(name), 15)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Child>> {
        self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let reaped = !matches!(self.reaper.try_wait(), Ok(None));
            // Ended children stay visible to the reaper, and to everyone, until they are waited for.
            let ended = self.lock().values_mut().all(|child| !matches!(child.try_wait(), Ok(None)));
            if (reaped && ended) || Instant::now() > deadline {
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Takes the user's AWS settings and proxies off a command that talks to the emulator.
pub(crate) fn without_aws(command: &mut Command) {
    let proxies = ["http_proxy", "https_proxy", "all_proxy"];
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("AWS_") || proxies.contains(&name.to_lowercase().as_str()) {
            command.env_remove(&key);
        }
    }
}

fn signal_group(signal: &str, pid: u32) {
    // `kill` of the shell: there is no signal without unsafe in the standard library.
    let _ = Command::new("sh").args(["-c", r#"kill "-$0" "-$1" 2>/dev/null"#, signal, &pid.to_string()]).status();
}

fn new_directory() -> Result<PathBuf> {
    let temp = std::env::temp_dir();
    for n in 0..10_000 {
        let dir = temp.join(format!("stepgate-testbed-{}-{n}", std::process::id()));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("can't create {}", dir.display()));
            }
        }
    }
    bail!("can't find a free name for a directory in {}", temp.display())
}

pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// With the command's own words when it can't start or fails.
pub(crate) async fn run(mut command: Command, input: Option<String>) -> Result<String> {
    let shown: Vec<OsString> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(OsString::from).collect();
    let shown = shown.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" ");
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut command = tokio::process::Command::from(command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("can't run `{shown}`"))?;
    let stdin = child.stdin.take();
    let feed = async move {
        if let (Some(mut stdin), Some(text)) = (stdin, input) {
            // A program may stop reading early; its exit status tells.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stdin, text.as_bytes()).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    let output = output?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed: {}", words.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

//! The programs of the testbed: found, or built once and kept in the user's cache.
//!
//! The versions are pinned by `controlplane/go.sum`, `helm/go.sum` and `localstack/requirements.lock`; each cache directory
//! carries the hash of its pins, so a change of them builds anew and nothing else does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::processes::{Processes, Program, tail};
use crate::progress;

/// Without a version linked in, kubectl and helm can't parse what the API server says of itself.
const LDFLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.1 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

/// Programs of the control plane: name and Go package.
const CONTROL_PLANE: [(&str, &str); 4] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
];
const HELM: [(&str, &str); 1] = [("helm", "helm.sh/helm/v4/cmd/helm")];

/// Where each program is.
#[derive(Clone, Debug)]
pub(crate) struct Assets {
    pub(crate) etcd: PathBuf,
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) kube_controller_manager: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) helm: PathBuf,
    /// The Python of LocalStack's virtual environment; none when another AWS endpoint is used.
    pub(crate) python: Option<PathBuf>,
}

impl Assets {
    /// Finds every program, and builds what is missing: about 8 minutes the first time, on two cores. What is being built
    /// ends with `processes`.
    ///
    /// `KUBEBUILDER_ASSETS` comes first, then the cache. Programs on the PATH are not taken: their versions are not ours.
    ///
    /// # Errors
    /// When a prerequisite is missing (Go, Python 3.11, curl), with one sentence that names it, or a build fails.
    pub(crate) async fn find(processes: &Processes, with_emulator: bool) -> Result<Assets> {
        let control_plane = GoModule::new("controlplane", &CONTROL_PLANE)?;
        let helm = GoModule::new("helm", &HELM)?;
        let localstack = with_emulator.then(LocalStack::new).transpose()?;
        // Before the first long step, all that could stop a later one.
        needs("curl", &["--version"], "install curl (7.75 or newer)")?;
        if !control_plane.is_complete() || !helm.is_complete() {
            needs_go()?;
        }
        if localstack.as_ref().is_some_and(|localstack| !localstack.is_complete()) {
            needs("python3.11", &["-c", "import venv, ensurepip"], "install Python 3.11 with its venv module")?;
        }
        let go = async {
            control_plane.build(processes).await?;
            helm.build(processes).await
        };
        let python = async {
            match &localstack {
                Some(localstack) => localstack.install(processes).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(go, python)?;
        Ok(Assets {
            etcd: control_plane.path("etcd"),
            kube_apiserver: control_plane.path("kube-apiserver"),
            kube_controller_manager: control_plane.path("kube-controller-manager"),
            kubectl: control_plane.path("kubectl"),
            helm: helm.path("helm"),
            python: localstack.map(|localstack| localstack.python()),
        })
    }
}

/// The emulator's Python alone.
///
/// # Errors
/// As [`Assets::find`].
pub(crate) async fn python(processes: &Processes) -> Result<PathBuf> {
    let localstack = LocalStack::new()?;
    needs("curl", &["--version"], "install curl (7.75 or newer)")?;
    if !localstack.is_complete() {
        needs("python3.11", &["-c", "import venv, ensurepip"], "install Python 3.11 with its venv module")?;
    }
    localstack.install(processes).await?;
    Ok(localstack.python())
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The cache directory of one set of pins.
fn cache(name: &str, pins: &[&[u8]]) -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place to keep the built programs")?;
    let mut hash = Sha256::new();
    for pin in pins {
        hash.update(pin);
        hash.update([0]);
    }
    let hash: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let dir = base.join("stepgate").join(format!("{name}-{hash}"));
    fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
    Ok(dir)
}

/// Held while a cache directory is filled, so that two processes don't do it at once.
async fn lock(dir: &Path) -> Result<File> {
    let lock = File::create(dir.join(".lock"))?;
    let mut said = false;
    while lock.try_lock().is_err() {
        if !said {
            progress(format!("waiting for another process that is building into {}", dir.display()));
            said = true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(lock)
}

/// Programs that are built from one go.mod.
struct GoModule {
    source: PathBuf,
    cache: PathBuf,
    programs: &'static [(&'static str, &'static str)],
}

impl GoModule {
    fn new(name: &str, programs: &'static [(&'static str, &'static str)]) -> Result<GoModule> {
        let source = source(name);
        let sum = fs::read(source.join("go.sum"))?;
        Ok(GoModule { cache: cache(name, &[&sum, LDFLAGS.as_bytes()])?, source, programs })
    }

    fn path(&self, name: &str) -> PathBuf {
        let given = std::env::var_os("KUBEBUILDER_ASSETS").map(|dir| Path::new(&dir).join(name));
        given.filter(|path| path.is_file()).unwrap_or_else(|| self.cache.join(name))
    }

    fn missing(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        self.programs.iter().filter(|(name, _)| !self.path(name).is_file())
    }

    fn is_complete(&self) -> bool {
        self.missing().next().is_none()
    }

    /// Builds what is missing, beside its place, and moves it there when it is whole.
    async fn build(&self, processes: &Processes) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        let _lock = lock(&self.cache).await?;
        for (name, package) in self.missing() {
            let path = self.cache.join(name);
            let part = self.cache.join(format!("{name}.part"));
            let flags = ["build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", LDFLAGS, "-o"];
            let args = flags.map(str::to_owned).into_iter();
            let program = Program {
                name: format!("build-{name}"),
                path: "go".into(),
                args: args.chain([part.to_string_lossy().into_owned(), (*package).to_owned()]).collect(),
                env: vec![("GOFLAGS".into(), String::new()), ("GOWORK".into(), "off".into())],
                dir: Some(self.source.clone()),
                online: true,
            };
            watched(processes, &program, &format!("building {name}"), "packages").await?;
            fs::rename(&part, &path)?;
        }
        Ok(())
    }
}

/// LocalStack in a virtual environment with exactly the versions of the lock file.
struct LocalStack {
    cache: PathBuf,
    lock_file: PathBuf,
}

impl LocalStack {
    fn new() -> Result<LocalStack> {
        let lock_file = source("localstack/requirements.lock");
        Ok(LocalStack { cache: cache("localstack", &[&fs::read(&lock_file)?])?, lock_file })
    }

    fn python(&self) -> PathBuf {
        self.cache.join("venv/bin/python")
    }

    /// A virtual environment knows its own path and can't be built elsewhere and moved, so a mark says that it is whole.
    fn mark(&self) -> PathBuf {
        self.cache.join(".complete")
    }

    fn is_complete(&self) -> bool {
        self.mark().exists() && self.python().exists()
    }

    async fn install(&self, processes: &Processes) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        let _lock = lock(&self.cache).await?;
        if self.is_complete() {
            return Ok(());
        }
        let venv = self.cache.join("venv");
        if venv.exists() {
            fs::remove_dir_all(&venv)?;
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let create = Program {
            name: "create-venv".into(),
            path: "python3.11".into(),
            args: vec!["-m".into(), "venv".into(), text(&venv)],
            online: true,
            ..Program::default()
        };
        watched(processes, &create, "creating a Python environment for LocalStack", "").await?;
        let pip = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps", "-r"];
        let install = Program {
            name: "install-localstack".into(),
            path: self.python(),
            args: pip.map(str::to_owned).into_iter().chain([text(&self.lock_file)]).collect(),
            online: true,
            ..Program::default()
        };
        watched(processes, &install, "installing LocalStack 4.9.2", "").await?;
        File::create(self.mark())?;
        Ok(())
    }
}

/// With GOTOOLCHAIN=auto an older Go fetches the one that go.mod asks for; here it says when it can't.
fn needs_go() -> Result<()> {
    let version =
        Command::new("go").arg("version").current_dir(source("controlplane")).env("GOWORK", "off").output().ok();
    match version {
        Some(output) if output.status.success() => Ok(()),
        Some(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!(
                "building the control plane needs Go 1.26 or newer: install it from https://go.dev/dl (`go version` says: {})",
                words.trim()
            )
        }
        None => bail!("`go` is missing on this machine: install Go 1.26 or newer from https://go.dev/dl"),
    }
}

/// # Errors
/// One sentence when the program is missing or does not work.
fn needs(program: &str, check: &[&str], cure: &str) -> Result<()> {
    match Command::new(program).args(check).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.trim().lines().last().unwrap_or("it says nothing");
            bail!("`{program}` does not work on this machine ({words}): {cure}")
        }
        Err(_) => bail!("`{program}` is missing on this machine: {cure}"),
    }
}

/// Runs a long program, saying every few seconds how long it has taken; its own words are shown only when it fails.
async fn watched(processes: &Processes, program: &Program, what: &str, unit: &str) -> Result<()> {
    let log = processes.log_path(&program.name);
    let started = Instant::now();
    let mut said = Instant::now();
    progress(format!("{what} (first time only) …"));
    let succeeded = processes
        .run(program, || {
            if said.elapsed() < Duration::from_secs(5) {
                return;
            }
            said = Instant::now();
            let count = match unit {
                "" => String::new(),
                unit => format!(", {} {unit}", tail(&log, usize::MAX).lines().count()),
            };
            progress(format!("{what} (first time only) … {} s{count}", started.elapsed().as_secs()));
        })
        .await?;
    if !succeeded {
        bail!("{what} failed:\n{}", tail(&log, 20));
    }
    progress(format!("{what}: done in {} s", started.elapsed().as_secs()));
    Ok(())
}

//! The programs of the testbed: found, or built once and kept in the user's cache.
//!
//! The versions are pinned by `controlplane/go.sum`, `helm/go.sum`, `argocd/go.sum` and `localstack/requirements.lock`; each
//! cache directory carries the hash of its pins, so a change of them builds anew and nothing else does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::processes::{Processes, Program, run, tail};
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
/// One program for every part of Argo CD.
const ARGO_CD: [(&str, &str); 1] = [("argocd", "github.com/argoproj/argo-cd/v3/cmd")];
/// Our own beside it: its cache, and what tries our Lua with its code.
const ARGO_CD_TOOLS: [(&str, &str); 2] = [("redis", "./redis"), ("luatest", "./luatest")];
const ARGO_CD_MODULE: &str = "github.com/argoproj/argo-cd/v3";
const ARGO_CD_LDFLAGS: &str = "-s -w -X github.com/argoproj/argo-cd/v3/common.version=3.5.3";
/// Of Argo CD's release: its CRDs and its settings as they come.
const ARGO_CD_MANIFESTS: [&str; 4] = [
    "crds/application-crd.yaml",
    "crds/applicationset-crd.yaml",
    "crds/appproject-crd.yaml",
    "base/config/argocd-cm.yaml",
];

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
        let control_plane = GoModule::new("controlplane", "controlplane", &CONTROL_PLANE, LDFLAGS)?;
        let helm = helm_module()?;
        let localstack = with_emulator.then(LocalStack::new).transpose()?;
        // Before the first long step, all that could stop a later one.
        needs("curl", &["--version"], "install curl (7.75 or newer)")?;
        if !control_plane.is_complete() || !helm.is_complete() {
            needs_go("the control plane", &control_plane)?;
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

/// Where the parts of Argo CD are.
#[derive(Clone, Debug)]
pub(crate) struct ArgoCdAssets {
    pub(crate) argocd: PathBuf,
    pub(crate) redis: PathBuf,
    pub(crate) luatest: PathBuf,
    /// [`ARGO_CD_MANIFESTS`] in one file.
    pub(crate) manifests: PathBuf,
}

impl ArgoCdAssets {
    /// Finds every part, and builds what is missing: about 4 minutes the first time, on two cores.
    ///
    /// # Errors
    /// As [`Assets::find`]; git is a prerequisite here.
    pub(crate) async fn find(processes: &Processes) -> Result<ArgoCdAssets> {
        let module = GoModule::new("argocd", "argocd", &ARGO_CD, ARGO_CD_LDFLAGS)?;
        let tools = GoModule::new("argocd-tools", "argocd", &ARGO_CD_TOOLS, "-s -w")?;
        let manifests = module.cache.join("manifests.yaml");
        needs("git", &["--version"], "install git, with which Argo CD reads its repositories")?;
        if !module.is_complete() || !tools.is_complete() || !manifests.is_file() {
            needs_go("Argo CD", &module)?;
        }
        module.build(processes).await?;
        tools.build(processes).await?;
        if !manifests.is_file() {
            let dir = module.dir_of(ARGO_CD_MODULE).await?.join("manifests");
            let texts = ARGO_CD_MANIFESTS.map(|file| fs::read_to_string(dir.join(file)));
            let texts = texts.into_iter().collect::<Result<Vec<_>, _>>()?;
            let part = manifests.with_extension("part");
            fs::write(&part, texts.join("\n---\n"))?;
            fs::rename(&part, &manifests)?;
        }
        Ok(ArgoCdAssets {
            argocd: module.path("argocd"),
            redis: tools.path("redis"),
            luatest: tools.path("luatest"),
            manifests,
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

/// Helm alone: found, or built, as for a [`Testbed`](crate::Testbed).
///
/// # Errors
/// When Go is missing, with one sentence that says so, or the build fails.
pub async fn helm() -> Result<PathBuf> {
    let module = helm_module()?;
    if !module.is_complete() {
        needs_go("helm", &module)?;
        module.build(&Processes::new()?).await?;
    }
    Ok(module.path("helm"))
}

fn helm_module() -> Result<GoModule> {
    GoModule::new("helm", "helm", &HELM, LDFLAGS)
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
    ldflags: &'static str,
}

impl GoModule {
    /// Of the Go module in the folder `module`; what is built is kept under `name`.
    fn new(
        name: &str,
        module: &str,
        programs: &'static [(&'static str, &'static str)],
        ldflags: &'static str,
    ) -> Result<GoModule> {
        let source = source(module);
        let mut pins = vec![fs::read(source.join("go.sum"))?, ldflags.into()];
        // go.sum does not hold what a program of our own says.
        for own in programs.iter().filter_map(|(_, package)| package.strip_prefix("./")) {
            pins.push(fs::read(source.join(own).join("main.go"))?);
        }
        let pins: Vec<&[u8]> = pins.iter().map(Vec::as_slice).collect();
        Ok(GoModule { cache: cache(name, &pins)?, source, programs, ldflags })
    }

    /// Where Go keeps the files of a module that this one requires.
    async fn dir_of(&self, module: &str) -> Result<PathBuf> {
        let mut go = Command::new("go");
        go.args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]).current_dir(&self.source);
        go.env("GOFLAGS", "").env("GOWORK", "off");
        Ok(PathBuf::from(run(go, None).await?.trim()))
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
            let flags =
                ["build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", self.ldflags, "-o"];
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
fn needs_go(what: &str, module: &GoModule) -> Result<()> {
    let version = Command::new("go").arg("version").current_dir(&module.source).env("GOWORK", "off").output().ok();
    match version {
        Some(output) if output.status.success() => Ok(()),
        Some(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!(
                "building {what} needs Go 1.26 or newer: install it from https://go.dev/dl (`go version` says: {})",
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

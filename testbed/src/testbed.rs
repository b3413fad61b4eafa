//! A running testbed, and what a client of it needs to know.

use std::ffi::OsStr;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::assets::Assets;
use crate::aws::{self, Aws, LOCALSTACK, REGION};
use crate::control_plane::{API_SERVER, ControlPlane};
use crate::ports::Ports;
use crate::processes::{Processes, Program, run, without_aws};

/// The operator's `--cluster-name`.
pub(crate) const CLUSTER_NAME: &str = "testbed";

/// How a [`Testbed`] is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Another AWS endpoint, which is used instead of starting an emulator.
    pub aws_endpoint: Option<String>,
}

/// The repository that this crate was built in.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// What a client of a testbed needs: it owns nothing, so a copy of it may outlive the testbed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    kubeconfig: PathBuf,
    aws_endpoint: String,
    dir: PathBuf,
}

impl Access {
    /// The admin's kubeconfig.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// The URL of the AWS emulator.
    pub fn aws_endpoint(&self) -> &str {
        &self.aws_endpoint
    }

    /// The testbed's own directory with its logs; it is removed at the end.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of `kubectl` and `helm`.
    pub fn bin_dir(&self) -> PathBuf {
        self.dir.join("bin")
    }

    /// A client for the emulator.
    pub fn aws(&self) -> Aws {
        Aws::new(&self.aws_endpoint)
    }

    /// A new Kubernetes client with the admin's rights; it belongs to the caller's runtime.
    ///
    /// # Errors
    /// When the kubeconfig is gone: the testbed has ended.
    pub async fn kube_client(&self) -> Result<kube::Client> {
        let kubeconfig = kube::config::Kubeconfig::read_from(&self.kubeconfig)?;
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
        config.proxy_url = None;
        Ok(kube::Client::try_from(config)?)
    }

    /// The environment in which `kubectl`, `helm`, the AWS CLI and SDKs use this testbed.
    pub fn env(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        // Caches of the user are keyed by address, and the next testbed may have the same.
        [
            ("KUBECONFIG", text(self.kubeconfig.clone())),
            ("KUBECACHEDIR", text(self.dir.join("kubectl-cache"))),
            ("HELM_CACHE_HOME", text(self.dir.join("helm-cache"))),
            ("HELM_CONFIG_HOME", text(self.dir.join("helm-config"))),
            ("HELM_DATA_HOME", text(self.dir.join("helm-data"))),
            ("AWS_ENDPOINT_URL", self.aws_endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_DEFAULT_REGION", REGION.into()),
            ("STEPGATE_CLUSTER_NAME", CLUSTER_NAME.into()),
            ("NO_PROXY", format!("127.0.0.1,localhost,{}", std::env::var("NO_PROXY").unwrap_or_default())),
            ("PATH", format!("{}:{path}", text(self.bin_dir()))),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Runs `kubectl` as the admin and returns its standard output.
    ///
    /// # Errors
    /// With kubectl's words.
    pub async fn kubectl<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<String> {
        self.tool("kubectl", args, None).await
    }

    /// Runs `helm` as the admin and returns its standard output.
    ///
    /// # Errors
    /// With helm's words.
    pub async fn helm<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<String> {
        self.tool("helm", args, None).await
    }

    /// Applies manifests given as text.
    ///
    /// # Errors
    /// With the API server's words.
    pub async fn apply(&self, manifests: &str) -> Result<String> {
        self.tool("kubectl", ["apply", "-f", "-"], Some(manifests.to_owned())).await
    }

    async fn tool<A: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
        input: Option<String>,
    ) -> Result<String> {
        let mut command = Command::new(self.bin_dir().join(program));
        without_aws(&mut command);
        command.args(args).envs(self.env());
        run(command, input).await
    }
}

/// A control plane and an AWS emulator that run until this is dropped, or its process ends in whatever way.
pub struct Testbed {
    access: Access,
    processes: Processes,
    control_plane: ControlPlane,
    emulator: Option<Program>,
    /// Held, so that a stopped program finds its port free again.
    ports: Ports,
}

impl Deref for Testbed {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl Testbed {
    /// Starts everything on free ports and waits until it works: about 6 s, and once about 8 minutes more to build what is
    /// missing.
    ///
    /// # Errors
    /// When a prerequisite is missing, or a program does not get ready; the message shows the end of its log.
    pub async fn start(options: Options) -> Result<Testbed> {
        let processes = Processes::new()?;
        let assets = Assets::find(&processes, options.aws_endpoint.is_none()).await?;
        let ports = Ports::default();
        let dir = processes.dir().to_owned();
        for (name, path) in [("kubectl", &assets.kubectl), ("helm", &assets.helm)] {
            std::os::unix::fs::symlink(path, dir.join("bin").join(name))?;
        }
        let control_plane = ControlPlane::new(&assets, &ports, &dir)?;
        let (aws_endpoint, emulator) = match (options.aws_endpoint, &assets.python) {
            (None, Some(python)) => {
                fs::create_dir(dir.join("localstack"))?;
                let port = ports.take()?;
                (format!("http://127.0.0.1:{port}"), Some(aws::localstack(python, port, &dir)))
            }
            (endpoint, _) => (endpoint.context("there is neither an AWS endpoint nor an emulator")?, None),
        };
        let access = Access { kubeconfig: control_plane.kubeconfig().to_owned(), aws_endpoint, dir };
        let testbed = Testbed { access, processes, control_plane, emulator, ports };
        tokio::try_join!(testbed.control_plane.start(&testbed.processes), testbed.start_aws())?;
        Ok(testbed)
    }

    /// What a client needs to know.
    pub fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// The API server's URL.
    pub fn api_url(&self) -> &str {
        self.control_plane.api_url()
    }

    /// The text of a kubeconfig for whoever holds a token, such as one of `kubectl create token`.
    pub fn kubeconfig_for(&self, token: &str) -> String {
        self.control_plane.kubeconfig_for(token)
    }

    /// A port of 127.0.0.1 that stays free for the caller until the testbed ends.
    ///
    /// # Errors
    /// When none is free.
    pub fn free_port(&self) -> Result<u16> {
        self.ports.take()
    }

    /// Stops the AWS emulator; everything in it is lost. To make it unreachable and keep its state, put a
    /// [`crate::Relay`] before it.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub async fn stop_aws(&self) -> Result<()> {
        self.processes.stop(LOCALSTACK, Duration::from_secs(3)).await.map(drop)
    }

    /// Starts the AWS emulator, empty, at the same URL.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_aws(&self) -> Result<()> {
        let Some(emulator) = &self.emulator else {
            return Ok(());
        };
        self.processes.start(emulator)?;
        aws::wait_ready(&self.processes, &self.access.aws_endpoint).await
    }

    /// Stops the API server; etcd keeps its state.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub async fn stop_apiserver(&self) -> Result<()> {
        // After a SIGTERM it would keep its port for up to a minute.
        self.processes.stop(API_SERVER, Duration::from_secs(1)).await.map(drop)
    }

    /// Starts the API server again, at the same URL and with the same state.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        self.control_plane.start_api_server(&self.processes).await
    }
}

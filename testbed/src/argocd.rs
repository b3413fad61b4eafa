//! A real Argo CD as plain processes: repo-server, application controller and ApplicationSet controller, with a cache in
//! memory. Its API server and UI are not started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::assets::ArgoCdAssets;
use crate::control_plane::{answers, random};
use crate::curl::Request;
use crate::git::GitRepository;
use crate::operator::chart;
use crate::processes::{Program, run};
use crate::testbed::{Access, Testbed};

/// Where Argo CD and its Applications are.
pub const NAMESPACE: &str = "argocd";
/// The repository, and the Application, of [`ArgoCd::hands_on`].
const HANDS_ON: &str = "manifests";
const CACHE: &str = "argocd-redis";
const REPO_SERVER: &str = "argocd-repo-server";
const CONTROLLER: &str = "argocd-application-controller";
const APPLICATION_SETS: &str = "argocd-applicationset-controller";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Argo CD; it ends with its testbed.
pub struct ArgoCd<'a> {
    testbed: &'a Testbed,
    assets: ArgoCdAssets,
}

/// How an Application is looked at anew.
#[derive(Clone, Copy, Debug)]
pub enum Refresh {
    /// Its git repository is read; manifests of a known commit come from the cache.
    Normal,
    /// Its manifests are rendered anew, too.
    Hard,
}

impl<'a> ArgoCd<'a> {
    /// Installs Argo CD's objects, among them its settings with the health checks and actions of our chart, and starts its
    /// processes with the admin's rights; returns when they do their work. About 4 s, and once about 4 minutes more to
    /// build it.
    ///
    /// A changed repository is noticed within about 15 s; [`ArgoCd::refresh`] does it at once.
    ///
    /// # Errors
    /// When git is missing, or a part does not get ready.
    pub async fn start(testbed: &'a Testbed) -> Result<ArgoCd<'a>> {
        let argo = ArgoCd { testbed, assets: ArgoCdAssets::find(testbed.processes()).await? };
        let environment = Environment::new(testbed, &argo.assets)?;
        let port = || testbed.free_port();
        let cache = format!("127.0.0.1:{}", port()?);
        let (repo_port, repo_metrics) = (port()?, port()?);
        let repo_server = format!("127.0.0.1:{repo_port}");
        let (controller_metrics, sets_metrics, sets_webhooks) = (port()?, port()?, port()?);
        let serve = Program {
            name: CACHE.into(),
            path: argo.assets.redis.clone(),
            args: vec![cache.clone()],
            ..Program::default()
        };
        testbed.processes().start(&serve)?;
        let program = environment.program(
            REPO_SERVER,
            &[
                "--address=127.0.0.1".into(),
                format!("--port={repo_port}"),
                "--metrics-address=127.0.0.1".into(),
                format!("--metrics-port={repo_metrics}"),
                format!("--redis={cache}"),
                "--disable-tls".into(),
                // Without TLS it does not start with the default.
                "--client-ca-path=".into(),
            ],
        );
        let health = format!("http://127.0.0.1:{repo_metrics}/healthz?full=true");
        tokio::try_join!(argo.install(), argo.run(program, health))?;
        let controller = environment.program(
            CONTROLLER,
            &[
                format!("--namespace={NAMESPACE}"),
                format!("--redis={cache}"),
                format!("--repo-server={repo_server}"),
                "--repo-server-plaintext".into(),
                format!("--metrics-port={controller_metrics}"),
                // There is no API server of Argo CD to ask why an object is not healthy: its Application says it.
                "--persist-resource-health".into(),
            ],
        );
        let sets = environment.program(
            APPLICATION_SETS,
            &[
                format!("--namespace={NAMESPACE}"),
                format!("--argocd-repo-server={repo_server}"),
                "--repo-server-plaintext".into(),
                format!("--metrics-addr=127.0.0.1:{sets_metrics}"),
                format!("--webhook-addr=127.0.0.1:{sets_webhooks}"),
                "--probe-addr=0".into(),
            ],
        );
        tokio::try_join!(
            argo.run(controller, format!("http://127.0.0.1:{controller_metrics}/healthz")),
            argo.run(sets, format!("http://127.0.0.1:{sets_metrics}/metrics")),
        )?;
        Ok(argo)
    }

    async fn run(&self, program: Program, health: String) -> Result<()> {
        let processes = self.testbed.processes();
        processes.start(&program)?;
        let health = Request::get(health);
        processes.wait_ready(&program.name, PATIENCE, async || answers(&health).await).await
    }

    /// Everything that the processes expect to find.
    async fn install(&self) -> Result<()> {
        let release = fs::read_to_string(&self.assets.manifests)?;
        let part_of = json!({"app.kubernetes.io/part-of": "argocd"});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let empty = |kind: &str, name: &str| {
            let metadata = json!({"name": name, "namespace": NAMESPACE, "labels": part_of});
            json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})
        };
        let mut secret = empty("Secret", "argocd-secret");
        secret["stringData"] = json!({"server.secretkey": random()});
        let own = [namespace, secret, empty("ConfigMap", "argocd-rbac-cm"), empty("ConfigMap", "argocd-cmd-params-cm")];
        let documents: Vec<String> = own.iter().map(Value::to_string).chain([release]).collect();
        self.apply(&documents.join("\n---\n")).await?;
        let settings = json!({"data": settings(self.testbed).await?["data"]}).to_string();
        let patch = ["patch", "configmap", "argocd-cm", "-n", NAMESPACE, "--type=merge", "--patch", &settings];
        self.testbed.kubectl(patch).await?;
        let project = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{"namespace": "*", "server": "*"}],
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            },
        });
        // Its CRD is not served in the first moments.
        let started = Instant::now();
        while let Err(error) = self.apply(&project.to_string()).await {
            if started.elapsed() > PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn apply(&self, manifests: &str) -> Result<()> {
        let path = self.testbed.dir().join("argocd/apply.yaml");
        fs::write(&path, manifests)?;
        let path = path.to_string_lossy();
        self.testbed.kubectl(["apply", "--server-side", "-n", NAMESPACE, "-f", &path]).await?;
        Ok(())
    }

    /// A repository for a person to push to, and the Application `manifests` that keeps the cluster as that says.
    ///
    /// # Errors
    /// With the words of git or of the API server.
    pub async fn hands_on(&self) -> Result<()> {
        let repository = GitRepository::create(self.testbed, HANDS_ON).await?;
        let source = json!({
            "repoURL": repository.url(), "path": ".", "targetRevision": "HEAD",
            // The examples' calls are no manifests.
            "directory": {"recurse": true, "exclude": "{*/demo/*,*/update/*}"},
        });
        self.apply(&application(HANDS_ON, source, &["ServerSideApply=true"]).to_string()).await
    }

    /// Holds the chart's health checks and actions to their cases, with Argo CD's own code.
    ///
    /// # Errors
    /// With every difference.
    pub async fn try_customizations(&self) -> Result<String> {
        let settings = settings(self.testbed).await?.to_string();
        let mut luatest = Command::new(&self.assets.luatest);
        luatest.arg(Path::new(&chart()).join("files/argocd"));
        run(luatest, Some(settings)).await
    }

    /// Has an Application look at its repository now.
    ///
    /// # Errors
    /// When there is no such Application.
    pub async fn refresh(&self, application: &str, refresh: Refresh) -> Result<()> {
        let how = match refresh {
            Refresh::Normal => "normal",
            Refresh::Hard => "hard",
        };
        let gvk = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
        let resource = ApiResource::from_gvk_with_plural(&gvk, "applications");
        let client = self.testbed.kube_client().await?;
        let applications: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
        let patch = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": how}}});
        applications.patch(application, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }
}

/// An Application that syncs by itself, prunes, heals and takes its objects with it when it is deleted.
pub fn application(name: &str, source: Value, sync_options: &[&str]) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        "spec": {
            "project": "default",
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc"},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": sync_options},
        },
    })
}

/// How a person uses the Argo CD of a testbed; none when it has none.
pub(crate) fn usage(access: &Access) -> Option<String> {
    let bare = access.dir().join("git").join(format!("{HANDS_ON}.git"));
    bare.is_dir().then(|| {
        format!(
            "Argo CD applies what is pushed to {}, within 15 s:\n\n    \
             git clone file://{} {HANDS_ON} && cp -r examples/hello-world {HANDS_ON}/\n    \
             git -C {HANDS_ON} add . && git -C {HANDS_ON} commit -m hello && git -C {HANDS_ON} push\n    \
             kubectl -n {NAMESPACE} get applications -w",
            bare.display(),
            bare.display(),
        )
    })
}

/// What the chart adds to `argocd-cm`.
async fn settings(access: &Access) -> Result<Value> {
    let template = ["template", "stepgate", &chart(), "--set", "argocd.enabled=true"];
    let show = ["--show-only", "templates/argocd-cm.yaml"];
    let manifest = access.helm(template.into_iter().chain(show)).await?;
    serde_saphyr::from_str(&manifest).context("in the chart's templates/argocd-cm.yaml")
}

/// What Argo CD's programs see of the machine: nothing of the user's.
struct Environment {
    argocd: String,
    variables: Vec<String>,
}

impl Environment {
    fn new(testbed: &Testbed, assets: &ArgoCdAssets) -> Result<Environment> {
        let dir = testbed.dir().join("argocd");
        let folder = |name: &str| -> Result<String> {
            let folder = dir.join(name);
            fs::create_dir_all(&folder)?;
            Ok(folder.to_string_lossy().into_owned())
        };
        // The repo-server calls it for every commit, also with signatures switched off.
        let verify = testbed.bin_dir().join("git-verify-wrapper.sh");
        fs::write(&verify, "#!/bin/sh\nexit 0\n")?;
        fs::set_permissions(&verify, fs::Permissions::from_mode(0o755))?;
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            ("PATH", format!("{}:{path}", testbed.bin_dir().display())),
            ("HOME", folder("home")?),
            ("TMPDIR", folder("tmp")?),
            ("KUBECONFIG", testbed.kubeconfig_path().to_string_lossy().into_owned()),
            // https://kubernetes.default.svc is the cluster of the kubeconfig.
            ("ARGOCD_FAKE_IN_CLUSTER", "true".into()),
            ("ARGOCD_GPG_ENABLED", "false".into()),
            ("ARGOCD_RECONCILIATION_TIMEOUT", "10s".into()),
            ("ARGOCD_RECONCILIATION_JITTER", "0s".into()),
            ("ARGOCD_TLS_DATA_PATH", folder("tls")?),
            ("ARGOCD_SSH_DATA_PATH", folder("ssh")?),
            ("ARGOCD_GNUPGHOME", folder("gnupg")?),
            ("ARGOCD_GPG_DATA_PATH", folder("gpg")?),
            ("ARGOCD_PLUGINSOCKFILEPATH", folder("plugins")?),
            ("ARGOCD_ASK_PASS_SOCK", dir.join("ask-pass.sock").to_string_lossy().into_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ];
        let variables = variables.map(|(key, value)| format!("{key}={value}")).into();
        Ok(Environment { argocd: assets.argocd.to_string_lossy().into_owned(), variables })
    }

    /// One part of Argo CD; the program takes its part from a variable.
    fn program(&self, name: &str, args: &[String]) -> Program {
        let part = format!("ARGOCD_BINARY_NAME={name}");
        let start = ["-i".to_owned()].into_iter().chain(self.variables.clone()).chain([part, self.argocd.clone()]);
        Program {
            name: name.to_owned(),
            path: "env".into(),
            args: start.chain(args.iter().cloned()).collect(),
            ..Program::default()
        }
    }
}

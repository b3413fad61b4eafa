//! What the tests share: Argo CD, Applications that follow a repository of their own, and how one sees how they are.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use stepgate_testbed::{ARGOCD_NAMESPACE, ArgoCd, GitRepository, Refresh, application};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::support::{Namespace, Suite, eventually, suite};

/// How long anything may take on a busy machine: longer than the pauses of all parts together.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all tests share.
pub struct Gitops {
    pub suite: &'static Suite,
    pub argo: ArgoCd<'static>,
}

/// The suite's testbed with its Argo CD, which the first test starts.
pub async fn gitops() -> &'static Gitops {
    static GITOPS: OnceCell<Result<Gitops, String>> = OnceCell::const_new();
    let start = async || Gitops::start(suite().await).await.map_err(|error| format!("{error:#}"));
    match GITOPS.get_or_init(start).await {
        Ok(gitops) => gitops,
        Err(error) => panic!("Argo CD did not start: {error}"),
    }
}

impl Gitops {
    /// With an Argo CD on the testbed of this suite.
    pub async fn start(suite: &'static Suite) -> anyhow::Result<Gitops> {
        let started = Instant::now();
        let argo = ArgoCd::start(suite.testbed).await?;
        println!("Argo CD is up ({:.1} s)", started.elapsed().as_secs_f64());
        Ok(Gitops { suite, argo })
    }

    /// A repository of this name.
    pub async fn repository(&self, name: &str) -> GitRepository {
        GitRepository::create(self.suite.testbed, name).await.unwrap()
    }

    /// An Application that follows a folder of a repository, into this namespace where the manifests name none.
    pub async fn app(
        &'static self,
        name: &str,
        mode: Mode,
        repository: &GitRepository,
        path: &str,
        namespace: &str,
    ) -> App {
        let source = json!({"repoURL": repository.url(), "path": path, "targetRevision": "HEAD"});
        let mut manifest = application(name, source, mode.sync_options());
        manifest["metadata"]["annotations"] = mode.annotations();
        manifest["spec"]["destination"]["namespace"] = json!(namespace);
        let app = self.app_named(name).await;
        app.applications.patch(name, &PatchParams::apply("gitops"), &Patch::Apply(&manifest)).await.unwrap();
        app
    }

    /// The Application of this name, which may come later.
    pub async fn app_named(&'static self, name: &str) -> App {
        let gvk = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
        let resource = ApiResource::from_gvk_with_plural(&gvk, "applications");
        // Its connections belong to this test's runtime.
        let client = self.suite.testbed.kube_client().await.unwrap();
        let applications = Api::namespaced_with(client, ARGOCD_NAMESPACE, &resource);
        App { name: name.to_owned(), gitops: self, applications }
    }
}

/// How Argo CD applies objects and compares them with git.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// As `kubectl apply`; three-way comparison.
    ClientSide,
    /// As `kubectl apply --server-side`; comparison by the fields that Argo CD owns.
    ServerSide,
    /// As `kubectl apply --server-side`, and compared by a dry run of it.
    ServerSideDiff,
}

impl Mode {
    /// For names of objects.
    pub fn name(self) -> &'static str {
        match self {
            Mode::ClientSide => "client",
            Mode::ServerSide => "server",
            Mode::ServerSideDiff => "diff",
        }
    }

    fn sync_options(self) -> &'static [&'static str] {
        match self {
            Mode::ClientSide => &[],
            Mode::ServerSide | Mode::ServerSideDiff => &["ServerSideApply=true"],
        }
    }

    fn annotations(self) -> Value {
        match self {
            Mode::ClientSide | Mode::ServerSide => json!({}),
            Mode::ServerSideDiff => json!({"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}),
        }
    }
}

/// An Application. It is deleted, with what it applied, at the end of the test.
pub struct App {
    pub name: String,
    gitops: &'static Gitops,
    applications: Api<DynamicObject>,
}

impl App {
    /// The Application, when it is there.
    pub async fn find(&self) -> Option<Value> {
        let found = self.applications.get_opt(&self.name).await.unwrap();
        found.map(|app| serde_json::to_value(app).unwrap())
    }

    /// The Application.
    pub async fn get(&self) -> Value {
        self.find().await.unwrap_or_else(|| panic!("Application {} is not there", self.name))
    }

    /// Has it look at its repository, as a webhook of the git server would.
    pub async fn refresh(&self, refresh: Refresh) {
        self.gitops.argo.refresh(&self.name, refresh).await.unwrap();
    }

    /// Waits until this commit is Synced and has this health.
    ///
    /// # Panics
    /// With what Argo CD says of it.
    pub async fn is(&self, revision: &str, health: &str) {
        self.eventually(&format!("is Synced to {} and {health}", &revision[..7]), |app| {
            let status = &app["status"];
            let (sync, has) = (&status["sync"], &status["health"]["status"]);
            let so = sync["revision"] == revision && sync["status"] == "Synced" && has == health;
            if so { Ok(()) } else { Err(format!("{}, {has}", sync["status"])) }
        })
        .await;
    }

    /// Waits until something holds of it.
    ///
    /// # Panics
    /// With what Argo CD says of it.
    pub async fn eventually<T>(&self, what: &str, holds: impl Fn(&Value) -> Result<T, String>) -> T {
        eventually(&format!("Application {} {what}", self.name), PATIENCE, async || {
            let app = self.get().await;
            holds(&app).map_err(|reason| {
                let status = &app["status"];
                let shown = json!([status["conditions"], status["operationState"]["message"], status["resources"]]);
                format!("{reason}\n{shown:#}")
            })
        })
        .await
    }

    /// Why an object has its health, as Argo CD shows it.
    pub async fn message(&self, kind: &str, name: &str) -> String {
        let app = self.get().await;
        let resources = app["status"]["resources"].as_array().cloned().unwrap_or_default();
        let found = resources.iter().find(|it| it["kind"] == kind && it["name"] == name);
        found.and_then(|it| it["health"]["message"].as_str()).unwrap_or_default().to_owned()
    }

    /// Asks for its deletion, with everything in it.
    pub async fn delete(&self) {
        self.applications.delete(&self.name, &Default::default()).await.unwrap();
    }

    /// Waits until it is gone, and with it everything that it applied.
    pub async fn gone(&self) {
        eventually(&format!("Application {} is gone", self.name), PATIENCE, async || match self.find().await {
            None => Ok(()),
            Some(app) => Err(format!("{:#}", app["status"]["resources"])),
        })
        .await;
    }

    /// Notes every state that it is in from now on.
    pub async fn record(&self) -> Record {
        let states = Arc::new(Mutex::new(vec![State::of(&self.get().await)]));
        let parameters = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let (applications, seen) = (self.applications.clone(), Arc::clone(&states));
        let task = tokio::spawn(async move {
            let mut events = applications.watch(&parameters, "0").await.unwrap().boxed();
            while let Some(event) = events.next().await {
                if let Ok(WatchEvent::Added(app) | WatchEvent::Modified(app)) = event {
                    seen.lock().unwrap().push(State::of(&serde_json::to_value(app).unwrap()));
                }
            }
        });
        Record { states, task }
    }
}

impl Drop for App {
    /// What a test leaves would be compared with git until the suite ends.
    fn drop(&mut self) {
        let access = self.gitops.suite.testbed.access();
        let mut kubectl = Command::new(access.bin_dir().join("kubectl"));
        let object = format!("application/{}", self.name);
        kubectl.envs(access.env()).args(["delete", "-n", ARGOCD_NAMESPACE, &object, "--wait=false"]);
        let _ = kubectl.output();
    }
}

/// How an Application was at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub sync: String,
    pub health: String,
    pub revision: String,
    /// When its last sync began.
    pub operation: String,
    /// How many syncs changed something.
    pub syncs: usize,
}

impl State {
    fn of(app: &Value) -> State {
        let text = |pointer: &str| app.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        State {
            sync: text("/status/sync/status"),
            health: text("/status/health/status"),
            revision: text("/status/sync/revision"),
            operation: text("/status/operationState/startedAt"),
            syncs: app["status"]["history"].as_array().map_or(0, Vec::len),
        }
    }
}

/// The states that an Application goes through.
pub struct Record {
    states: Arc<Mutex<Vec<State>>>,
    task: JoinHandle<()>,
}

impl Record {
    /// Those so far, of this commit.
    pub fn states(&self, revision: &str) -> Vec<State> {
        assert!(!self.task.is_finished(), "the watch ended");
        let states = self.states.lock().unwrap();
        states.iter().filter(|state| state.revision == revision).cloned().collect()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A namespace of the tenant `e2e`, and an Application that applies a repository of its own to it.
pub struct Scene {
    /// Dropped first, so that nothing is healed while the namespace is deleted.
    pub app: App,
    pub ns: Namespace,
    pub repository: GitRepository,
}

impl Scene {
    /// All three of this name and mode.
    pub async fn new(name: &str, mode: Mode) -> Scene {
        gitops().await;
        Scene::in_namespace(Namespace::new(&format!("{name}-{}", mode.name())).await, mode).await
    }

    /// With a namespace that is there.
    pub async fn in_namespace(ns: Namespace, mode: Mode) -> Scene {
        let gitops = gitops().await;
        let repository = gitops.repository(&ns.name).await;
        let app = gitops.app(&ns.name, mode, &repository, ".", &ns.name).await;
        Scene { app, ns, repository }
    }

    /// Writes files, commits and pushes them, and has them looked at; answers with the commit.
    pub async fn push(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.repository.write(path, text).unwrap();
        }
        let revision = self.repository.commit("Change").await.unwrap();
        self.app.refresh(Refresh::Normal).await;
        revision
    }

    /// Pushes files and waits until all is Synced and Healthy; answers with the commit.
    pub async fn healthy(&self, files: &[(&str, &str)]) -> String {
        let revision = self.push(files).await;
        self.app.is(&revision, "Healthy").await;
        revision
    }
}

/// Copies a folder with everything in it, its files changed.
pub fn copy(from: &Path, to: &Path, change: &dyn Fn(String) -> String) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, change);
        } else {
            std::fs::write(target, change(std::fs::read_to_string(entry.path()).unwrap())).unwrap();
        }
    }
}

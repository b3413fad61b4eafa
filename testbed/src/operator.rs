//! The operator as a process, with exactly the rights that the chart gives its ServiceAccount.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::aws::REGION;
use crate::control_plane::answers;
use crate::curl::Request;
use crate::processes::Program;
use crate::testbed::{CLUSTER_NAME, Testbed, repository};

const NAMESPACE: &str = "stepgate-system";
const ACCOUNT: &str = "stepgate";

/// How an [`Operator`] is started.
#[derive(Clone, Debug, Default)]
pub struct OperatorOptions {
    /// The program; absent: `STEPGATE_BIN`, then `stepgate` in the directory that cargo built the caller into.
    pub binary: Option<PathBuf>,
    /// Added to the arguments of the chart's Deployment; a flag given here replaces the chart's and the testbed's own, which
    /// are `--cluster-name=testbed --resync-period=5s --propagation-wait=0s --metrics-address=127.0.0.1:PORT`. A flag and
    /// its value are one text, `--flag=value`.
    pub args: Vec<String>,
    /// Added to the environment.
    pub env: Vec<(String, String)>,
    /// Where it finds the API server, a URL of 127.0.0.1; absent: [`Testbed::api_url`].
    pub api_url: Option<String>,
    /// Its name among several on one testbed; absent: `operator`.
    pub name: Option<String>,
    /// Set for the chart, as `helm install --set`.
    pub chart_values: Vec<String>,
}

/// A running `stepgate run`; it ends with its testbed.
pub struct Operator<'a> {
    testbed: &'a Testbed,
    program: Program,
    metrics_url: String,
}

impl<'a> Operator<'a> {
    /// Installs the chart unless it is, and runs what its Deployment would run, with the Deployment's arguments and
    /// environment and a token of its ServiceAccount; returns when `GET /readyz` at its metrics address says so.
    ///
    /// # Errors
    /// When the program is missing, the chart can't be installed, or the operator does not get ready.
    pub async fn start(testbed: &'a Testbed, options: OperatorOptions) -> Result<Operator<'a>> {
        let path = binary(options.binary)?;
        install_chart(testbed, &options.chart_values).await?;
        let name = options.name.unwrap_or_else(|| "operator".into());
        let token = testbed.kubectl(["create", "token", ACCOUNT, "-n", NAMESPACE, "--duration", "24h"]).await?;
        let kubeconfig = testbed.dir().join(format!("{name}.kubeconfig"));
        let api_url = options.api_url.as_deref().unwrap_or(testbed.api_url());
        std::fs::write(&kubeconfig, testbed.kubeconfig_for(token.trim()).replace(testbed.api_url(), api_url))?;
        let address = format!("127.0.0.1:{}", testbed.free_port()?);
        let metrics_url = format!("http://{address}");
        let env = [
            ("KUBECONFIG", kubeconfig.to_string_lossy().into_owned()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            // The AWSAccount names the emulator; an SDK's own configuration must not.
            // As a container that is started anew has that of its pod.
            ("POD_UID", name.clone()),
            ("AWS_CONFIG_FILE", "/dev/null".into()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".into()),
        ];
        let env = env.map(|(key, value)| (key.to_owned(), value));
        let container = container(testbed).await?;
        let cluster_name = format!("--cluster-name={CLUSTER_NAME}");
        let own = [cluster_name, "--resync-period=5s".to_owned(), "--propagation-wait=0s".to_owned()];
        let own = own.into_iter().chain([format!("--metrics-address={address}")]).collect::<Vec<_>>();
        let args = arguments(arguments(container.args, own), options.args);
        let env = container.env.into_iter().chain(env).chain(options.env).collect();
        let program = Program { name, path, args, env, ..Program::default() };
        let operator = Operator { testbed, program, metrics_url };
        operator.run().await?;
        Ok(operator)
    }

    async fn run(&self) -> Result<()> {
        self.testbed.processes().start(&self.program)?;
        let ready = Request::get(format!("{}/readyz", self.metrics_url));
        let wait = self
            .testbed
            .processes()
            .wait_ready(&self.program.name, Duration::from_secs(30), async || answers(&ready).await);
        wait.await
    }

    /// Stops it as Kubernetes does (SIGTERM, SIGKILL after 10 s) and starts it again.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.run().await
    }

    /// Stops it as Kubernetes does: SIGTERM, and SIGKILL after 10 s. Answers whether it ended well.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub async fn stop(&self) -> Result<bool> {
        self.testbed.processes().stop(&self.program.name, Duration::from_secs(10)).await
    }

    /// Ends it in the middle of whatever it does (SIGKILL); [`Operator::restart`] brings it back.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub async fn kill(&self) -> Result<()> {
        self.testbed.processes().stop(&self.program.name, Duration::ZERO).await.map(drop)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.testbed.processes().pid(&self.program.name)
    }

    /// Its log, of all runs.
    pub fn log_path(&self) -> PathBuf {
        self.testbed.processes().log_path(&self.program.name)
    }

    /// Where it serves `/metrics`, `/healthz` and `/readyz`: `http://127.0.0.1:PORT`.
    pub fn metrics_url(&self) -> &str {
        &self.metrics_url
    }

    /// Its metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        Ok(Request::get(format!("{}/metrics", self.metrics_url)).send().await?.body)
    }
}

/// What the chart's Deployment runs.
struct Container {
    args: Vec<String>,
    env: Vec<(String, String)>,
}

async fn container(testbed: &Testbed) -> Result<Container> {
    let json = testbed.kubectl(["get", "deployment", ACCOUNT, "-n", NAMESPACE, "-o", "json"]).await?;
    let deployment: Value = serde_json::from_str(&json)?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let list = |field: &str| container[field].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Container {
        args: list("args").iter().filter_map(text).collect(),
        env: list("env").iter().filter_map(|env| Some((text(&env["name"])?, text(&env["value"])?))).collect(),
    })
}

/// The arguments, those of `base` first; a flag of `over` replaces the same in `base`.
fn arguments(base: Vec<String>, over: Vec<String>) -> Vec<String> {
    fn flag(arg: &str) -> Option<&str> {
        arg.starts_with("--").then(|| arg.split('=').next()).flatten()
    }
    let replaced = |arg: &String| flag(arg).is_some() && over.iter().any(|other| flag(other) == flag(arg));
    let kept: Vec<_> = base.into_iter().filter(|arg| !replaced(arg)).collect();
    kept.into_iter().chain(over).collect()
}

/// # Errors
/// When there is no such program, with the command that builds it.
fn binary(given: Option<PathBuf>) -> Result<PathBuf> {
    let beside = || {
        // target/debug/testbed, or target/debug/deps/some_test
        let me = std::env::current_exe().ok()?;
        me.ancestors().skip(1).take(2).map(|dir| dir.join("stepgate")).find(|path| path.is_file())
    };
    let path = given.or_else(|| std::env::var_os("STEPGATE_BIN").map(PathBuf::from)).or_else(beside);
    let path =
        path.context("there is no `stepgate` program beside this one: run `cargo build`, or set STEPGATE_BIN")?;
    if !path.is_file() {
        bail!("{} does not exist: run `cargo build`, or mend STEPGATE_BIN", path.display());
    }
    Ok(std::path::absolute(path)?)
}

async fn install_chart(testbed: &Testbed, values: &[String]) -> Result<()> {
    if testbed.helm(["status", "stepgate", "-n", NAMESPACE]).await.is_ok() {
        return Ok(());
    }
    let chart = chart();
    let mut args = vec!["install", "stepgate", &chart, "-n", NAMESPACE, "--create-namespace"];
    args.extend(values.iter().flat_map(|value| ["--set", value]));
    testbed.helm(args).await?;
    testbed.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]).await?;
    Ok(())
}

/// The chart's folder.
pub(crate) fn chart() -> String {
    Path::join(repository(), "charts/stepgate").to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_flag_replaces_the_charts() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let chart = texts(&["run", "--resync-period=10m", "--leader-election=true"]);
        let args = arguments(chart, texts(&["--resync-period=5s", "--verbose"]));
        assert_eq!(args, ["run", "--leader-election=true", "--resync-period=5s", "--verbose"]);
    }
}

//! The examples, applied and called as their user would: the demo, and what the end-to-end suite takes from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::argocd;
use crate::aws::ACCOUNT;
use crate::calls::{Calls, Variables};
use crate::operator::{Operator, OperatorOptions};
use crate::processes::tail;
use crate::serve::State;
use crate::testbed::{Access, Options, Testbed, repository};

/// How long an example may take to become ready, or to be gone.
const PATIENCE: Duration = Duration::from_secs(120);

/// One folder of `examples/`: manifests, and `demo/calls.yaml`.
#[derive(Clone, Debug)]
pub struct Example {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// What is done before and after its manifests are applied.
    pub calls: Calls,
}

impl Example {
    /// The example of this name in the repository.
    ///
    /// # Errors
    /// When there is none, or its calls can't be read.
    pub fn load(name: &str) -> Result<Example> {
        let dir = repository().join("examples").join(name);
        if !dir.is_dir() {
            bail!("there is no example `{name}` in {}", repository().join("examples").display());
        }
        Ok(Example { name: name.to_owned(), calls: Calls::load(&dir)?, dir })
    }

    /// All examples, by name: the folders that hold manifests.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn all() -> Result<Vec<Example>> {
        let dir = repository().join("examples");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&dir).into_iter().flatten() {
            let entry = entry?;
            if entry.file_type()?.is_dir() && holds_manifests(&entry.path())? {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        names.iter().map(|name| Example::load(name)).collect()
    }

    /// Prepares what the example expects to find in AWS, applies its manifests, waits until all are ready, makes its calls;
    /// one line to `say` for each thing done, with the time it took.
    ///
    /// # Errors
    /// With the first thing that went wrong; what was applied stays.
    pub async fn run(&self, access: &Access, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let mut variables = Variables::default();
        self.calls.run(&self.calls.before, access, &self.dir, &mut variables, say).await?;
        self.apply(access, &self.dir, say).await?;
        self.calls.run(&self.calls.calls, access, &self.dir, &mut variables, say).await
    }

    /// Prepares what the example expects to find in AWS.
    pub(crate) async fn prepare(&self, access: &Access, variables: &mut Variables) -> Result<()> {
        self.calls.run(&self.calls.before, access, &self.dir, variables, &|_| ()).await
    }

    async fn apply(&self, access: &Access, dir: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let started = Instant::now();
        let count = apply_and_wait(access, dir).await?;
        say(&format!("applied, {count} objects Ready ({})", seconds(started)));
        Ok(())
    }

    /// Deletes the manifests, waits until the objects are gone, and undoes what was prepared in AWS.
    ///
    /// # Errors
    /// When an object stays.
    pub async fn delete(&self, access: &Access, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let started = Instant::now();
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let dir = self.dir.to_string_lossy();
        access.kubectl(["delete", "--ignore-not-found", "--wait", &timeout, "-f", &dir]).await?;
        say(&format!("deleted ({})", seconds(started)));
        self.calls.run(&self.calls.after, access, &self.dir, &mut Variables::default(), say).await
    }
}

fn holds_manifests(dir: &Path) -> Result<bool> {
    let files = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    Ok(files.iter().any(|file| file.path().extension().is_some_and(|extension| extension == "yaml")))
}

/// Applies a file or folder and waits until its objects of our group are ready; returns how many those are.
pub(crate) async fn apply_and_wait(access: &Access, path: &Path) -> Result<usize> {
    let path = path.to_string_lossy();
    let applied = access.kubectl(["apply", "-f", &path, "-o", "json"]).await?;
    let applied: Value = serde_json::from_str(&applied).context("kubectl did not answer with JSON")?;
    let objects = match applied["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![applied],
    };
    let mut by_namespace = BTreeMap::<String, Vec<String>>::new();
    for object in &objects {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("/apiVersion").starts_with("stepgate.dev/") {
            let name = format!("{}.stepgate.dev/{}", text("/kind").to_lowercase(), text("/metadata/name"));
            by_namespace.entry(text("/metadata/namespace")).or_default().push(name);
        }
    }
    let timeout = format!("--timeout={}s", PATIENCE.as_secs());
    for (namespace, names) in &by_namespace {
        let mut args = vec!["wait", "--for=condition=Ready", &timeout];
        if !namespace.is_empty() {
            args.extend(["-n", namespace]);
        }
        args.extend(names.iter().map(String::as_str));
        if let Err(error) = access.kubectl(&args).await {
            let mut get = args.clone();
            get.splice(0..3, ["get", "-o", "wide"]);
            let state = access.kubectl(&get).await.unwrap_or_default();
            return Err(error.context(format!("not all are Ready:\n{}", state.trim_end())));
        }
    }
    Ok(by_namespace.values().map(Vec::len).sum())
}

/// The account that the examples are written for.
const EXAMPLES_ACCOUNT: &str = "111122223333";

/// Applies the AWSAccount of the examples with one more tenant: every other namespace, for hands-on use.
///
/// # Errors
/// With the API server's words.
pub async fn apply_account(access: &Access) -> Result<()> {
    let mut account = examples_account(access.aws_endpoint())?;
    admit_all_others(&mut account)?;
    access.apply(&account.to_string()).await?;
    Ok(())
}

/// The AWSAccount of the examples, with the emulator's account id and this URL.
///
/// # Errors
/// If `examples/awsaccount.yaml` can't be read.
pub fn examples_account(endpoint: &str) -> Result<Value> {
    let path = repository().join("examples/awsaccount.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let text = text.replace(EXAMPLES_ACCOUNT, ACCOUNT);
    let mut account: Value = serde_saphyr::from_str(&text).context("in examples/awsaccount.yaml")?;
    account["spec"]["endpointUrl"] = json!(endpoint);
    Ok(account)
}

fn admit_all_others(account: &mut Value) -> Result<()> {
    const NAME: &str = "kubernetes.io/metadata.name";
    let tenants = account["spec"]["tenants"].as_array_mut().context("examples/awsaccount.yaml has no tenants")?;
    // A namespace that two tenants admit gets neither.
    let mut taken = Vec::new();
    for tenant in &*tenants {
        let selector = &tenant["namespaces"]["selector"];
        taken.extend(selector["matchLabels"].get(NAME).cloned());
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            taken.extend(expression["values"].as_array().into_iter().flatten().cloned());
        }
    }
    tenants.push(json!({
        "name": "hands-on",
        "namespaces": {"from": "Selector", "selector": {
            "matchExpressions": [{"key": NAME, "operator": "NotIn", "values": taken}]}},
        "ceiling": [{"actions": ["*"], "resources": ["*"]}],
        "executionRoleArns": ["arn:aws:iam::*:role/*"],
        "invokeRoleArns": ["arn:aws:iam::*:role/*"],
        "exposure": {"authorizations": ["NONE", "AWS_IAM"]},
    }));
    Ok(())
}

/// The demo on a testbed of its own, which is gone afterwards.
///
/// # Errors
/// With the first thing that went wrong.
pub async fn run_alone(options: Options, operator: Option<OperatorOptions>, names: &[String]) -> Result<()> {
    let started = Instant::now();
    let testbed = Testbed::start(options).await?;
    println!("testbed  control plane and AWS emulator are up ({})", seconds(started));
    let started = Instant::now();
    let operator = Operator::start(&testbed, operator.unwrap_or_default()).await?;
    println!("testbed  chart installed, operator is up as its ServiceAccount ({})", seconds(started));
    apply_account(&testbed).await?;
    let result = run(&testbed, names, false).await;
    if result.is_err() {
        eprintln!("The end of the operator's log:\n{}", tail(&operator.log_path(), 20));
    }
    let started = Instant::now();
    drop(testbed);
    println!("testbed  stopped ({})", seconds(started));
    result
}

/// The demo on a testbed that runs with its operator and account: every example, or those named; then, unless `keep`,
/// deletes all and compares what is in AWS with what was there before.
///
/// # Errors
/// With the names of the examples that failed, or with what is left in AWS.
pub async fn run(access: &Access, names: &[String], keep: bool) -> Result<()> {
    let examples = match names {
        [] => Example::all()?,
        names => names.iter().map(|name| Example::load(name)).collect::<Result<_>>()?,
    };
    if examples.is_empty() {
        println!("There are no examples in {}.", repository().join("examples").display());
    }
    let before = access.aws().inventory().await?;
    let line = |example: &Example| {
        let name = example.name.clone();
        move |text: &str| println!("{name}  {text}")
    };
    // One broken example doesn't hide the others.
    let mut failed = Vec::new();
    for example in &examples {
        if let Err(error) = example.run(access, &line(example)).await {
            line(example)(&format!("FAILED: {error:#}"));
            failed.push(example.name.as_str());
        }
    }
    if !keep {
        for example in examples.iter().rev() {
            if let Err(error) = example.delete(access, &line(example)).await {
                line(example)(&format!("FAILED: {error:#}"));
                failed.push(example.name.as_str());
            }
        }
    }
    if !keep && failed.is_empty() {
        let started = Instant::now();
        access.kubectl(["delete", "awsaccounts.stepgate.dev", "--all", "--timeout=60s"]).await?;
        println!("testbed  AWSAccount deleted ({})", seconds(started));
    }
    if !failed.is_empty() {
        bail!("not as they should be: {}", failed.join(", "));
    }
    if keep {
        return Ok(());
    }
    let left: Vec<_> = access.aws().inventory().await?.difference(&before).cloned().collect();
    if !left.is_empty() {
        bail!("left in AWS: {}", left.join(", "));
    }
    println!(
        "Nothing is left in AWS: no state machine, REST API or role that was not there before (account {ACCOUNT})."
    );
    Ok(())
}

/// How to use a testbed that is up.
pub fn usage(state: &State, access: &Access) -> String {
    let argocd = argocd::usage(access).map(|usage| format!("{usage}\n\n")).unwrap_or_default();
    format!(
        "\nThe testbed is up. To use it:\n\n    . {}\n    kubectl get awsaccounts,statemachines,restapis,apiroutes,usageplans,apidomains -A\n\n\
         {argocd}AWS answers at {}; logs are in {}.\nTo stop it: {}",
        state.env_path().display(),
        access.aws_endpoint(),
        access.dir().join("log").display(),
        state.stop_command(),
    )
}

pub(crate) fn seconds(started: Instant) -> String {
    format!("{:.1} s", started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_examples_calls_can_be_read() {
        let examples = Example::all().unwrap();
        assert!(!examples.is_empty());
        for example in examples {
            assert!(!example.calls.calls.is_empty(), "{} calls nothing", example.name);
        }
    }

    #[test]
    fn no_namespace_has_two_tenants() {
        let mut account = examples_account("http://127.0.0.1:1").unwrap();
        admit_all_others(&mut account).unwrap();
        let tenants = account["spec"]["tenants"].as_array().unwrap();
        let taken = &tenants.last().unwrap()["namespaces"]["selector"]["matchExpressions"][0]["values"];
        for namespace in ["potato", "hello-world", "item-api", "reddit-users"] {
            assert!(taken.as_array().unwrap().contains(&json!(namespace)), "{namespace}");
        }
        assert_eq!(account["spec"]["accountId"], ACCOUNT);
    }
}

//! `make bench`: what each example costs, in calls to AWS, seconds and lines. The emulator has no quotas and no distance,
//! so its seconds say nothing about AWS; the counts do.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::calls::Variables;
use crate::demo::{Example, apply_account, apply_and_wait};
use crate::operator::{Operator, OperatorOptions};
use crate::testbed::{Options, Testbed};

/// Calls by operation.
type Counts = BTreeMap<String, u64>;

/// What one example costs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    example: String,
    /// Lines of its manifests that are not empty.
    yaml_lines: usize,
    objects: usize,
    /// From `kubectl apply` until all are Ready.
    seconds_to_ready: f64,
    create: Counts,
    /// One check of every object, at a restart of the operator: nothing is to be done.
    check: Counts,
    delete: Counts,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bench {
    examples: Vec<Figures>,
    /// Resident memory of the operator with every example up.
    operator_mib: f64,
}

/// Measures every example on a testbed of its own and prints a table; the figures as JSON go to `json`.
///
/// # Errors
/// When an example does not work.
pub async fn run(json: &Path) -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    // No periodic checks: every call is by a change, or by the restart.
    let args = vec!["--resync-period=24h".to_owned(), "--leader-election=false".to_owned()];
    let operator = Operator::start(&testbed, OperatorOptions { args, ..OperatorOptions::default() }).await?;
    apply_account(&testbed).await?;
    let mut figures = Vec::new();
    for example in Example::all()? {
        println!("measuring {} …", example.name);
        figures.push(measure(&testbed, &operator, &example).await?);
    }
    for example in Example::all()? {
        example.prepare(&testbed, &mut Variables::default()).await?;
        apply_and_wait(&testbed, &example.dir).await?;
    }
    quiet(&operator).await?;
    let bench = Bench { examples: figures, operator_mib: resident_mib(&operator)? };
    print(&bench);
    std::fs::write(json, serde_json::to_string_pretty(&bench)?).with_context(|| json.display().to_string())?;
    println!("\nAs JSON: {}", json.display());
    Ok(())
}

async fn measure(testbed: &Testbed, operator: &Operator<'_>, example: &Example) -> Result<Figures> {
    example.prepare(testbed, &mut Variables::default()).await?;
    let before = quiet(operator).await?;
    let started = Instant::now();
    let objects = apply_and_wait(testbed, &example.dir).await?;
    let seconds_to_ready = started.elapsed().as_secs_f64();
    let create = since(&before, &quiet(operator).await?);
    operator.restart().await?;
    let mut check = quiet(operator).await?;
    // Whose the credentials are is asked once a process, not once a check.
    check.remove("GetCallerIdentity");
    let before = quiet(operator).await?;
    example.delete(testbed, &|_| ()).await?;
    let delete = since(&before, &quiet(operator).await?);
    Ok(Figures {
        example: example.name.clone(),
        yaml_lines: yaml_lines(&example.dir)?,
        objects,
        seconds_to_ready,
        create,
        check,
        delete,
    })
}

/// The operator's calls, once it has made none for a while.
async fn quiet(operator: &Operator<'_>) -> Result<Counts> {
    let mut last = aws_calls(&operator.metrics().await?);
    let mut still = 0;
    while still < 4 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = aws_calls(&operator.metrics().await?);
        still = if now == last && !now.is_empty() { still + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

fn aws_calls(metrics: &str) -> Counts {
    let mut counts = Counts::new();
    for line in metrics.lines().filter(|line| line.starts_with("stepgate_aws_calls_total{")) {
        let operation = line.split("operation=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let count: u64 = line.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default();
        *counts.entry(operation.to_owned()).or_default() += count;
    }
    counts
}

fn since(before: &Counts, after: &Counts) -> Counts {
    after
        .iter()
        .map(|(operation, count)| (operation.clone(), count - before.get(operation).unwrap_or(&0)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn yaml_lines(dir: &Path) -> Result<usize> {
    let mut lines = 0;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            lines += std::fs::read_to_string(path)?.lines().filter(|line| !line.trim().is_empty()).count();
        }
    }
    Ok(lines)
}

fn resident_mib(operator: &Operator<'_>) -> Result<f64> {
    let pid = operator.pid().context("the operator does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.split_whitespace().next());
    Ok(kib.and_then(|kib| kib.parse::<f64>().ok()).context("no VmRSS")? / 1024.0)
}

fn print(bench: &Bench) {
    println!(
        "\n| example | YAML lines | objects | s to Ready | calls: create | check | of them API Gateway | delete |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for figures in &bench.examples {
        let sum = |counts: &Counts| counts.values().sum::<u64>();
        let gateway: u64 = figures
            .check
            .iter()
            .filter(|(operation, _)| {
                ["GetRestApi", "GetResources", "GetStages", "GetDeployments"].contains(&operation.as_str())
            })
            .map(|(_, count)| count)
            .sum();
        println!(
            "| {} | {} | {} | {:.1} | {} | {} | {gateway} | {} |",
            figures.example,
            figures.yaml_lines,
            figures.objects,
            figures.seconds_to_ready,
            sum(&figures.create),
            sum(&figures.check),
            sum(&figures.delete),
        );
    }
    println!("\nThe operator's resident memory with all of them up: {:.0} MiB", bench.operator_mib);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_from_the_metrics() {
        let text = "stepgate_aws_calls_total{service=\"IAM\",operation=\"GetRole\",outcome=\"ok\"} 3\n\
                    stepgate_aws_calls_total{service=\"IAM\",operation=\"GetRole\",outcome=\"error\"} 2\n";
        assert_eq!(aws_calls(text), Counts::from([("GetRole".to_owned(), 5)]));
    }
}

//! The command line: `run`, `render`, `plan`, `crds`.

mod crds;
mod manifests;
mod plan;
mod render;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Runs AWS Step Functions workflows, and the API Gateway routes that call them, from Kubernetes manifests.
#[derive(Parser)]
#[command(name = "stepgate", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the operator.
    Run(run::Args),
    /// Print every AWS object that manifests ask for.
    Render(render::Args),
    /// Print what a reconcile would do, against AWS as it is now.
    Plan(plan::Args),
    /// Print the CRDs as YAML.
    Crds(crds::Args),
}

/// Runs the command that the arguments name; the exit code is 0 for success, 1 for errors found, 2 for changes found
/// by `plan`, 64 for wrong usage.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong_usage = error.use_stderr();
            // Nothing can be done where even the terminal refuses the message.
            let _ = error.print();
            return if wrong_usage { 64.into() } else { 0.into() };
        }
    };
    match cli.command {
        Command::Run(args) => run::run(args),
        Command::Render(args) => finish(render::run(&args)),
        Command::Plan(args) => block_on(plan::run(&args)),
        Command::Crds(args) => crds::run(&args),
    }
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// An error is one sentence with its causes.
fn finish(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs a future to its end.
fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return finish(Err(error.into())),
    };
    let result = runtime.block_on(work);
    // What still runs then is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    finish(result)
}

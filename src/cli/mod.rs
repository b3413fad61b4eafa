//! The command line: `run`, `render`, `plan`, `crds`.

mod crds;
mod run;

use clap::{Parser, Subcommand};

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
    /// Print the CRDs as YAML.
    Crds(crds::Args),
}

/// Runs the command that the arguments name; the exit code is 0 for success, 1 for errors found, 2 for changes found
/// by `plan`, 64 for wrong usage.
pub fn run() -> std::process::ExitCode {
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
        Command::Crds(args) => crds::run(&args),
    }
}

/// Runs a future to its end; an error is one sentence with its causes.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> std::process::ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return 1.into();
        }
    };
    let result = runtime.block_on(work);
    // What still runs then is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(()) => 0.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            1.into()
        }
    }
}

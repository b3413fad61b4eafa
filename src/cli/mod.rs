//! The command line: `run`, `lint`, `policy`, `render`, `plan`, `invoke`, `try`, `graph`, `crds`.

mod crds;
mod graph;
mod invoke;
mod lint;
mod live;
mod manifests;
mod out;
mod plan;
mod policy;
mod render;
mod run;
mod schema;
mod trial;

use std::path::PathBuf;
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
    /// Find what is wrong with definitions, in manifests and in files of their own: docs/lint.md.
    ///
    /// Exit code 1 where there are errors; warnings and advice are no errors.
    Lint(lint::Args),
    /// Print the permissions that definitions need: the execution role's policy, and what can't be known.
    ///
    /// Takes StateMachines in manifests, and raw definitions. Where an AWSAccount among the manifests admits a StateMachine, account and
    /// Region are its own.
    Policy(policy::Args),
    /// Print every AWS object that manifests ask for: roles, state machines, and each API as OpenAPI.
    ///
    /// The AWSAccount that admits the namespaces must be among the manifests. With `-o openapi` it is one API as an OpenAPI
    /// document, for client generators and readers.
    Render(render::Args),
    /// Print the steps that a reconcile would take, against AWS as it is now; nothing is changed.
    ///
    /// What the manifests refer to and do not hold is read from the cluster of the current kubeconfig; the chart's
    /// ClusterRole `stepgate-plan`, with `view` in the namespaces concerned, may. Exit code 0: no change; 2: changes; 1: an
    /// object can't be carried out.
    Plan(Inputs),
    /// Call a route once by API Gateway's own TestInvokeMethod, and show what happens on the way: docs/invoke.md.
    ///
    /// The state machine really runs; nothing in API Gateway is changed. The route is read from the cluster of the current
    /// kubeconfig, AWS is asked with your own credentials. Exit code 1: API Gateway could not carry the method out.
    Invoke(invoke::Args),
    /// Tell what a route would make of a call, from manifests alone, without a cluster and without AWS: docs/try.md.
    ///
    /// For structured mappings: what API Gateway would refuse itself, what it would send to Step Functions, and, given what comes back, what
    /// the client would get. Exit code 1: the call would be refused.
    Try(trial::Args),
    /// Draw state machines, and the way that an execution took: docs/graph.md.
    ///
    /// Takes StateMachines in manifests, and definitions alone. Nothing but `--execution` asks AWS.
    Graph(graph::Args),
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
        Command::Lint(args) => finish(lint::run(&args)),
        Command::Policy(args) => finish(policy::run(&args)),
        Command::Render(args) => finish(render::run(&args)),
        Command::Try(args) => finish(trial::run(&args)),
        Command::Invoke(args) => block_on(invoke::run(&args)),
        Command::Plan(args) => block_on(plan::run(&args)),
        Command::Graph(args) => block_on(graph::run(&args)),
        Command::Crds(args) => crds::run(&args),
    }
}

/// What `plan` is told.
#[derive(clap::Args)]
pub struct Inputs {
    /// Files, directories (their manifests, as kubectl takes them) or `-`.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// As `stepgate run` is told: part of the names of IAM roles.
    #[arg(long, env = "STEPGATE_CLUSTER_NAME", default_value = "default")]
    cluster_name: String,
    /// text or json.
    #[arg(short, long, default_value = "text")]
    output: Output,
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
    // The SDKs' futures are large where nothing is optimized.
    const STACK: usize = 8 << 20;
    let runtime = match tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return finish(Err(error.into())),
    };
    let result = runtime.block_on(work);
    // What still runs then is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    finish(result)
}

//! `testbed up`, `down` and `demo`: the control plane, the AWS emulator and the operator for a person's hands.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use stepgate_testbed::memory::{self, InProcess, Memory, Settings};
use stepgate_testbed::serve::{self, State};
use stepgate_testbed::{OperatorOptions, Options, bench, demo, repository};

/// A real Kubernetes control plane and an AWS emulator, as plain processes.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Action,
    /// Where a running testbed is recorded; default: .testbed in the repository.
    #[arg(long, global = true)]
    state_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Action {
    /// Start a testbed in the background and write .testbed/env.
    Up(Run),
    /// Start a testbed in the foreground.
    Serve(Run),
    /// Measure what each example costs; a table, and JSON into a file.
    Bench {
        /// Where the JSON goes.
        #[arg(long, default_value = "target/bench.json")]
        json: PathBuf,
    },
    /// Serve the AWS in memory on a port of 127.0.0.1.
    Memory {
        #[arg(long, default_value_t = 4599)]
        port: u16,
        /// Enforce AWS's quotas, and its delays.
        #[arg(long)]
        lifelike: bool,
    },
    /// Stop the testbed that `up` started.
    Down,
    /// Apply the examples, call their URLs, show the answers, delete all.
    Demo {
        #[command(flatten)]
        run: Run,
        /// Leave everything up at the end.
        #[arg(long)]
        keep: bool,
        /// Only these examples (folders of examples/).
        examples: Vec<String>,
    },
}

#[derive(Args)]
struct Run {
    /// Control plane and AWS only.
    #[arg(long)]
    no_operator: bool,
    /// Use this AWS endpoint instead of starting an emulator.
    #[arg(long)]
    aws_endpoint_url: Option<String>,
    /// An Argo CD too, and a git repository that it applies; built once, in about 4 minutes.
    #[arg(long)]
    gitops: bool,
    /// Arguments for `stepgate run`, separated by blanks, as `--flag=value`; a flag given here replaces the testbed's own.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    run_args: String,
}

impl Run {
    fn options(&self) -> Options {
        Options { aws_endpoint: self.aws_endpoint_url.clone() }
    }

    fn operator(&self) -> Option<OperatorOptions> {
        let args = self.run_args.split_whitespace().map(str::to_owned).collect();
        (!self.no_operator).then(|| OperatorOptions { args, ..OperatorOptions::default() })
    }

    /// The same, as arguments of another `testbed`.
    fn arguments(&self) -> Vec<String> {
        let mut args = vec![format!("--run-args={}", self.run_args)];
        args.extend(self.no_operator.then(|| "--no-operator".to_owned()));
        args.extend(self.gitops.then(|| "--gitops".to_owned()));
        args.extend(self.aws_endpoint_url.as_ref().map(|url| format!("--aws-endpoint-url={url}")));
        args
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match act(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn act(cli: Cli) -> Result<ExitCode> {
    let state = State::new(&cli.state_dir.unwrap_or_else(|| repository().join(".testbed")))?;
    match cli.command {
        Action::Serve(run) => serve::serve(&state, run.options(), run.operator(), run.gitops).await?,
        Action::Memory { port, lifelike } => {
            let settings = if lifelike { Settings::lifelike() } else { Settings::default() };
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
            println!("http://{}", listener.local_addr()?);
            let mut aws = Memory::new(0, settings);
            aws.set_now(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?);
            memory::serve(InProcess::new(aws), listener).await?;
        }
        Action::Down => serve::down(&state).await?,
        Action::Up(run) => {
            let access = serve::up(&state, &run.arguments()).await?;
            println!("{}", demo::usage(&state, &access));
        }
        Action::Bench { json } => match serve::until_stopped(bench::run(&json)).await {
            Some(result) => result?,
            None => return Ok(ExitCode::from(130)),
        },
        Action::Demo { run, keep, examples } => {
            let result = if keep {
                let access = serve::up(&state, &run.arguments()).await?;
                let result = serve::until_stopped(demo::run(&access, &examples, true)).await;
                println!("{}", demo::usage(&state, &access));
                result
            } else {
                serve::until_stopped(demo::run_alone(run.options(), run.operator(), &examples)).await
            };
            match result {
                Some(result) => result?,
                // As a shell reports a command that Ctrl-C ended.
                None => return Ok(ExitCode::from(130)),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

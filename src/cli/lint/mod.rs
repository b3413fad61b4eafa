//! `stepgate lint`: what is wrong with definitions, in manifests and in files of their own, without a cluster and without
//! AWS.

mod lines;
mod report;
pub(super) mod sources;
mod yaml;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::asl::{MachineType, Severity};
use crate::cli::out::out;

/// What `lint` is told.
#[derive(clap::Args)]
pub struct Args {
    /// Manifests, or definitions alone (*.asl.json, *.asl.yaml, or any JSON or YAML with StartAt and States); files,
    /// directories or `-`.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// STANDARD or EXPRESS, for definitions alone; a manifest says its own.
    #[arg(long = "type", default_value = "STANDARD", value_parser = str::parse::<MachineType>)]
    machine_type: MachineType,
    /// text, json, sarif or github.
    #[arg(short, long, default_value = "text")]
    output: Output,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people, with the lines they are about.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands, which GitHub shows beside the lines of a pull request.
    Github,
}

/// Lints; exit code 1 where there are errors.
///
/// # Errors
/// A path that can't be read, or a manifest that is none.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let linted = sources::lint(&args.paths, args.machine_type)?;
    match args.output {
        Output::Text => out!("{}", report::text(&linted, std::io::stdout().is_terminal())),
        Output::Json => out!("{:#}\n", report::json(&linted)),
        Output::Sarif => out!("{:#}\n", report::sarif(&linted)),
        Output::Github => out!("{}", report::github(&linted)),
    }
    let errors = linted.reports.iter().any(|report| report.severity == Severity::Error);
    Ok(if errors { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

//! `stepgate graph`: state machines as pictures, and the way that an execution took.

mod remote;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::bail;
use clap::ValueEnum;

use super::lint::sources;
use super::policy;
use crate::asl::Machine;
use crate::cli::out::out;
use crate::graph::{self, Graph, Picture, Way};
use crate::validate::state_machine;

/// What `graph` is told.
#[derive(clap::Args)]
pub struct Args {
    /// Manifests, or definitions alone (*.asl.json, *.asl.yaml, or any JSON or YAML with StartAt and States); files,
    /// directories or `-`.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// mermaid, dot or svg.
    #[arg(short, long, default_value = "mermaid")]
    output: Output,
    /// Colour the way that this execution took. Its history is read with your own AWS credentials, which must allow
    /// states:GetExecutionHistory (and states:DescribeMapRun for Map states in DISTRIBUTED mode); AWS_ENDPOINT_URL and AWS_PROFILE count.
    #[arg(long, value_name = "ARN")]
    execution: Option<Execution>,
}

/// In which language a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A flowchart, which GitHub, GitLab and others draw in Markdown; several come as Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// A picture for browsers, laid out.
    Svg,
}

/// The ARN of an execution of a STANDARD machine.
#[derive(Clone, Debug)]
struct Execution {
    arn: String,
    region: String,
    /// The machine's name in AWS.
    machine: String,
}

impl FromStr for Execution {
    type Err = String;

    fn from_str(arn: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = arn.splitn(8, ':').collect();
        match parts[..] {
            // A child of a Map state in DISTRIBUTED mode is called `machine/label`.
            ["arn", _, "states", region, _, "execution", machine, _] => Ok(Self {
                arn: arn.to_owned(),
                region: region.to_owned(),
                machine: machine.split('/').next().unwrap_or(machine).to_owned(),
            }),
            ["arn", _, "states", _, _, "express", ..] => {
                Err("AWS keeps no history of EXPRESS executions but in their logs".to_owned())
            }
            _ => Err("the ARN of an execution is arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME".to_owned()),
        }
    }
}

/// A definition that was found.
struct Drawn {
    file: String,
    object: Option<String>,
    /// The machine's name in AWS; of a definition alone, its file's.
    name: String,
    graph: Graph,
    way: Option<Way>,
}

impl Drawn {
    fn title(&self) -> String {
        self.object.as_ref().map_or_else(|| self.file.clone(), |object| format!("{}: {object}", self.file))
    }
}

/// Draws; exit code 1 where a definition can't be read.
///
/// # Errors
/// A path that can't be read, a manifest that is none, an execution of another machine, and what AWS answers.
pub async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sources = sources::find(&args.paths)?;
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for found in &sources.found {
        let object = found.object();
        match sources.definition(found) {
            Ok(definition) => all.push(Drawn {
                name: found.machine.as_ref().map_or_else(|| policy::stem(&found.file), state_machine::aws_name),
                file: found.file.clone(),
                object,
                graph: Graph::read(&Machine::read(definition.value())),
                way: None,
            }),
            Err(error) => {
                let object = object.map(|object| format!("{object}: ")).unwrap_or_default();
                errors.push(format!("{}: {object}{error}", found.file));
            }
        }
    }
    if let Some(execution) = &args.execution {
        if all.len() > 1 {
            all.retain(|drawn| drawn.name == execution.machine);
        }
        let [drawn] = &mut all[..] else {
            bail!("the paths hold {} definitions of the state machine {}", all.len(), execution.machine);
        };
        let events = remote::history(&execution.region, &execution.arn).await?;
        let way = Way::of(&drawn.graph, &events);
        if !way.unknown.is_empty() {
            eprintln!(
                "note: the execution ran another definition: it entered states that are not in this one: {}",
                way.unknown.join(", ")
            );
        }
        drawn.way = Some(way);
    }
    print(args.output, &all);
    for error in &errors {
        eprintln!("error: {error}");
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(output: Output, all: &[Drawn]) {
    match output {
        Output::Mermaid => match all {
            [one] => out!("{}", graph::mermaid(&one.graph, one.way.as_ref())),
            many => {
                for one in many {
                    out!("## {}\n\n```mermaid\n{}```\n\n", one.title(), graph::mermaid(&one.graph, one.way.as_ref()));
                }
            }
        },
        Output::Dot => all.iter().for_each(|one| out!("{}", graph::dot(&one.name, &one.graph, one.way.as_ref()))),
        Output::Svg => {
            let titles: Vec<String> =
                all.iter().map(|one| if all.len() > 1 { one.title() } else { String::new() }).collect();
            let pictures = all.iter().zip(&titles);
            let pictures = pictures.map(|(one, title)| Picture { title, graph: &one.graph, way: one.way.as_ref() });
            out!("{}", graph::svg(&pictures.collect::<Vec<_>>()));
        }
    }
}

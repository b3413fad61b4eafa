//! `stepgate policy`: what execution roles must be allowed, without a cluster and without AWS.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::manifests::{self, Manifests};
use crate::api::{LogLevel, StateMachine};
use crate::asl;
use crate::aws::partition;
use crate::cli::out::out;
use crate::identity::Key;
use crate::policy::infer::{Explained, Inferred, State, Unknown};
use crate::policy::statement::{Document, INLINE_LIMIT, Statement};
use crate::problem::Problem;
use crate::tenancy::Place;
use crate::validate::{execution_role, state_machine};
use crate::world::World;

const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// What `policy` is told.
#[derive(clap::Args)]
pub struct Args {
    /// Manifests or raw definitions (JSON or YAML with StartAt and States): files, directories or `-`.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The 12-digit account id that ARNs are written for.
    #[arg(long)]
    account: Option<String>,
    /// The Region that ARNs are written for.
    #[arg(long)]
    region: Option<String>,
    /// The partition; absent: the Region's.
    #[arg(long, value_parser = PARTITIONS)]
    partition: Option<String>,
    /// The state machine's name in AWS, of a raw definition; absent: the file's.
    #[arg(long)]
    name: Option<String>,
    /// For each statement, the states that need it.
    #[arg(long)]
    explain: bool,
    /// text or json.
    #[arg(short, long, default_value = "text")]
    output: super::Output,
}

/// What follows from fields of a manifest, each with the field.
type Fields = Vec<(&'static str, Statement)>;

/// One definition.
struct Found {
    file: String,
    /// `StateMachine namespace/name`; a raw definition is none.
    object: Option<String>,
    inferred: Inferred,
    fields: Fields,
}

/// Prints the policies; exit code 1 where a definition can't be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut manifests = Manifests::default();
    let (mut machines, mut raw) = (Vec::new(), Vec::new());
    for path in &args.paths {
        for (file, text) in manifests::texts(path)? {
            let documents = serde_saphyr::from_multiple::<Value>(&text).with_context(|| file.clone())?;
            if let [document] = &documents[..]
                && document.get("apiVersion").is_none()
                && document.get("States").is_some()
            {
                raw.push((file, text));
                continue;
            }
            let before = manifests.machines.len();
            for document in documents {
                manifests.add(document).with_context(|| file.clone())?;
            }
            machines.extend(manifests.machines[before..].iter().map(|machine| (file.clone(), machine.clone())));
        }
    }
    let world = manifests.world("default");
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for (file, machine) in machines {
        let object = format!("StateMachine {}", Key::of(&machine));
        match args.of_manifest(&world, &machine) {
            Ok((inferred, fields)) => found.push(Found { file, object: Some(object), inferred, fields }),
            Err(problem) => errors.push(format!("{file}: {object}: {problem}")),
        }
    }
    for (file, text) in raw {
        match asl::parse(&text) {
            Ok(definition) => {
                let name = args.name.clone().unwrap_or_else(|| stem(&file));
                let inferred = execution_role::inferred(&args.place(None), &name, definition.value());
                found.push(Found { file, object: None, inferred, fields: Vec::new() });
            }
            Err(error) => errors.push(format!("{file}, {error}")),
        }
    }
    match args.output {
        super::Output::Json => {
            out!("{:#}\n", Value::Array(found.iter().map(|one| one.json(args.explain)).collect()));
        }
        super::Output::Text => found.iter().for_each(|one| out!("{}", one.text(args.explain))),
    }
    for error in &errors {
        eprintln!("error: {error}");
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    /// Where the flags say that a machine is, else where its AWSAccount does.
    fn place(&self, own: Option<Place>) -> Place {
        let region = |own: &Option<Place>| own.as_ref().map_or("us-east-1".to_owned(), |place| place.region.clone());
        let region = self.region.clone().unwrap_or_else(|| region(&own));
        let known = PARTITIONS.into_iter().find(|name| Some(*name) == self.partition.as_deref());
        let account_id = own.as_ref().map_or("123456789012".to_owned(), |place| place.account_id.clone());
        Place {
            account: own.map(|place| place.account).unwrap_or_default(),
            account_id: self.account.clone().unwrap_or(account_id),
            partition: known.unwrap_or_else(|| partition(&region)),
            region,
            endpoint_url: None,
        }
    }

    /// What the definition needs, and what follows from other fields.
    fn of_manifest(&self, world: &World, machine: &StateMachine) -> Result<(Inferred, Fields), Problem> {
        let place = self.place(state_machine::place(world, machine).ok().map(|(_, place)| place));
        let definition = state_machine::definition(world, machine, &place)?;
        let name = state_machine::aws_name(machine);
        let mut inferred = execution_role::inferred(&place, &name, definition.0.value());
        let written = execution_role::written(&place, machine.spec.execution_role.as_ref());
        inferred.unknown.retain(|unknown| !unknown.is_settled_by(&written));
        let logging = machine.spec.logging.as_ref().is_some_and(|logging| logging.level != LogLevel::Off);
        let tracing = machine.spec.tracing.is_some_and(|tracing| tracing.enabled);
        let key = machine.spec.encryption.as_ref().map(|encryption| place.fill(&encryption.kms_key_arn));
        let fields = execution_role::plumbing(&place, &name, logging, tracing, key.as_deref());
        Ok((inferred, fields))
    }
}

/// `orders` of `dir/orders.asl.json`.
pub(super) fn stem(file: &str) -> String {
    let name = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file);
    name.split('.').next().unwrap_or(name).to_owned()
}

impl Found {
    fn document(&self) -> Document {
        let inferred = self.inferred.statements().into_iter().map(|explained| explained.statement);
        Document::new(inferred.chain(self.fields.iter().map(|(_, statement)| statement.clone())))
    }

    fn json(&self, explain: bool) -> Value {
        let state = |State { name, path }: &State| json!({"name": name, "path": path});
        let mut one = json!({
            "file": self.file,
            "object": self.object,
            "policy": self.document().to_value(),
            "unknown": self.inferred.unknown.iter().map(unknown_json).collect::<Vec<_>>(),
        });
        if explain {
            let states = |explained: &Explained| explained.states.iter().map(state).collect::<Vec<_>>();
            let fields = self.fields.iter().map(|(field, _)| vec![json!({"field": field})]);
            one["states"] = self.inferred.statements().iter().map(states).chain(fields).collect::<Vec<_>>().into();
        }
        one
    }

    fn text(&self, explain: bool) -> String {
        let object = self.object.as_ref().map(|object| format!(": {object}")).unwrap_or_default();
        let mut text = format!("# {}{object}: {}\n", self.file, self.inferred.summary());
        let document = self.document();
        if document.len() > INLINE_LIMIT {
            text += &format!(
                "# {} characters, and IAM takes {INLINE_LIMIT} in a role's inline policies: several managed policies\n",
                document.len()
            );
        }
        if explain {
            let inferred = self.inferred.statements();
            for (number, Explained { statement, states }) in (1..).zip(&inferred) {
                let reasons = states.iter().map(|State { name, path }| format!("{name} ({path})"));
                text += &explained_text(number, statement, reasons);
            }
            for (number, (field, statement)) in (inferred.len() + 1..).zip(&self.fields) {
                text += &explained_text(number, statement, [(*field).to_owned()]);
            }
        } else if !document.is_empty() {
            text += &format!("{:#}\n", document.to_value());
        }
        for unknown in &self.inferred.unknown {
            text += &format!("unknown: {unknown}\n");
        }
        text + "\n"
    }
}

/// ```text
/// 1. sqs:SendMessage
///      on arn:aws:sqs:us-east-1:123456789012:orders
///      for Notify (/States/Notify)
/// ```
fn explained_text(number: usize, statement: &Statement, reasons: impl IntoIterator<Item = String>) -> String {
    let mut text = format!("{number}. {}\n", statement.actions.join(", "));
    let not = statement.not_resources.iter().map(|resource| format!("everything but {resource}"));
    for resource in statement.resources.iter().cloned().chain(not) {
        text += &format!("     on {resource}\n");
    }
    for (operator, keys) in &statement.conditions {
        for (key, values) in keys {
            text += &format!("     if {operator} {key}: {}\n", values.join(", "));
        }
    }
    for reason in reasons {
        text += &format!("     for {reason}\n");
    }
    text
}

fn unknown_json(unknown: &Unknown) -> Value {
    let statement =
        unknown.to_write().map(|statement| Document::new([statement.clone()]).to_value()["Statement"][0].clone());
    json!({
        "state": unknown.state.name,
        "path": unknown.state.path,
        "message": unknown.to_string(),
        "statement": statement,
    })
}

//! The definitions that files hold, and what is found in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context;
use kube::ResourceExt;
use serde_json::Value as Json;

use super::yaml::{Placement, placements};
use crate::api::{Action, GROUP, StateMachine, Substitution};
use crate::asl::{self, Definition, Finding, MachineType, ParseError, Position, Severity, Usage, Value};
use crate::cli::manifests::{self, Manifests};
use crate::identity::Key;
use crate::validate::state_machine;
use crate::world::World;

/// What was linted and found.
pub struct Linted {
    /// The files' texts, by their names.
    pub files: BTreeMap<String, String>,
    /// How many definitions there were.
    pub definitions: usize,
    /// In the order of the files.
    pub reports: Vec<Report>,
}

/// One finding, and where it is in which file.
pub struct Report {
    /// The file.
    pub file: String,
    /// The Kubernetes object; `None` for a definition alone.
    pub object: Option<String>,
    /// Where it is in the file.
    pub position: Option<Position>,
    /// JSON pointer into the definition.
    pub path: String,
    /// How much it matters.
    pub severity: Severity,
    /// Its code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

/// Lints every definition that the paths hold.
///
/// # Errors
/// A path that can't be read, or a manifest that is none.
pub fn lint(paths: &[PathBuf], machine_type: MachineType) -> anyhow::Result<Linted> {
    let sources = find(paths)?;
    let mut linted = Linted { files: BTreeMap::new(), definitions: sources.found.len(), reports: Vec::new() };
    for found in &sources.found {
        let findings = match &found.machine {
            None => alone(&found.text, Usage { machine_type, answers_route: false }),
            Some(machine) => of_machine(&sources.world, machine, &found.text),
        };
        linted.add(found, findings);
    }
    linted.files = sources.files;
    Ok(linted)
}

/// What files hold.
pub struct Sources {
    /// The files' texts, by their names.
    pub files: BTreeMap<String, String>,
    /// The definitions: those alone, then those of manifests.
    pub found: Vec<Found>,
    world: World,
}

/// A definition in a file.
pub struct Found {
    /// The file that holds the text.
    pub file: String,
    /// The Kubernetes object; `None` for a definition alone.
    pub machine: Option<StateMachine>,
    text: String,
    placement: Placement,
}

/// Finds every definition that the paths hold. What a manifest refers to and the files lack is told on standard error.
///
/// # Errors
/// A path that can't be read, or a manifest that is none.
pub fn find(paths: &[PathBuf]) -> anyhow::Result<Sources> {
    let mut files = BTreeMap::new();
    let mut sources = Vec::new();
    let mut documents = Vec::new();
    let mut manifests = Manifests::default();
    for path in paths {
        for (name, text) in manifests::texts(path)? {
            match read(&name, &text)? {
                Content::Definition => {
                    let (file, text) = (name.clone(), text.clone());
                    sources.push(Found { file, machine: None, text, placement: Placement::Whole });
                }
                Content::Manifests(found) => {
                    for (index, document) in found.into_iter().enumerate() {
                        manifests.add(document.clone()).with_context(|| name.clone())?;
                        documents.push((name.clone(), index, document));
                    }
                }
            }
            files.insert(name, text);
        }
    }
    let with_manifests: BTreeSet<&String> = documents.iter().map(|(name, ..)| name).collect();
    let places: BTreeMap<String, _> =
        with_manifests.into_iter().map(|name| (name.clone(), placements(&files[name]))).collect();
    let place = |file: &str, index: usize, pointer: &str| {
        places.get(file).and_then(|documents| documents.get(index)?.get(pointer).copied())
    };
    let flat: Vec<(String, usize, String, Json)> = documents
        .into_iter()
        .flat_map(|(file, index, document)| {
            let objects = flatten(document);
            objects.into_iter().map(move |(pointer, object)| (file.clone(), index, pointer, object))
        })
        .collect();
    let world = manifests.world("default");
    for (file, index, pointer, object) in &flat {
        if kind(object) != Some("StateMachine") {
            continue;
        }
        let mut machine: StateMachine =
            serde_json::from_value(object.clone()).with_context(|| format!("{file}: StateMachine"))?;
        machine.metadata.namespace.get_or_insert_with(|| "default".to_owned());
        let (file, placement, text) = if let Some(text) = &machine.spec.definition {
            (file, place(file, *index, &format!("{pointer}/spec/definition")), text.clone())
        } else if let Some(from) = &machine.spec.definition_from {
            let reference = &from.config_map_key_ref;
            let key = Key::new(machine.namespace().unwrap_or_default(), &reference.name);
            let Some(text) = world.config_maps.get(&key).and_then(|data| data.get(&reference.key)) else {
                let name = object_name(&machine);
                eprintln!("{file}: {name}: ConfigMap {key} with {} is not among the files", reference.key);
                continue;
            };
            let found = flat.iter().find(|(.., object)| config_map_key(object) == Some(key.clone()));
            let Some((file, index, pointer, _)) = found else { continue };
            let data = format!("{pointer}/data/{}", reference.key.replace('~', "~0").replace('/', "~1"));
            (file, place(file, *index, &data), text.clone())
        } else {
            continue;
        };
        let placement = placement.unwrap_or(Placement::Inline { at: Position { line: 1, column: 1 }, counts: false });
        sources.push(Found { file: file.clone(), machine: Some(machine), text, placement });
    }
    Ok(Sources { files, found: sources, world })
}

impl Sources {
    /// A definition with its substitutions, as far as the files know them.
    ///
    /// # Errors
    /// The text can't be read.
    pub fn definition(&self, found: &Found) -> Result<Definition, ParseError> {
        let definition = asl::parse(&found.text)?;
        Ok(match &found.machine {
            None => definition,
            Some(machine) => asl::substitute(&definition, &values(&self.world, machine)).0,
        })
    }
}

impl Found {
    /// `StateMachine namespace/name`; `None` for a definition alone.
    pub fn object(&self) -> Option<String> {
        self.machine.as_ref().map(object_name)
    }
}

fn object_name(machine: &StateMachine) -> String {
    format!("StateMachine {}", Key::of(machine))
}

impl Linted {
    fn add(&mut self, found: &Found, findings: Vec<Finding>) {
        self.reports.extend(findings.into_iter().map(|finding| Report {
            file: found.file.clone(),
            object: found.object(),
            position: finding.position.map(|position| found.placement.of(position)),
            path: finding.pointer,
            severity: finding.severity,
            code: finding.code,
            message: finding.message,
            help: finding.help,
        }));
    }
}

enum Content {
    Definition,
    Manifests(Vec<Json>),
}

fn read(name: &str, text: &str) -> anyhow::Result<Content> {
    let by_name = [".asl.json", ".asl.yaml", ".asl.yml"].iter().any(|end| name.ends_with(end));
    let by_content = || {
        asl::parse(text).is_ok_and(|definition| {
            let value = definition.value();
            value.get("StartAt").is_some() && value.get("States").is_some()
        })
    };
    if by_name || by_content() {
        return Ok(Content::Definition);
    }
    let documents = serde_saphyr::from_multiple::<Json>(text).with_context(|| name.to_owned())?;
    Ok(Content::Manifests(documents.into_iter().filter(|document| document.get("kind").is_some()).collect()))
}

fn kind(object: &Json) -> Option<&str> {
    let version = object.get("apiVersion")?.as_str()?;
    (version.split('/').next() == Some(GROUP)).then(|| object.get("kind")?.as_str())?
}

fn config_map_key(object: &Json) -> Option<Key> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str);
    (text("/kind") == Some("ConfigMap"))
        .then(|| Key::new(text("/metadata/namespace").unwrap_or("default"), text("/metadata/name").unwrap_or_default()))
}

/// The objects of a document, which may be a List, with their JSON pointers.
fn flatten(document: Json) -> Vec<(String, Json)> {
    if document.get("kind").and_then(Json::as_str) != Some("List") {
        return vec![(String::new(), document)];
    }
    let items = document.get("items").and_then(Json::as_array).cloned().unwrap_or_default();
    items.into_iter().enumerate().map(|(index, item)| (format!("/items/{index}"), item)).collect()
}

/// The findings in a definition alone: nobody says what its placeholders stand for.
fn alone(text: &str, usage: Usage) -> Vec<Finding> {
    match asl::parse(text) {
        Ok(definition) => {
            let mut findings = asl::unresolved(&definition);
            findings.extend(asl::check_used(&definition, usage));
            findings.sort_by_key(|finding| finding.position);
            findings
        }
        Err(error) => vec![Finding::from(&error)],
    }
}

/// The findings in a manifest's definition, with its substitutions as far as the files know them.
fn of_machine(world: &World, machine: &StateMachine, text: &str) -> Vec<Finding> {
    let definition = match asl::parse(text) {
        Ok(definition) => definition,
        Err(error) => return vec![Finding::from(&error)],
    };
    let values = values(world, machine);
    let (definition, mut findings) = asl::substitute(&definition, &values);
    let machine_type = state_machine::asl_type(machine.spec.type_);
    let usage = Usage { machine_type, answers_route: answers_route(world, &Key::of(machine)) };
    findings.extend(asl::check_used(&definition, usage));
    findings.sort_by_key(|finding| finding.position);
    findings
}

/// The values of the substitutions. What only a cluster knows stays a placeholder.
fn values(world: &World, machine: &StateMachine) -> BTreeMap<String, Value> {
    let place = state_machine::place(world, machine).ok().map(|(_, place)| place);
    let (account, region, partition) = match &place {
        Some(place) => (place.account_id.as_str(), place.region.as_str(), place.partition),
        None => ("111122223333", machine.spec.region.as_deref().unwrap_or("us-east-1"), "aws"),
    };
    let fill = |text: &str| {
        let text = text.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region);
        text.replace("${AWS::Partition}", partition)
    };
    let mut values: BTreeMap<String, Value> =
        [("AWS::AccountId", account), ("AWS::Region", region), ("AWS::Partition", partition)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::Text(value.to_owned())))
            .collect();
    let namespace = machine.namespace().unwrap_or_default();
    for substitution in &machine.spec.substitutions {
        let name = &substitution.name;
        let value = value(world, &namespace, substitution, &fill);
        values.insert(name.clone(), value.unwrap_or_else(|| Value::Text(format!("${{{name}}}"))));
    }
    values
}

fn value(world: &World, namespace: &str, substitution: &Substitution, fill: &impl Fn(&str) -> String) -> Option<Value> {
    if let Some(text) = &substitution.value {
        return Some(Value::Text(fill(text)));
    }
    if let Some(text) = &substitution.json {
        return Some(Value::Json(serde_json::from_str(text).ok()?));
    }
    if let Some(reference) = &substitution.state_machine_ref {
        let key = Key::resolve(reference, namespace);
        let name = match world.machines.get(&key) {
            Some(machine) => state_machine::aws_name(machine),
            None => crate::identity::machine_name(&key),
        };
        let arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:";
        return Some(Value::Text(fill(arn) + &name));
    }
    let reference = substitution.config_map_key_ref.as_ref()?;
    let data = world.config_maps.get(&Key::new(namespace, &reference.name))?;
    Some(Value::Text(data.get(&reference.key)?.clone()))
}

/// Whether a route waits for the machine's answer.
fn answers_route(world: &World, machine: &Key) -> bool {
    world.routes.values().any(|route| {
        let namespace = route.namespace().unwrap_or_default();
        let target = &route.spec.target;
        let stages = target.stages.iter().flatten().map(|stage| &stage.state_machine_ref);
        let references =
            target.state_machine_ref.iter().chain(target.state_machine_refs.iter().flatten()).chain(stages);
        target.action == Action::StartSyncExecution
            && references.into_iter().any(|reference| Key::resolve(reference, &namespace) == *machine)
    })
}

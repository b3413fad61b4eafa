//! `tests/fields.tsv` says of every field where it goes in AWS; it is held to the CRDs and to the code.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

/// The kinds whose fields become properties of AWS objects; an AWSAccount only grants.
const CRDS: &[(&str, &str)] = &[
    ("RestAPI", "restapis"),
    ("APIRoute", "apiroutes"),
    ("StateMachine", "statemachines"),
    ("UsagePlan", "usageplans"),
    ("APIDomain", "apidomains"),
];

/// A row of the table.
struct Row {
    kind: String,
    field: String,
    /// AWS property, create, update, read-back.
    aws: [String; 4],
    proof: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/fields.tsv")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1).filter(|line| !line.is_empty());
    let row = |line: &str| {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [kind, field, property, create, update, read, proof] = cells.try_into().expect(line);
        Row { kind, field, aws: [property, create, update, read], proof }
    };
    lines.map(row).collect()
}

/// The fields without fields of their own, such as `stages[].name`.
fn leaves(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    match (schema["properties"].as_object(), schema["items"]["type"].as_str()) {
        (Some(properties), _) => {
            for (name, schema) in properties {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, schema, found);
            }
        }
        (None, Some("object")) => leaves(&format!("{path}[]"), &schema["items"], found),
        _ => drop(found.insert(path.to_owned())),
    }
}

fn fields(plural: &str) -> BTreeSet<String> {
    let crd = fs::read_to_string(root().join(format!("crds/stepgate.dev_{plural}.yaml"))).unwrap();
    let crd: Value = serde_saphyr::from_str(&crd).unwrap();
    let mut found = BTreeSet::new();
    leaves("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], &mut found);
    found
}

fn covers(row: &str, field: &str) -> bool {
    field.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The sources of the rooms.
fn rooms(dir: PathBuf) -> String {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| if path.is_dir() { rooms(path) } else { fs::read_to_string(path).unwrap() }).collect()
}

#[test]
fn every_field_has_one_row() {
    let rows = rows();
    for (kind, plural) in CRDS {
        let fields = fields(plural);
        assert!(fields.len() > 15, "{kind}: only {fields:?}");
        let rows: Vec<_> = rows.iter().filter(|row| row.kind == *kind).collect();
        for field in &fields {
            let covering: Vec<_> = rows.iter().filter(|row| covers(&row.field, field)).map(|row| &row.field).collect();
            assert_eq!(covering.len(), 1, "{kind} {field}: rows of tests/fields.tsv: {covering:?}");
        }
        for row in rows {
            assert!(fields.iter().any(|field| covers(&row.field, field)), "{kind} has no field {}", row.field);
        }
    }
    assert!(rows.iter().all(|row| CRDS.iter().any(|(kind, _)| *kind == row.kind)), "a row of an unknown kind");
}

#[test]
fn the_rooms_make_the_calls_and_patches_that_the_rows_name() {
    let rooms = rooms(root().join("src/resources"));
    let operation =
        Regex::new(r"\b(?:Create|Get|Put|Update|Delete|List|Describe|Tag|Untag|Attach|Detach)(?:[A-Z][a-z]+)+")
            .unwrap();
    let patch = Regex::new(r" (/[A-Za-z*/]+)").unwrap();
    let humps = Regex::new("([a-z])([A-Z])").unwrap();
    for row in rows() {
        let cells = row.aws.join(" | ");
        for operation in operation.find_iter(&cells) {
            let words = humps.replace_all(operation.as_str(), "${1}_$2").to_lowercase();
            assert!(rooms.contains(&format!(".{words}()")), "{}: no room calls {}", row.field, operation.as_str());
        }
        for patch in patch.captures_iter(&row.aws[2]) {
            assert!(rooms.contains(&format!("\"{}", &patch[1])), "{}: no room patches {}", row.field, &patch[1]);
        }
    }
}

#[test]
fn every_row_is_proven_where_it_says() {
    for row in rows() {
        assert!(root().join(&row.proof).is_file(), "{} {}: there is no {}", row.kind, row.field, row.proof);
    }
}

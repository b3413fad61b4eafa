//! `tests/fields.tsv` says of every field where it goes in AWS; it is held to the CRDs and to the code.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

/// The kinds. An AWSAccount mostly grants, but it says where calls go, too.
const CRDS: &[(&str, &str)] = &[
    ("AWSAccount", "awsaccounts"),
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
    let rooms = rooms(root().join("src/resources")) + &rooms(root().join("src/aws"));
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

// --- The drift matrix ---

/// What no manifest of the drift matrix sets, and why.
const IN_NO_SCENE: &[(&str, &str, &str)] = &[
    (
        "AWSAccount",
        "endpointUrl",
        "the AWS in memory is behind every endpoint; the end-to-end suite has one of its own",
    ),
    ("AWSAccount", "credentials", "whose credentials they are is no property: tests/torture/coverage.rs"),
    ("AWSAccount", "takeoverFrom", TAGS),
    ("RestAPI", "adoption", ADOPTED),
    ("StateMachine", "adoption", ADOPTED),
    ("StateMachine", "executionRole.adoption", ADOPTED),
    ("RestAPI", "deletionPolicy", TAGS),
    ("StateMachine", "deletionPolicy", TAGS),
    ("UsagePlan", "deletionPolicy", TAGS),
    ("APIDomain", "deletionPolicy", TAGS),
];

const ADOPTED: &str =
    "it says how an object becomes ours, which then is as any other: tests/torture/adoption.rs, adopted_roles.rs";
const TAGS: &str = "it is about owner tags alone, and without them an object is another's";

/// The manifests of the matrix's scenes: what tests/torture/drift.rs lists, and tests/torture/everything.yaml.
fn manifests() -> Vec<Value> {
    let source = fs::read_to_string(root().join("tests/torture/drift.rs")).unwrap();
    let (_, list) = source.split_once("const EXAMPLES: ").expect("the list of drift.rs");
    let list =
        list.split_once(';').unwrap().1.split_once(';').unwrap().0.replace("super::DOMAINS", "\"docs/domains.md\"");
    let mut texts = Vec::new();
    for name in list.split('"').skip(1).step_by(2) {
        if name.ends_with(".md") {
            let page = fs::read_to_string(root().join(name)).unwrap();
            let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
            texts.extend(blocks.map(str::to_owned));
        } else {
            let files = fs::read_dir(root().join("examples").join(name)).unwrap().map(|entry| entry.unwrap().path());
            let files = files.filter(|path| path.extension().is_some_and(|kind| kind == "yaml"));
            texts.extend(files.map(|path| fs::read_to_string(path).unwrap()));
        }
    }
    assert!(texts.len() > 30, "only {} manifests were found", texts.len());
    texts.push(fs::read_to_string(root().join("examples/awsaccount.yaml")).unwrap());
    texts.push(fs::read_to_string(root().join("tests/torture/everything.yaml")).unwrap());
    texts.iter().flat_map(|text| serde_saphyr::from_multiple::<Value>(text).unwrap()).collect()
}

/// Whether a field such as `stages[].name` is set, in one item of each list at least.
fn sets(value: &Value, field: &str) -> bool {
    let (first, rest) = field.split_once('.').map_or((field, None), |(first, rest)| (first, Some(rest)));
    let is = |value: &Value| !value.is_null() && rest.is_none_or(|rest| sets(value, rest));
    match first.strip_suffix("[]") {
        Some(list) => value[list].as_array().is_some_and(|items| items.iter().any(is)),
        None => is(&value[first]),
    }
}

/// Each right that an admin gives a tenant is one that somebody may want who does not have it.
#[test]
fn every_grant_of_a_tenant_is_attacked() {
    let dir = root().join("tests/e2e/escalation");
    let files = fs::read_dir(&dir).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let attacks: String = files.collect();
    let of_tenants = rows().into_iter().filter(|row| row.kind == "AWSAccount" && row.field.contains("tenants[]."));
    let mut seen = 0;
    for row in of_tenants {
        let name = row.field.rsplit('.').next().unwrap().trim_end_matches("[]").to_owned();
        assert!(attacks.contains(&name), "{}: no manifest of tests/e2e/escalation wants it", row.field);
        seen += 1;
    }
    assert!(seen > 10, "only {seen} grants");
}

/// What no scene of the torture suite asks for is never crashed there, and in no drift matrix: that tries all that AWS holds after them.
#[test]
fn every_property_is_asked_for_in_some_scene() {
    let manifests = manifests();
    let mut wrong = Vec::new();
    for row in rows().iter().filter(|row| row.aws[0] != "-") {
        let of_kind = |manifest: &&Value| manifest["kind"] == *row.kind;
        let is_set = manifests.iter().filter(of_kind).any(|manifest| sets(&manifest["spec"], &row.field));
        let excepted = IN_NO_SCENE.iter().any(|(kind, field, _)| *kind == row.kind && covers(field, &row.field));
        match (is_set, excepted) {
            (false, false) => wrong.push(format!("{} {}: no scene sets it", row.kind, row.field)),
            (true, true) => wrong.push(format!("{} {}: a scene sets it, the exception is stale", row.kind, row.field)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    for (kind, field, _) in IN_NO_SCENE {
        let is_a_row = rows().iter().any(|row| row.kind == *kind && row.aws[0] != "-" && covers(field, &row.field));
        assert!(is_a_row, "{kind} {field}: there is no such row");
    }
}

//! The public corpora of definitions that are known to be good or bad, where they are at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Finding, MachineType, check, parse};

/// The folder with the corpora: `$STEPGATE_SHARED/corpora`, or beside the repository.
fn corpora() -> Option<PathBuf> {
    let shared = std::env::var_os("STEPGATE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let corpora = shared.join("corpora");
    if corpora.is_dir() {
        return Some(corpora);
    }
    println!("skipped: there are no corpora at {}; set STEPGATE_SHARED", corpora.display());
    None
}

/// Labelled valid, and refused all the same.
const WRONG_LABELS: [(&str, &str); 10] = [
    (
        "sfn-iot-data-analytics-dataset_statemachine_statemachine.asl.json",
        "not JSON: line 10 has `\"Messages\": \"Messages.$\": …`",
    ),
    (
        "shared-fallback-state-jsonata_statemachine_statemachine.asl.json",
        "QueryLanguage stands inside of States, where only states, which are objects, can be",
    ),
    (
        "documentSucceedFailTerminalState",
        "three states are called Second; names are unique in the whole machine (specification, \"States\"; \
         https://docs.aws.amazon.com/step-functions/latest/dg/workflow-states.html), which that validator does not check",
    ),
    (
        "valid-assign.asl.json",
        "it assigns `top-level`; a variable's name is a Unicode identifier (specification, \"Variables\"), and AWS refuses others: \
         INVALID_VARIABLE_NAME",
    ),
    (
        "valid-map-with-item-batcher-jsonata.json",
        "a state says JSONPath in a machine that says JSONata: AWS.md §4, recorded",
    ),
    ("valid-task-credentials.json", "Credentials without RoleArn: AWS.md §4, recorded"),
    ("task-with-credentials.json", "Credentials without RoleArn: AWS.md §4, recorded"),
    (
        "succeed-with-comment-in-catcher.json",
        "lambda:invoke without Parameters; AWS: \"Parameters field is required for resource ARN\"",
    ),
    (
        "documentTaskInvalidArn",
        "the Resource is `InvalidArn`, which is not even a URI (specification, \"Task State\"); AWS: \"Value is not a valid resource ARN\"",
    ),
    (
        "stateLevelJsonataDocument",
        "lambda:invoke without FunctionName, which AWS calls required; and `{% $ %}`, which AWS calls unsupported",
    ),
];

/// Labelled invalid, and accepted all the same.
const TOO_STRICT: [(&str, &str); 2] = [
    (
        "invalid-json-surround-syntax-extra-spaces.json",
        "white space in a JSONata expression means nothing; AWS wants only that it begins with {% and ends with %}",
    ),
    (
        "invalid-jsonata-surround-syntax-no-spaces.json",
        "`{%10%}`; AWS wants only that it begins with {% and ends with %}",
    ),
];

struct Sample {
    corpus: &'static str,
    name: String,
    text: String,
    valid: bool,
}

fn samples(corpora: &Path) -> Vec<Sample> {
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let json = |path: &str| serde_json::from_str::<Value>(&read(&corpora.join(path))).unwrap();
    let files = |folder: &str| {
        let mut files: Vec<_> =
            fs::read_dir(corpora.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, read(&path))
        })
    };
    let mut samples = Vec::new();
    for (name, text) in files("asl-validator/definitions") {
        let valid = name.starts_with("valid-");
        samples.push(Sample { corpus: "asl-validator", name, text, valid });
    }
    for (name, text) in files("aws-samples-workflows/definitions") {
        samples.push(Sample { corpus: "aws-samples-workflows", name, text, valid: true });
    }
    let labels = json("statelint/manifest.json");
    for (name, text) in files("statelint/test") {
        // Two files have no test of their own upstream.
        if let Some(valid) = labels[&name]["valid"].as_bool() {
            samples.push(Sample { corpus: "statelint", name, text, valid });
        }
    }
    for case in json("amazon-states-language-service/cases.json").as_array().unwrap() {
        samples.push(Sample {
            corpus: "amazon-states-language-service",
            name: case["name"].as_str().unwrap().to_owned(),
            text: case["text"].as_str().unwrap().to_owned(),
            valid: case["valid"] == true,
        });
    }
    samples
}

fn errors(text: &str) -> Vec<Finding> {
    let mut found = match parse(text) {
        Ok(definition) => check(&definition, MachineType::Standard),
        Err(error) => vec![Finding::from(&error)],
    };
    found.retain(Finding::is_error);
    found
}

/// By corpus: how many samples, and how many that are as they should be.
type Counts = BTreeMap<&'static str, (usize, usize)>;

fn count(counts: &mut Counts, corpus: &'static str, good: bool) {
    let (all, fine) = counts.entry(corpus).or_default();
    *all += 1;
    *fine += usize::from(good);
}

#[test]
fn finds_no_error_in_what_is_valid() {
    let Some(corpora) = corpora() else { return };
    let samples: Vec<Sample> = samples(&corpora).into_iter().filter(|sample| sample.valid).collect();
    let mut wrong = Vec::new();
    let mut counts = Counts::new();
    for Sample { corpus, name, text, .. } in &samples {
        let errors = errors(text);
        count(&mut counts, corpus, errors.is_empty());
        if let Some((_, reason)) = WRONG_LABELS.iter().find(|(wrong, _)| wrong == name) {
            assert!(!errors.is_empty(), "{name} is no longer refused: {reason}");
        } else {
            wrong.extend(errors.into_iter().map(|error| format!("{name}: {} {error}", error.code)));
        }
    }
    for (corpus, (all, good)) in counts {
        println!("{corpus}: {all} called valid, {good} of them without an error");
    }
    assert!(samples.len() > 300, "the corpora are there, and nearly empty");
    assert_eq!(wrong, Vec::<String>::new());
}

/// `corpora_refused.txt` has for each sample what is wrong with it and where, as a person read it.
#[test]
fn finds_in_what_is_invalid_the_error_at_its_place() {
    let Some(corpora) = corpora() else { return };
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in include_str!("corpora_refused.txt").lines() {
        let (name, error) = line.split_once(": ").unwrap();
        expected.entry(name).or_default().push(error);
    }
    let (mut differ, mut seen) = (Vec::new(), BTreeSet::new());
    let mut counts = Counts::new();
    for Sample { corpus, name, text, .. } in samples(&corpora).iter().filter(|sample| !sample.valid) {
        let found: Vec<String> = errors(text).iter().map(|error| format!("{} {}", error.code, error.pointer)).collect();
        if TOO_STRICT.iter().any(|(strict, _)| strict == name) {
            count(&mut counts, corpus, false);
            assert_eq!(found, Vec::<String>::new(), "{name}");
            continue;
        }
        count(&mut counts, corpus, true);
        let wanted = expected.get(name.as_str()).cloned().unwrap_or_default();
        seen.insert(name.clone());
        if found.is_empty() || found != wanted {
            differ.extend(found.iter().map(|error| format!("{name}: {error}")));
            differ.push(format!("{name} has {} findings, and {} are expected", found.len(), wanted.len()));
        }
    }
    for (corpus, (all, good)) in counts {
        println!("{corpus}: {all} called invalid, {good} of them refused at the right place");
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    expected.retain(|name, _| !seen.contains(*name));
    assert_eq!(expected, BTreeMap::new(), "samples that are gone");
}

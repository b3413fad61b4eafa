//! The public corpora of definitions that are known to be good or bad, where they are at hand.

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
const WRONG_LABELS: [(&str, &str); 3] = [
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
];

struct Sample {
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
        samples.push(Sample { name, text, valid });
    }
    for (name, text) in files("aws-samples-workflows/definitions") {
        samples.push(Sample { name, text, valid: true });
    }
    let labels = json("statelint/manifest.json");
    for (name, text) in files("statelint/test") {
        // Two files have no test of their own upstream.
        if let Some(valid) = labels[&name]["valid"].as_bool() {
            samples.push(Sample { name, text, valid });
        }
    }
    for case in json("amazon-states-language-service/cases.json").as_array().unwrap() {
        samples.push(Sample {
            name: case["name"].as_str().unwrap().to_owned(),
            text: case["text"].as_str().unwrap().to_owned(),
            valid: case["valid"] == true,
        });
    }
    samples
}

#[test]
fn finds_no_error_in_what_is_valid() {
    let Some(corpora) = corpora() else { return };
    let samples = samples(&corpora);
    let mut wrong = Vec::new();
    let mut refused = 0;
    for Sample { name, text, valid } in &samples {
        let errors: Vec<String> = match parse(text) {
            Ok(definition) => check(&definition, MachineType::Standard)
                .iter()
                .filter(|finding| finding.is_error())
                .map(Finding::to_string)
                .collect(),
            Err(error) => vec![error.to_string()],
        };
        if let Some((_, reason)) = WRONG_LABELS.iter().find(|(wrong, _)| wrong == name) {
            assert!(!errors.is_empty(), "{name} is no longer refused: {reason}");
        } else if *valid {
            wrong.extend(errors.into_iter().map(|error| format!("{name}: {error}")));
        } else if !errors.is_empty() {
            refused += 1;
        } else {
            println!("labelled invalid, no error found: {name}");
        }
    }
    let invalid = samples.iter().filter(|sample| !sample.valid).count();
    println!("{} samples; of {invalid} labelled invalid, {refused} refused", samples.len());
    assert!(samples.len() > 400, "the corpora are there, and nearly empty");
    assert_eq!(wrong, Vec::<String>::new());
}

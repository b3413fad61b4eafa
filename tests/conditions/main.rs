//! docs/conditions.md is held to the code by its reasons, and to what the operator does by an object for each row, which
//! the end-to-end suite recorded (`make record`).
#![allow(clippy::unwrap_used)]

mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rows::{Reason, rows, shown};
use serde_json::Value;
use stepgate::api::conditions::{self, reasons};

/// Where the recorded objects are.
const RECORDED: &str = "charts/stepgate/files/argocd/stepgate.dev/_/testdata";

/// Rows that the testbed can't show, by the file that they would have, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "StateMachine/Reconciling-True-WaitingForQuota.yaml",
        "Step Functions takes a burst of 100 CreateStateMachine: as many machines would have to be made first",
    ),
    (
        "RestAPI/Stalled-True-LogRoleMissing.yaml",
        "LocalStack's API Gateway has a role to write logs with from the start, and the suite's accounts share it",
    ),
    ("UsagePlan/Reconciling-True-Progressing.yaml", "LocalStack shows a change of a plan or a key at once"),
    ("UsagePlan/Reconciling-True-Deleting.yaml", "LocalStack deletes a plan and its keys at once"),
    ("UsagePlan/Stalled-True-RefusedByAWS.yaml", "LocalStack takes every plan and key that validation lets through"),
    (
        "APIDomain/Reconciling-True-Progressing.yaml",
        "the emulator sets a domain name up at once; src/controller/api_domain.rs has the words",
    ),
    (
        "APIDomain/Reconciling-True-WaitingForQuota.yaml",
        "the operator keeps no quotas for an emulator; that of RestAPI shows it",
    ),
    ("APIDomain/Reconciling-True-Deleting.yaml", "the emulator deletes a domain name at once"),
    ("APIDomain/Stalled-True-RefusedByAWS.yaml", "the emulator refuses no domain name that was validated here"),
];

#[test]
fn the_reasons_are_exactly_those_of_the_code() {
    let named = |row: rows::Row| match row.reason {
        Reason::Named(name) => Some(name),
        Reason::Of(_) => None,
    };
    let documented: BTreeSet<String> = rows().into_iter().filter_map(named).collect();
    let code: BTreeSet<String> = reasons::ALL.iter().map(|&reason| reason.to_owned()).collect();
    let undocumented: Vec<_> = code.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&code).collect();
    assert!(
        undocumented.is_empty() && unknown.is_empty(),
        "docs/conditions.md lacks {undocumented:?}; src/api/conditions.rs lacks {unknown:?}"
    );
}

#[test]
fn every_kind_has_its_conditions() {
    let rows = rows();
    let common = [conditions::READY, conditions::RECONCILING, conditions::STALLED];
    let of_routes = [conditions::ACCEPTED, conditions::RESOLVED_REFS, conditions::PROGRAMMED];
    let kinds: BTreeSet<String> = stepgate::api::crds().into_iter().map(|crd| crd.spec.names.kind).collect();
    assert_eq!(rows.iter().map(|row| row.kind.clone()).collect::<BTreeSet<_>>(), kinds);
    for kind in &kinds {
        let mut expected = BTreeSet::from(common);
        if kind == "APIRoute" {
            expected.extend(of_routes);
        }
        if kind == "StateMachine" {
            expected.insert(conditions::POLICY_COMPLETE);
            expected.insert(conditions::POLICY_NARROWING_PENDING);
        }
        let of_kind = || rows.iter().filter(|row| row.kind == *kind);
        let documented: BTreeSet<&str> = of_kind().map(|row| row.condition.as_str()).collect();
        assert_eq!(documented, expected, "{kind}");
        for (condition, status, reason) in [
            (conditions::READY, "Unknown", reasons::PENDING),
            (conditions::READY, "True", reasons::READY),
            (conditions::RECONCILING, "False", reasons::HEALTHY),
            (conditions::STALLED, "False", reasons::HEALTHY),
        ] {
            let file = format!("{kind}/{condition}-{status}-{reason}.yaml");
            assert!(of_kind().any(|row| row.file().as_ref() == Some(&file)), "{file} is not documented");
        }
    }
    for row in &rows {
        assert!(["True", "False", "Unknown"].contains(&row.status.as_str()), "{row:?}");
    }
}

/// The recorded objects by their files.
fn recorded() -> BTreeMap<String, Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
    let entries = |dir: &Path| {
        let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let files = entries(&dir).into_iter().flat_map(|kind| entries(&kind));
    files
        .map(|file| {
            let name = file.strip_prefix(&dir).unwrap().to_string_lossy().into_owned();
            let object = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap());
            (name, object.unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        })
        .collect()
}

#[test]
fn every_row_was_seen() {
    let documented: BTreeSet<String> = rows().iter().filter_map(rows::Row::file).collect();
    let recorded: BTreeSet<String> = recorded().into_keys().collect();
    let excepted: BTreeSet<String> = EXCEPTIONS.iter().map(|(file, _)| (*file).to_owned()).collect();
    let unseen: Vec<_> = documented.iter().filter(|row| !recorded.contains(*row) && !excepted.contains(*row)).collect();
    assert!(unseen.is_empty(), "of docs/conditions.md the end-to-end suite showed no {unseen:#?}");
    let undocumented: Vec<_> = recorded.difference(&documented).collect();
    assert!(undocumented.is_empty(), "docs/conditions.md lacks {undocumented:#?}");
    let idle: Vec<_> = excepted.iter().filter(|row| recorded.contains(*row) || !documented.contains(*row)).collect();
    assert!(idle.is_empty(), "no longer exceptions: {idle:#?}");
}

#[test]
fn every_file_shows_its_row_and_nothing_that_is_not_documented() {
    let rows = rows();
    for (name, object) in recorded() {
        let shown: Vec<String> = shown(&rows, &object).iter().filter_map(rows::Row::file).collect();
        assert!(shown.contains(&name), "{name} shows {shown:?}");
        let known: BTreeSet<String> = rows.iter().filter_map(rows::Row::file).collect();
        for file in shown {
            assert!(known.contains(&file), "{name}: docs/conditions.md lacks {file}");
        }
    }
}

/// What the document says of every kind.
#[test]
fn every_recorded_object_keeps_the_contract() {
    for (name, object) in recorded() {
        let conditions = object["status"]["conditions"].as_array().unwrap();
        let find = |type_: &str| conditions.iter().find(|condition| condition["type"] == type_);
        let ready = find(conditions::READY).unwrap_or_else(|| panic!("{name} has no Ready"));
        if ready["reason"] == reasons::PENDING {
            assert_eq!(ready["status"], "Unknown", "{name}");
            continue;
        }
        assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"], "{name}");
        let [reconciling, stalled] = [conditions::RECONCILING, conditions::STALLED]
            .map(|type_| find(type_).unwrap_or_else(|| panic!("{name} has no {type_}")));
        let speaking: Vec<_> = [reconciling, stalled].into_iter().filter(|it| it["status"] == "True").collect();
        let reason = ready["reason"].as_str().unwrap();
        match speaking[..] {
            [] => assert!(
                [reasons::READY, reasons::PAUSED, reasons::DRIFTED].contains(&reason),
                "{name}: Ready has reason {reason}"
            ),
            [explains] => {
                assert_eq!(ready["status"], "False", "{name}");
                assert!(reason == reasons::LAST_KNOWN_GOOD || ready["reason"] == explains["reason"], "{name}");
                let message = explains["message"].as_str().unwrap();
                assert!(ready["message"].as_str().unwrap().starts_with(message), "{name}: Ready lacks `{message}`");
            }
            _ => panic!("{name} is both Reconciling and Stalled"),
        }
    }
}

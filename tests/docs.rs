//! The documents are held to the code: their links, and the operator's AWS policy to the calls that it makes.
#![allow(clippy::unwrap_used)]

#[path = "calls/mod.rs"]
mod calls;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use calls::policy::{
    ApiTags, Attach, AttachOwn, ByStates, Context, MACHINE, Need, New, OPERATIONS, Own, POLICIES, POLICY, Pass, Read,
    Released, VIA_SERVICE, allowing, applies, like, list, needs, policy,
};
use calls::{calls_aws, operations_in, operations_of_the_code, read, root, rust_files};
use regex::Regex;
use serde_json::Value;
use stepgate::identity::{self, Cluster, Key, Owner};
use stepgate_testbed::memory::{Memory, Service};

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").unwrap();
    let mut files: Vec<PathBuf> = ["README.md", "SECURITY.md", "CHANGELOG.md", "charts/stepgate/README.md"]
        .map(|file| root().join(file))
        .into_iter()
        .filter(|file| file.exists())
        .collect();
    files.extend(
        fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    for file in files {
        for found in link.captures_iter(&read(&file)) {
            assert!(file.parent().unwrap().join(&found[1]).exists(), "{} links to {}", file.display(), &found[1]);
        }
    }
}

// --- SECURITY.md ---

/// Whoever renames or drops a test that is named as a proof says so there.
#[test]
fn every_proof_of_security_is_a_test() {
    let named = Regex::new(r"`((?:src|tests)/[a-z0-9_/]+\.rs)::([a-z0-9_]+)`").unwrap();
    let text = read("SECURITY.md");
    let proofs: Vec<_> = named.captures_iter(&text).collect();
    assert!(proofs.len() > 20, "only {} tests are named", proofs.len());
    for proof in proofs {
        let (file, test) = (&proof[1], &proof[2]);
        let source = read(file);
        let (before, _) = source.split_once(&format!("fn {test}(")).unwrap_or_else(|| panic!("{file} has no {test}"));
        let attributes = before.rsplit("\n\n").next().unwrap_or_default();
        assert!(attributes.contains("test]") || attributes.contains("test("), "{file}: {test} is no test");
    }
    // Each row of what an attacker may try names what stops it and what proves it.
    let (_, attacks) = text.split_once("\n## What each may try").unwrap();
    for row in attacks.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| proven by |")) {
        let proof = row.split('|').nth(3).unwrap();
        assert!(named.is_match(proof) || proof.contains("not proven"), "no proof: {row}");
    }
}

// --- docs/aws-policy.json ---

const CLUSTER: &str = "aws:ResourceTag/stepgate.dev/cluster";
const RELEASED: &str = "aws:ResourceTag/stepgate.dev/released-from";
const REQUESTED_CLUSTER: &str = "aws:RequestTag/stepgate.dev/cluster";

/// The operations that the operator's policy is about, as AWS names them. The roles that an AWSAccount's credentials name are the account's own
/// affair: docs/aws-permissions.md has the statement for them.
fn operations_of_the_policy() -> BTreeSet<String> {
    assert!(read("docs/aws-permissions.md").contains(r#""Action": "sts:AssumeRole""#));
    let operations = operations_of_the_code().into_iter().map(|(_, operation)| operation);
    operations.filter(|operation| operation != "AssumeRole").collect()
}

impl Need {
    /// What the operator's own calls carry.
    fn context(self) -> Context<'static> {
        match self {
            Read(..) => Context::new(),
            New(..) => Context::from([
                (REQUESTED_CLUSTER, vec!["default"]),
                ("aws:TagKeys", vec!["stepgate.dev/cluster", "stepgate.dev/name"]),
            ]),
            Own(..) => Context::from([(CLUSTER, vec!["default"])]),
            Attach(_) => Context::from([
                (CLUSTER, vec!["default"]),
                ("iam:PolicyARN", vec!["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"]),
            ]),
            AttachOwn(_) => Context::from([(CLUSTER, vec!["default"]), ("iam:PolicyARN", vec![POLICY])]),
            Pass(_, service) => Context::from([("iam:PassedToService", vec![service])]),
            ApiTags(_) => Context::from([("aws:TagKeys", vec!["stepgate.dev/cluster", "stepgate.dev/name"])]),
            ByStates(_) => Context::from([(VIA_SERVICE, vec!["states.eu-central-1.amazonaws.com"])]),
            Released(..) => Context::from([(RELEASED, vec!["0123"])]),
        }
    }

    /// What must be refused.
    fn wrong_contexts(self) -> Vec<Context<'static>> {
        match self {
            Read(..) | Released(..) => Vec::new(),
            New(..) => vec![Context::new(), Context::from([(REQUESTED_CLUSTER, vec!["other"])])],
            Own(..) => vec![
                Context::new(),
                Context::from([(CLUSTER, vec!["other"])]),
                Context::from([(CLUSTER, vec!["other"]), (REQUESTED_CLUSTER, vec!["default"])]),
            ],
            Attach(_) => vec![
                Context::from([
                    (CLUSTER, vec!["default"]),
                    ("iam:PolicyARN", vec!["arn:aws:iam::aws:policy/AdministratorAccess"]),
                ]),
                Context::from([
                    (CLUSTER, vec!["other"]),
                    ("iam:PolicyARN", vec!["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"]),
                ]),
            ],
            AttachOwn(_) => vec![Context::from([(CLUSTER, vec!["other"]), ("iam:PolicyARN", vec![POLICY])])],
            Pass(..) => vec![Context::from([("iam:PassedToService", vec!["lambda.amazonaws.com"])]), Context::new()],
            ApiTags(_) => vec![Context::from([("aws:TagKeys", vec!["stepgate.dev/cluster", "owner"])])],
            ByStates(_) => vec![Context::new(), Context::from([(VIA_SERVICE, vec!["s3.eu-central-1.amazonaws.com"])])],
        }
    }
}

fn allowed_by(policy: &[Value], need: Need, context: &Context<'_>) -> Vec<usize> {
    let (action, resource) = need.action_and_resource();
    allowing(policy, action, resource, context)
}

#[test]
fn the_policy_fits_and_says_why() {
    for file in POLICIES {
        let document: Value = serde_json::from_str(&read(file)).unwrap();
        // AWS.md §1: a managed policy holds 6,144 characters, white space not counted.
        let size = document.to_string().chars().filter(|c| !c.is_whitespace()).count();
        assert!(size <= 6_144, "{file} has {size} characters");
    }
    let explanation = read("docs/aws-permissions.md");
    let sids: BTreeSet<String> =
        policy().iter().map(|statement| statement["Sid"].as_str().expect("a Sid").to_owned()).collect();
    let explained: BTreeSet<String> = Regex::new(r"(?m)^\| `([A-Za-z]+)` \|")
        .unwrap()
        .captures_iter(&explanation)
        .map(|found| found[1].to_owned())
        .collect();
    assert_eq!(sids, explained, "docs/aws-permissions.md explains each statement");
    for statement in policy() {
        for action in list(&statement["Action"]) {
            assert!(!action.contains('*'), "{action}");
        }
    }
}

#[test]
fn the_policy_refuses_what_is_not_ours() {
    let policy = policy();
    for need in OPERATIONS.iter().flat_map(|(_, needs)| *needs) {
        for context in need.wrong_contexts() {
            assert!(allowed_by(&policy, *need, &context).is_empty(), "{need:?} is allowed with {context:?}");
        }
    }
    for (action, resource) in [
        ("iam:PutRolePolicy", "arn:aws:iam::111122223333:role/admin"),
        ("iam:GetRole", "arn:aws:iam::111122223333:role/admin"),
        ("states:UpdateStateMachine", "arn:aws:states:eu-central-1:444455556666:stateMachine:a"),
        ("states:StartExecution", MACHINE),
        ("apigateway:PATCH", "arn:aws:apigateway:eu-central-1::/vpclinks/a1b2c3"),
        ("logs:DeleteLogGroup", "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/f"),
    ] {
        assert!(
            allowed_by(&policy, Own(action, resource), &Own(action, resource).context()).is_empty(),
            "{action} on {resource}"
        );
    }
    let other_role = Pass("arn:aws:iam::111122223333:role/admin", "states.amazonaws.com");
    assert!(allowed_by(&policy, other_role, &other_role.context()).is_empty());
}

#[test]
fn the_policy_knows_our_names_and_tags() {
    let cluster = Cluster { name: "default".into(), uid: "u".into() };
    let owner = Owner::new(cluster, "StateMachine", Key::new("shop", "orders"));
    let path = identity::role_path(&owner, "eu-central-1");
    let name = identity::role_name(&owner, "eu-central-1", "exec", &owner.key);
    let role = policy().into_iter().find(|statement| statement["Sid"] == "ReadRoles").unwrap();
    for arn in [format!("arn:aws:iam::111122223333:role{path}{name}"), format!("arn:aws:iam::111122223333:role/{name}")]
    {
        assert!(applies(&role, "iam:GetRole", &arn, &Context::new()), "{arn}");
    }
    assert_eq!(owner.tags()["stepgate.dev/cluster"], "default");
    for key in owner.tags().keys().chain(owner.released_tag().keys()) {
        assert!(like("stepgate.dev/*", key), "{key}");
    }
    assert!(RELEASED.ends_with(identity::RELEASED_FROM));
}

#[test]
fn the_policy_allows_every_call_of_the_code() {
    let policy = policy();
    for operation in operations_of_the_policy() {
        for need in needs(&operation) {
            assert!(
                !allowed_by(&policy, *need, &need.context()).is_empty(),
                "`{operation}` needs {need:?}, which docs/aws-policy.json does not allow"
            );
        }
    }
}

#[test]
fn the_policy_allows_nothing_else() {
    let policy = policy();
    let mut used = BTreeSet::new();
    for operation in operations_of_the_policy() {
        for need in needs(&operation) {
            for statement in allowed_by(&policy, *need, &need.context()) {
                used.insert((statement, need.action_and_resource().0));
            }
        }
    }
    for (index, statement) in policy.iter().enumerate().filter(|(_, statement)| statement["Effect"] == "Allow") {
        for action in list(&statement["Action"]) {
            assert!(used.contains(&(index, action)), "{}: no call of the code needs {action}", statement["Sid"]);
        }
    }
}

/// The files whose calls are made with the credentials of whoever runs the command line.
fn calls_aws_for_users(path: &Path) -> bool {
    path.starts_with(root().join("src/cli")) && path.file_name().is_some_and(|name| name == "remote.rs")
}

/// They are no business of the operator's policy; users are told what their own must allow.
#[test]
fn what_users_call_themselves_is_told_to_them() {
    let documents = read("docs/graph.md");
    let mut seen = 0;
    for path in rust_files(&root().join("src/cli")).iter().filter(|path| calls_aws_for_users(path)) {
        for operation in operations_in(&read(path)) {
            let action = format!("`states:{operation}`");
            assert!(documents.contains(&action), "docs/graph.md does not say that {action} is needed");
            seen += 1;
        }
    }
    assert!(seen > 0, "no call was found: has the code moved?");
}

#[test]
fn only_the_rooms_call_aws() {
    for path in rust_files(&root().join("src")) {
        let source = read(&path);
        assert!(
            calls_aws(&path)
                || calls_aws_for_users(&path)
                || !(source.contains("aws_sdk_") && source.contains(".send()")),
            "{} calls AWS, where this test does not look",
            path.display()
        );
    }
}

#[test]
fn calls_are_found() {
    let source = "let x = client\n    .create_state_machine()\n    .name(n)\n    // .delete_role()\n    .send()\n    .await?;\nlet y = apis.get_resources().into_paginator(); z.get_ref(); out.role_arn(); out.get_name(1);";
    assert_eq!(operations_in(source), BTreeSet::from(["CreateStateMachine".to_owned(), "GetResources".to_owned()]));
    let found = operations_of_the_code();
    for call in [(Service::Sts, "AssumeRole"), (Service::States, "TagResource"), (Service::Logs, "TagResource")] {
        assert!(found.contains(&(call.0, call.1.to_owned())), "{call:?}");
    }
}

/// Of what the AWS in memory does not know nothing is shown by the tests on it: no crash, no drift, no escalation.
#[test]
fn the_aws_in_memory_knows_every_call_of_the_code() {
    // Asked by `stepgate invoke` alone, with its user's credentials: tests/e2e/invoke.rs has it on the emulator.
    let elsewhere = [(Service::ApiGateway, "TestInvokeMethod")];
    for (service, operation) in operations_of_the_code() {
        let known = Memory::knows(service, &operation);
        let is_elsewhere = elsewhere.contains(&(service, operation.as_str()));
        assert!(known != is_elsewhere, "{service:?} {operation}: known to testbed/src/memory is {known}");
    }
    for service in [Service::Iam, Service::Sts, Service::States, Service::Logs, Service::ApiGateway] {
        assert!(!Memory::knows(service, "CreateNothing"), "{service:?}");
    }
}

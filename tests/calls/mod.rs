//! The calls to AWS that the operator can make, read from its source.

pub mod policy;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use stepgate_testbed::memory::Service;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Method names that look like operations and are none.
const NO_OPERATIONS: &[&str] = &["get_ref", "get_mut", "get_or_insert_default"];

/// The SDK calls in a source text, as AWS names them: methods without arguments whose names begin as operations do.
pub fn operations_in(source: &str) -> BTreeSet<String> {
    static CALL: LazyLock<Regex> = LazyLock::new(|| {
        let verbs = "create|get|put|update|delete|list|describe|tag|untag|attach|detach|validate|publish|import|flush|start|stop|test";
        Regex::new(&format!(r"\.((?:{verbs})_[a-z0-9_]+)\(\)")).unwrap()
    });
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let calls = CALL.captures_iter(&code).map(|found| found[1].to_owned());
    calls.filter(|name| !NO_OPERATIONS.contains(&name.as_str())).map(|name| in_camel_case(&name)).collect()
}

/// `create_role` is `CreateRole`.
pub fn in_camel_case(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The files that may call AWS: `src/aws/`, and each room's `remote.rs` (or what is under its `remote/`).
pub fn calls_aws(path: &Path) -> bool {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    relative.starts_with("aws")
        || (relative.starts_with("resources")
            && relative
                .components()
                .any(|part| Path::new(part.as_os_str()).file_stem().is_some_and(|stem| stem == "remote")))
}

/// Whose calls a file makes: each names the SDK of one service, but the one that makes all their clients asks only STS.
fn service(path: &Path, source: &str) -> Service {
    static SDK: LazyLock<Regex> = LazyLock::new(|| Regex::new("aws_sdk_([a-z]+)").unwrap());
    let named: BTreeSet<&str> = SDK.captures_iter(source).map(|found| found.get(1).unwrap().as_str()).collect();
    match named.into_iter().collect::<Vec<_>>()[..] {
        ["apigateway"] => Service::ApiGateway,
        ["cloudwatchlogs"] => Service::Logs,
        ["iam"] => Service::Iam,
        ["sfn"] => Service::States,
        [.., "sts"] => Service::Sts,
        ref other => panic!("{}: calls of which of {other:?}?", path.display()),
    }
}

/// Each operation that the operator's code can ask for.
pub fn operations_of_the_code() -> BTreeSet<(Service, String)> {
    let mut found = BTreeSet::new();
    for path in rust_files(&root().join("src")) {
        if !calls_aws(&path) || path.ends_with("tests.rs") {
            continue;
        }
        let source = read(&path);
        let operations = operations_in(&source);
        if !operations.is_empty() {
            let service = service(&path, &source);
            found.extend(operations.into_iter().map(|operation| (service, operation)));
        }
        // By the SDK's own means.
        if source.contains("AssumeRoleProvider::") {
            found.insert((Service::Sts, "AssumeRole".to_owned()));
        }
    }
    assert!(
        found.len() > 50,
        "only {found:?} were found in src/aws/ and src/resources/*/remote.rs: has the code moved?"
    );
    found
}

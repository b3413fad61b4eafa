//! Every call to AWS that the operator's code can make is in a case: so what is known of AWS is known of all that is asked of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use stepgate_testbed::memory::{InProcess, Memory, Service, Settings};

use super::cloud::Cloud;
use super::{cases, run};

/// A service by the name of its SDK.
const SDKS: [(&str, Service); 5] = [
    ("aws_sdk_apigateway", Service::ApiGateway),
    ("aws_sdk_cloudwatchlogs", Service::Logs),
    ("aws_sdk_iam", Service::Iam),
    ("aws_sdk_sfn", Service::States),
    ("aws_sdk_sts", Service::Sts),
];

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// `create_role` is `CreateRole`.
fn in_camel_case(name: &str) -> String {
    let word = |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    name.split('_').map(word).collect()
}

/// The operations in a source text: methods without arguments that the services of its SDKs know by that name. That the AWS in memory
/// knows all there are, but those that are tried elsewhere, is seen to in tests/docs.rs.
fn operations_in(source: &str) -> BTreeSet<(Service, String)> {
    let services = SDKS.iter().filter(|(sdk, _)| source.contains(sdk)).map(|(_, service)| *service);
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let calls = code.iter().flat_map(|line| line.split('.').skip(1)).filter_map(|call| Some(call.split_once("()")?.0));
    let calls = calls.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    let names: BTreeSet<String> = calls.map(in_camel_case).collect();
    let mut found: BTreeSet<_> = services
        .flat_map(|service| names.iter().map(move |name| (service, name.clone())))
        .filter(|(service, name)| Memory::knows(*service, name))
        .collect();
    // By the SDK's own means.
    if source.contains("AssumeRoleProvider::") {
        found.insert((Service::Sts, "AssumeRole".to_owned()));
    }
    found
}

#[tokio::test]
async fn every_call_of_the_code_is_in_a_case() {
    if std::env::var_os("CONFORMANCE_CASE").is_some() {
        println!("skipped: CONFORMANCE_CASE leaves cases out");
        return;
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let code: BTreeSet<_> =
        rust_files(&src).iter().flat_map(|path| operations_in(&std::fs::read_to_string(path).unwrap())).collect();
    assert!(code.len() > 50, "only {code:?} were found: has the code moved?");
    let aws = InProcess::new(Memory::new(4, Settings::default()));
    run(&Cloud::in_memory(&aws), cases()).await;
    let asked: BTreeSet<_> = aws.with(|memory| memory.counts().keys().cloned().collect());
    let missing: Vec<_> = code.difference(&asked).collect();
    println!("{} operations of the code, {} of them in cases", code.len(), code.len() - missing.len());
    assert!(missing.is_empty(), "no case has {missing:?}");
}

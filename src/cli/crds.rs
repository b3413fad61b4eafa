//! `stepgate crds`.

use crate::cli::out::out;
use std::process::ExitCode;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;

/// Print the CRDs, all of them or one.
#[derive(clap::Args)]
pub struct Args {
    /// Just the CRD of this name, such as statemachines.stepgate.dev.
    name: Option<String>,
}

/// Prints them as YAML documents.
pub fn run(args: &Args) -> ExitCode {
    let mut found = false;
    for crd in crate::api::crds() {
        if args.name.as_ref().is_none_or(|name| *name == crd.name_any()) {
            found = true;
            out!("---\n{}", yaml(&crd));
        }
    }
    if !found {
        eprintln!("There is no such CRD; `stepgate crds` without a name prints all of them.");
        return 64.into();
    }
    ExitCode::SUCCESS
}

/// One CRD as YAML, as it stands in `crds/`.
pub fn yaml(crd: &CustomResourceDefinition) -> String {
    serde_saphyr::to_string(crd).unwrap_or_default()
}

//! `stepgate render`: every desired AWS object of the manifests, without a cluster and without AWS.

mod usage_plan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use super::manifests;
use crate::cli::out::out;
use crate::identity::Key;
use crate::model::api::{Api, Coming, Observed};
use crate::model::attach::{Attachment, attach};
use crate::model::domain;
use crate::model::{machine, openapi};
use crate::problem::Problem;
use crate::resources::stage::Settings;
use crate::resources::{managed_policy, role};
use crate::tenancy::Place;
use crate::validate::stage::ValidStage;
use crate::validate::{api_domain, rest_api, route, state_machine};
use crate::world::World;
use usage_plan::render_plan;

/// What `render` is told.
#[derive(clap::Args)]
pub struct Args {
    /// Files, directories (their manifests, as kubectl takes them) or `-`.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// As `stepgate run` is told: part of the names of IAM roles.
    #[arg(long, env = "STEPGATE_CLUSTER_NAME", default_value = "default")]
    cluster_name: String,
    /// text, json, or openapi: one API as OpenAPI 3.0.
    #[arg(short, long, default_value = "text")]
    output: Output,
    /// Which API `-o openapi` prints, as NAMESPACE/NAME; needed where there are several.
    #[arg(long)]
    api: Option<String>,
    /// Leave API Gateway's extensions out of `-o openapi`, and all that plain OpenAPI does not know.
    #[arg(long)]
    no_extensions: bool,
}

/// How the objects are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// One API, for those who call it.
    Openapi,
}

/// Renders; exit code 1 where an object can't be.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.output == Output::Openapi {
        return openapi_of(args);
    }
    anyhow::ensure!(args.api.is_none() && !args.no_extensions, "--api and --no-extensions are for -o openapi");
    let manifests = manifests::read(&args.paths)?;
    let world = manifests.world(&args.cluster_name);
    let (mut rendered, mut problems) = (Vec::new(), Vec::new());
    for machine in &manifests.machines {
        match render_machine(&world, machine) {
            Ok(objects) => rendered.extend(objects),
            Err(problem) => problems.push((format!("StateMachine {}", Key::of(machine)), problem)),
        }
    }
    for api in &manifests.apis {
        match render_api(&world, api, &mut problems) {
            Ok(objects) => rendered.extend(objects),
            Err(problem) => problems.push((format!("RestAPI {}", Key::of(api)), problem)),
        }
    }
    for domain in &manifests.domains {
        match render_domain(&world, domain, &mut problems) {
            Ok(object) => rendered.push(object),
            Err(problem) => problems.push((format!("APIDomain {}", Key::of(domain)), problem)),
        }
    }
    let apis: BTreeSet<Key> = manifests.apis.iter().map(Key::of).collect();
    for route in &manifests.routes {
        let api = crate::resolve::api_of(route);
        if !apis.contains(&api) {
            let message = format!("spec.apiRef: RestAPI {api} is not among the manifests");
            problems.push((format!("APIRoute {}", Key::of(route)), Problem::invalid(message)));
        }
    }
    for plan in &manifests.plans {
        match render_plan(&world, plan) {
            Ok(objects) => rendered.extend(objects),
            Err(problem) => problems.push((format!("UsagePlan {}", Key::of(plan)), problem)),
        }
    }
    match args.output {
        Output::Json => out!("{:#}\n", Value::Array(rendered)),
        Output::Text | Output::Openapi => {
            for object in rendered {
                out!(
                    "# {} of {}\n",
                    object["resource"].as_str().unwrap_or_default(),
                    object["object"].as_str().unwrap_or_default()
                );
                out!("---\n{}\n", serde_saphyr::to_string(&object["desired"]).unwrap_or_default());
            }
        }
    }
    tell(&problems);
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints one API as OpenAPI; exit code 1 where one of its routes can't be rendered.
fn openapi_of(args: &Args) -> anyhow::Result<ExitCode> {
    let manifests = manifests::read(&args.paths)?;
    let world = manifests.world(&args.cluster_name);
    let mut apis: Vec<_> = manifests.apis.iter().collect();
    if let Some(wanted) = &args.api {
        apis.retain(|api| Key::of(*api).to_string() == *wanted);
    }
    let api = match apis.as_slice() {
        [api] => *api,
        [] if args.api.is_some() => bail!("--api: this RestAPI is not among the manifests"),
        [] => bail!("there is no RestAPI among the manifests"),
        several => {
            let names: Vec<_> = several.iter().map(|api| Key::of(*api).to_string()).collect();
            bail!("there are several RestAPIs; choose one with --api: {}", names.join(", "))
        }
    };
    let mut problems = Vec::new();
    let valid = rest_api::validate(&world, api).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let attachment = attached(&world, api, &valid, &mut problems);
    let specs = attachment.attached.iter().map(|(key, route)| (route.at.clone(), &world.routes[key].spec)).collect();
    let (unreadable, unsettled) = (BTreeSet::new(), BTreeMap::new());
    let model = model_of(&valid, &attachment, &unreadable, &unsettled);
    let methods = model.methods(&Observed::default());
    out!("{:#}\n", openapi::clients::document(&valid, &methods, &model.models(), &specs, !args.no_extensions));
    tell(&problems);
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(problems: &[(String, Problem)]) {
    for (object, problem) in problems {
        eprintln!("error: {object}: {problem}");
    }
}

/// The API's routes, and what is wrong with those that are refused.
fn attached(
    world: &World,
    object: &crate::api::RestAPI,
    valid: &rest_api::ValidApi,
    problems: &mut Vec<(String, Problem)>,
) -> Attachment {
    let key = Key::of(object);
    let candidates = world
        .routes
        .values()
        .filter(|route| crate::resolve::api_of(route) == key)
        .map(|route| (route.clone(), route::validate(world, object, valid, route)));
    let attachment = attach(candidates, &Observed::default().tree, valid.max_resources());
    for (route, refusal) in &attachment.refused {
        problems.push((format!("APIRoute {route}"), refusal.problem.clone()));
    }
    attachment
}

/// What is wanted where there is nothing yet.
fn model_of<'a>(
    valid: &'a rest_api::ValidApi,
    attachment: &'a Attachment,
    unreadable: &'a BTreeSet<String>,
    unsettled: &'a BTreeMap<String, Duration>,
) -> Api<'a> {
    let coming = Coming::default();
    Api { valid, attachment, records: &[], unreadable, unsettled, coming, verified_revision: 0 }
}

fn render_machine(world: &World, object: &crate::api::StateMachine) -> Result<Vec<Value>, Problem> {
    let valid = state_machine::validate(world, object)?;
    let wanted = machine::build(&valid);
    let owner = format!("StateMachine {}", valid.owner.key);
    let mut objects = Vec::new();
    if let Some(role) = &wanted.role {
        let mut rendered = render_role(&owner, &role.role, &valid.place);
        let parts = role.parts(&valid.place);
        let arns = rendered["desired"]["managedPolicyArns"].as_array_mut();
        arns.into_iter().for_each(|arns| arns.extend(parts.iter().map(|part| json!(part.arn))));
        objects.push(rendered);
        objects.extend(parts.iter().map(|part| render_policy(&owner, part)));
    }
    let machine = &wanted.machine;
    objects.push(json!({
        "object": owner,
        "resource": "state machine",
        "desired": {
            "name": machine.name,
            "stateMachineArn": machine.arn,
            "type": machine.type_,
            "roleArn": machine.role_arn,
            "definition": serde_json::from_str::<Value>(&machine.definition).unwrap_or_default(),
            "logging": machine.logging,
            "tracing": machine.tracing,
            "encryption": machine.encryption,
            "tags": machine.owner.tags(),
        },
    }));
    Ok(objects)
}

fn render_role(owner: &str, role: &role::Desired, place: &Place) -> Value {
    json!({
        "object": owner,
        "resource": "role",
        "desired": {
            "name": role.name,
            "arn": role.arn(place.partition, &place.account_id),
            "trustPolicy": role.trust,
            "policy": (!role.policy.is_empty()).then(|| role.policy.to_value()),
            "managedPolicyArns": role.managed_policies,
            "tags": role.owner.tags(),
        },
    })
}

fn render_policy(owner: &str, policy: &managed_policy::Desired) -> Value {
    json!({
        "object": owner,
        "resource": "managed policy",
        "desired": {
            "name": policy.name,
            "arn": policy.arn,
            "policy": policy.policy.to_value(),
            "tags": policy.owner.tags(),
        },
    })
}

/// A stage, without what it does not have.
fn render_stage(stage: &ValidStage) -> Value {
    let mut shown = json!({"name": stage.name, "revision": stage.revision, "variables": stage.settings.variables});
    let none = json!(Settings::default());
    let Value::Object(settings) = json!(stage.settings) else { return shown };
    for (key, value) in settings.into_iter().filter(|(key, value)| none[key] != *value) {
        shown[key] = value;
    }
    if stage.manual {
        shown["deploy"] = json!("Manual");
    }
    if let Some(canary) = &stage.canary {
        shown["canary"] = json!(canary);
    }
    if let Some(group) = &stage.log_group {
        shown["logGroup"] =
            json!({"name": group.name, "retentionDays": group.retention_days, "tags": group.owner.tags()});
    }
    shown
}

fn render_api(
    world: &World,
    object: &crate::api::RestAPI,
    problems: &mut Vec<(String, Problem)>,
) -> Result<Vec<Value>, Problem> {
    let valid = rest_api::validate(world, object)?;
    let key = Key::of(object);
    let observed = Observed::default();
    let attachment = attached(world, object, &valid, problems);
    let (unreadable, unsettled) = (BTreeSet::new(), BTreeMap::new());
    let mut model = model_of(&valid, &attachment, &unreadable, &unsettled);
    let attachment = model.shared_out(&observed);
    model.attachment = &attachment;
    let owner = format!("RestAPI {key}");
    let mut objects: Vec<Value> =
        model.roles(&observed).iter().map(|role| render_role(&owner, role, &valid.place)).collect();
    objects.push(json!({
        "object": owner,
        "resource": "REST API",
        "desired": {
            "openapi": openapi::document(&valid, &model.methods(&observed), &model.models()),
            "stages": valid.stages.iter().map(render_stage).collect::<Vec<_>>(),
            "tags": valid.owner.tags(),
        },
    }));
    Ok(objects)
}

/// A domain name with the base paths that the manifests' RestAPIs wish for, as if these were in AWS.
fn render_domain(
    world: &World,
    object: &crate::api::APIDomain,
    problems: &mut Vec<(String, Problem)>,
) -> Result<Value, Problem> {
    let valid = api_domain::validate(world, object)?;
    let world = domain::as_if_in_aws(world, &valid.place);
    let wishes = api_domain::wishes(&world, object, &valid.place, |_| false);
    let claims = crate::observe::domain::claims(&world, &valid.place, |_| false);
    let known = claims.into_iter().filter_map(|(id, mut claims)| Some((id, claims.pop()?))).collect();
    let shared = domain::Domain { valid: &valid, wishes: &wishes, known: &known }.shared(&domain::Observed::default());
    for ((_, api), problem) in &shared.refused {
        problems.push((format!("RestAPI {api}"), problem.clone()));
    }
    let mapping = |(path, mapping): (&String, &crate::resources::base_path_mapping::Mapping)| {
        let api = known.get(&mapping.rest_api_id).map(|known| known.key.to_string());
        json!({"basePath": format!("/{path}"), "restApi": api, "stage": mapping.stage})
    };
    let tags: BTreeMap<_, _> = valid.tags.clone().into_iter().chain(valid.owner.tags()).collect();
    Ok(json!({
        "object": format!("APIDomain {}", valid.owner.key),
        "resource": "domain name",
        "desired": {
            "domainName": valid.name,
            "settings": valid.settings,
            "basePathMappings": shared.wanted.iter().map(mapping).collect::<Vec<_>>(),
            "accessAssociations": valid.access_associations,
            "tags": tags,
        },
    }))
}

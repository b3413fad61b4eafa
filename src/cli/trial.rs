//! `stepgate try`: what a route would make of a call, from manifests alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use kube::ResourceExt;
use serde_json::{Map, Value};

use super::invoke::{indented, pair, path_and_query};
use super::{Output, manifests};
use crate::api::APIRoute;
use crate::cli::out::out;
use crate::identity::Key;
use crate::mapping::evaluate::Call;
use crate::resolve::api_of;
use crate::resources::route::At;
use crate::trial::{self, Came, Trial};
use crate::validate::{rest_api, route};
use crate::world::World;

/// What `try` is told.
#[derive(clap::Args)]
pub struct Args {
    /// Files, directories (their manifests, as kubectl takes them) or `-`.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The APIRoute: NAMESPACE/NAME, or NAME where only one has it.
    route: String,
    /// The body.
    #[arg(long)]
    body: Option<String>,
    /// A path parameter, NAME=VALUE.
    #[arg(long, value_parser = pair)]
    path: Vec<(String, String)>,
    /// A query parameter, NAME=VALUE; may stand several times.
    #[arg(long, value_parser = pair)]
    query: Vec<(String, String)>,
    /// A header, NAME=VALUE.
    #[arg(long, value_parser = pair)]
    header: Vec<(String, String)>,
    /// A property of `$context`, NAME=VALUE, such as identity.sourceIp=192.0.2.1.
    #[arg(long, value_parser = pair)]
    context: Vec<(String, String)>,
    /// The stage, with its variables; absent: the RestAPI's first.
    #[arg(long)]
    stage: Option<String>,
    /// What comes back, as JSON: with StartSyncExecution the execution's output, else Step Functions' answer.
    #[arg(long, value_parser = json, conflicts_with = "answer")]
    result: Option<Value>,
    /// Step Functions' whole answer, as JSON: {"status": "FAILED", …} of StartSyncExecution, or an error with its `__type`.
    #[arg(long, value_parser = json)]
    answer: Option<Value>,
    /// text or json.
    #[arg(short, long, default_value = "text")]
    output: Output,
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}; quote a text twice, as '\"text\"'"))
}

/// Tries; exit code 1 where API Gateway would refuse the call itself, or the route can't be tried.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let world = manifests::read(&args.paths)?.world("default");
    let object = args.find(&world)?;
    let api_key = api_of(&object);
    let api = world.apis.get(&api_key).with_context(|| format!("RestAPI {api_key} is not among the manifests"))?;
    let valid = rest_api::validate(&world, api).map_err(|problem| anyhow!("RestAPI {api_key}: {problem}"))?;
    let said = |problem| anyhow!("APIRoute {}: {problem}", Key::of(&*object));
    let route = route::validate(&world, api, &valid, &object).map_err(|refusal| said(refusal.problem))?;
    let at = At::of(&object.spec);
    let stage = match &args.stage {
        None => api.spec.stages.first(),
        Some(name) => Some(
            api.spec
                .stages
                .iter()
                .find(|stage| stage.name == *name)
                .with_context(|| format!("--stage: RestAPI {} has no stage {name}", api.name_any()))?,
        ),
    };
    let variables = stage.map(|stage| {
        stage.variables.iter().map(|(name, value)| (name.clone(), valid.place.fill(value))).collect::<BTreeMap<_, _>>()
    });
    let path_and_query = path_and_query(&at.path, &args.path, &args.query)?;
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &args.query {
        query.entry(name.clone()).or_default().push(value.clone());
    }
    let verb = if at.method == "ANY" { "POST" } else { at.method.as_str() };
    let known = [
        ("httpMethod", verb),
        ("resourcePath", at.path.as_str()),
        ("stage", stage.map_or("", |stage| stage.name.as_str())),
    ];
    let known = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let call = Call {
        body: args.body.clone().unwrap_or_default(),
        path: args.path.iter().cloned().collect(),
        query,
        headers: args.header.iter().cloned().collect(),
        context: context(known.iter().chain(&args.context)),
        stage_variables: variables.unwrap_or_default(),
    };
    let came = match (&args.result, &args.answer) {
        (Some(result), _) => Some(Came::Result(result.clone())),
        // Its errors are HTTP 400 (AWS.md §3).
        (None, Some(answer)) => {
            Some(Came::Answer(if answer.get("__type").is_some() { 400 } else { 200 }, answer.clone()))
        }
        (None, None) => None,
    };
    let trial = trial::of(&world, &valid, &object, &route, &call, came.as_ref()).map_err(said)?;
    match args.output {
        Output::Json => out!("{:#}\n", serde_json::to_value(&trial)?),
        Output::Text => out!("{}", text(&format!("{verb} {path_and_query}"), &call.body, &trial)),
    }
    Ok(if trial.refusal.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    fn find(&self, world: &World) -> anyhow::Result<Arc<APIRoute>> {
        let named = |key: &&Key| key.name == self.route || key.to_string() == self.route;
        let found: Vec<&Key> = world.routes.keys().filter(named).collect();
        match found[..] {
            [key] => Ok(Arc::clone(&world.routes[key])),
            [] => bail!("there is no APIRoute {} among the manifests", self.route),
            _ => {
                let names: Vec<String> = found.iter().map(ToString::to_string).collect();
                bail!("there are several APIRoutes {}; name one of {}", self.route, names.join(", "))
            }
        }
    }
}

/// `$context`, from the paths of its properties.
fn context<'a>(properties: impl Iterator<Item = &'a (String, String)>) -> Value {
    let mut context = Value::Object(Map::new());
    for (path, value) in properties {
        let mut place = &mut context;
        for step in path.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[step];
        }
        *place = value.clone().into();
    }
    context
}

fn text(first: &str, body: &str, trial: &Trial) -> String {
    let mut text = format!("{first}\n{}", indented(body));
    if let Some(refusal) = &trial.refusal {
        text.push_str(&format!("\nrefused by API Gateway, {}: {}\n", refusal.type_, refusal.message));
        text.push_str(&refusal.why.iter().map(|why| format!("  {why}\n")).collect::<String>());
    }
    if let Some(request) = &trial.request {
        text.push_str(&format!("\nrequest to {}\n{}", request.uri, indented(&request.body)));
    }
    if let Some(answer) = &trial.answer {
        text.push_str(&format!("\nanswer {}\n{}", answer.status, indented(&answer.body)));
    }
    if let Some(response) = &trial.response {
        text.push_str(&format!("\nresponse {}\n", response.status));
        for (name, value) in &response.headers {
            text.push_str(&format!("  {name}: {value}\n"));
        }
        text.push_str(&indented(&response.body));
    }
    text
}

//! `stepgate invoke`: one trial call of a route by API Gateway's own TestInvokeMethod, with the caller's credentials.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use kube::ResourceExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Output, live, manifests};
use crate::api::APIRoute;
use crate::aws::Sessions;
use crate::cli::out::out;
use crate::identity::{Key, Ownership};
use crate::observe;
use crate::resolve::api_of;
use crate::resources::invocation::{self, Call, Invocation};
use crate::resources::route::{self, At};
use crate::validate::rest_api;
use crate::validate::route::operation_name;

/// What a URL holds as it is (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What `invoke` is told.
#[derive(clap::Args)]
pub struct Args {
    /// The APIRoute: NAMESPACE/NAME, or NAME in the namespace `default`.
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
    /// The stage whose variables are used; none otherwise.
    #[arg(long)]
    stage: Option<String>,
    /// As `stepgate run` is told: part of the owner tags.
    #[arg(long, env = "STEPGATE_CLUSTER_NAME", default_value = "default")]
    cluster_name: String,
    /// text or json.
    #[arg(short, long, default_value = "text")]
    output: Output,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Calls; exit code 1 where the method could not be carried out, whatever the backend answered.
pub async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let key = match args.route.split_once('/') {
        Some((namespace, name)) => Key::new(namespace, name),
        None => Key::new("default", &args.route),
    };
    let client = live::client().await?;
    let found: Option<APIRoute> = live::get(&live::namespaced(&client, &key), &key.name).await?;
    let object = found.with_context(|| format!("there is no APIRoute {key} in the cluster"))?;
    let mut manifests = manifests::Manifests::default();
    manifests.routes.push(object.clone());
    let world = live::world(&client, &args.cluster_name, &manifests).await?;
    let api = world.apis.get(&api_of(&object)).with_context(|| format!("there is no RestAPI {}", api_of(&object)))?;
    let (admission, place) = rest_api::place(&world, api).map_err(|problem| anyhow!("{problem}"))?;
    let session = Sessions::new(Arc::new(|_, _, _| {})).get(&admission.account, &place.region).await?;
    let owner = rest_api::owner(&world, &admission.account, api);
    // What a status shows grants nothing: the API is the owner's by its tags.
    let known = api.status.as_ref().and_then(|status| status.rest_api_id.clone());
    let mut apis = observe::rest_apis(&session, &owner, known.as_deref()).await?;
    apis.retain(|api| owner.reads(&api.tags) == Ownership::Ours);
    let Some(found) = apis.pop() else { bail!("RestAPI {} is not in AWS", Key::of(&**api)) };
    let tree = route::remote::observe(&session.apigateway, &found.id).await?;
    let at = At::of(&object.spec);
    let is_there = tree.methods.get(&at).is_some_and(|method| method.operation_name == operation_name(&key));
    let Some(resource) = tree.resources.get(&at.path).filter(|_| is_there) else {
        bail!(
            "{at} of APIRoute {key} is not in AWS: `kubectl describe apiroute {} -n {}` says why",
            key.name,
            key.namespace
        )
    };
    let variables = match &args.stage {
        None => BTreeMap::new(),
        Some(name) => {
            let stage = api.spec.stages.iter().find(|stage| stage.name == *name);
            let stage = stage.with_context(|| format!("--stage: RestAPI {} has no stage {name}", api.name_any()))?;
            stage.variables.iter().map(|(name, value)| (name.clone(), place.fill(value))).collect()
        }
    };
    let mut headers: BTreeMap<String, String> = args.header.iter().cloned().collect();
    if args.body.is_some() && !headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        headers.insert("Content-Type".to_owned(), "application/json".to_owned());
    }
    let path_and_query = path_and_query(&at.path, &args.path, &args.query)?;
    // A method for any verb needs one to be called with.
    let verb = if at.method == "ANY" { "POST" } else { at.method.as_str() };
    let call = Call { path_and_query, headers, body: args.body.clone(), variables };
    let came = invocation::remote::invoke(&session.apigateway, &found.id, resource, verb, &call).await?;
    match args.output {
        Output::Json => out!("{:#}\n", serde_json::to_value(&came)?),
        Output::Text => out!("{}", text(&at, &call, &came)),
    }
    Ok(if came.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The path with its parameters, and the query string, as a URL holds them.
pub(super) fn path_and_query(
    path: &str,
    parameters: &[(String, String)],
    query: &[(String, String)],
) -> anyhow::Result<String> {
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let mut left: BTreeMap<&str, &str> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut filled = Vec::new();
    for segment in path.split('/') {
        let Some(name) = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            filled.push(segment.to_owned());
            continue;
        };
        let greedy = name.ends_with('+');
        let name = name.trim_end_matches('+');
        let value = left.remove(name).with_context(|| format!("the path {path} needs --path {name}=VALUE"))?;
        filled.push(match greedy {
            true => value.split('/').map(encoded).collect::<Vec<_>>().join("/"),
            false => encoded(value),
        });
    }
    if let Some(name) = left.keys().next() {
        bail!("--path {name}: the path {path} has no such parameter");
    }
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(format!("{}{mark}{}", filled.join("/"), query.join("&")))
}

fn text(at: &At, call: &Call, came: &Invocation) -> String {
    let mut text =
        format!("{} {}\n{}", at.method, call.path_and_query, indented(call.body.as_deref().unwrap_or_default()));
    if let Some(request) = &came.request {
        text.push_str(&format!("\nrequest to {}\n{}", request.uri, indented(&request.body)));
    }
    if let Some(answer) = &came.answer {
        let took = answer.latency_millis.map(|millis| format!(", {millis} ms")).unwrap_or_default();
        text.push_str(&format!("\nanswer {}{took}\n{}", answer.status, indented(&answer.body)));
    }
    if let Some(why) = &came.failure {
        text.push_str(&format!("\nfailed: {why}\n"));
    }
    text.push_str(&format!("\nresponse {}, {} ms\n", came.response.status, came.latency_millis));
    for (name, value) in &came.response.headers {
        text.push_str(&format!("  {name}: {value}\n"));
    }
    text.push_str(&indented(&came.response.body));
    text
}

pub(super) fn indented(text: &str) -> String {
    text.trim().lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(path: &str, parameters: &[(&str, &str)], query: &[(&str, &str)]) -> String {
        let owned = |all: &[(&str, &str)]| -> Vec<_> {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        path_and_query(path, &owned(parameters), &owned(query)).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_url_holds_what_was_said() {
        assert_eq!(filled("/a/{id}", &[("id", "x/y z")], &[("q", "a&b"), ("q", "ü")]), "/a/x%2Fy%20z?q=a%26b&q=%C3%BC");
        assert_eq!(filled("/{proxy+}", &[("proxy", "a/b c")], &[]), "/a/b%20c");
        assert_eq!(filled("/", &[], &[]), "/");
        assert_eq!(filled("/a/{id}", &[], &[]), "the path /a/{id} needs --path id=VALUE");
        assert_eq!(filled("/a", &[("id", "1")], &[]), "--path id: the path /a has no such parameter");
    }
}

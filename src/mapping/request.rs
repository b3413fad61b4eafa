//! Request templates: from the client's call to Step Functions' request.

use super::escape::{self, Level, Vtl, join};
use super::source::{Bare, as_characters, optional_bare, optional_member};
use super::tree::Tree;
use super::{Ask, Failure, Input, Machine, Report, Request, Source};

/// The request template, the same for every content type that a route accepts.
///
/// Cannot fail: [`validate_request`](super::validate_request) has refused what has no meaning; of what it would refuse,
/// characters without a place in a name are left out, and of two inputs for one place the later counts.
#[must_use]
pub fn request_template(request: &Request) -> String {
    match request {
        Request::Start { machine, input, execution_name, trace_header } => join([
            state_machine(machine),
            ",\n\"input\":\"".into(),
            document(input),
            "\"".into(),
            member("name", execution_name.as_ref()),
            member("traceHeader", trace_header.as_ref()),
            "}".into(),
        ]),
        Request::List { machine } => join([
            state_machine(machine),
            member("statusFilter", Some(&query("status"))),
            optional_bare("maxResults", &query("maxResults"), Bare::Count),
            member("nextToken", Some(&query("nextToken"))),
            "}".into(),
        ]),
        Request::Execution { machine, execution, ask } => execution_request(machine, execution, ask),
        Request::Task { token, report } => task(token, report),
        Request::Mock(status) => {
            join(["{\"statusCode\":".into(), escape::json(Level::Outer, &(*status).into()), "}".into()])
        }
        Request::Client => "#set($body = \"$!input.body\")\n#if($body == ''){}#{else}$body#end".into(),
    }
    .into_template()
}

/// The names are API Gateway's clients' to send: a convention of ours, documented in docs/actions.md.
fn query(name: &str) -> Source {
    Source::Query(name.to_owned())
}

fn member(key: &'static str, source: Option<&Source>) -> Vtl {
    source.map_or_else(Vtl::default, |source| optional_member(key, source))
}

fn failure(failure: &Failure) -> Vtl {
    join([member("error", failure.error.as_ref()), member("cause", failure.cause.as_ref())])
}

fn state_machine(machine: &Machine) -> Vtl {
    join([
        "{\"stateMachineArn\":\"".into(),
        per_stage(machine, Vtl::default(), |arn| escape::characters(Level::Outer, arn)),
        "\"".into(),
    ])
}

fn execution_request(machine: &Machine, execution: &Source, ask: &Ask) -> Vtl {
    join([
        "{\"executionArn\":\"".into(),
        per_stage(
            machine,
            // Else, on a stage without a machine, what the client sends would be the whole ARN.
            "none:".into(),
            |arn| escape::characters(Level::Outer, &executions_of(arn)),
        ),
        as_characters(execution),
        "\"".into(),
        match ask {
            Ask::Describe => Vtl::default(),
            Ask::Stop(why) => failure(why),
            Ask::History => join([
                ",\"includeExecutionData\":false".into(),
                optional_bare("reverseOrder", &query("reverseOrder"), Bare::Flag),
                optional_bare("maxResults", &query("maxResults"), Bare::Count),
                member("nextToken", Some(&query("nextToken"))),
            ]),
        },
        "}".into(),
    ])
}

fn task(token: &Source, report: &Report) -> Vtl {
    join([
        "{\"taskToken\":\"".into(),
        as_characters(token),
        "\"".into(),
        match report {
            Report::Success(output) => join([",\n\"output\":\"".into(), document(output), "\"".into()]),
            Report::Failure(why) => failure(why),
            Report::Heartbeat => Vtl::default(),
        },
        "}".into(),
    ])
}

/// What `print` makes of the ARN of the stage that is called, `none` where it has no machine.
fn per_stage(machine: &Machine, none: Vtl, print: impl Fn(&str) -> Vtl) -> Vtl {
    let default = machine.default.as_deref().map_or(none, &print);
    if machine.stages.is_empty() {
        return default;
    }
    let branches = machine.stages.iter().enumerate().map(|(index, (stage, arn))| {
        join([
            if index == 0 { "#if" } else { "#elseif" }.into(),
            "($context.stage == ".into(),
            escape::name(stage),
            ")".into(),
            print(arn),
        ])
    });
    branches.chain(["#{else}".into(), default, "#end".into()]).collect()
}

/// The beginning of the ARNs of a machine's executions, up to their names:
/// `…:stateMachine:NAME` (or `…:NAME:ALIAS`) → `…:execution:NAME:`.
pub(super) fn executions_of(arn: &str) -> String {
    match arn.split_once(":stateMachine:") {
        Some((account, machine)) => {
            let name = machine.split(':').next().unwrap_or(machine);
            format!("{account}:execution:{name}:")
        }
        None => arn.to_owned(),
    }
}

/// The characters of the `input` string, or of a task's `output`.
fn document(input: &[Input]) -> Vtl {
    let tree = Tree::of(input);
    match &tree {
        Tree::Object(members) if !members.is_empty() => tree.print(Level::Input),
        Tree::Leaf(source) if **source != Source::Body(None) => tree.print(Level::Input),
        // As written, which `$input.json('$')` would not be (AWS.md §3).
        _ => join([
            "#set($value = \"$!input.body\")#if($value == ''){}#{else}".into(),
            escape::escaped_text(Level::Outer, "$value".into()),
            "#end".into(),
        ]),
    }
}

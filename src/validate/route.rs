//! Validates an APIRoute on its own: what it would be, if its path and method are free.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::rest_api::{ValidApi, admits, calls_parameters_as_granted};
use super::route_request::{self, Checks, checks, request_templates};
use super::route_response::{Responses, responses};
use super::state_machine::arn_in;
use super::{admitted_arn, target_machine};
use super::{authorizer, encryption};
use crate::api::conditions::reasons;
use crate::api::{
    APIRoute, Action, DomainMapping, MachineType, PAUSED, RequestSpec, ResponseSpec, RestAPI, StateMachine, Target,
    is_paused,
};
use crate::identity::{Key, invoke_role_name, joined, role_name, role_path};
use crate::mapping::{Machine, Request};
use crate::policy::ceiling;
use crate::policy::roles::{InvokeAction, MachineArn, On, Use};
use crate::problem::Problem;
use crate::resources::deployment::RoleNeeds;
use crate::resources::model::Models;
use crate::resources::route::{At, DEFAULT_TIMEOUT_MILLIS, Integration, IntegrationResponse, Method};
use crate::tenancy::{Admission, Place, admit};
use crate::world::World;

/// A route that can be built.
#[derive(Clone, Debug)]
pub struct ValidRoute {
    /// The APIRoute.
    pub key: Key,
    /// Its place.
    pub at: At,
    /// Its method.
    pub method: Method,
    /// The managed role that it calls with and what that role needs for it; absent with a role of the user's own.
    pub role: Option<(String, RoleNeeds)>,
    /// The StateMachines that it calls.
    pub machines: BTreeSet<Key>,
    /// Which web pages' scripts may call it.
    pub cors: Option<crate::mapping::Cors>,
    /// The models of its own, by name.
    pub models: Models,
}

impl ValidRoute {
    /// Lets it call with another of its namespace's roles.
    pub fn call_with(&mut self, name: &str) {
        let credentials = self.method.integration.as_mut().and_then(|integration| integration.credentials.as_mut());
        if let (Some((role, _)), Some(arn)) = (&mut self.role, credentials) {
            *arn = format!("{}{name}", arn.trim_end_matches(role.as_str()));
            *role = name.to_owned();
        }
    }
}

/// Why a route can't be built, and which of its conditions says so.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What is wrong.
    pub problem: Problem,
    /// Whether it is about what the route refers to, rather than about the route.
    pub refs: bool,
    /// Whether what serves is withdrawn: its grant is gone. Otherwise it keeps serving.
    pub withdrawn: bool,
}

impl Refusal {
    /// What serves is left as it is.
    pub fn kept(problem: Problem) -> Self {
        Self { problem, refs: false, withdrawn: false }
    }

    fn own(problem: Problem) -> Self {
        let withdrawn = problem.reason == reasons::NOT_ALLOWED;
        Self { problem, refs: false, withdrawn }
    }

    fn reference(problem: Problem) -> Self {
        let withdrawn = problem.reason == reasons::NOT_ALLOWED;
        Self { problem, refs: true, withdrawn }
    }
}

/// Whose a method is.
pub fn operation_name(route: &Key) -> String {
    joined(route, 1024)
}

/// What a route that takes part asks for: a paused one asks that all stays as it is.
///
/// # Errors
/// That it is paused, or the first problem.
pub fn candidate(world: &World, api: &RestAPI, valid: &ValidApi, route: &APIRoute) -> Result<ValidRoute, Refusal> {
    if is_paused(route) {
        return Err(Refusal::kept(Problem::waiting(reasons::PAUSED, format!("Paused by annotation {PAUSED}"))));
    }
    validate(world, api, valid, route)
}

/// Validates it.
///
/// # Errors
/// The first problem.
pub fn validate(world: &World, api: &RestAPI, valid: &ValidApi, route: &APIRoute) -> Result<ValidRoute, Refusal> {
    let key = Key::of(route);
    let spec = &route.spec;
    let admission =
        admit(&world.accounts, &world.namespaces, &key.namespace, Some(&valid.place.account)).map_err(Refusal::own)?;
    admits(&world.namespaces, api, route).map_err(Refusal::own)?;
    calls_parameters_as_granted(api, route).map_err(Refusal::own)?;
    exposed(valid, &admission, route).map_err(Refusal::own)?;
    let at_root = |mapping: &DomainMapping| mapping.base_path.is_none();
    if ["/ping", "/sping"].contains(&spec.path.as_str()) && api.spec.domain_mappings.iter().any(at_root) {
        return Err(Refusal::own(Problem::invalid(format!(
            "spec.path: API Gateway answers {} of a custom domain itself, and the RestAPI is mapped to a domain's root; choose another path, or give its domainMappings a basePath",
            spec.path
        ))));
    }
    let authorizer = authorizer::of_route(valid, &spec.authorization).map_err(Refusal::own)?;
    let timeout_millis = spec.timeout_millis.unwrap_or(DEFAULT_TIMEOUT_MILLIS);
    if timeout_millis > DEFAULT_TIMEOUT_MILLIS && valid.settings.endpoint == "EDGE" {
        return Err(Refusal::own(Problem::invalid(format!(
            "spec.timeoutMillis: {timeout_millis} is more than {DEFAULT_TIMEOUT_MILLIS}, which only REGIONAL and PRIVATE APIs can have; this API is EDGE"
        ))));
    }
    let targets = targets(world, valid, &admission, route)?;
    let request = spec.request.clone().unwrap_or_default();
    reads_text(valid, &spec.target, &request, spec.response.as_ref()).map_err(Refusal::own)?;
    let templates = request_templates(valid, route, &targets.machine, &request).map_err(Refusal::own)?;
    // A route's own OPTIONS is its path's preflight: what it answers is its own affair.
    let cors = match spec.method {
        crate::api::Method::Options => None,
        _ => spec.cors.as_ref().map(super::cors::validate).or_else(|| valid.cors.clone()),
    };
    let Checks { parameters, models: body_models, validator, own } =
        checks(valid, &request, templates.keys()).map_err(Refusal::own)?;
    let content_handling = request.content_handling.map(|handling| handling.as_str().to_owned());
    let mut responses =
        responses(&spec.target, spec.response.as_ref(), &valid.models, &valid.settings).map_err(Refusal::own)?;
    if let Some(cors) = &cors {
        super::cors::decorate(&mut responses, cors);
    }
    let Responses { declared: responses, mapped: integration_responses } = responses;
    fit(&templates, &integration_responses).map_err(Refusal::own)?;
    let own_role = request.templates.is_some() || spec.target.state_machine_refs.is_some();
    let (integration, role) = if let Some(action) = invoke_action(spec.target.action) {
        let (credentials, role) = role(valid, &admission, route, action, &targets, own_role).map_err(Refusal::own)?;
        let Place { partition, region, .. } = &valid.place;
        let integration = Integration {
            type_: "AWS".to_owned(),
            http_method: Some("POST".to_owned()),
            uri: Some(format!("arn:{partition}:apigateway:{region}:states:action/{}", action.name())),
            credentials: Some(credentials),
            // Whatever type the client's body has, Step Functions gets its own.
            parameters: BTreeMap::from([(
                "integration.request.header.Content-Type".to_owned(),
                "'application/x-amz-json-1.0'".to_owned(),
            )]),
            templates,
            content_handling,
            passthrough: "NEVER".to_owned(),
            timeout_millis,
        };
        (integration, role)
    } else {
        let integration = Integration {
            type_: "MOCK".to_owned(),
            http_method: None,
            uri: None,
            credentials: None,
            parameters: BTreeMap::new(),
            templates,
            content_handling: content_handling.or_else(|| valid.settings.mock_content_handling()),
            passthrough: "NEVER".to_owned(),
            timeout_millis,
        };
        (integration, None)
    };
    Ok(ValidRoute {
        at: At::of(spec),
        method: Method {
            operation_name: operation_name(&key),
            authorization: spec.authorization.type_.as_str().to_owned(),
            authorizer,
            scopes: spec.authorization.scopes.iter().flatten().cloned().collect(),
            api_key_required: spec.authorization.api_key_required,
            parameters,
            models: body_models,
            validator,
            integration: Some(integration),
            responses,
            integration_responses,
        },
        role,
        machines: targets.machines,
        cors,
        models: own,
        key,
    })
}

/// Whether the tenants of the namespace and of the RestAPI admit how the route is called, and what it does.
///
/// # Errors
/// Which does not.
pub fn exposed(valid: &ValidApi, admission: &Admission, route: &APIRoute) -> Result<(), Problem> {
    let spec = &route.spec;
    for (whose, admission) in [("namespace", admission), ("RestAPI", &valid.admission)] {
        if !admission.exposes(spec.authorization.type_) {
            return Err(Problem::stalled(
                reasons::NOT_ALLOWED,
                format!(
                    "spec.authorization.type: tenant {} of the {whose} in AWSAccount {} does not admit {}; choose another, or ask the platform admin to add it to exposure.authorizations",
                    admission.tenant.name,
                    admission.account.name_any(),
                    spec.authorization.type_.as_str(),
                ),
            ));
        }
    }
    if spec.target.action.is_on_tasks()
        && !(admission.exposes_task_callbacks() && valid.admission.exposes_task_callbacks())
    {
        return Err(Problem::stalled(
            reasons::NOT_ALLOWED,
            format!(
                "spec.target.action: {} needs exposure.taskCallbacks in the tenants of the namespace and of the RestAPI, because its role may answer any task of the account whose token a caller holds; ask the platform admin to set it in AWSAccount {}",
                spec.target.action.as_str(),
                admission.account.name_any(),
            ),
        ));
    }
    Ok(())
}

/// Bytes reach no mapping but as Base64, even with `CONVERT_TO_TEXT` (API Gateway's guide, "Content type conversions"); so what is made of a
/// route's fields must meet text. Step Functions' answers are `application/x-amz-json-1.0`, a mock has none.
fn reads_text(
    valid: &ValidApi,
    target: &Target,
    request: &RequestSpec,
    response: Option<&ResponseSpec>,
) -> Result<(), Problem> {
    if target.action == Action::Mock {
        return Ok(());
    }
    let refusal = |field: &str, media_type: &str| {
        Problem::invalid(format!(
            "spec.{field}: the RestAPI's binaryMediaTypes make {media_type} bytes, which only templates of your own can read; name the types there that are bytes, such as image/png, or write request.templates and response.responses"
        ))
    };
    let accepted = request.content_types.clone().unwrap_or_else(|| vec!["application/json".to_owned()]);
    let bytes = accepted.iter().find(|media_type| valid.settings.takes_for_bytes(media_type));
    match bytes {
        Some(media_type) if request.templates.is_none() && request.content_handling.is_none() => {
            return Err(refusal("request", media_type));
        }
        _ => {}
    }
    const ANSWERS: &str = "application/x-amz-json-1.0";
    if valid.settings.takes_for_bytes(ANSWERS) && response.is_none_or(|response| response.responses.is_none()) {
        return Err(refusal("response", ANSWERS));
    }
    Ok(())
}

/// A mapping template has at most so many bytes: 300 KB (AWS.md §1).
const MAX_TEMPLATE_BYTES: usize = 300 * 1024;

/// Whether API Gateway takes the templates, the route's own or those made of its fields.
fn fit(request: &BTreeMap<String, String>, responses: &BTreeMap<String, IntegrationResponse>) -> Result<(), Problem> {
    let of_responses =
        responses.iter().map(|(status, response)| (format!("spec.response, status {status}"), &response.templates));
    for (field, templates) in std::iter::once(("spec.request".to_owned(), request)).chain(of_responses) {
        if let Some((content_type, text)) = templates.iter().find(|(_, text)| text.len() > MAX_TEMPLATE_BYTES) {
            return Err(Problem::invalid(format!(
                "{field}: the mapping template for {content_type} has {} bytes, and API Gateway takes {MAX_TEMPLATE_BYTES}; shorten it",
                text.len()
            )));
        }
    }
    Ok(())
}

/// What a route asks of Step Functions, as a value; `None` where it has templates of its own.
///
/// # Errors
/// The first problem.
pub fn structured(world: &World, valid: &ValidApi, route: &APIRoute) -> Result<Option<Request>, Refusal> {
    let request = route.spec.request.clone().unwrap_or_default();
    if request.templates.is_some() {
        return Ok(None);
    }
    let namespace = route.namespace().unwrap_or_default();
    let admission =
        admit(&world.accounts, &world.namespaces, &namespace, Some(&valid.place.account)).map_err(Refusal::own)?;
    let targets = targets(world, valid, &admission, route)?;
    route_request::structured(route, &targets.machine, &request).map(Some).map_err(Refusal::own)
}

/// The machines that a route may call.
#[derive(Default)]
struct Targets {
    /// The one that answers, per stage or for all.
    machine: Machine,
    /// Every ARN.
    arns: BTreeSet<String>,
    /// Those that are StateMachines.
    machines: BTreeSet<Key>,
}

fn targets(world: &World, valid: &ValidApi, admission: &Admission, route: &APIRoute) -> Result<Targets, Refusal> {
    let target = &route.spec.target;
    let namespace = route.namespace().unwrap_or_default();
    let mut targets = Targets::default();
    let mut add = |field: &str, reference: &crate::api::Reference| -> Result<String, Refusal> {
        let (key, machine, arn) =
            target_machine(world, field, reference, &namespace, &valid.place).map_err(Refusal::reference)?;
        check_type(field, target.action, &key, machine).map_err(Refusal::own)?;
        targets.machines.insert(key);
        targets.arns.insert(arn.clone());
        Ok(arn)
    };
    let mut machine = Machine::default();
    if let Some(reference) = &target.state_machine_ref {
        machine.default = Some(add("spec.target.stateMachineRef", reference)?);
    }
    for stage in target.stages.iter().flatten() {
        let field = format!("spec.target.stages[{}].stateMachineRef", stage.stage);
        machine.stages.insert(stage.stage.clone(), add(&field, &stage.state_machine_ref)?);
    }
    for (index, reference) in target.state_machine_refs.iter().flatten().enumerate() {
        add(&format!("spec.target.stateMachineRefs[{index}]"), reference)?;
    }
    if let Some(arn) = &target.arn {
        let arn = foreign_target(valid, admission, target.action, arn)?;
        if let Some(key) = managed_as(world, &valid.place, &arn) {
            // `targets` are for machines outside the operator's own: with these, their owners decide.
            let reference = crate::api::Reference { name: key.name, namespace: Some(key.namespace) };
            let (key, ..) = target_machine(world, "spec.target.arn", &reference, &namespace, &valid.place)
                .map_err(Refusal::reference)?;
            // What is served keeps its machine, however it is named.
            targets.machines.insert(key);
        }
        targets.arns.insert(arn.clone());
        machine.default = Some(arn);
    }
    if machine.default.is_none() && !machine.stages.is_empty() {
        let uncovered: Vec<_> = valid
            .stages
            .iter()
            .filter(|stage| !machine.stages.contains_key(&stage.name))
            .map(|stage| stage.name.as_str())
            .collect();
        if !uncovered.is_empty() {
            return Err(Refusal::own(Problem::invalid(format!(
                "spec.target.stages: the RestAPI also has stage {}; add it, or set stateMachineRef for the stages that are not listed",
                uncovered.join(", ")
            ))));
        }
    }
    targets.machine = machine;
    Ok(targets)
}

/// A machine outside the operator's own: bounded by the tenant's `targets`.
fn foreign_target(valid: &ValidApi, admission: &Admission, action: Action, arn: &str) -> Result<String, Refusal> {
    let arn = valid.place.fill(arn);
    let admitted = admission.tenant.targets.iter().any(|grant| {
        let arns: Vec<_> = grant.arns.iter().map(|pattern| valid.place.fill(pattern)).collect();
        grant.actions.iter().any(|name| name == action.as_str())
            && ceiling::arn_allowed(&arns, &arn, &admission.namespace)
    });
    if !admitted {
        return Err(Refusal::reference(Problem::stalled(
            reasons::NOT_ALLOWED,
            format!(
                "spec.target.arn: no entry in `targets` of tenant {} in AWSAccount {} admits {} on {arn}; the platform admin must add one",
                admission.tenant.name,
                admission.account.name_any(),
                action.as_str()
            ),
        )));
    }
    let here = format!(":{}:{}:stateMachine:", valid.place.region, valid.place.account_id);
    if !arn.contains(&here) {
        return Err(Refusal::own(Problem::invalid(format!(
            "spec.target.arn: {arn} is not in Region {} of account {}, where the API is",
            valid.place.region, valid.place.account_id
        ))));
    }
    Ok(arn)
}

/// Whether a target's ARN, with or without built-ins, has the name of a machine.
pub fn names(arn: &str, machine: &StateMachine) -> bool {
    arn.rsplit(':').next() == Some(super::state_machine::aws_name(machine).as_str())
}

/// The StateMachine whose machine in AWS this is.
fn managed_as(world: &World, place: &Place, arn: &str) -> Option<Key> {
    let shown = |machine: &StateMachine| machine.status.as_ref()?.state_machine_arn.clone();
    let is = |machine: &StateMachine| shown(machine).as_deref() == Some(arn) && arn_in(place, machine) == arn;
    world.machines.iter().find(|(_, machine)| is(machine)).map(|(key, _)| key.clone())
}

/// StartSyncExecution is for EXPRESS only, what is done with executions for STANDARD only (AWS.md §3).
fn check_type(field: &str, action: Action, key: &Key, machine: &StateMachine) -> Result<(), Problem> {
    let needed = match action {
        Action::StartSyncExecution => MachineType::Express,
        Action::DescribeExecution | Action::StopExecution | Action::GetExecutionHistory | Action::ListExecutions => {
            MachineType::Standard
        }
        Action::StartExecution
        | Action::SendTaskSuccess
        | Action::SendTaskFailure
        | Action::SendTaskHeartbeat
        | Action::Mock => return Ok(()),
    };
    if machine.spec.type_ == needed {
        return Ok(());
    }
    let name = crate::resources::state_machine::type_name;
    Err(Problem::invalid(format!(
        "{field}: action {} needs a machine of type {}, and StateMachine {key} is {}",
        action.as_str(),
        name(needed),
        name(machine.spec.type_)
    )))
}

type Credentials = (String, Option<(String, RoleNeeds)>);

fn role(
    valid: &ValidApi,
    admission: &Admission,
    route: &APIRoute,
    action: InvokeAction,
    targets: &Targets,
    own_role: bool,
) -> Result<Credentials, Problem> {
    let asked = route.spec.invoke_role.as_ref();
    if let Some(arn) = asked.and_then(|role| role.arn.as_ref()) {
        let list = &admission.tenant.invoke_role_arns;
        let arn = admitted_arn(admission, &valid.place, "spec.invokeRole.arn", "invokeRoleArns", list, arn)?;
        return Ok((arn, None));
    }
    let mut managed_policies = BTreeSet::new();
    for arn in asked.and_then(|role| role.managed_policy_arns.as_ref()).into_iter().flatten() {
        let list = &admission.tenant.managed_policy_arns;
        let field = "spec.invokeRole.managedPolicyArns";
        managed_policies.insert(admitted_arn(admission, &valid.place, field, "managedPolicyArns", list, arn)?);
    }
    let key = Key::of(route);
    // Whoever writes a raw template, or calls a route whose client names the machine, reaches every machine that the
    // role may reach (DESIGN §3).
    let Place { region, partition, account_id, .. } = &valid.place;
    let (name, of) = if own_role || !managed_policies.is_empty() {
        (role_name(&valid.owner, region, "route", &key), key)
    } else {
        (invoke_role_name(&valid.owner, region, &key.namespace, 1), Key::new(key.namespace, ""))
    };
    let uses = targets
        .arns
        .iter()
        .map(|arn| MachineArn::parse(arn).map(|machine| Use { action, on: On::Machine(machine) }))
        .chain(action.is_on_tasks().then(|| Ok(Use { action, on: On::TasksIn(region.clone()) })))
        .collect::<Result<BTreeSet<_>, _>>()
        .map_err(|error| Problem::invalid(error.to_string()))?;
    let arn = format!("arn:{partition}:iam::{account_id}:role{}{name}", role_path(&valid.owner, region));
    let keys = encryption::of_uses(&uses, &valid.keys, &BTreeSet::new());
    Ok((arn, Some((name, RoleNeeds { of: Some(of), uses, keys, managed_policies, ..RoleNeeds::default() }))))
}

/// What its role must be able to do; a mock has none.
fn invoke_action(action: Action) -> Option<InvokeAction> {
    Some(match action {
        Action::StartExecution => InvokeAction::StartExecution,
        Action::StartSyncExecution => InvokeAction::StartSyncExecution,
        Action::DescribeExecution => InvokeAction::DescribeExecution,
        Action::StopExecution => InvokeAction::StopExecution,
        Action::GetExecutionHistory => InvokeAction::GetExecutionHistory,
        Action::ListExecutions => InvokeAction::ListExecutions,
        Action::SendTaskSuccess => InvokeAction::SendTaskSuccess,
        Action::SendTaskFailure => InvokeAction::SendTaskFailure,
        Action::SendTaskHeartbeat => InvokeAction::SendTaskHeartbeat,
        Action::Mock => return None,
    })
}

/// The StateMachines that it refers to.
pub fn references(route: &APIRoute) -> Vec<Key> {
    let namespace = route.namespace().unwrap_or_default();
    let target = &route.spec.target;
    let stages = target.stages.iter().flatten().map(|stage| &stage.state_machine_ref);
    target
        .state_machine_ref
        .iter()
        .chain(target.state_machine_refs.iter().flatten())
        .chain(stages)
        .map(|reference| Key::resolve(reference, &namespace))
        .collect()
}

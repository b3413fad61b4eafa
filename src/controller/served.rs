//! Nothing that a stage serves is deleted: before a machine goes, the live stages are read once more.

use std::collections::BTreeSet;

use super::Context;
use crate::api::conditions::reasons;
use crate::api::{ABANDON, AWSAccount, RestAPI, StageStatus};
use crate::aws::{AwsError, Class, Session};
use crate::identity::{Key, Ownership};
use crate::policy::glob;
use crate::policy::roles::MachineArn;
use crate::policy::statement::{Document, Effect, Statement};
use crate::problem::Problem;
use crate::resources::deployment::Record;
use crate::resources::stage::export::{Serves, serves};
use crate::resources::{rest_api, role, stage};
use crate::tenancy::Place;
use crate::world::World;

/// Of Step Functions' actions, those that are on no state machine (AWS's service authorization reference). A policy allows most of
/// them on `*`.
const ON_NO_MACHINE: [&str; 5] = [
    "states:*Activit*",
    "states:ListStateMachines",
    "states:SendTask*",
    "states:TestState",
    "states:ValidateStateMachineDefinition",
];

/// A machine that is to be deleted.
pub(super) struct Machine<'a> {
    /// The object.
    pub key: &'a Key,
    /// Its ARN.
    pub arn: &'a str,
    /// Where it lives.
    pub place: &'a Place,
    /// The AWSAccount by which the operator is there.
    pub account: &'a AWSAccount,
}

/// Whether a stage keeps a machine from being deleted.
///
/// # Errors
/// The first stage that serves it, or of which that can't be known, or what AWS answers.
pub(super) async fn blocks(
    context: &Context,
    world: &World,
    machine: &Machine<'_>,
    session: &Session,
) -> Result<(), Problem> {
    let mut apis = context.stores.apis.state();
    apis.sort_by_key(|api| Key::of(&**api));
    // A status grants nothing: whose an API is, its tags say.
    let is_of = |api: &RestAPI, found: &rest_api::Observed| {
        let owner = world.owner(machine.account, "RestAPI", Key::of(api));
        [Ownership::Ours, Ownership::Inherited].contains(&owner.reads(&found.tags))
    };
    let mut unknown = Vec::new();
    for api in &apis {
        let records = context.stores.records_of(api);
        on_record(api, &records, machine.key, session).await?;
        let Some(id) = api.status.as_ref().and_then(|status| status.rest_api_id.as_deref()) else {
            unknown.push((api, records));
            continue;
        };
        if lives_at(api, machine.place) && off_record_stages(api, &records).next().is_some() {
            let found = rest_api::remote::observe(&session.apigateway, id).await?;
            if found.is_some_and(|found| is_of(api, &found)) {
                off_record(api, id, &records, machine, session).await?;
            }
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    // Its status was lost, with a cluster or with its kind, and it waits, or is paused, or can't be carried out as it is now.
    let all = rest_api::remote::list(&session.apigateway).await?;
    for (api, records) in &unknown {
        for found in all.iter().filter(|found| is_of(api, found)) {
            off_record(api, &found.id, records, machine, session).await?;
        }
    }
    Ok(())
}

/// Whether an API is where a machine is, by whichever AWSAccount.
fn lives_at(api: &RestAPI, place: &Place) -> bool {
    let binding = api.status.as_ref().and_then(|status| status.binding.as_ref());
    binding.is_some_and(|binding| binding.account_id == place.account_id && binding.region == place.region)
}

/// The stages of an API; none where the API is gone.
async fn stages(session: &Session, id: &str) -> Result<Vec<(String, stage::Observed)>, AwsError> {
    match stage::remote::observe(&session.apigateway, id).await {
        Err(AwsError { class: Class::NotFound, .. }) => Ok(Vec::new()),
        answer => Ok(answer?.into_iter().collect()),
    }
}

/// By what the records say.
async fn on_record(api: &RestAPI, records: &[Record], machine: &Key, session: &Session) -> Result<(), Problem> {
    let names = |record: &&Record| record.routes.iter().any(|route| route.machines.contains(machine));
    let naming: Vec<_> = records.iter().filter(names).collect();
    let ids: BTreeSet<&str> = naming.iter().map(|record| record.rest_api_id.as_str()).collect();
    for id in ids {
        for (name, stage) in stages(session, id).await? {
            let serves = |id: &str| naming.iter().find(|record| record.deployment_id == id);
            let Some(record) = stage.deployments().find_map(serves) else { continue };
            let routes = record.routes.iter().filter(|route| route.machines.contains(machine));
            let routes: Vec<_> = routes.take(3).map(|route| route.route.to_string()).collect();
            return Err(Problem::waiting(
                reasons::DELETION_BLOCKED,
                format!(
                    "stage {name} of RestAPI {} serves it in revision {} (APIRoute {}); delete the route, and move or unpin the stage; or, to call the machine back, annotate it with {ABANDON}=true and apply it again",
                    Key::of(api),
                    record.revision,
                    routes.join(", ")
                ),
            ));
        }
    }
    Ok(())
}

/// The stages that serve, by the status, what no record is of: they were lost, by hand or with a cluster, or the stage is somebody
/// else's, kept with an API that was adopted.
fn off_record_stages<'a>(api: &'a RestAPI, records: &'a [Record]) -> impl Iterator<Item = &'a StageStatus> {
    let known = |revision: Option<i64>| records.iter().any(|record| Some(record.revision) == revision);
    api.status.iter().flat_map(|status| &status.stages).filter(move |stage| {
        !known(stage.revision) || stage.canary.as_ref().is_some_and(|canary| !known(canary.revision))
    })
}

/// Whether no record says which routes a stage of the manifest serves.
pub(super) fn serves_off_record(api: &RestAPI, records: &[Record]) -> bool {
    off_record_stages(api, records).any(|stage| api.spec.stages.iter().any(|own| own.name == stage.name))
}

/// By what AWS says of stages whose deployments are on no record: their exports, and for methods whose caller names the machine,
/// what the policies of their roles admit.
async fn off_record(
    api: &RestAPI,
    id: &str,
    records: &[Record],
    machine: &Machine<'_>,
    session: &Session,
) -> Result<(), Problem> {
    let unknown = |id: &str| records.iter().all(|record| record.deployment_id != id);
    let stages = stages(session, id).await?;
    for (name, stage) in stages.into_iter().filter(|(_, stage)| stage.deployments().any(unknown)) {
        let suspect = Suspect { api, stage: &name };
        let export = stage::remote::export(&session.apigateway, id, &name).await;
        let export = export.map_err(|error| suspect.unread("its export", &error))?;
        let roles = match serves(&export, stage.settings.variables.values(), machine.arn) {
            Serves::Machine => return Err(suspect.serves()),
            Serves::WhatRolesAdmit(roles) => roles,
        };
        for arn in roles {
            let found = role::remote::observe(&session.iam, arn.rsplit('/').next().unwrap_or_default(), None).await;
            let found = found.map_err(|error| suspect.unread(&format!("its role {arn}"), &error))?;
            let Some(role) = found else { continue };
            if role.policies.values().any(|policy| admits(policy, machine.arn)) {
                return Err(suspect.serves());
            }
            if let Some(policy) = role.managed_policies.iter().find(|policy| may_admit(policy)) {
                return Err(
                    suspect.blocks(&format!("may serve it: its role {arn} has the managed policy {policy}"), "")
                );
            }
        }
        if stage.canary.as_ref().is_some_and(|canary| unknown(&canary.serves)) {
            // An export shows only what the stage serves beside it.
            let how = "may serve it: what its canary serves is on no record";
            return Err(suspect.blocks(how, "end the canary, or "));
        }
    }
    Ok(())
}

/// A stage that serves a deployment which is on no record.
struct Suspect<'a> {
    api: &'a RestAPI,
    stage: &'a str,
}

impl Suspect<'_> {
    /// Whether the manifest asks for it; if not, it is most likely somebody else's.
    fn is_asked_for(&self) -> bool {
        self.api.spec.stages.iter().any(|stage| stage.name == self.stage)
    }

    /// It serves the machine.
    fn serves(&self) -> Problem {
        let lost = if self.is_asked_for() { " in a deployment whose record was lost" } else { "" };
        self.blocks(&format!("serves it{lost}"), "")
    }

    /// What can't be known counts as served. What AWS refuses, it will go on refusing until somebody does something about it.
    fn unread(&self, what: &str, error: &AwsError) -> Problem {
        let permit = match error.class {
            Class::Credentials => "let the operator read that (docs/aws-permissions.md), or ",
            Class::Terminal => "",
            _ => return error.into(),
        };
        self.blocks(&format!("may serve it: {what} can't be read: {}", error.stable()), permit)
    }

    /// `first` is what to do before all else, up to the next alternative.
    fn blocks(&self, how: &str, first: &str) -> Problem {
        let (whose, then) = match self.is_asked_for() {
            true => ("", "move or unpin the stage"),
            false => (", which no manifest names,", "delete the stage in AWS"),
        };
        let message = format!(
            "stage {} of RestAPI {}{whose} {how}; {first}{then}; or, to leave the machine in AWS, annotate it with {ABANDON}=true",
            self.stage,
            Key::of(self.api)
        );
        Problem::waiting(reasons::DELETION_BLOCKED, message)
    }
}

/// Whether a managed policy, which is not read, may allow calls of Step Functions: of AWS's own, those of the service and of
/// administrators do (AWS managed policy reference).
fn may_admit(arn: &str) -> bool {
    let name = arn.rsplit('/').next().unwrap_or_default();
    !arn.contains(":iam::aws:policy/")
        || ["StepFunctions", "AdministratorAccess", "PowerUserAccess"].iter().any(|part| name.contains(part))
}

/// Whether a role's policy allows a call of Step Functions on the machine or on its executions.
fn admits(policy: &str, arn: &str) -> bool {
    let executions = MachineArn::parse(arn).map(|arn| arn.executions()).unwrap_or_default();
    let names = |resource: &String| glob::matches(resource, arn) || glob::intersects(resource, &executions);
    let calls = |action: &String| {
        glob::intersects_ignore_case(action, "states:*")
            && !ON_NO_MACHINE.iter().any(|other| glob::contains_ignore_case(other, action))
    };
    let allows = |statement: &Statement| {
        let Statement { effect, actions, resources, not_resources, .. } = statement;
        let on_it = resources.iter().any(names) || !not_resources.is_empty();
        *effect == Effect::Allow && actions.iter().any(calls) && on_it
    };
    match Document::parse(policy) {
        Ok(policy) => policy.statements().iter().any(allows),
        // What can't be known counts as served.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::Kind;
    use crate::validate::fixture::object;

    const ORDERS: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_orders";

    fn policy(effect: &str, action: &str, resource: &str) -> String {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": [action], "Resource": resource}]})
            .to_string()
    }

    #[rstest::rstest]
    #[case::starts("states:StartExecution", "*", true)]
    #[case::starts_this_one("states:StartExecution", ORDERS, true)]
    #[case::starts_some("states:Start*", "arn:aws:states:*:*:stateMachine:demo_*", true)]
    #[case::without_regard_to_case("States:startsyncexecution", "*", true)]
    #[case::all_of_the_service("states:*", "*", true)]
    #[case::all("*", "*", true)]
    #[case::asks_for_its_executions(
        "states:DescribeExecution",
        "arn:aws:states:eu-central-1:111122223333:execution:demo_orders:*",
        true
    )]
    #[case::logs("logs:*", "*", false)]
    #[case::traces("xray:PutTraceSegments", "*", false)]
    #[case::another_service("dynamodb:PutItem", "*", false)]
    #[case::ends_tasks("states:SendTaskSuccess", "*", false)]
    #[case::lists_machines("states:ListStateMachines", "*", false)]
    #[case::polls("states:GetActivityTask", "*", false)]
    #[case::starts_another(
        "states:StartExecution",
        "arn:aws:states:eu-central-1:111122223333:stateMachine:shop_*",
        false
    )]
    fn a_role_admits_what_its_policy_allows(#[case] action: &str, #[case] resource: &str, #[case] admitted: bool) {
        assert_eq!(admits(&policy("Allow", action, resource), ORDERS), admitted);
        assert!(!admits(&policy("Deny", action, resource), ORDERS));
    }

    #[rstest::rstest]
    #[case("arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess", true)]
    #[case("arn:aws-cn:iam::aws:policy/AdministratorAccess", true)]
    #[case("arn:aws:iam::111122223333:policy/team", true)]
    #[case("arn:aws:iam::aws:policy/AmazonSQSFullAccess", false)]
    #[case("arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs", false)]
    fn of_managed_policies_those_of_others_and_of_the_service_may_admit(#[case] arn: &str, #[case] may: bool) {
        assert_eq!(may_admit(arn), may);
    }

    #[test]
    fn what_a_policy_leaves_open_is_admitted() {
        assert!(admits("no policy", ORDERS));
        let but_for = |action: &str| {
            let statement = json!({"Effect": "Allow", "Action": action, "NotResource": "arn:aws:s3:::b"});
            json!({"Version": "2012-10-17", "Statement": statement}).to_string()
        };
        assert!(admits(&but_for("states:StartExecution"), ORDERS));
        assert!(!admits(&but_for("s3:GetObject"), ORDERS));
    }

    #[test]
    fn it_is_told_which_stage_it_is_and_what_to_do() {
        let api: RestAPI = object(
            "{apiVersion: stepgate.dev/v1alpha1, kind: RestAPI, metadata: {namespace: demo, name: api}, spec: {stages: [{name: prod}]}}",
        );
        let refused = |operation, class, code: &str| AwsError {
            operation,
            class,
            code: Some(code.to_owned()),
            message: "No".to_owned(),
            request_id: Some("1".to_owned()),
        };
        let says = |problem: Problem| {
            assert_eq!((problem.kind, problem.reason), (Kind::Waiting, reasons::DELETION_BLOCKED));
            problem.message
        };
        let or = "; or, to leave the machine in AWS, annotate it with stepgate.dev/abandon=true";

        let asked_for = Suspect { api: &api, stage: "prod" };
        let lost =
            "stage prod of RestAPI demo/api serves it in a deployment whose record was lost; move or unpin the stage";
        assert_eq!(says(asked_for.serves()), format!("{lost}{or}"));
        let kept = Suspect { api: &api, stage: "v1" };
        let who = "stage v1 of RestAPI demo/api, which no manifest names,";
        assert_eq!(says(kept.serves()), format!("{who} serves it; delete the stage in AWS{or}"));
        let denied = refused("GetRole", Class::Credentials, "AccessDenied");
        assert_eq!(
            says(kept.unread("its role r", &denied)),
            format!(
                "{who} may serve it: its role r can't be read: GetRole: No (AccessDenied); let the operator read that (docs/aws-permissions.md), or delete the stage in AWS{or}"
            )
        );
        let bad = refused("GetExport", Class::Terminal, "BadRequestException");
        assert_eq!(
            says(asked_for.unread("its export", &bad)),
            format!(
                "stage prod of RestAPI demo/api may serve it: its export can't be read: GetExport: No (BadRequestException); move or unpin the stage{or}"
            )
        );

        // What passes by itself is AWS's own trouble.
        let slow = refused("GetRole", Class::Throttled(None), "Throttling");
        assert_eq!(kept.unread("its role r", &slow), Problem::from(&slow));
    }
}

//! Nothing that a stage serves is deleted: before a machine goes, the live stages are read once more.

use std::collections::BTreeSet;

use super::Context;
use crate::api::conditions::reasons;
use crate::api::{ABANDON, RestAPI};
use crate::aws::{AwsError, Class, Session};
use crate::identity::{Key, Owner, Ownership};
use crate::policy::glob;
use crate::policy::roles::MachineArn;
use crate::policy::statement::Document;
use crate::problem::Problem;
use crate::resources::deployment::Record;
use crate::resources::stage::export::{Serves, serves};
use crate::resources::{rest_api, role, stage};
use crate::tenancy::Place;

/// A machine that is to be deleted.
pub(super) struct Machine<'a> {
    /// The object.
    pub key: &'a Key,
    /// Its ARN.
    pub arn: &'a str,
    /// Where it lives.
    pub place: &'a Place,
}

/// Whether a stage keeps a machine from being deleted.
///
/// # Errors
/// The first stage that serves it, or what AWS answers.
pub(super) async fn blocks(context: &Context, machine: &Machine<'_>, session: &Session) -> Result<(), Problem> {
    let mut apis = context.stores.apis.state();
    apis.sort_by_key(|api| Key::of(&**api));
    for api in apis {
        let records = context.stores.records_of(&api);
        on_record(&api, &records, machine.key, session).await?;
        if lacks_records(&api, &records)
            && api.status.as_ref().and_then(|status| status.binding.as_ref()) == Some(&machine.place.binding())
        {
            off_record(context, &api, &records, machine, session).await?;
        }
    }
    Ok(())
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

/// Whether a stage serves, by the status, what no record is of: they were lost, by hand or with a cluster.
fn lacks_records(api: &RestAPI, records: &[Record]) -> bool {
    let known = |revision: Option<i64>| records.iter().any(|record| Some(record.revision) == revision);
    api.status
        .iter()
        .flat_map(|status| &status.stages)
        .any(|stage| !known(stage.revision) || stage.canary.as_ref().is_some_and(|canary| !known(canary.revision)))
}

/// By what AWS says of stages whose deployments are on no record: their exports, and for methods whose caller names the machine,
/// what their roles admit.
async fn off_record(
    context: &Context,
    api: &RestAPI,
    records: &[Record],
    machine: &Machine<'_>,
    session: &Session,
) -> Result<(), Problem> {
    let Some(id) = api.status.as_ref().and_then(|status| status.rest_api_id.as_deref()) else { return Ok(()) };
    // A status grants nothing: whose the API is, its tags say.
    let owner = Owner::new(context.cluster.clone(), "RestAPI", Key::of(api));
    let found = rest_api::remote::observe(&session.apigateway, id).await?;
    if !found.is_some_and(|found| owner.reads(&found.tags) == Ownership::Ours) {
        return Ok(());
    }
    let unknown =
        |stage: &stage::Observed| stage.deployments().any(|id| records.iter().all(|record| record.deployment_id != id));
    for (name, stage) in stages(session, id).await?.into_iter().filter(|(_, stage)| unknown(stage)) {
        let export = stage::remote::export(&session.apigateway, id, &name).await?;
        let serves_it = match serves(&export, stage.settings.variables.values(), machine.arn) {
            Serves::Machine => true,
            Serves::WhatRolesAdmit(roles) => admitted(session, &roles, machine.arn).await?,
        };
        if serves_it {
            return Err(Problem::waiting(
                reasons::DELETION_BLOCKED,
                format!(
                    "stage {name} of RestAPI {} serves it in a deployment whose record was lost; move or unpin the stage",
                    Key::of(api)
                ),
            ));
        }
    }
    Ok(())
}

/// Whether the policy of one of the roles names the machine.
async fn admitted(session: &Session, roles: &BTreeSet<String>, arn: &str) -> Result<bool, AwsError> {
    let executions = MachineArn::parse(arn).map(|arn| arn.executions()).unwrap_or_default();
    let names = |resource: &String| glob::matches(resource, arn) || glob::intersects(resource, &executions);
    let admits = |policy: &String| match Document::parse(policy) {
        Ok(policy) => policy.statements().iter().any(|statement| statement.resources.iter().any(names)),
        // What can't be known counts as served.
        Err(_) => true,
    };
    for name in roles.iter().filter_map(|role| role.rsplit('/').next()) {
        let found = role::remote::observe(&session.iam, name, None).await?;
        if found.is_some_and(|role| role.policies.values().any(admits)) {
            return Ok(true);
        }
    }
    Ok(false)
}

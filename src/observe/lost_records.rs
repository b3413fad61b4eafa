//! Records of revisions that were lost, by hand or with the cluster: rebuilt from what AWS says of the stages that serve them.
//!
//! A stage is exported (GetExport) only while it serves a deployment of ours of which Kubernetes itself has no record: that
//! costs nothing where none was lost, and a call for each deployment where one was. What no stage serves can't be
//! exported: its revision is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::{Survey, roles};
use crate::aws::{AwsError, Class, Session};
use crate::identity::Key;
use crate::model::api::Observed;
use crate::model::api::rebuilt::{Of, Snapshot};
use crate::problem::Problem;
use crate::resources::deployment::{self, Found, Record};
use crate::resources::{is_adopted, stage, state_machine};
use crate::validate::rest_api::ValidApi;

/// Completes the records by those that Kubernetes has and by those that can be rebuilt, which are noted in `observed` with
/// what could not be read.
///
/// # Errors
/// What AWS or Kubernetes answers.
pub(super) async fn rebuild(
    survey: &Survey<'_>,
    records: &mut Vec<Record>,
    observed: &mut Observed,
) -> Result<(), Problem> {
    let Survey { session, valid, proof, .. } = *survey;
    let Some(api) = observed.api.clone() else { return Ok(()) };
    if unrecorded(records, observed).is_empty() {
        return Ok(());
    }
    // A watch that lags proves nothing.
    if let Some(uid) = survey.uid {
        let known = proof.records(&valid.owner.key.namespace, Some(uid)).await?;
        let new = |record: &Record| {
            record.rest_api_id == api.id && records.iter().all(|known| known.revision != record.revision)
        };
        let known: Vec<_> = known.into_iter().filter(|record| new(record)).collect();
        records.extend(known);
    }
    let lost = unrecorded(records, observed);
    if lost.is_empty() {
        return Ok(());
    }
    let of =
        Of { valid, known_routes: &survey.known_routes, adopted: is_adopted(&api.tags) || valid.adoption.is_some() };
    let deployments = deployment::remote::observe(&session.apigateway, &api.id).await?;
    let mut read: Vec<(String, Found, Snapshot)> = Vec::new();
    for (id, stages) in &lost {
        let Some(found) = deployments.get(id) else { continue };
        if records.iter().any(|record| record.revision == found.revision) {
            observed.unread.extend(note(stages, found, "another deployment is on record with its number"));
            continue;
        }
        match snapshot(session, of, &api.id, id, stages, observed).await? {
            Ok(snapshot) => read.push((id.clone(), found.clone(), snapshot)),
            Err(why) => observed.unread.extend(note(stages, found, &why)),
        }
    }
    if !read.is_empty() {
        let moved = moved(session, &api.id, &lost).await?;
        read.retain(|(id, ..)| !moved.contains(id));
    }
    let names: BTreeSet<String> = read.iter().flat_map(|(_, _, snapshot)| snapshot.roles().cloned()).collect();
    observed.roles.extend(roles(session, names).await?);
    let mut whole: Vec<(String, Found, Snapshot)> = Vec::new();
    for (id, found, mut snapshot) in read {
        match snapshot.admit(&observed.roles) {
            Ok(()) if whole.iter().any(|(_, other, _)| other.revision == found.revision) => {
                observed.unread.extend(note(&lost[&id], &found, "another deployment has its number"));
            }
            Ok(()) => whole.push((id, found, snapshot)),
            Err(why) => observed.unread.extend(note(&lost[&id], &found, &why)),
        }
    }
    let arns = whole.iter().flat_map(|(_, _, snapshot)| snapshot.machines()).collect();
    let machines = machines(session, valid, arns).await?;
    for (id, found, snapshot) in whole {
        observed.rebuilt.insert(found.revision);
        records.push(snapshot.record(&api.id, (&id, &found), &observed.roles, &machines));
    }
    observed.deployments = Some(deployments);
    Ok(())
}

/// The deployments on no record that stages of ours serve, each with the names of these stages: first those that serve it to all,
/// whose export shows it.
fn unrecorded(records: &[Record], observed: &Observed) -> BTreeMap<String, Vec<String>> {
    let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let stages = observed.unmanaged.managed_stages(&observed.stages);
    let main = stages.iter().map(|(name, stage)| (name, stage.deployment_id.as_str()));
    let canaries = stages.iter().filter_map(|(name, stage)| Some((name, stage.canary.as_ref()?.serves.as_str())));
    for (name, id) in main.chain(canaries) {
        let on_record = records.iter().any(|record| record.deployment_id == id);
        if !on_record && !observed.unmanaged.is_older(id) {
            lost.entry(id.to_owned()).or_default().push(name.clone());
        }
    }
    lost
}

/// What a deployment holds, by the export of a stage that serves it; the inner error is why it can't be read.
async fn snapshot(
    session: &Session,
    of: Of<'_>,
    api: &str,
    deployment: &str,
    stages: &[String],
    observed: &Observed,
) -> Result<Result<Snapshot, String>, AwsError> {
    let serving = || stages.iter().filter_map(|name| Some((name, observed.stages.get(name)?)));
    let Some((exported, _)) = serving().find(|(_, stage)| stage.deployment_id == deployment) else {
        return Ok(Err("only a canary serves it, and API Gateway exports what stages serve beside it".to_owned()));
    };
    let export = match stage::remote::export(&session.apigateway, api, exported).await {
        Err(error) if error.class == Class::Terminal => return Ok(Err(error.stable())),
        answer => answer?,
    };
    let variables = serving().flat_map(|(_, stage)| {
        let of_canary = stage.canary.iter().flat_map(|canary| canary.variables.values());
        stage.settings.variables.values().chain(of_canary)
    });
    Ok(Snapshot::read(of, &export, variables))
}

/// The deployments that one of their stages no longer serves: its export may have been of another.
async fn moved(
    session: &Session,
    api: &str,
    lost: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeSet<String>, AwsError> {
    let now = stage::remote::observe(&session.apigateway, api).await?;
    let serves =
        |name: &String, id: &String| now.get(name).is_some_and(|stage| stage.deployments().any(|one| one == id));
    let gone = lost.iter().filter(|(id, stages)| !stages.iter().all(|name| serves(name, id)));
    Ok(gone.map(|(id, _)| id.clone()).collect())
}

/// What people read of stages whose deployment stays on no record.
fn note(stages: &[String], found: &Found, why: &str) -> Vec<(String, String)> {
    let sentence = |stage: &String| {
        format!(
            "Stage {stage} serves revision {}, whose record was lost and can't be rebuilt: {why}; until the stage is moved, roles keep all that they have, and machines that it may call are not deleted.",
            found.revision
        )
    };
    stages.iter().map(|stage| (stage.clone(), sentence(stage))).collect()
}

/// The StateMachines among these machines, by their owner tags.
async fn machines(
    session: &Session,
    valid: &ValidApi,
    arns: BTreeSet<String>,
) -> Result<BTreeMap<String, Key>, AwsError> {
    let ValidApi { owner, place, .. } = valid;
    let here = format!("arn:{}:states:{}:{}:stateMachine:", place.partition, place.region, place.account_id);
    let mut machines = BTreeMap::new();
    for arn in arns.into_iter().filter(|arn| arn.starts_with(&here)) {
        let tags = match state_machine::remote::tags(&session.sfn, &arn).await {
            // It is gone, or no machine can have such an ARN.
            Err(AwsError { class: Class::NotFound | Class::Terminal, .. }) => continue,
            answer => answer?,
        };
        machines.extend(owner.named("StateMachine", &tags).map(|key| (arn, key)));
    }
    Ok(machines)
}

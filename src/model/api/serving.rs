//! What stages serve: deployments and their records, the stages with their logs, and the pruning of old revisions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Api, Observed, adopted, authorizers};
use crate::identity::{Key, content_hash};
use crate::plan::{Plan, StepId};
use crate::problem::Problem;
use crate::resources::deployment::{self, BesideMethods, Found, Record, RecordStep, ServedRoute};
use crate::resources::route::{self, At};
use crate::resources::{Step, account, authorizer, log_group, stage};
use crate::validate::rest_api::ValidApi;
use crate::validate::route::operation_name;
use crate::validate::stage::ValidStage;

impl Api<'_> {
    /// The revisions that stages serve or are about to; `None` where a stage serves a deployment that is not on record.
    pub(super) fn in_use(&self, observed: &Observed) -> (BTreeSet<i64>, bool) {
        let mut unknown = false;
        let mut used = BTreeSet::new();
        let served = observed.stages.values().flat_map(stage::Observed::deployments);
        for id in served.filter(|id| !observed.unmanaged.is_older(id)) {
            match self.records.iter().find(|record| record.deployment_id == id) {
                Some(record) => {
                    used.insert(record.revision);
                }
                None => unknown = true,
            }
        }
        used.extend(self.valid.stages.iter().filter_map(|stage| stage.revision));
        used.extend(self.valid.stages.iter().filter_map(|stage| stage.canary.as_ref()?.revision));
        (used, unknown)
    }

    /// Deployments of ours on no record, that no stage serves: two operators at once made one each, or a process died between the
    /// deployment and its record, and now something else is wanted. Nobody can pin a stage to them. What is older than all
    /// records may be another's, whose API this was, and where records were lost, what is older than all that were not; but without a
    /// stage, none has ever been served.
    pub fn strays<'a>(&'a self, observed: &'a Observed) -> impl Iterator<Item = (&'a String, &'a Found)> {
        let oldest = self.records.iter().filter(|record| !record.rebuilt).map(|record| record.revision).min();
        let on_record = |id: &str| self.records.iter().any(|record| record.deployment_id == id);
        let served = |id: &str| observed.stages.values().any(|stage| stage.deployments().any(|one| one == id));
        let all = observed.deployments.iter().flatten();
        let unserved = observed.stages.is_empty();
        let younger = all.filter(move |(_, found)| oldest.map_or(unserved, |oldest| oldest <= found.revision));
        younger.filter(move |(id, _)| !on_record(id) && !served(id) && !observed.recorded.contains(*id))
    }

    fn newest(&self) -> Option<&Record> {
        self.records.iter().max_by_key(|record| record.revision)
    }

    /// Deployment, record, stages, and the pruning of old revisions.
    pub(super) fn plan_serving(
        &self,
        plan: &mut Plan<Step>,
        observed: &Observed,
        tree: &BTreeMap<At, route::Desired>,
        tree_ids: &[StepId],
        role_ids: &BTreeMap<&str, Vec<StepId>>,
    ) -> Result<(), Problem> {
        let methods = self.managed(route::result(tree, &observed.tree), observed);
        let authorizers = authorizers::named(&methods, &self.authorizers(observed), observed);
        let beside = self.beside_methods(self.resulting_models(observed, &methods));
        let hash = deployment::hash(&methods, &BesideMethods { authorizers, ..beside });
        let gone = |record: &&Record| {
            observed.deployments.as_ref().is_some_and(|found| !found.contains_key(&record.deployment_id))
        };
        let records: Vec<&Record> = self.records.iter().filter(|record| !gone(record)).collect();
        let newest = records.iter().copied().max_by_key(|record| record.revision);
        if self.first_routes_are_coming(observed) {
            return Ok(());
        }
        let mut serving_ids: Vec<StepId> = tree_ids.to_vec();
        serving_ids.extend(role_ids.values().flatten());
        // The number that gets a record now.
        let mut recorded = None;
        let mut kept_anew = None;
        let mut holds = false;
        // Another operator, or somebody, may have changed methods just before the snapshot was taken. The API's own attributes are
        // left aside: they have tags among them, and some are put right in two looks. So are authorizers that no method names.
        let apart = |step: &Step| matches!(step, Step::RestApi(_) | Step::Authorizer(authorizer::Step::Delete { .. }));
        let mut steps = tree_ids.iter().map(|id| &plan.steps()[*id].step);
        let changes = steps.any(|step| !apart(step) && !adopted::is_left_out(step, &observed.unmanaged));
        let torn = |revision: i64| changes && revision > self.verified_revision;
        let follow = match newest {
            Some(record) if record.hash == hash && !torn(record.revision) => {
                let id = &record.deployment_id;
                let anew = self.record(record.revision, &hash, tree, observed, Some(id.clone()));
                if anew.routes != record.routes || anew.authorizers != record.authorizers {
                    // It was made when less was known, such as while a route could not be resolved.
                    kept_anew = Some(record.revision);
                    plan.add(Step::Record(RecordStep::Keep { record: anew }), []);
                }
                stage::Serves::Deployment(id.clone())
            }
            _ if self.coming.together => {
                holds = true;
                stage::Serves::Unchanged
            }
            _ => {
                let newest = newest.map_or(0, |record| record.revision);
                let found = observed.deployments.iter().flatten();
                let served = |id: &str| observed.stages.values().any(|stage| stage.deployments().any(|one| one == id));
                // Of two that two operators made at once, the same for both of them.
                let lost = found
                    .clone()
                    .filter(|(_, found)| found.revision > newest && found.hash == hash && !torn(found.revision))
                    .max_by_key(|(id, found)| (found.revision, served(id), Reverse(*id)));
                let highest = found.map(|(_, found)| found.revision).max();
                let revision = match lost {
                    Some((_, found)) => found.revision,
                    // Nor is the number of one that is gone used again.
                    None => 1 + self.newest().map_or(0, |r| r.revision).max(highest.unwrap_or(0)),
                };
                recorded = Some(revision);
                let mut after = serving_ids.clone();
                if self.records.is_empty() {
                    // They go before there is a record, next to which they would only be older.
                    let others = self.strays(observed).filter(|(id, _)| lost.is_none_or(|(lost, _)| lost != *id));
                    after.extend(others.map(|(id, found)| plan.add(delete(id, found.revision), [])));
                }
                let serves = match lost {
                    // A crash came between the deployment and its record.
                    Some((id, _)) => stage::Serves::Deployment(id.clone()),
                    None => {
                        let description = deployment::description(revision, &hash);
                        let step = Step::Deployment(deployment::Step::Create { description });
                        after = vec![plan.add(step, serving_ids.iter().copied())];
                        stage::Serves::New
                    }
                };
                let record = self.record(revision, &hash, tree, observed, lost.map(|(id, _)| id.clone()));
                serving_ids = vec![plan.add(Step::Record(RecordStep::Keep { record }), after)];
                serves
            }
        };
        for record in self.records.iter().filter(|record| observed.rebuilt.contains(&record.revision)) {
            if kept_anew != Some(record.revision) {
                let record = Record { older: self.older(observed), ..record.clone() };
                plan.add(Step::Record(RecordStep::Keep { record }), []);
            }
        }
        let log_ids = self.plan_logs(plan, observed)?;
        let may_log = self.valid.may_log(observed.log_role);
        let partial = self.coming.first || !self.waiting().is_empty();
        let desired_stage = |stage: &ValidStage| {
            // One that serves no route yet has nothing to stay at.
            let empty = |found: &stage::Observed| {
                let record = records.iter().find(|record| record.deployment_id == found.deployment_id);
                record.is_some_and(|record| record.routes.is_empty())
            };
            // One that is deployed by hand does not begin with a part of the routes: it would stay at it.
            let stays = match observed.stages.get(&stage.name) {
                Some(found) if !empty(found) => true,
                _ => partial,
            };
            desired_stage(stage, &records, &follow, stays, may_log)
        };
        let desired: Vec<stage::Desired> = self.valid.stages.iter().map(desired_stage).collect();
        let mut stage_ids = Vec::new();
        for steps in stage::diff(&desired, &observed.unmanaged.managed_stages(&observed.stages)) {
            let deletes = matches!(steps[..], [stage::Step::Delete { .. }]);
            if deletes && steps.iter().any(|step| self.valid.mapped_stages.contains(step.stage())) {
                continue;
            }
            let mut after = if deletes { Vec::new() } else { serving_ids.clone() };
            let of = |name: &str| steps.iter().any(|step| step.stage() == name);
            let logged = observed.stages.iter().filter(|(_, stage)| stage.settings.access_log.is_some());
            let logs = self.valid.stages.iter().filter(|stage| stage.logs());
            // What has no part in logging goes on, whatever becomes of that.
            if logged.map(|(name, _)| name).chain(logs.map(|stage| &stage.name)).any(|name| of(name)) {
                after.extend(&log_ids);
            }
            stage_ids.extend(plan.chain(steps.into_iter().map(Step::Stage), &after));
        }
        if observed.deployments.is_some() {
            for record in self.records.iter().filter(gone).filter(|record| recorded != Some(record.revision)) {
                plan.add(Step::Record(RecordStep::Forget { revision: record.revision }), []);
            }
        }
        let settled = recorded.is_none() && !holds && observed.rebuilt.is_empty();
        if stage_ids.is_empty() && settled && role_ids.values().all(Vec::is_empty) {
            let (mut in_use, unknown) = self.in_use(observed);
            in_use.extend(newest.map(|record| record.revision));
            if !unknown {
                let limit = self.valid.revision_history_limit;
                for record in deployment::prunable(records.iter().copied(), &in_use, limit) {
                    let deleted = plan.add(delete(&record.deployment_id, record.revision), []);
                    plan.add(Step::Record(RecordStep::Forget { revision: record.revision }), [deleted]);
                }
                for (id, found) in self.strays(observed) {
                    plan.add(delete(id, found.revision), []);
                }
            }
        }
        Ok(())
    }

    /// What has to be there before stages log. What no stage needs goes first, too: as long as a stage names a log group, it
    /// is looked for.
    fn plan_logs(&self, plan: &mut Plan<Step>, observed: &Observed) -> Result<Vec<StepId>, Problem> {
        let ValidApi { stages, owner, log_role, .. } = self.valid;
        let mut ids = Vec::new();
        if let (account::LogRole::Missing, Some(arn)) = (observed.log_role, log_role) {
            ids.push(plan.add(Step::Account(account::Step::SetLogRole { arn: arn.clone() }), []));
        }
        let wanted: Vec<_> = stages.iter().filter_map(|stage| stage.log_group.as_ref()).collect();
        for group in &wanted {
            let found = observed.log_groups.as_ref().and_then(|found| found.get(&group.name));
            ids.extend(plan.chain(log_group::diff(group, found)?.into_iter().map(Step::LogGroup), &[]));
        }
        let let_go = if self.valid.retains { log_group::release } else { log_group::removal };
        for (name, found) in observed.log_groups.iter().flatten() {
            if wanted.iter().all(|group| group.name != *name) {
                ids.extend(let_go(name, owner, found).map(|step| plan.add(Step::LogGroup(step), [])));
            }
        }
        Ok(ids)
    }

    fn record(
        &self,
        revision: i64,
        hash: &str,
        tree: &BTreeMap<At, route::Desired>,
        observed: &Observed,
        deployment_id: Option<String>,
    ) -> Record {
        let before = self.newest();
        let routes = route::result(tree, &observed.tree)
            .iter()
            .filter_map(|(at, method)| {
                let attached =
                    self.attachment.attached.values().find(|route| operation_name(&route.key) == method.operation_name);
                let served_before = before.and_then(|record| {
                    record.routes.iter().find(|r| operation_name(&r.route) == method.operation_name)
                });
                let (route, machines) = match (attached, served_before) {
                    (Some(route), _) if route.method == *method => (route.key.clone(), route.machines.clone()),
                    (_, Some(served)) => (served.route.clone(), served.machines.clone()),
                    (Some(route), None) => (route.key.clone(), route.machines.clone()),
                    (None, None) => (self.refused(&method.operation_name)?.clone(), BTreeSet::new()),
                };
                Some(ServedRoute { route, at: at.clone(), hash: content_hash(method), machines })
            })
            .collect();
        Record {
            revision,
            rest_api_id: observed.api.as_ref().map(|api| api.id.clone()).unwrap_or_default(),
            deployment_id: deployment_id.unwrap_or_default(),
            hash: hash.to_owned(),
            routes,
            roles: self.needs_of_newest(observed, tree),
            authorizers: !self.valid.authorizers.is_empty() || !observed.authorizers.named.is_empty(),
            models: !self.models().is_empty(),
            rebuilt: false,
            older: self.older(observed),
        }
    }

    fn refused(&self, name: &str) -> Option<&Key> {
        self.attachment.refused.keys().find(|key| operation_name(key) == name)
    }
}

fn delete(id: &str, revision: i64) -> Step {
    Step::Deployment(deployment::Step::Delete { id: id.to_owned(), revision })
}

/// The fields that name a revision that does not exist.
pub fn unknown_pins(valid: &ValidApi, records: &[Record]) -> Vec<(String, i64)> {
    let pins = valid.stages.iter().flat_map(|stage| {
        let field = |field: &str| format!("spec.stages[{}].{field}", stage.name);
        let canary = stage.canary.as_ref().and_then(|canary| canary.revision);
        let own = stage.revision.map(|revision| (field("revision"), revision));
        own.into_iter().chain(canary.map(|revision| (field("canary.revision"), revision)))
    });
    pins.filter(|(_, revision)| records.iter().all(|record| record.revision != *revision)).collect()
}

/// A stage as it should be. `exists`: it is there and serves a route, so that it can stay at what it serves. Where nothing may log, the rest of
/// it goes on.
fn desired_stage(
    stage: &ValidStage,
    records: &[&Record],
    follow: &stage::Serves,
    stays: bool,
    may_log: bool,
) -> stage::Desired {
    let serves = |revision: Option<i64>| match revision {
        None => follow.clone(),
        Some(revision) => match records.iter().find(|record| record.revision == revision) {
            Some(record) => stage::Serves::Deployment(record.deployment_id.clone()),
            None => stage::Serves::Unchanged,
        },
    };
    let stays = stage.manual && stage.revision.is_none() && stays;
    let mut settings = stage.settings.clone();
    if !may_log {
        settings.access_log = None;
        settings.methods.values_mut().for_each(|method| "OFF".clone_into(&mut method.log_level));
    }
    stage::Desired {
        name: stage.name.clone(),
        serves: if stays { stage::Serves::Unchanged } else { serves(stage.revision) },
        canary: stage.canary.as_ref().map(|canary| stage::Canary {
            serves: serves(canary.revision),
            percent: canary.percent,
            variables: canary.variables.clone(),
            use_stage_cache: canary.use_stage_cache,
        }),
        settings,
    }
}

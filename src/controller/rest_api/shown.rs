//! What the statuses of a RestAPI and its routes show of a reconcile.

use std::collections::BTreeMap;

use super::Run;
use crate::api::conditions::reasons;
use crate::api::{APIRoute, Authorization, CanaryStatus, RestAPIStatus, StageStatus};
use crate::controller::publish::State;
use crate::controller::route_status::{RouteState, Serving};
use crate::identity::{Key, content_hash};
use crate::problem::Problem;
use crate::resolve;
use crate::resources::deployment::Record;
use crate::validate::domain_mappings;
use crate::validate::route::operation_name;

/// How many stages and revisions the status shows: those of the manifest first, and the newest.
const MOST_STAGES: usize = 10;
const MOST_REVISIONS: usize = 128;

impl<'a> Run<'a> {
    /// What the status shows of AWS.
    pub(super) fn show(&self, status: &mut RestAPIStatus) {
        let Some(api) = &self.observed.api else { return };
        status.rest_api_id = Some(api.id.clone());
        let Some(place) = &self.place else { return };
        status.binding = Some(place.binding());
        // In the order of the manifest, because the first one's URL is shown.
        let order: Vec<&str> = self.object.spec.stages.iter().map(|stage| stage.name.as_str()).collect();
        let mut stages: Vec<StageStatus> = self
            .observed
            .stages
            .iter()
            .map(|(name, stage)| StageStatus {
                name: name.clone(),
                invoke_url: place.invoke_url(&api.id, name),
                revision: self.record_of(&stage.deployment_id).map(|record| record.revision),
                canary: stage.canary.as_ref().map(|canary| CanaryStatus {
                    percent: canary.percent,
                    revision: self.record_of(&canary.serves).map(|record| record.revision),
                }),
            })
            .collect();
        stages.sort_by_key(|stage| order.iter().position(|name| *name == stage.name).unwrap_or(order.len()));
        stages.truncate(MOST_STAGES);
        status.stages = stages;
        let mut revisions: Vec<i64> = self.records.iter().map(|record| record.revision).collect();
        revisions.sort_unstable();
        status.revisions = revisions.split_off(revisions.len().saturating_sub(MOST_REVISIONS));
        status.attached_routes = i64::try_from(self.attachment.attached.len()).ok();
    }

    pub(super) fn record_of(&self, deployment_id: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.deployment_id == deployment_id)
    }

    /// What each stage of the manifest serves: as AWS shows it, or, where this reconcile did not get so far, as it showed
    /// it last. One that is not there yet serves nothing.
    pub(super) fn serving(&self, status: &RestAPIStatus) -> Vec<Serving<'_>> {
        let record = |revision: i64| self.records.iter().find(|record| record.revision == revision);
        let serving = |stage: &'a crate::api::Stage| {
            let shown = status.stages.iter().find(|shown| shown.name == stage.name);
            let canary = shown.and_then(|shown| shown.canary.as_ref()?.revision);
            Serving {
                stage: &stage.name,
                follows: stage.follows(),
                record: shown.and_then(|shown| shown.revision).and_then(record),
                canary: canary.and_then(record),
            }
        };
        self.object.spec.stages.iter().map(serving).collect()
    }

    /// How each route stands, as far as this reconcile knows.
    pub(super) fn route_states(&self, state: &State) -> BTreeMap<Key, RouteState> {
        let api_problem = match state {
            State::Not { problem, .. } if self.observed.api.is_none() || !self.is_about_stages(problem) => {
                // The fields that it names are the RestAPI's.
                let message = format!("RestAPI {}: {}", Key::of(&**self.object), problem.message);
                Some(Problem { message, ..problem.clone() })
            }
            _ => None,
        };
        self.world
            .routes
            .iter()
            .map(|(key, route)| {
                let state = if resolve::terminating(&**route) {
                    RouteState::Terminating
                } else if let Some(refusal) = self.attachment.refused.get(key) {
                    RouteState::Refused { refusal: refusal.clone(), caution: self.caution(route) }
                } else if let Some(valid) = self.attachment.attached.get(key) {
                    let waits = self.waiting.contains(key).then(|| {
                        Problem::waiting(
                            reasons::WAITING_FOR_ROLE,
                            "waiting until AWS sees the new invoke role everywhere",
                        )
                    });
                    RouteState::Attached {
                        hash: content_hash(&valid.method),
                        problem: waits.or_else(|| api_problem.clone()),
                        held: match state {
                            State::Paused(_) => Some(State::Paused("Its RestAPI is paused".to_owned())),
                            State::Drifted(_) => Some(State::Drifted(
                                "Its RestAPI was changed in AWS, and driftPolicy Report leaves it".to_owned(),
                            )),
                            _ => None,
                        },
                    }
                } else {
                    RouteState::ApiProblem(api_problem.clone().unwrap_or_else(|| {
                        Problem::waiting(reasons::PROGRESSING, "waiting for the RestAPI's reconcile")
                    }))
                };
                (key.clone(), state)
            })
            .collect()
    }

    /// What a route's author has to know of the form that keeps serving.
    fn caution(&self, route: &APIRoute) -> Option<&'static str> {
        let key = Key::of(route);
        let name = operation_name(&key);
        let (at, kept) = self.observed.tree.methods.iter().find(|(_, method)| method.operation_name == name)?;
        if kept.authorization == "NONE" && route.spec.authorization.type_ != Authorization::None {
            return Some("ATTENTION: the form that keeps serving asks callers for NO authorization.");
        }
        let newest = self.records.iter().max_by_key(|record| record.revision)?;
        let served = newest.routes.iter().find(|served| served.route == key && served.at == *at)?;
        (!newest.rebuilt && served.hash != content_hash(kept))
            .then_some("What is in AWS was changed by someone else meanwhile.")
    }

    /// Whether a problem is about the settings of a stage, or about a custom domain, so that routes are served all the same.
    fn is_about_stages(&self, problem: &Problem) -> bool {
        [reasons::REVISION_NOT_FOUND, reasons::LOG_ROLE_MISSING].contains(&problem.reason)
            || self.unbegun().as_ref() == Some(problem)
            || domain_mappings::standing(self.world, self.object).1.as_ref() == Some(problem)
    }
}

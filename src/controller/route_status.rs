//! The statuses of a RestAPI's routes, written from the RestAPI's plan.

use std::collections::BTreeMap;

use kube::runtime::events::EventType;
use kube::{Api, Resource};

use super::publish::{self, State};
use super::{Context, outputs, quota};
use crate::api::conditions::{ACCEPTED, PROGRAMMED, READY, RESOLVED_REFS, reasons};
use crate::api::{APIRoute, APIRouteStatus, RestAPIStatus, RouteStageStatus};
use crate::identity::Key;
use crate::problem::Problem;
use crate::resources::deployment::{Record, ServedRoute};
use crate::validate::route::Refusal;
use crate::world::World;

/// What a stage serves.
pub struct Serving<'a> {
    /// Its name.
    pub stage: &'a str,
    /// Whether it follows the newest revision.
    pub follows: bool,
    /// The revision, where it is on record.
    pub record: Option<&'a Record>,
    /// The revision that its canary serves, where there is one and it is on record.
    pub canary: Option<&'a Record>,
}

impl<'a> Serving<'a> {
    fn route(&self, key: &Key) -> Option<&'a ServedRoute> {
        route_in(self.record, key)
    }
}

fn route_in<'a>(record: Option<&'a Record>, key: &Key) -> Option<&'a ServedRoute> {
    record?.routes.iter().find(|route| route.route == *key)
}

/// How a route stands after a reconcile of its RestAPI.
#[derive(Clone, Debug)]
pub enum RouteState {
    /// It is to be served, as the method with this hash.
    Attached {
        /// Hash of its method.
        hash: String,
        /// What keeps it from being served, if it is not.
        problem: Option<Problem>,
        /// How the RestAPI stands, where that leaves things as they are.
        held: Option<State>,
    },
    /// It can't be.
    Refused {
        /// Why.
        refusal: Refusal,
        /// What has to be known of the form that keeps serving.
        caution: Option<&'static str>,
    },
    /// Its RestAPI has a problem.
    ApiProblem(Problem),
    /// It is being deleted.
    Terminating,
}

/// Writes the statuses that changed.
///
/// # Errors
/// What Kubernetes answers.
pub async fn publish(
    context: &Context,
    world: &World,
    api_status: &RestAPIStatus,
    serving: &[Serving<'_>],
    states: BTreeMap<Key, RouteState>,
) -> Result<(), kube::Error> {
    for (key, state) in states {
        let Some(route) = world.routes.get(&key) else { continue };
        if matches!(state, RouteState::Terminating) {
            continue;
        }
        let mut status = status(route, api_status, serving, &state);
        let data = outputs::of_route(route, &status.status);
        let outputs = route.spec.outputs.as_ref();
        status.state = outputs::publish(&context.client, &**route, outputs, data, status.state).await;
        publish::set_state(&mut status.status.common, route.meta().generation, &status.state);
        let before = route.status.as_ref().map(|status| status.common.conditions.clone()).unwrap_or_default();
        let api: Api<APIRoute> = Api::namespaced(context.client.clone(), &key.namespace);
        let known = route.status.as_ref().filter(|_| !quota::told_of_route(&key));
        publish::write(context, &api, route.meta(), known, &status.status).await?;
        publish::tell(context, &**route, &before, &status.state).await;
        let was_ready = before.iter().any(|c| c.type_ == READY && c.status == "True");
        if matches!(status.state, State::Ready(_)) && !was_ready {
            let url = status.status.url.clone().unwrap_or_default();
            publish::event(context, &**route, EventType::Normal, "Serving", "Apply", &format!("served at {url}")).await;
        }
    }
    Ok(())
}

struct Computed {
    status: APIRouteStatus,
    state: State,
}

/// The status of one route. Pure.
fn status(route: &APIRoute, api_status: &RestAPIStatus, serving: &[Serving<'_>], state: &RouteState) -> Computed {
    let key = Key::of(route);
    let generation = route.meta().generation;
    let mut status = route.status.clone().unwrap_or_default();
    status.stages = serving
        .iter()
        .filter_map(|serving| {
            let canary = route_in(serving.canary, &key);
            let served = serving.route(&key).or(canary)?;
            let stage = api_status.stages.iter().find(|stage| stage.name == serving.stage)?;
            Some(RouteStageStatus {
                name: stage.name.clone(),
                url: format!("{}{}", stage.invoke_url, served.at.path),
                revision: serving.route(&key).and(stage.revision),
                canary_revision: canary.and(stage.canary.as_ref()).and_then(|canary| canary.revision),
            })
        })
        .collect();
    status.url = status.stages.first().map(|stage| stage.url.clone());

    // Where every stage is pinned, none is counted.
    let counted: Vec<&Serving<'_>> = serving.iter().filter(|serving| serving.follows).collect();
    let serves = |hash: Option<&str>| {
        counted
            .iter()
            .all(|serving| serving.route(&key).is_some_and(|served| hash.is_none_or(|hash| served.hash == hash)))
    };
    let served_at_all = !status.stages.is_empty();
    let conditions = &mut status.common.conditions;
    // That there is no such API is no longer true, whatever else is.
    conditions.retain(|condition| condition.type_ != ACCEPTED || condition.reason != reasons::NO_SUCH_API);
    let mut set = |type_: &str, value: bool, reason: &str, message: &str, generation: Option<i64>| {
        publish::set(conditions, type_, Some(value), reason, message, generation);
    };
    let accepted = "The RestAPI admits the route.";
    let resolved = "Everything that it refers to is there.";
    let state = match state {
        RouteState::Attached { hash, problem, held, .. } => {
            set(ACCEPTED, true, reasons::ACCEPTED, accepted, generation);
            set(RESOLVED_REFS, true, reasons::RESOLVED, resolved, generation);
            // Where no stage follows, it serves once it is part of the newest revision.
            if serves(Some(hash)) && (!counted.is_empty() || problem.is_none()) {
                set(PROGRAMMED, true, reasons::PROGRAMMED, "The stages serve it.", generation);
                State::Ready(match &status.url {
                    Some(url) if status.stages.iter().all(|stage| stage.revision.is_none()) => {
                        format!("Served at {url}, to the canary's part of the requests.")
                    }
                    Some(url) => format!("Served at {url}"),
                    None => "Part of the newest revision; every stage is pinned to another.".to_owned(),
                })
            } else {
                let problem = problem.clone().unwrap_or_else(|| {
                    Problem::waiting(reasons::PROGRESSING, "waiting for the next deployment of the RestAPI")
                });
                keep_programmed(&mut set, served_at_all, &problem, generation);
                held.clone().unwrap_or(State::Not { problem, serving: served_at_all })
            }
        }
        RouteState::Refused { refusal, caution } => {
            let mut problem = refusal.problem.clone();
            if let Some(caution) = caution {
                problem.message = publish::sentences(&problem.message, caution);
            }
            let problem = &problem;
            let reason = match problem.reason {
                reasons::ROUTE_CONFLICT => reasons::CONFLICTED,
                other => other,
            };
            if refusal.refs {
                set(ACCEPTED, true, reasons::ACCEPTED, accepted, generation);
                set(RESOLVED_REFS, false, reason, &problem.message, generation);
            } else if problem.reason != reasons::PAUSED {
                set(ACCEPTED, false, reason, &problem.message, generation);
            }
            if problem.reason == reasons::PAUSED {
                let before = route.status.as_ref().map(|status| &status.common);
                let as_asked = before.is_some_and(|before| {
                    let ready = before.conditions.iter().any(|c| c.type_ == READY && c.status == "True");
                    ready && before.observed_generation == generation
                });
                if served_at_all && as_asked {
                    State::Ready("Paused; what is served is as asked.".to_owned())
                } else {
                    State::Paused(problem.message.clone())
                }
            } else {
                keep_programmed(&mut set, served_at_all, problem, generation);
                State::Not { problem: problem.clone(), serving: served_at_all }
            }
        }
        RouteState::ApiProblem(problem) => {
            keep_programmed(&mut set, served_at_all, problem, generation);
            State::Not { problem: problem.clone(), serving: served_at_all }
        }
        RouteState::Terminating => State::Deleting(Problem::waiting(reasons::DELETING, "being deleted")),
    };
    Computed { status, state }
}

/// Programmed speaks of the generation that serves: an older one, where the present one can't be carried out.
fn keep_programmed(
    set: &mut impl FnMut(&str, bool, &str, &str, Option<i64>),
    served_at_all: bool,
    problem: &Problem,
    generation: Option<i64>,
) {
    if served_at_all {
        let message = format!("An earlier form keeps serving: {}", problem.message);
        let before = generation.map(|generation| (generation - 1).max(1));
        set(PROGRAMMED, true, reasons::LAST_KNOWN_GOOD, &message, before);
    } else {
        set(PROGRAMMED, false, problem.reason, &problem.message, generation);
    }
}

#[cfg(test)]
mod tests;

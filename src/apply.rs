//! Runs a plan: each step in order; a step whose predecessor failed is left out, the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::aws::fence::Fence;
use crate::aws::{AwsError, Class, Session};
use crate::plan::{Plan, StepId};
use crate::records::{RecordError, Records};
use crate::resources::deployment::RecordStep;
use crate::resources::stage::Serves;
use crate::resources::{
    Step, access_association, account, api_key, authorizer, base_path_mapping, deployment, domain_name,
    gateway_response, log_group, managed_policy, model, request_validator, rest_api, role, route, stage, state_machine,
    usage_plan,
};
use crate::tenancy::Place;

/// What steps need of each other: ids that are known only once a step has run.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The API's id.
    pub rest_api_id: Option<String>,
    /// Resource ids by path.
    pub resources: BTreeMap<String, String>,
    /// Ids of authorizers by name.
    pub authorizers: BTreeMap<String, String>,
    /// Request validator ids by name.
    pub validators: BTreeMap<String, String>,
    /// The deployment that this plan made.
    pub deployment_id: Option<String>,
    /// ARN prefix for tagging an API: `arn:<partition>:apigateway:<region>::/restapis/`.
    pub arn_prefix: String,
    /// ARN prefix of log groups: `arn:<partition>:logs:<region>:<account>:log-group:`.
    pub log_group_prefix: String,
    /// The id of a private domain name.
    pub domain_name_id: Option<String>,
    /// ARNs of custom domain names: `arn:<partition>:apigateway:<region>::/domainnames/`.
    pub domain_prefix: String,
    /// The same of private ones: `arn:<partition>:apigateway:<region>:<account>:/domainnames/`, and then name and id.
    pub private_domain_prefix: String,
    /// The ARN of the domain name, where AWS told it.
    pub domain_arn: Option<String>,
    /// Around the call that creates the API, or the usage plan.
    pub fence: Option<Fence>,
    /// Records that this plan kept.
    pub records: Vec<deployment::Record>,
    /// A usage plan and its keys.
    pub usage_plan: UsagePlan,
}

/// What the steps of a usage plan need.
#[derive(Clone, Debug, Default)]
pub struct UsagePlan {
    /// Its id.
    pub id: Option<String>,
    /// Ids of keys that were made, by name.
    pub keys: BTreeMap<String, String>,
    /// Values of keys that are to be made, by name.
    pub values: api_key::Values,
    /// ARN prefix: `arn:<partition>:apigateway:<region>::`.
    pub arn_prefix: String,
}

impl Known {
    /// What is known of where objects live.
    pub fn of(place: &Place) -> Self {
        let Place { partition, region, account_id, .. } = place;
        Self {
            arn_prefix: format!("arn:{partition}:apigateway:{region}::/restapis/"),
            domain_prefix: format!("arn:{partition}:apigateway:{region}::/domainnames/"),
            private_domain_prefix: format!("arn:{partition}:apigateway:{region}:{account_id}:/domainnames/"),
            log_group_prefix: format!("arn:{partition}:logs:{region}:{account_id}:log-group:"),
            usage_plan: UsagePlan {
                arn_prefix: format!("arn:{partition}:apigateway:{region}::"),
                ..UsagePlan::default()
            },
            ..Self::default()
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// AWS refused, or did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Kubernetes did not take a record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What became of a plan.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The steps that were carried out.
    pub done: Vec<Step>,
    /// The steps that failed, and why.
    pub failed: Vec<(Step, ApplyError)>,
    /// What the steps found out.
    pub known: Known,
}

impl Outcome {
    /// The steps that were carried out, for an event.
    pub fn summary(&self) -> String {
        let mut plan = Plan::default();
        plan.chain(self.done.iter().map(|step| step as &dyn Display), &[]);
        plan.summary()
    }
}

/// Runs it. Throttling and refused credentials end it at once: the next steps would fare no better.
pub async fn apply(plan: &Plan<Step>, session: &Session, records: Option<&Records<'_>>, known: Known) -> Outcome {
    let mut outcome = Outcome { known, ..Outcome::default() };
    let mut failed: BTreeSet<StepId> = BTreeSet::new();
    for (id, planned) in plan.steps().iter().enumerate() {
        if planned.after.iter().any(|before| failed.contains(before)) {
            failed.insert(id);
            continue;
        }
        match carry_out(&planned.step, session, records, &mut outcome.known).await {
            Ok(()) => {
                tracing::info!(step = %planned.step, "done");
                outcome.done.push(planned.step.clone());
            }
            Err(error) => {
                tracing::warn!(step = %planned.step, %error, "failed");
                failed.insert(id);
                let hopeless =
                    matches!(&error, ApplyError::Aws(AwsError { class: Class::Throttled(_) | Class::Credentials, .. }));
                outcome.failed.push((planned.step.clone(), error));
                if hopeless {
                    break;
                }
            }
        }
    }
    outcome
}

/// A future on the heap, made in a frame of its own: the frames of all rooms' calls together are more than a thread's stack.
fn boxed<F: Future>(make: impl FnOnce() -> F) -> std::pin::Pin<Box<F>> {
    Box::pin(make())
}

async fn carry_out(
    step: &Step,
    session: &Session,
    records: Option<&Records<'_>>,
    known: &mut Known,
) -> Result<(), ApplyError> {
    let api = |known: &Known| known.rest_api_id.clone().unwrap_or_default();
    match step {
        Step::Role(step) => {
            if let role::Step::Create { .. } = step {
                session.roles.take(&session.iam).await?;
            }
            boxed(|| role::remote::carry_out(&session.iam, step)).await?;
        }
        Step::ManagedPolicy(step) => boxed(|| managed_policy::remote::carry_out(&session.iam, step)).await?,
        Step::StateMachine(step) => boxed(|| state_machine::remote::carry_out(&session.sfn, step)).await?,
        Step::RestApi(step) => {
            let prefix = known.arn_prefix.clone();
            let (arn, fence) = (|id: &str| format!("{prefix}{id}"), known.fence.clone());
            let id = boxed(|| rest_api::remote::carry_out(&session.apigateway, step, arn, fence.clone())).await?;
            known.rest_api_id = Some(id.clone());
            if let rest_api::Step::Create { .. } = step {
                if let Some(fence) = fence {
                    fence.made(&id).await;
                }
                // A new API has just its root; only AWS knows the root's id.
                known.resources = boxed(|| route::remote::observe(&session.apigateway, &id)).await?.resources;
            }
        }
        Step::Authorizer(step) => {
            let api = api(known);
            boxed(|| authorizer::remote::carry_out(&session.apigateway, &api, &mut known.authorizers, step)).await?;
        }
        Step::Model(step) => {
            let api = api(known);
            boxed(|| model::remote::carry_out(&session.apigateway, &api, step)).await?;
        }
        Step::RequestValidator(step) => {
            let api = api(known);
            let id = boxed(|| request_validator::remote::carry_out(&session.apigateway, &api, step)).await?;
            if let request_validator::Step::Create { name, .. } = step {
                known.validators.insert(name.clone(), id);
            }
        }
        Step::Route(step) => {
            let api = api(known);
            let Known { resources, authorizers, validators, .. } = known;
            let named = route::remote::Named { authorizers, validators };
            boxed(|| route::remote::carry_out(&session.apigateway, &api, resources, named, step)).await?;
        }
        Step::GatewayResponse(step) => {
            let api = api(known);
            boxed(|| gateway_response::remote::carry_out(&session.apigateway, &api, step)).await?;
        }
        Step::Deployment(step) => {
            let api = api(known);
            let id = boxed(|| deployment::remote::carry_out(&session.apigateway, &api, step)).await?;
            if let deployment::Step::Create { .. } = step {
                known.deployment_id = Some(id);
            }
        }
        Step::Record(step) => {
            let Some(records) = records else { return Ok(()) };
            match step {
                RecordStep::Keep { record } => {
                    let mut record = record.clone();
                    record.rest_api_id = api(known);
                    if record.deployment_id.is_empty() {
                        record.deployment_id = known.deployment_id.clone().unwrap_or_default();
                    }
                    records.keep(&record).await?;
                    known.records.push(record);
                }
                RecordStep::Forget { revision } => records.forget(*revision).await?,
            }
        }
        Step::Stage(step) => {
            let made = known.deployment_id.clone();
            let deployment = |serves: &Serves| match serves {
                Serves::Deployment(id) => Ok(id.clone()),
                Serves::New | Serves::Unchanged => {
                    made.clone().ok_or_else(|| AwsError::incomplete("CreateDeployment", "id"))
                }
            };
            let (api, arn) = (api(known), format!("{}{}", known.arn_prefix, api(known)));
            boxed(|| stage::remote::carry_out(&session.apigateway, &api, &arn, step, deployment)).await?;
        }
        Step::LogGroup(step) => {
            let prefix = &known.log_group_prefix;
            boxed(|| log_group::remote::carry_out(&session.logs, step, |name| format!("{prefix}{name}"))).await?;
        }
        Step::UsagePlan(step) => {
            let UsagePlan { id, keys, arn_prefix, .. } = &mut known.usage_plan;
            let plan = id.clone().unwrap_or_default();
            let made = usage_plan::remote::Made { plan: &plan, keys };
            let arn = |id: &str| format!("{arn_prefix}/usageplans/{id}");
            let fence = known.fence.clone();
            let carry = || usage_plan::remote::carry_out(&session.apigateway, step, made, arn, fence.clone());
            let plan = boxed(carry).await?;
            if let (usage_plan::Step::Create { .. }, Some(fence)) = (step, fence) {
                fence.made(&plan).await;
            }
            *id = Some(plan);
        }
        Step::ApiKey(step) => {
            let UsagePlan { keys, values, arn_prefix, .. } = &mut known.usage_plan;
            let arn = |id: &str| format!("{arn_prefix}/apikeys/{id}");
            let id = boxed(|| api_key::remote::carry_out(&session.apigateway, step, values, arn)).await?;
            if let api_key::Step::Create { name, .. } = step {
                keys.insert(name.clone(), id);
            }
        }
        Step::DomainName(step) => {
            let Known { domain_name_id, domain_prefix, domain_arn, .. } = known;
            let arn = |name: &str| domain_arn.clone().unwrap_or_else(|| format!("{domain_prefix}{name}"));
            let id = domain_name_id.clone();
            let carry = || domain_name::remote::carry_out(&session.apigateway, step, id.as_deref(), arn);
            *domain_name_id = boxed(carry).await?;
        }
        Step::BasePathMapping(step) => {
            let id = known.domain_name_id.clone();
            boxed(|| base_path_mapping::remote::carry_out(&session.apigateway, step, id.as_deref())).await?;
        }
        Step::AccessAssociation(step) => {
            let Known { domain_arn, domain_name_id, private_domain_prefix, .. } = &*known;
            let id = domain_name_id.as_deref().unwrap_or_default();
            let arn = domain_arn.clone().unwrap_or_else(|| format!("{private_domain_prefix}{}+{id}", step.domain()));
            boxed(|| access_association::remote::carry_out(&session.apigateway, step, &arn)).await?;
        }
        Step::Account(step) => boxed(|| account::remote::carry_out(&session.apigateway, step)).await?,
    }
    Ok(())
}

//! Reads an APIDomain's AWS objects, and plans.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{APIDomain, RestAPI};
use crate::aws::{AwsError, Session};
use crate::identity::{Owner, Ownership};
use crate::model::domain::{Domain, KnownApi, KnownApis, Observed, Shared};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::resources::{Step, access_association, base_path_mapping, domain_name, rest_api};
use crate::tenancy::Place;
use crate::validate::api_domain::{ValidDomain, Wish, frozen, wishes};
use crate::world::World;

/// What a look found.
pub struct Surveyed {
    /// AWS as it is.
    pub observed: Observed,
    /// What RestAPIs wish for.
    pub wishes: Vec<Wish>,
    /// Who has which base path.
    pub shared: Shared,
    /// Whose mappings are ours.
    pub known: KnownApis,
    /// What is to be done.
    pub plan: Plan<Step>,
    /// Hash of what is wanted.
    pub hash: String,
}

/// RestAPIs by the ids that their statuses show: more than one where a status is wrong.
pub type Claims = BTreeMap<String, Vec<KnownApi>>;

/// The RestAPIs of an account and Region. `held` says of one that is being deleted whether that is held.
pub fn claims(world: &World, place: &Place, held: impl Fn(&RestAPI) -> bool) -> Claims {
    let mut claims = Claims::new();
    for (key, api) in &world.apis {
        let status = api.status.as_ref();
        let binding = status.and_then(|status| status.binding.as_ref());
        let here = binding.is_some_and(|it| it.account_id == place.account_id && it.region == place.region);
        if let Some(id) = status.and_then(|status| status.rest_api_id.clone()).filter(|_| here) {
            let frozen = frozen(api, &held).is_some();
            claims.entry(id).or_default().push(KnownApi { key: key.clone(), frozen });
        }
    }
    claims
}

/// Whose each id is: where AWS has to be asked, by the API's tags. That is where several claim it, and of those whose mappings
/// would change.
///
/// # Errors
/// What AWS answers.
pub async fn verified(
    session: &Session,
    world: &World,
    claims: &Claims,
    touched: &BTreeSet<String>,
) -> Result<KnownApis, AwsError> {
    let mut known = KnownApis::new();
    for (id, claims) in claims {
        let mut claims = claims.clone();
        if claims.len() > 1 || touched.contains(id) {
            let found = rest_api::remote::observe(&session.apigateway, id).await?;
            let takes_over: Vec<_> =
                world.accounts.iter().flat_map(|account| account.spec.takeover_from.clone()).collect();
            claims.retain(|claim| {
                let owner = Owner::new(world.cluster.clone(), "RestAPI", claim.key.clone());
                let owner = Owner { takes_over: takes_over.clone(), ..owner };
                let tags = found.as_ref().map(|found| &found.tags);
                tags.is_some_and(|tags| !matches!(owner.reads(tags), Ownership::Foreign(_)))
            });
        }
        known.extend(claims.pop().map(|claim| (id.clone(), claim)));
    }
    Ok(known)
}

/// The domain name, its mappings, and for a private one who may call it, as AWS has them: two or three calls.
///
/// # Errors
/// What AWS answers.
pub async fn observe(session: &Session, object: &APIDomain, owner: &Owner) -> Result<Observed, AwsError> {
    let name = &object.spec.domain_name;
    let private = object.spec.endpoint_type == crate::api::EndpointType::Private;
    let id = object.status.as_ref().and_then(|status| status.domain_name_id.as_deref());
    let domain = domain_name::remote::observe(&session.apigateway, name, private, id, owner).await?;
    let Some(found) = &domain else { return Ok(Observed::default()) };
    let mappings = base_path_mapping::remote::observe(&session.apigateway, name, found.id.as_deref()).await?;
    let associations = match found.arn.as_deref().filter(|_| private) {
        Some(arn) => access_association::remote::observe(&session.apigateway, arn).await?,
        None => access_association::Associations::new(),
    };
    Ok(Observed { domain, mappings, associations })
}

/// Looks, and plans. Before a mapping is changed, the APIs that it leads to are asked for their tags: a status grants nothing.
///
/// # Errors
/// What AWS answers, or that the domain name is another's.
pub async fn survey(
    session: &Session,
    world: &World,
    object: &APIDomain,
    valid: &ValidDomain,
    held: impl Fn(&RestAPI) -> bool,
) -> Result<Surveyed, Problem> {
    let observed = observe(session, object, &valid.owner).await?;
    let claims = claims(world, &valid.place, &held);
    let wishes = wishes(world, object, &valid.place, &held);
    let mut known = verified(session, world, &claims, &BTreeSet::new()).await?;
    let domain = Domain { valid, wishes: &wishes, known: &known };
    let mut shared = domain.shared(&observed);
    let mut plan = domain.plan(&observed, &shared)?;
    let touched = domain.touched(&observed, &shared);
    if !touched.is_empty() {
        known = verified(session, world, &claims, &touched).await?;
        let domain = Domain { valid, wishes: &wishes, known: &known };
        shared = domain.shared(&observed);
        plan = domain.plan(&observed, &shared)?;
    }
    let hash = Domain { valid, wishes: &wishes, known: &known }.hash(&shared);
    Ok(Surveyed { observed, wishes, shared, known, plan, hash })
}

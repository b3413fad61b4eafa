//! ConfigMaps with what became of objects in AWS, for pods to read.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use super::publish::State;
use crate::api::{APIRoute, APIRouteStatus, Outputs, RestAPIStatus, StateMachineStatus};
use crate::problem::Problem;
use crate::tenancy::Place;

/// The field manager of what is written here.
const MANAGER: &str = "stepgate-outputs";

/// Keys and values of a ConfigMap.
type Data = BTreeMap<String, String>;

/// What pods can read of a StateMachine; `None` before it is in AWS.
pub(super) fn of_state_machine(status: &StateMachineStatus) -> Option<Data> {
    let arn = status.state_machine_arn.clone()?;
    let name = arn.rsplit(':').next().unwrap_or_default().to_owned();
    let mut data = Data::from([("stateMachineArn".to_owned(), arn), ("stateMachineName".to_owned(), name)]);
    data.extend(status.role_arn.clone().map(|arn| ("roleArn".to_owned(), arn)));
    data.extend(status.binding.as_ref().map(|binding| ("region".to_owned(), binding.region.clone())));
    Some(data)
}

/// What pods can read of a RestAPI; `None` before it has a stage in AWS.
pub(super) fn of_rest_api(status: &RestAPIStatus, place: Option<&Place>) -> Option<Data> {
    let (id, first, place) = (status.rest_api_id.clone()?, status.stages.first()?, place?);
    let Place { partition, region, account_id, .. } = place;
    let mut data = Data::from([
        ("executeApiArn".to_owned(), format!("arn:{partition}:execute-api:{region}:{account_id}:{id}")),
        ("restApiId".to_owned(), id),
        ("region".to_owned(), region.clone()),
        ("url".to_owned(), first.invoke_url.clone()),
    ]);
    data.extend(status.stages.iter().map(|stage| (format!("stage.{}.url", stage.name), stage.invoke_url.clone())));
    Some(data)
}

/// What pods can read of an APIRoute; `None` before a stage serves it.
pub(super) fn of_route(route: &APIRoute, status: &APIRouteStatus) -> Option<Data> {
    let url = status.url.clone()?;
    let method = route.spec.method.as_str().to_owned();
    let mut data = Data::from([("url".to_owned(), url), ("method".to_owned(), method)]);
    data.extend(status.stages.iter().map(|stage| (format!("stage.{}.url", stage.name), stage.url.clone())));
    Some(data)
}

/// Writes an object's outputs where they changed; answers with how the object stands then: Ready only with them.
pub(super) async fn publish<K>(
    client: &Client,
    object: &K,
    outputs: Option<&Outputs>,
    data: Option<Data>,
    state: State,
) -> State
where
    K: Resource<DynamicType = ()>,
{
    let (Some(outputs), Some(data)) = (outputs, data) else { return state };
    let name = &outputs.config_map_ref.name;
    let api = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    match (write(&api, object, name, &data).await, state) {
        (Err(problem), State::Ready(_)) => State::Not { problem, serving: true },
        (_, state) => state,
    }
}

async fn write<K>(api: &Api<ConfigMap>, object: &K, name: &str, data: &Data) -> Result<(), Problem>
where
    K: Resource<DynamicType = ()>,
{
    let field = "spec.outputs.configMapRef.name";
    let Some(owner) = owner(object) else { return Ok(()) };
    let kubernetes = |error: kube::Error| match &error {
        // Such as a name that can't be one, or a quota.
        kube::Error::Api(status) if (400..500).contains(&status.code) && ![404, 409, 429].contains(&status.code) => {
            Problem::invalid(format!("{field}: {}", status.message))
        }
        _ => Problem::from(error),
    };
    let found = match api.get_opt(name).await.map_err(kubernetes)? {
        Some(found) => found,
        None => {
            // Without its data, so that all of this has one writer and nothing of another's is touched, whoever comes between.
            let meta = ObjectMeta {
                name: Some(name.to_owned()),
                owner_references: Some(vec![owner.clone()]),
                ..ObjectMeta::default()
            };
            let empty = ConfigMap { metadata: meta, ..ConfigMap::default() };
            api.create(&PostParams::default(), &empty).await.map_err(kubernetes)?
        }
    };
    if found.owner_references().iter().all(|reference| reference.uid != owner.uid) {
        return Err(Problem::invalid(format!(
            "{field}: ConfigMap {name} exists and was not made for this object, so it is left alone; delete it, or choose another name"
        )));
    }
    if is_as_wanted(&found, data) {
        return Ok(());
    }
    // The UID: never one that was put in its place.
    let wanted = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "uid": found.uid(), "ownerReferences": [owner]},
        "data": data,
    });
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch(name, &parameters, &Patch::Apply(&wanted)).await.map(drop).map_err(kubernetes)
}

/// It goes with the object, whose deletion does not wait for it.
pub(super) fn owner<K: Resource<DynamicType = ()>>(object: &K) -> Option<OwnerReference> {
    let owner = object.controller_owner_ref(&())?;
    Some(OwnerReference { block_owner_deletion: Some(false), ..owner })
}

/// Whether our keys are there with our values, and no others that were ours. Keys that somebody added are theirs.
fn is_as_wanted(found: &ConfigMap, data: &Data) -> bool {
    let ours = found.managed_fields().iter().filter(|entry| entry.manager.as_deref() == Some(MANAGER));
    let keys: BTreeSet<&str> = ours
        .filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:data")?.as_object())
        .flat_map(|fields| fields.keys().filter_map(|key| key.strip_prefix("f:")))
        .collect();
    let values = found.data.clone().unwrap_or_default();
    keys == data.keys().map(String::as_str).collect() && data.iter().all(|(key, value)| values.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::fixture::object;

    fn found(keys: &str, data: &str) -> ConfigMap {
        object(&format!(
            "{{metadata: {{name: c, managedFields: [{{manager: {MANAGER}, operation: Apply, fieldsV1: {{'f:data': {keys}}}}}]}}, data: {data}}}"
        ))
    }

    #[rstest::rstest]
    #[case::as_wanted("{'f:a': {}}", "{a: '1'}", true)]
    #[case::with_another_s_key("{'f:a': {}}", "{a: '1', b: '2'}", true)]
    #[case::changed_by_hand("{'f:a': {}}", "{a: '2'}", false)]
    #[case::changed_and_taken_over("{}", "{a: '1'}", false)]
    #[case::with_a_key_of_ours_that_goes("{'f:a': {}, 'f:b': {}}", "{a: '1', b: '2'}", false)]
    fn it_is_written_only_where_ours_differs(#[case] keys: &str, #[case] data: &str, #[case] as_wanted: bool) {
        let wanted = Data::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(is_as_wanted(&found(keys, data), &wanted), as_wanted);
    }
}

//! The records of revisions: ControllerRevisions that the RestAPI owns.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};

use crate::api::RestAPI;
use crate::problem::kubernetes_says;
use crate::resources::deployment::Record;

/// The label that names the RestAPI, by its UID.
pub const LABEL: &str = "stepgate.dev/restapi-uid";

/// Writes the records of one RestAPI.
pub struct Records<'a> {
    api: Api<ControllerRevision>,
    owner: &'a RestAPI,
    known: &'a [Record],
}

/// Kubernetes did not take a record.
#[derive(Clone, Debug, thiserror::Error)]
#[error("ControllerRevision {name}: {message}")]
pub struct RecordError {
    name: String,
    message: String,
}

impl<'a> Records<'a> {
    /// For this RestAPI, by a process that knows these records of it.
    pub fn new(client: Client, owner: &'a RestAPI, known: &'a [Record]) -> Self {
        let namespace = owner.namespace().unwrap_or_default();
        Self { api: Api::namespaced(client, &namespace), owner, known }
    }

    /// Writes a record; repeating it is harmless.
    ///
    /// # Errors
    /// What Kubernetes answers; and that another process has recorded another deployment with this number meanwhile, which stays.
    pub async fn keep(&self, record: &Record) -> Result<(), RecordError> {
        let name = self.name(record.revision);
        let fail = |message: String| RecordError { name: name.clone(), message };
        let data = serde_json::to_value(record).map_err(|error| fail(error.to_string()))?;
        let revision = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: self.owner.namespace(),
                labels: self.owner.uid().map(|uid| BTreeMap::from([(LABEL.to_owned(), uid)])),
                owner_references: self.owner.controller_owner_ref(&()).map(|mut owner| {
                    // The RestAPI's deletion must not wait for its records.
                    owner.block_owner_deletion = Some(false);
                    vec![owner]
                }),
                ..ObjectMeta::default()
            },
            data: RawExtension(data),
            revision: Some(record.revision),
        };
        match self.api.create(&PostParams::default(), &revision).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.make_room(&name, record).await.map_err(&fail)?;
                self.api.create(&PostParams::default(), &revision).await.map(drop)
            }
            answer => answer.map(drop),
        }
        .map_err(|error| fail(kubernetes_says(&error)))
    }

    /// A record's data can't be changed: one that this process knows, or of an API that is gone, makes room.
    async fn make_room(&self, name: &str, record: &Record) -> Result<(), String> {
        let Some(found) = self.api.get_opt(name).await.map_err(|error| kubernetes_says(&error))? else { return Ok(()) };
        let Some(uid) = found.labels().get(LABEL) else {
            return Err("it exists and is no record of stepgate".to_owned());
        };
        let is_news = |found: &Record| {
            let is_known = |known: &Record| known.deployment_id == found.deployment_id;
            found.rest_api_id == record.rest_api_id
                && found.deployment_id != record.deployment_id
                && !self.known.iter().any(is_known)
        };
        match read(&found) {
            Some(found) if self.owner.uid().as_ref() == Some(uid) && is_news(&found) => {
                let Record { revision, deployment_id, .. } = found;
                Err(format!("another process has deployed revision {revision} meanwhile ({deployment_id})"))
            }
            _ => {
                // None that has come in its place since.
                let preconditions = Preconditions { uid: found.uid(), resource_version: None };
                let this = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                self.delete(name, &this).await.map_err(|error| kubernetes_says(&error))
            }
        }
    }

    async fn delete(&self, name: &str, which: &DeleteParams) -> Result<(), kube::Error> {
        match self.api.delete(name, which).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Deletes a record; that it is gone is no error.
    ///
    /// # Errors
    /// What Kubernetes answers.
    pub async fn forget(&self, revision: i64) -> Result<(), RecordError> {
        let name = self.name(revision);
        self.delete(&name, &DeleteParams::default())
            .await
            .map_err(|error| RecordError { message: kubernetes_says(&error), name })
    }

    fn name(&self, revision: i64) -> String {
        let name: String = self.owner.name_any().chars().take(200).collect();
        format!("restapi-{}-{revision}", name.trim_end_matches(['-', '.']))
    }
}

/// The records of all RestAPIs of a namespace, or of that with this UID, as the API server has them.
///
/// # Errors
/// What Kubernetes answers.
pub async fn of_namespace(client: &Client, namespace: &str, uid: Option<&str>) -> Result<Vec<Record>, kube::Error> {
    let api: Api<ControllerRevision> = Api::namespaced(client.clone(), namespace);
    let label = uid.map_or_else(|| LABEL.to_owned(), |uid| format!("{LABEL}={uid}"));
    let found = api.list(&ListParams::default().labels(&label)).await?;
    Ok(found.iter().filter_map(read).collect())
}

/// The record in a ControllerRevision; `None` where it is not ours.
pub fn read(revision: &ControllerRevision) -> Option<Record> {
    revision.metadata.labels.as_ref()?.get(LABEL)?;
    serde_json::from_value(revision.data.0.clone()).ok()
}

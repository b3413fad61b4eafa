//! The kinds of `stepgate.dev/v1alpha1`: types, CEL rules and printer columns, nothing else.
//!
//! Lists are typed (`map` by their key, `set` or `atomic`), unions are exactly-one-of, immutability is checked on the
//! parent (a removed field is a change too), and everything has a maximum length, because the API server bounds the
//! cost of CEL at maximum lengths.

#![allow(clippy::duplicated_attributes)] // printcolumns repeat `type_` and `name` by design

mod adoption;
mod api_domain;
mod api_route;
mod authorizer;
mod aws_account;
mod client_certificate;
mod common;
pub mod conditions;
mod cors;
mod domain_mapping;
mod encryption;
mod endpoint;
mod gateway_response;
mod logging;
mod model;
mod outputs;
mod rest_api;
mod route_request;
mod route_response;
mod stage;
mod state_machine;
mod usage_plan;

pub use adoption::*;
pub use api_domain::*;
pub use api_route::*;
pub use authorizer::*;
pub use aws_account::*;
pub use client_certificate::ClientCertificate;
pub use common::*;
pub use cors::*;
pub use domain_mapping::*;
pub use encryption::Encryption;
pub use endpoint::*;
pub use gateway_response::*;
pub use logging::{LogLevel, Logging};
pub use model::*;
pub use outputs::*;
pub use rest_api::*;
pub use route_request::*;
pub use route_response::*;
pub use stage::*;
pub use state_machine::*;
pub use usage_plan::*;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// The API group of every kind.
pub const GROUP: &str = "stepgate.dev";

/// The finalizer on every kind. It orders work; it protects nothing.
pub const FINALIZER: &str = "stepgate.dev/finalizer";

/// The annotation that pauses an object: everything runs except the changes to AWS.
pub const PAUSED: &str = "stepgate.dev/paused";

/// Whether an object is paused. Somebody who writes `"false"` means no.
pub fn is_paused(object: &impl kube::ResourceExt) -> bool {
    object.annotations().get(PAUSED).is_some_and(|value| value != "false")
}

/// The annotation that asks for a check of AWS now, rather than after the resync period: whenever its value changes.
pub const CHECK: &str = "stepgate.dev/check-requested-at";

/// The annotation of an AWSAccount with which its admin lets go of deletions that the brake holds: a time, up to which
/// everything passes and after which counting begins anew.
pub const DELETIONS_RELEASED: &str = "stepgate.dev/deletions-released-at";

/// The annotation with which the operator's processes tell each other which of them creates what AWS has no name for, and
/// what came of it. Nobody else writes it.
pub const CREATION: &str = "stepgate.dev/creation";

/// The annotation that lets an object go without touching AWS.
pub const ABANDON: &str = "stepgate.dev/abandon";

/// The CRDs of all kinds, as `stepgate crds` prints them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        AWSAccount::crd(),
        StateMachine::crd(),
        RestAPI::crd(),
        APIRoute::crd(),
        UsagePlan::crd(),
        APIDomain::crd(),
    ];
    for crd in &mut crds {
        for version in &mut crd.spec.versions {
            let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) else { continue };
            drop_defaults_in_lists(schema, false);
            if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
                status.default = Some(JSON(untouched_status()));
            }
        }
    }
    crds
}

/// A list is replaced as a whole by `kubectl apply`, so with defaults in its items the same manifest would be "configured"
/// again and again. What an absent field means is the operator's to know.
fn drop_defaults_in_lists(schema: &mut JSONSchemaProps, in_list: bool) {
    if in_list {
        schema.default = None;
    }
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        drop_defaults_in_lists(property, in_list);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        drop_defaults_in_lists(values, in_list);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        drop_defaults_in_lists(items, true);
    }
}

/// What an object says before the operator has seen it: nobody may take it for done.
fn untouched_status() -> serde_json::Value {
    serde_json::json!({"conditions": [{
        "type": conditions::READY,
        "status": "Unknown",
        "reason": conditions::reasons::PENDING,
        "message": "Waiting for the stepgate controller.",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }]})
}

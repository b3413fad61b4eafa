//! What methods share: models and request validators; and what else a deployment holds beside the methods.

use std::collections::{BTreeMap, BTreeSet};

use super::{Api, Observed};
use crate::resources::deployment::BesideMethods;
use crate::resources::model::{self, Models};
use crate::resources::rest_api::settings::Settings;
use crate::resources::route::{At, Method};
use crate::resources::{Step, request_validator};
use crate::validate::rest_api::ValidApi;

impl Api<'_> {
    /// With these models. Without the authorizers: which of them count depends on the methods.
    pub(super) fn beside_methods(&self, mut models: Models) -> BesideMethods<'_> {
        models.retain(|name, _| !model::is_unnamed(name));
        let ValidApi { gateway_responses, settings, .. } = self.valid;
        BesideMethods {
            gateway_responses: (!gateway_responses.is_empty()).then_some(gateway_responses),
            settings: (*settings != Settings::of("REGIONAL")).then_some(settings),
            authorizers: BTreeMap::new(),
            models: (!models.is_empty()).then_some(models),
            alone: self.valid.removes_unmanaged(),
        }
    }

    /// The models that the RestAPI and its routes ask for.
    pub fn models(&self) -> Models {
        let of_routes = self.attachment.attached.values().flat_map(|route| &route.models);
        self.valid.models.iter().chain(of_routes).map(|(name, schema)| (name.clone(), schema.clone())).collect()
    }

    /// What must be there before the methods change, and what goes after they have.
    pub(super) fn shared_steps(&self, observed: &Observed, methods: &BTreeMap<At, Method>) -> (Vec<Step>, Vec<Step>) {
        let none = Models::new();
        let models = observed.models.as_ref().unwrap_or(&none);
        // Those that are kept hold those that they refer to.
        let names = methods.values().flat_map(Method::model_names).chain(observed.unmanaged.kept_models(models));
        let names = names.cloned().collect();
        let (mut first, mut last): (Vec<_>, Vec<_>) = {
            let (first, last) = model::diff(&self.models(), models, &names);
            (first.into_iter().map(Step::Model).collect(), last.into_iter().map(Step::Model).collect())
        };
        let used = methods.values().filter_map(|method| method.validator.clone()).collect();
        let none = request_validator::Observed::new();
        let (of_validators, gone) = request_validator::diff(&used, observed.validators.as_ref().unwrap_or(&none));
        first.extend(of_validators.into_iter().map(Step::RequestValidator));
        last.extend(gone.into_iter().map(Step::RequestValidator));
        (first, last)
    }

    /// All models of the API once the methods are these: those asked for, and those that kept methods use.
    pub(super) fn resulting_models(&self, observed: &Observed, methods: &BTreeMap<At, Method>) -> Models {
        let mut models: Models = observed.models.clone().unwrap_or_default();
        let names: BTreeSet<&String> = methods.values().flat_map(Method::model_names).collect();
        models.retain(|name, _| names.contains(name));
        models.extend(self.models());
        models
    }
}

//! Resources: the segments of an API's paths.

use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Path, Refusal};
use super::checks::{bad, conflict, limit};
use super::{Answer, Api, Apis, Find, Patch, Place, Resource, find, listed, no_resource};

impl Api {
    /// A resource's path.
    pub fn path(&self, resource: &Resource) -> String {
        let mut parts = Vec::new();
        let mut at = Some(resource);
        while let Some(found) = at {
            parts.extend(found.path_part.as_deref());
            at = found.parent_id.as_ref().and_then(|id| self.resources.get(id));
        }
        parts.reverse();
        format!("/{}", parts.join("/"))
    }

    fn shown(&self, resource: &Resource, embed: bool) -> Value {
        let mut shown = json!(resource);
        shown["path"] = json!(self.path(resource));
        if !embed && !resource.methods.is_empty() {
            // Without `embed=methods` only the verbs are told (doc).
            let verbs = resource.methods.keys().map(|verb| (verb.clone(), json!({})));
            shown["resourceMethods"] = Value::Object(verbs.collect());
        }
        shown
    }

    /// What a name among a resource's children is refused for (rec).
    fn check_child(&self, parent: &str, part: &str, own: Option<&str>) -> Result<(), Refusal> {
        let parent = self.resources.get(parent).ok_or_else(no_resource)?;
        let greedy = |part: &str| part.ends_with("+}");
        let variable = |part: &str| part.starts_with('{');
        let name = part.strip_prefix('{').map_or(part, |rest| rest.trim_end_matches('}').trim_end_matches('+'));
        let braces = !variable(part) || part.ends_with('}');
        let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
        if !braces || !fits {
            return Err(bad(
                "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.",
            ));
        }
        if let Some(above) = parent.path_part.as_deref().filter(|above| greedy(above)) {
            return Err(bad(format!("Cannot create a child of a resource with a greedy path variable: {above}")));
        }
        let siblings = self
            .resources
            .values()
            .filter(|other| other.parent_id.as_ref() == Some(&parent.id) && own != Some(other.id.as_str()));
        let siblings: Vec<&str> = siblings.filter_map(|other| other.path_part.as_deref()).collect();
        if siblings.contains(&part) {
            return Err(conflict(format!("Another resource with the same parent already has this name: {part}")));
        }
        if let Some(other) = siblings.iter().find(|other| variable(part) && variable(other)) {
            return Err(bad(format!(
                "A sibling ({other}) of this resource already has a variable path part -- only one is allowed"
            )));
        }
        Ok(())
    }

    /// A resource and all below it.
    fn below(&self, id: &str) -> Vec<String> {
        let mut found = vec![id.to_owned()];
        let mut next = 0;
        while next < found.len() {
            let parent = found[next].clone();
            let children = self.resources.values().filter(|one| one.parent_id.as_ref() == Some(&parent));
            found.extend(children.map(|one| one.id.clone()));
            next += 1;
        }
        found
    }
}

pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let parent = apis.resource(at)?.id.clone();
    let api = find(context, apis, at.api)?;
    let part = body["pathPart"].as_str().unwrap_or_default();
    api.check_child(&parent, part, None)?;
    // AWS.md §1. The words: hashicorp/terraform-provider-aws#37605; whether `/` counts, nobody says.
    if api.resources.len() >= context.settings.resource_limit {
        return Err(limit(
            "Maximum number of Resources for this API has been reached.  Please contact AWS if you need additional Resources.",
        ));
    }
    let id = context.id(6);
    let resource =
        Resource { id: id.clone(), parent_id: Some(parent), path_part: Some(part.to_owned()), ..Resource::default() };
    api.resources.insert(id, resource.clone());
    Ok((201, api.shown(&resource, false)))
}

pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let api = find(context, apis, at.api)?;
    let embed = path.all("embed").any(|one| one == "methods");
    listed(path, api.resources.values().map(|one| (one.id.clone(), api.shown(one, embed))).collect())
}

pub(super) fn get(apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let resource = apis.resource(at)?.clone();
    let embed = path.all("embed").any(|one| one == "methods");
    Ok((200, apis[at.api].shown(&resource, embed)))
}

pub(super) fn update(apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let mut resource = apis.resource(at)?.clone();
    let api = apis.get_mut(at.api).ok_or_else(no_resource)?;
    for patch in patches {
        let value = patch.value();
        match (patch.op.as_str(), patch.path.as_str()) {
            ("replace", "/pathPart" | "/parentId") if resource.parent_id.is_none() => {
                let field = patch.path.trim_start_matches('/');
                return Err(bad(format!("Root resource cannot update its {field}.")));
            }
            ("replace", "/pathPart") => resource.path_part = Some(value),
            ("replace", "/parentId") => {
                if !api.resources.contains_key(&value) {
                    return Err(no_resource());
                }
                if api.below(&resource.id).contains(&value) {
                    return Err(bad("Resources cannot be cyclical."));
                }
                resource.parent_id = Some(value);
            }
            _ => return Err(patch.unsupported("/parentId, /pathPart")),
        }
    }
    if let (Some(parent), Some(part)) = (&resource.parent_id, &resource.path_part) {
        api.check_child(parent, part, Some(&resource.id))?;
    }
    api.resources.insert(resource.id.clone(), resource.clone());
    Ok((200, api.shown(&resource, false)))
}

/// Takes all below it (rec).
pub(super) fn delete(apis: &mut Apis, at: Place<'_>) -> Answer {
    if apis.resource(at)?.parent_id.is_none() {
        return Err(bad("Root resource cannot be deleted."));
    }
    if let Some(api) = apis.get_mut(at.api) {
        for id in api.below(at.resource) {
            api.resources.remove(&id);
        }
    }
    Ok((202, Value::Null))
}

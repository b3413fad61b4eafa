//! Roles themselves: create, read, change, tag, delete.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::wire::Refusal;
use super::super::{Context, Settings};
use super::{Iam, Input, Role, Tag, checks, listed, missing, required};

/// A document in an answer is URL-encoded as RFC 3986 says (doc).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Tags of a role (AWS.md §1).
const MOST_TAGS: usize = 50;

pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, UNRESERVED).to_string()
}

pub(super) fn no_role(name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("The role with name {name} cannot be found."))
}

pub(super) fn date(at: Duration) -> String {
    DateTime::from_secs(at.as_secs().cast_signed()).fmt(Format::DateTime).unwrap_or_default()
}

impl Role {
    /// As every answer has it (rec: CreateRole shows nothing else but tags).
    fn shown(&self, context: &Context<'_>) -> Value {
        let mut role = json!({
            "Path": self.path,
            "RoleName": self.name,
            "RoleId": self.id,
            "Arn": self.arn(context.partition(), context.account),
            "CreateDate": date(self.created),
            "AssumeRolePolicyDocument": encoded(&self.trust),
        });
        if let Some(description) = &self.description {
            role["Description"] = json!(description);
        }
        role
    }

    fn shown_tags(&self) -> Vec<Value> {
        self.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
    }

    fn visible(&self, context: &Context<'_>) -> bool {
        context.now >= self.created + context.settings.role_staleness
    }

    /// Its inline policies are about to change.
    pub(super) fn outdate(&mut self, context: &Context<'_>) {
        self.before.retain(|(until, _)| context.now < *until + context.settings.role_propagation);
        self.before.push((context.now, self.policies.clone()));
    }

    /// The role as services may see it: as it is, and as its inline policies were a moment ago.
    pub(in super::super) fn seen(&self, now: Duration, settings: &Settings) -> impl Iterator<Item = Self> {
        let late = self.before.iter().filter(move |(until, _)| now < *until + settings.role_propagation);
        let late = late.map(|(_, policies)| Self { policies: policies.clone(), ..self.clone() });
        std::iter::once(self.clone()).chain(late)
    }

    /// Whether services see the role as it is (AWS.md §2: fresh roles are not visible at once).
    pub(in super::super) fn settled(&self, now: Duration, settings: &Settings) -> bool {
        now >= self.trusted_since + settings.role_propagation
    }
}

impl Iam {
    /// A role to read: not shown for a moment after its creation.
    pub(super) fn read(&self, context: &Context<'_>, input: &Input) -> Result<&Role, Refusal> {
        let name = required(input.role_name.as_ref(), "roleName")?;
        checks::name("roleName", name, 64)?;
        self.roles.get(&name.to_lowercase()).filter(|role| role.visible(context)).ok_or_else(|| no_role(name))
    }

    /// A role to change.
    pub(super) fn change(&mut self, input: &Input) -> Result<&mut Role, Refusal> {
        let name = required(input.role_name.as_ref(), "roleName")?;
        checks::name("roleName", name, 64)?;
        self.roles.get_mut(&name.to_lowercase()).ok_or_else(|| no_role(name))
    }

    pub(super) fn create_role(&mut self, context: &mut Context<'_>, input: Input) -> Result<Value, Refusal> {
        let name = required(input.role_name.as_ref(), "roleName")?.to_owned();
        checks::name("roleName", &name, 64)?;
        let trust = required(input.assume_role_policy_document.as_ref(), "assumeRolePolicyDocument")?.to_owned();
        let path = input.path.unwrap_or_else(|| "/".to_owned());
        checks::path(&path)?;
        let description = input.description.filter(|text| !text.is_empty());
        checks::length("description", description.as_deref().unwrap_or_default(), 0, 1000)?;
        checks::trust("assumeRolePolicyDocument", &trust)?;
        let longest_session = session(input.max_session_duration.as_deref())?.unwrap_or(3600);
        if let Some(arn) = &input.permissions_boundary {
            self.attachable(arn)?;
        }
        let mut tags = BTreeMap::new();
        add_tags(&mut tags, input.tags.as_deref().unwrap_or_default())?;
        if self.roles.contains_key(&name.to_lowercase()) {
            return Err(Refusal::new(409, "EntityAlreadyExists", format!("Role with name {name} already exists.")));
        }
        if self.roles.len() >= context.settings.role_limit {
            return Err(checks::limit(format!(
                "Cannot exceed quota for RolesPerAccount: {}",
                context.settings.role_limit
            )));
        }
        let role = Role {
            id: format!("AROA{}", context.id(17).to_uppercase()),
            created: context.now,
            description,
            longest_session,
            trust,
            trusted_since: context.now,
            boundary: input.permissions_boundary,
            tags,
            policies: BTreeMap::new(),
            before: Vec::new(),
            attached: BTreeMap::new(),
            path,
            name: name.clone(),
        };
        let mut shown = role.shown(context);
        if !role.tags.is_empty() {
            shown["Tags"] = Value::Array(role.shown_tags());
        }
        self.roles.insert(name.to_lowercase(), role);
        Ok(json!({"Role": shown}))
    }

    pub(super) fn get_role(&self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let role = self.read(context, input)?;
        let mut shown = role.shown(context);
        shown["MaxSessionDuration"] = json!(role.longest_session);
        // rec: an empty element for a role that was never used.
        shown["RoleLastUsed"] = json!({});
        if !role.tags.is_empty() {
            shown["Tags"] = Value::Array(role.shown_tags());
        }
        if let Some(arn) = &role.boundary {
            shown["PermissionsBoundary"] = boundary(arn);
        }
        Ok(json!({"Role": shown}))
    }

    /// rec: without tags and last use.
    pub(super) fn list_roles(&self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let found = self.roles.iter().filter(|(_, role)| role.path.starts_with(prefix) && role.visible(context));
        let items = found.map(|(key, role)| {
            let mut shown = role.shown(context);
            shown["MaxSessionDuration"] = json!(role.longest_session);
            (key.clone(), shown)
        });
        listed(input, "Roles", items.collect())
    }

    pub(super) fn update_role(&mut self, _: &Context<'_>, input: Input) -> Result<Value, Refusal> {
        let longest = session(input.max_session_duration.as_deref())?;
        let role = self.change(&input)?;
        role.longest_session = longest.unwrap_or(role.longest_session);
        if input.description.is_some() {
            role.description = input.description.filter(|text| !text.is_empty());
        }
        // doc: the answer's result is empty.
        Ok(json!({}))
    }

    pub(super) fn update_trust(&mut self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let document = required(input.policy_document.as_ref(), "policyDocument")?;
        let role = self.change(input)?;
        checks::trust("policyDocument", document)?;
        if role.trust != document {
            document.clone_into(&mut role.trust);
            role.trusted_since = context.now;
        }
        Ok(Value::Null)
    }

    pub(super) fn delete_role(&mut self, _: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let role = self.change(input)?;
        let conflict = |message: &str| Err(Refusal::new(409, "DeleteConflict", message));
        if !role.attached.is_empty() {
            return conflict("Cannot delete entity, must detach all policies first.");
        }
        if !role.policies.is_empty() {
            return conflict("Cannot delete entity, must delete policies first.");
        }
        let key = role.name.to_lowercase();
        self.roles.remove(&key);
        Ok(Value::Null)
    }

    pub(super) fn put_boundary(&mut self, _: &Context<'_>, input: Input) -> Result<Value, Refusal> {
        let arn = required(input.permissions_boundary.as_ref(), "permissionsBoundary")?.to_owned();
        self.attachable(&arn)?;
        self.change(&input)?.boundary = Some(arn);
        Ok(Value::Null)
    }

    pub(super) fn delete_boundary(&mut self, _: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let role = self.change(input)?;
        match role.boundary.take() {
            Some(_) => Ok(Value::Null),
            None => Err(Refusal::new(
                404,
                "NoSuchEntity",
                format!("Role {} does not have a permission boundary", role.name),
            )),
        }
    }

    pub(super) fn tag_role(&mut self, _: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let new = input.tags.as_deref().ok_or_else(|| missing("tags"))?;
        let role = self.change(input)?;
        let mut tags = role.tags.clone();
        add_tags(&mut tags, new)?;
        role.tags = tags;
        Ok(Value::Null)
    }

    pub(super) fn untag_role(&mut self, _: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let keys = input.tag_keys.as_deref().ok_or_else(|| missing("tagKeys"))?;
        let role = self.change(input)?;
        role.tags.retain(|key, _| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
        Ok(Value::Null)
    }

    pub(super) fn list_role_tags(&self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let tags = &self.read(context, input)?.tags;
        let items = tags.iter().map(|(key, value)| (key.clone(), json!({"Key": key, "Value": value})));
        listed(input, "Tags", items.collect())
    }
}

fn boundary(arn: &str) -> Value {
    json!({"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn})
}

fn session(text: Option<&str>) -> Result<Option<u32>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let fits = text.parse().ok().filter(|seconds| (3600..=43_200).contains(seconds));
    fits.map(Some).ok_or_else(|| {
        checks::validation(&format!(
            "Value '{text}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200"
        ))
    })
}

/// Keys are unique without regard to case (doc).
pub(super) fn add_tags(tags: &mut BTreeMap<String, String>, new: &[Tag]) -> Result<(), Refusal> {
    if new.len() > MOST_TAGS {
        return Err(checks::validation(&format!(
            "Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to {MOST_TAGS}"
        )));
    }
    for (index, Tag { key, value }) in new.iter().enumerate() {
        checks::tag(key, value)?;
        if new[..index].iter().any(|before| before.key.eq_ignore_ascii_case(key)) {
            return Err(Refusal::new(
                400,
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.retain(|old, _| !old.eq_ignore_ascii_case(key));
        tags.insert(key.clone(), value.clone());
    }
    if tags.len() > MOST_TAGS {
        return Err(checks::limit("The number of tags has reached the maximum limit."));
    }
    Ok(())
}

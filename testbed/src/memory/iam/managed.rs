//! Customer-managed policies and their versions. Sources: IAM's reference; words as users report them, unless said.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::Refusal;
use super::policies::size;
use super::roles::{add_tags, date, encoded};
use super::{Iam, Input, Policy, checks, listed, missing, required};

/// One managed policy, white space not counted (AWS.md §1).
const LIMIT: usize = 6_144;
/// Versions of a policy (doc).
const MOST_VERSIONS: usize = 5;

fn no_policy(arn: &str) -> Refusal {
    // rec
    Refusal::new(404, "NoSuchEntity", format!("Policy {arn} was not found."))
}

fn no_version(arn: &str, id: &str) -> Refusal {
    let message = format!("Policy {arn} version {id} does not exist or is not attachable.");
    Refusal::new(404, "NoSuchEntity", message)
}

fn checked(document: &str) -> Result<(), Refusal> {
    checks::policy("policyDocument", document)?;
    if size(document) > LIMIT {
        return Err(checks::limit(format!("Cannot exceed quota for PolicySize: {LIMIT}")));
    }
    Ok(())
}

fn number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

impl Iam {
    fn managed(&self, input: &Input) -> Result<(&str, &Policy), Refusal> {
        let arn = required(input.policy_arn.as_ref(), "policyArn")?;
        self.policies.get_key_value(arn).map(|(arn, policy)| (arn.as_str(), policy)).ok_or_else(|| no_policy(arn))
    }

    fn managed_mut(&mut self, input: &Input) -> Result<&mut Policy, Refusal> {
        let arn = required(input.policy_arn.as_ref(), "policyArn")?;
        self.policies.get_mut(arn).ok_or_else(|| no_policy(arn))
    }

    fn attachments(&self, arn: &str) -> usize {
        self.roles.values().filter(|role| role.attached.values().any(|attached| attached == arn)).count()
    }

    /// As every answer has it; tags only from GetPolicy and CreatePolicy (doc).
    fn shown(&self, arn: &str, policy: &Policy) -> Value {
        let updated = policy.versions.values().map(|(_, at)| *at).max().unwrap_or(policy.created);
        json!({
            "PolicyName": policy.name,
            "PolicyId": policy.id,
            "Arn": arn,
            "Path": policy.path,
            "DefaultVersionId": format!("v{}", policy.default),
            "AttachmentCount": self.attachments(arn),
            "PermissionsBoundaryUsageCount": 0,
            "IsAttachable": true,
            "CreateDate": date(policy.created),
            "UpdateDate": date(updated),
        })
    }

    pub(super) fn create_managed(&mut self, context: &mut Context<'_>, input: Input) -> Result<Value, Refusal> {
        let name = required(input.policy_name.as_ref(), "policyName")?.to_owned();
        let document = required(input.policy_document.as_ref(), "policyDocument")?.to_owned();
        checks::name("policyName", &name, 128)?;
        let path = input.path.unwrap_or_else(|| "/".to_owned());
        checks::path(&path)?;
        let description = input.description.filter(|text| !text.is_empty());
        checks::length("description", description.as_deref().unwrap_or_default(), 0, 1000)?;
        checked(&document)?;
        let mut tags = BTreeMap::new();
        add_tags(&mut tags, input.tags.as_deref().unwrap_or_default())?;
        // doc: unique in the account, not told apart by case.
        if self.policies.values().any(|policy| policy.name.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::new(
                409,
                "EntityAlreadyExists",
                format!("A policy called {name} already exists. Duplicate names are not allowed."),
            ));
        }
        let arn = format!("arn:{}:iam::{}:policy{path}{name}", context.partition(), context.account);
        let policy = Policy {
            id: format!("ANPA{}", context.id(17).to_uppercase()),
            created: context.now,
            description,
            tags,
            versions: BTreeMap::from([(1, (document, context.now))]),
            default: 1,
            path,
            name,
        };
        let mut shown = self.shown(&arn, &policy);
        if !policy.tags.is_empty() {
            shown["Tags"] = shown_tags(&policy);
        }
        self.policies.insert(arn, policy);
        Ok(json!({"Policy": shown}))
    }

    pub(super) fn get_managed(&self, input: &Input) -> Result<Value, Refusal> {
        let (arn, policy) = self.managed(input)?;
        let mut shown = self.shown(arn, policy);
        if let Some(description) = &policy.description {
            shown["Description"] = json!(description);
        }
        shown["Tags"] = shown_tags(policy);
        Ok(json!({"Policy": shown}))
    }

    /// Without tags and description (doc); those of AWS are not listed here.
    pub(super) fn list_managed(&self, input: &Input) -> Result<Value, Refusal> {
        if input.scope.as_deref() != Some("Local") {
            return Err(Refusal::unknown("ListPolicies without Scope Local"));
        }
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let found = self.policies.iter().filter(|(_, policy)| policy.path.starts_with(prefix));
        let items = found.map(|(arn, policy)| (arn.clone(), self.shown(arn, policy)));
        listed(input, "Policies", items.collect())
    }

    pub(super) fn delete_managed(&mut self, input: &Input) -> Result<Value, Refusal> {
        let (arn, policy) = self.managed(input)?;
        let arn = arn.to_owned();
        if self.attachments(&arn) > 0 {
            return Err(Refusal::new(409, "DeleteConflict", "Cannot delete a policy attached to entities."));
        }
        if policy.versions.len() > 1 {
            return Err(Refusal::new(
                409,
                "DeleteConflict",
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        self.policies.remove(&arn);
        Ok(Value::Null)
    }

    pub(super) fn create_version(&mut self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let document = required(input.policy_document.as_ref(), "policyDocument")?;
        let policy = self.managed_mut(input)?;
        checked(document)?;
        if policy.versions.len() >= MOST_VERSIONS {
            return Err(checks::limit(
                "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
            ));
        }
        let number = policy.versions.last_key_value().map_or(0, |(last, _)| *last).max(policy.default) + 1;
        policy.versions.insert(number, (document.to_owned(), context.now));
        if input.set_as_default.as_deref() == Some("true") {
            policy.default = number;
        }
        Ok(json!({"PolicyVersion": version(policy, number, context.now)}))
    }

    pub(super) fn get_version(&self, input: &Input) -> Result<Value, Refusal> {
        let (arn, policy) = self.managed(input)?;
        let id = required(input.version_id.as_ref(), "versionId")?;
        let found = number(id).and_then(|number| Some((number, policy.versions.get(&number)?)));
        let (number, (text, at)) = found.ok_or_else(|| no_version(arn, id))?;
        let mut shown = version(policy, number, *at);
        shown["Document"] = json!(encoded(text));
        Ok(json!({"PolicyVersion": shown}))
    }

    pub(super) fn list_versions(&self, input: &Input) -> Result<Value, Refusal> {
        let (_, policy) = self.managed(input)?;
        let shown = |(number, (_, at)): (&u32, &(String, _))| (format!("{number:09}"), version(policy, *number, *at));
        listed(input, "Versions", policy.versions.iter().map(shown).collect())
    }

    pub(super) fn set_default_version(&mut self, input: &Input) -> Result<Value, Refusal> {
        let id = required(input.version_id.as_ref(), "versionId")?.to_owned();
        let arn = required(input.policy_arn.as_ref(), "policyArn")?.to_owned();
        let policy = self.managed_mut(input)?;
        let found = number(&id).filter(|number| policy.versions.contains_key(number));
        policy.default = found.ok_or_else(|| no_version(&arn, &id))?;
        Ok(Value::Null)
    }

    pub(super) fn delete_version(&mut self, input: &Input) -> Result<Value, Refusal> {
        let id = required(input.version_id.as_ref(), "versionId")?.to_owned();
        let arn = required(input.policy_arn.as_ref(), "policyArn")?.to_owned();
        let policy = self.managed_mut(input)?;
        let found = number(&id).filter(|number| policy.versions.contains_key(number));
        let number = found.ok_or_else(|| no_version(&arn, &id))?;
        if number == policy.default {
            return Err(Refusal::new(409, "DeleteConflict", "Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number);
        Ok(Value::Null)
    }

    pub(super) fn tag_managed(&mut self, input: &Input) -> Result<Value, Refusal> {
        let new = input.tags.as_deref().ok_or_else(|| missing("tags"))?;
        let policy = self.managed_mut(input)?;
        let mut tags = policy.tags.clone();
        add_tags(&mut tags, new)?;
        policy.tags = tags;
        Ok(Value::Null)
    }

    pub(super) fn untag_managed(&mut self, input: &Input) -> Result<Value, Refusal> {
        let keys = input.tag_keys.as_deref().ok_or_else(|| missing("tagKeys"))?;
        let policy = self.managed_mut(input)?;
        policy.tags.retain(|key, _| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
        Ok(Value::Null)
    }
}

fn shown_tags(policy: &Policy) -> Value {
    policy.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn version(policy: &Policy, number: u32, at: std::time::Duration) -> Value {
    json!({"VersionId": format!("v{number}"), "IsDefaultVersion": number == policy.default, "CreateDate": date(at)})
}

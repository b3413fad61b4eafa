//! Inline policies of roles, and managed policies attached to them.

use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::Refusal;
use super::roles::encoded;
use super::{AWS_MANAGED, Iam, Input, checks, listed, required};

/// Inline policies of a role, white space not counted (AWS.md §1).
const INLINE_LIMIT: usize = 10_240;
/// Managed policies of a role (AWS.md §1).
const MOST_ATTACHED: usize = 10;

fn no_policy(name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("The role policy with name {name} cannot be found."))
}

pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

impl Iam {
    pub(super) fn put_policy(&mut self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let name = required(input.policy_name.as_ref(), "policyName")?;
        let document = required(input.policy_document.as_ref(), "policyDocument")?;
        checks::name("policyName", name, 128)?;
        let role = self.change(input)?;
        checks::policy("policyDocument", document)?;
        let others: usize = role.policies.iter().filter(|(other, _)| *other != name).map(|(_, text)| size(text)).sum();
        if others + size(document) > INLINE_LIMIT {
            return Err(checks::limit(format!(
                "Maximum policy size of {INLINE_LIMIT} bytes exceeded for role {}",
                role.name
            )));
        }
        role.outdate(context);
        role.policies.insert(name.to_owned(), document.to_owned());
        Ok(Value::Null)
    }

    pub(super) fn get_policy(&self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let name = required(input.policy_name.as_ref(), "policyName")?;
        let role = self.read(context, input)?;
        let document = role.policies.get(name).ok_or_else(|| no_policy(name))?;
        Ok(json!({"RoleName": role.name, "PolicyName": name, "PolicyDocument": encoded(document)}))
    }

    pub(super) fn list_policies(&self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let role = self.read(context, input)?;
        let items = role.policies.keys().map(|name| (name.clone(), json!(name)));
        listed(input, "PolicyNames", items.collect())
    }

    pub(super) fn delete_policy(&mut self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let name = required(input.policy_name.as_ref(), "policyName")?;
        let role = self.change(input)?;
        role.outdate(context);
        let gone = role.policies.remove(name);
        gone.map(|_| Value::Null).ok_or_else(|| no_policy(name))
    }

    /// rec: the words for an ARN that is none, and for a policy that does not exist.
    pub(super) fn attachable(&self, arn: &str) -> Result<String, Refusal> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let path = match parts[..] {
            ["arn", _, "iam", "", _, resource] => resource.strip_prefix("policy/"),
            _ => None,
        };
        let Some(path) = path else {
            return Err(Refusal::new(400, "ValidationError", "Invalid ARN:  Could not be parsed!"));
        };
        let exists = self.policies.contains_key(arn)
            || (parts.get(4) == Some(&"aws") && AWS_MANAGED.iter().any(|(name, _)| *name == path));
        if !exists {
            return Err(Refusal::new(
                404,
                "NoSuchEntity",
                format!("Policy {arn} does not exist or is not attachable."),
            ));
        }
        Ok(path.rsplit('/').next().unwrap_or(path).to_owned())
    }

    pub(super) fn attach(&mut self, _: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let arn = required(input.policy_arn.as_ref(), "policyArn")?;
        self.change(input)?;
        let name = self.attachable(arn)?;
        let role = self.change(input)?;
        // Attaching again is no error (doc).
        if !role.attached.contains_key(&name) && role.attached.len() >= MOST_ATTACHED {
            return Err(checks::limit(format!("Cannot exceed quota for PoliciesPerRole: {MOST_ATTACHED}")));
        }
        role.attached.insert(name, arn.to_owned());
        Ok(Value::Null)
    }

    pub(super) fn detach(&mut self, _: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let arn = required(input.policy_arn.as_ref(), "policyArn")?;
        let role = self.change(input)?;
        let before = role.attached.len();
        role.attached.retain(|_, attached| attached != arn);
        if role.attached.len() == before {
            return Err(Refusal::new(404, "NoSuchEntity", format!("Policy {arn} was not found.")));
        }
        Ok(Value::Null)
    }

    pub(super) fn list_attached(&self, context: &Context<'_>, input: &Input) -> Result<Value, Refusal> {
        let role = self.read(context, input)?;
        let shown = |(name, arn): (&String, &String)| (name.clone(), json!({"PolicyName": name, "PolicyArn": arn}));
        listed(input, "AttachedPolicies", role.attached.iter().map(shown).collect())
    }

    /// What a managed policy says.
    pub(in super::super) fn managed_document(&self, arn: &str) -> Option<String> {
        let aws = || {
            let path = arn.split_once(":aws:policy/")?.1;
            let (_, action) = AWS_MANAGED.iter().find(|(name, _)| *name == path)?;
            let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
            Some(json!({"Version": "2012-10-17", "Statement": statement}).to_string())
        };
        self.policies.get(arn).map(|policy| policy.document().to_owned()).or_else(aws)
    }
}

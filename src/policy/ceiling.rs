//! The ceiling of a tenant: which task statements its namespaces may give their execution roles.
//!
//! [`check`] proves, for each pair of action and resource of each Allow, that *one* grant contains both. Conditions only narrow an
//! Allow, so they are not looked at, and a Deny needs no proof. Actions that hand over the account indirectly ([`super::indirect`])
//! pass only when a grant names them literally.

use super::glob;
use super::indirect;
use super::resource::{Resource, ResourceError};
use super::statement::{Effect, Statement};

const PLACEHOLDER: &str = "${namespace}";

/// A Kubernetes namespace's name: a DNS label, so what takes the place of `${namespace}` in a grant can't hold a wildcard,
/// a colon or a slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(String);

/// A text that is not a [`Namespace`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a namespace's name: it must be a DNS label of at most 63 characters, `a`–`z`, `0`–`9` and `-`, with no `-` at either end"
)]
pub struct NamespaceError(String);

impl Namespace {
    /// Reads a name.
    ///
    /// # Errors
    /// Whatever the API server would not take as a namespace's name.
    pub fn new(name: &str) -> Result<Self, NamespaceError> {
        let is_label = (1..=63).contains(&name.len())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !name.starts_with('-')
            && !name.ends_with('-');
        if is_label { Ok(Namespace(name.to_owned())) } else { Err(NamespaceError(name.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts the name in the place of each `${namespace}`.
    pub fn resolve(&self, text: &str) -> String {
        text.replace(PLACEHOLDER, &self.0)
    }
}

/// Actions and resources that a tenant may combine; both may hold wildcards, and `${namespace}` for the namespace of the object
/// whose statements are checked. Other built-ins must have been put in before.
///
/// `${namespace}-*` of the namespace `team` also holds `team-b-orders`, which may be meant for the namespace `team-b`. End the
/// name with a character that no namespace can hold (`_`, `.`, `/`) to keep them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `service:Action` globs, or `*`; case does not count.
    pub actions: Vec<String>,
    /// ARN globs, or `*`.
    pub resources: Vec<String>,
}

/// What in a grant can't be understood. [`check`] takes such an action or resource to grant nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// An action.
    #[error("`{action}` {error}")]
    Action {
        /// The action as written.
        action: String,
        /// What is wrong.
        error: ActionError,
    },
    /// A resource.
    #[error("`{resource}` {error}")]
    Resource {
        /// The resource as written.
        resource: String,
        /// What is wrong.
        error: ResourceError,
    },
}

impl Grant {
    /// Whether every action and resource is one, whatever the namespace; for whoever reads an AWSAccount.
    ///
    /// # Errors
    /// The first that is not.
    pub fn validate(&self) -> Result<(), GrantError> {
        for action in &self.actions {
            check_action(action).map_err(|error| GrantError::Action { action: action.clone(), error })?;
        }
        for resource in &self.resources {
            Resource::parse(&resource.replace(PLACEHOLDER, "namespace"))
                .map_err(|error| GrantError::Resource { resource: resource.clone(), error })?;
        }
        Ok(())
    }

    fn resolved(&self, namespace: &Namespace) -> Self {
        Grant {
            actions: self.actions.iter().filter(|a| check_action(a).is_ok()).cloned().collect(),
            resources: self.resources.iter().map(|r| namespace.resolve(r)).collect(),
        }
    }

    fn has_action(&self, action: &str) -> bool {
        self.actions.iter().any(|a| glob::contains_ignore_case(a, action))
    }

    fn names_action(&self, action: &str) -> bool {
        !glob::has_wildcard(action) && self.actions.iter().any(|a| a.eq_ignore_ascii_case(action))
    }

    fn has_resource(&self, resource: &Resource) -> bool {
        self.resources.iter().any(|r| Resource::parse(r).is_ok_and(|r| r.contains(resource)))
    }
}

/// Why a text is no action of a statement. Displayed, it is the rest of a sentence that begins with the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// No colon.
    #[error("names no service; write it as `service:Action`, for example `dynamodb:GetItem`")]
    NoService,
    /// IAM takes wildcards only in the action's name, and `*` alone.
    #[error("has a wildcard in its service, which IAM does not take; name the service")]
    ServiceWildcard,
    /// Characters that no action has.
    #[error(
        "is not an action; write it as `service:Action`: letters, digits and `-` before the colon, letters, digits, `*` and `?` after it"
    )]
    Malformed,
}

fn check_action(action: &str) -> Result<(), ActionError> {
    if action == "*" {
        return Ok(());
    }
    let (service, name) = action.split_once(':').ok_or(ActionError::NoService)?;
    if glob::has_wildcard(service) {
        return Err(ActionError::ServiceWildcard);
    }
    let is_service = !service.is_empty() && service.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?'));
    if is_service && is_name { Ok(()) } else { Err(ActionError::Malformed) }
}

/// What in the statements is over the ceiling or can't be held against it. Displayed, one sentence for the statements' author;
/// `statement` is a position in the list that was checked, from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// An action that is none.
    #[error("statements[{statement}].actions: `{action}` {error}")]
    Action {
        /// The statement.
        statement: usize,
        /// The action as written.
        action: String,
        /// What is wrong.
        error: ActionError,
    },
    /// A resource that is none, or can't be proven.
    #[error("statements[{statement}].resources: `{resource}` {error}")]
    Resource {
        /// The statement.
        statement: usize,
        /// The resource as written.
        resource: String,
        /// What is wrong.
        error: ResourceError,
    },
    /// No single grant contains the pair.
    #[error(
        "statements[{statement}]: no grant in the tenant's ceiling contains `{action}` on `{resource}`{}; narrow the statement, or ask the platform admin to add this to the tenant's ceiling in the AWSAccount",
        only_on(.admitted_on)
    )]
    NotContained {
        /// The statement.
        statement: usize,
        /// The action as written.
        action: String,
        /// The resource as written.
        resource: String,
        /// The resources of the grants that contain the action.
        admitted_on: Vec<String>,
    },
    /// The action hands over the account indirectly, and no grant names it.
    #[error(
        "statements[{statement}]: no grant in the tenant's ceiling names `{action}` literally on `{resource}`, and a wildcard does not admit it, because it can {can}; remove it, or ask the platform admin to name it in the tenant's ceiling in the AWSAccount"
    )]
    NotLiteral {
        /// The statement.
        statement: usize,
        /// The action as written.
        action: String,
        /// The resource as written.
        resource: String,
        /// What the action can do.
        can: &'static str,
    },
    /// The action is a wildcard that also matches an action that hands over the account indirectly.
    #[error(
        "statements[{statement}]: `{action}` on `{resource}` is over the tenant's ceiling, because it includes `{reached}`, which can {can} and is admitted only where the ceiling names it literally; list the actions that the definition needs instead of the wildcard"
    )]
    ReachesIndirect {
        /// The statement.
        statement: usize,
        /// The action as written.
        action: String,
        /// The resource as written.
        resource: String,
        /// The action, or glob over actions, that it includes.
        reached: String,
        /// What that can do.
        can: &'static str,
    },
}

/// The tail of a sentence; a long list is cut so that the sentence stays one.
pub(crate) fn only_on(resources: &[String]) -> String {
    const SHOWN: usize = 3;
    if resources.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = resources.iter().take(SHOWN).map(|r| format!("`{r}`")).collect();
    let more = match resources.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!(" (it admits the action only on {}{more})", shown.join(", "))
}

/// Proves that the statements stay within the ceiling. An empty ceiling admits no Allow.
///
/// # Errors
/// Everything that is over it, in the order of the statements, their actions and their resources.
pub fn check(statements: &[Statement], ceiling: &[Grant], namespace: &Namespace) -> Result<(), Vec<Excess>> {
    let ceiling: Vec<Grant> = ceiling.iter().map(|g| g.resolved(namespace)).collect();
    let mut excesses = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let mut actions = Vec::new();
        for action in &statement.actions {
            match check_action(action) {
                Ok(()) => actions.push(action),
                Err(error) => excesses.push(Excess::Action { statement: index, action: action.clone(), error }),
            }
        }
        let mut resources = Vec::new();
        for text in &statement.resources {
            match Resource::parse(text) {
                Ok(resource) => resources.push((text, resource)),
                Err(error) => excesses.push(Excess::Resource { statement: index, resource: text.clone(), error }),
            }
        }
        let any = "*".to_owned();
        if !statement.not_resources.is_empty() {
            resources.push((&any, Resource::Any));
        }
        if statement.effect == Effect::Deny {
            continue;
        }
        for action in actions {
            excesses.extend(resources.iter().filter_map(|(text, r)| over(index, action, text, r, &ceiling)));
        }
    }
    if excesses.is_empty() { Ok(()) } else { Err(excesses) }
}

fn over(statement: usize, action: &str, text: &str, resource: &Resource, ceiling: &[Grant]) -> Option<Excess> {
    let own = || (action.to_owned(), text.to_owned());
    let is_named = |action: &str| ceiling.iter().any(|g| g.names_action(action) && g.has_resource(resource));
    if glob::has_wildcard(action) {
        if let Some((reached, row)) = indirect::reached(action).find(|(reached, _)| !is_named(reached)) {
            let (action, resource) = own();
            return Some(Excess::ReachesIndirect { statement, action, resource, reached, can: row.can });
        }
    } else if let Some((_, row)) = indirect::reached(action).next()
        && !is_named(action)
    {
        let (action, resource) = own();
        return Some(Excess::NotLiteral { statement, action, resource, can: row.can });
    }
    let with_action: Vec<&Grant> = ceiling.iter().filter(|g| g.has_action(action)).collect();
    if with_action.iter().any(|g| g.has_resource(resource)) {
        return None;
    }
    let mut admitted_on: Vec<String> = with_action.iter().flat_map(|g| g.resources.iter().cloned()).collect();
    admitted_on.sort();
    admitted_on.dedup();
    let (action, resource) = own();
    Some(Excess::NotContained { statement, action, resource, admitted_on })
}

/// Whether a list such as `executionRoleArns` or `managedPolicyArns` admits this one ARN: some pattern, with `${namespace}` put in,
/// contains it. What is no ARN, or holds a wildcard, is not admitted.
pub fn arn_allowed(patterns: &[String], arn: &str, namespace: &Namespace) -> bool {
    let Ok(arn) = Resource::parse(arn) else {
        return false;
    };
    !arn.has_wildcard()
        && patterns.iter().any(|p| Resource::parse(&namespace.resolve(p)).is_ok_and(|p| p.contains(&arn)))
}

#[cfg(test)]
mod tests;

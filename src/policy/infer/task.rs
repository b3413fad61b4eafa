//! One state while its needs are inferred: what it calls, and where the needs go.

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::{Node, Scope};
use super::text::Text;
use super::{Class, Machine, Need, State, Unknown, optimized, placeholder, sdk};
use crate::asl::StateRef;
use crate::policy::glob;
use crate::policy::statement::{Conditions, Statement};

/// How a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not, or for a token, which needs nothing more of this role.
    No,
    /// `.sync` and `.sync:2`.
    Sync,
}

/// A state, and what was found.
pub(super) struct Task<'a> {
    pub state: &'a StateRef<'a>,
    pub scope: Scope<'a>,
    pub machine: &'a Machine<'a>,
    /// What it passes.
    pub arguments: Node<'a>,
    pub wait: Wait,
    pub needs: Vec<Need>,
    pub unknown: Vec<Unknown>,
}

impl<'a> Task<'a> {
    pub fn new(state: &'a StateRef<'a>, scope: Scope<'a>) -> Self {
        Task {
            state,
            scope,
            machine: scope.machine,
            arguments: Node::of(state.value, scope),
            wait: Wait::No,
            needs: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Infers a Task state.
    pub fn infer(&mut self, states: &[StateRef<'a>]) {
        if let Some(credentials) = self.state.field("Credentials") {
            return self.credentials(&Node::written(credentials, self.scope));
        }
        let Some(resource) = self.state.field("Resource").and_then(|value| value.as_str()) else { return };
        let text = Text::template(resource).glob();
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", _, "lambda", ..] => self.function(&[Text::template(resource)], None),
            ["arn", _, "states", _, _, call] => self.integration(call, states),
            _ => self.unknown(
                format!(
                    "has a Resource that is not known, `{}`, so neither is which integration it calls",
                    resource.chars().take(80).collect::<String>()
                ),
                ["*"],
                ["*"],
            ),
        }
    }

    fn integration(&mut self, call: &str, states: &[StateRef<'a>]) {
        if call.starts_with("activity:") {
            return;
        }
        let (call, wait) = match call.rsplit_once('.') {
            Some((call, "sync" | "sync:2")) => (call, Wait::Sync),
            Some((call, _)) => (call, Wait::No),
            None => (call, Wait::No),
        };
        self.wait = wait;
        match call.split(':').collect::<Vec<_>>().as_slice() {
            ["aws-sdk", service, action] => sdk::infer(self, service, action),
            [service, action] => optimized::infer(self, service, action, states),
            _ => self.unknown(
                format!("calls `{call}`, which is not an integration of Step Functions that stepgate knows"),
                ["*"],
                ["*"],
            ),
        }
    }

    /// The task runs with another role, which has the permissions that it needs.
    fn credentials(&mut self, credentials: &Node<'a>) {
        const ROLE: &str = "arn:$P:iam::$A:role/${Role}";
        for text in credentials.member("RoleArn").map(|role| role.texts()).unwrap_or_default() {
            let glob = text.glob();
            let parts: Vec<&str> = glob.splitn(6, ':').collect();
            match parts.as_slice() {
                ["arn", partition, "iam", "", account, role]
                    if ![partition, account].iter().any(|part| glob::has_wildcard(part))
                        && role.starts_with("role/")
                        && *role != "role/*" =>
                {
                    self.allow(["sts:AssumeRole"], [glob.clone()]);
                }
                _ => self.unknown("assumes a role that only an execution knows".to_owned(), ["sts:AssumeRole"], [ROLE]),
            }
        }
    }

    /// Whether it is `.sync`.
    pub fn is_sync(&self) -> bool {
        self.wait == Wait::Sync
    }

    /// The state, as people and pointers name it.
    pub fn here(&self) -> State {
        State { name: self.state.name.to_owned(), path: self.state.pointer.to_string() }
    }

    fn need(&mut self, class: Class, statement: Statement) {
        self.needs.push(Need { class, statement, states: BTreeSet::from([self.here()]) });
    }

    fn needs<'s>(
        &mut self,
        class: Class,
        actions: impl IntoIterator<Item = &'s str>,
        resources: impl IntoIterator<Item = String>,
        conditions: &Conditions,
    ) {
        let actions: Vec<&str> = actions.into_iter().collect();
        let mut unfilled: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut filled = Vec::new();
        for resource in resources {
            match placeholder::find(&resource, self.machine) {
                Some((placeholder, pattern)) => unfilled.entry(placeholder).or_default().push(pattern),
                None => filled.push(resource),
            }
        }
        for (placeholder, patterns) in unfilled {
            let mut statement = Statement::allow(actions.iter().copied(), patterns);
            statement.conditions = conditions.clone();
            self.unknown_statement(
                format!("names `{placeholder}`, a placeholder that nobody has filled in"),
                statement,
            );
        }
        let resources = filled;
        for action in actions {
            for resource in &resources {
                let mut statement = Statement::allow([action], [resource.clone()]);
                statement.conditions = conditions.clone();
                self.need(class, statement);
            }
        }
    }

    /// The actions on the resources.
    pub fn allow<'s>(
        &mut self,
        actions: impl IntoIterator<Item = &'s str>,
        resources: impl IntoIterator<Item = String>,
    ) {
        self.needs(Class::Task, actions, resources, &Conditions::new());
    }

    /// The actions on the resources, under conditions.
    pub fn allow_if<'s>(
        &mut self,
        actions: impl IntoIterator<Item = &'s str>,
        resources: impl IntoIterator<Item = String>,
        conditions: &Conditions,
    ) {
        self.needs(Class::Task, actions, resources, conditions);
    }

    /// The action on everything but these.
    pub fn allow_except(&mut self, action: &str, resource: String) {
        let mut statement = Statement::allow([action], [] as [String; 0]);
        statement.not_resources = vec![resource];
        self.need(Class::Task, statement);
    }

    /// What follows from something that is bounded itself.
    pub fn plumbing<'s>(
        &mut self,
        actions: impl IntoIterator<Item = &'s str>,
        resources: impl IntoIterator<Item = String>,
    ) {
        self.needs(Class::Plumbing, actions, resources, &Conditions::new());
    }

    /// Starting a state machine.
    pub fn invoke(&mut self, action: &str, machine: String) {
        self.needs(Class::Invoke, [action], [machine], &Conditions::new());
    }

    /// The managed rule by which Step Functions hears of a job's end.
    pub fn events(&mut self, rule: &str) {
        let rule = self.machine.fill("arn:$P:events:$R:$A:rule/${Rule}", |_| Some(rule.to_owned()));
        self.plumbing(["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule]);
    }

    /// What can't be known; `resources` are patterns.
    pub fn unknown<'s>(
        &mut self,
        reason: String,
        actions: impl IntoIterator<Item = &'s str>,
        resources: impl IntoIterator<Item = &'s str>,
    ) {
        let resources: Vec<String> = resources.into_iter().map(|pattern| self.machine.every(pattern)).collect();
        self.unknown_statement(reason, Statement::allow(actions, resources));
    }

    /// What can't be known, with its statement.
    pub fn unknown_statement(&mut self, reason: String, statement: Statement) {
        self.unknown.push(Unknown { state: self.here(), reason, statement });
    }

    /// A member of what it passes.
    pub fn member(&self, name: &str) -> Option<Node<'a>> {
        self.arguments.member(name)
    }

    /// The texts of a member; none where it is left out.
    pub fn texts(&self, name: &str) -> Vec<Text> {
        self.member(name).map(|member| member.texts()).unwrap_or_default()
    }

    /// The resources of a pattern's type that a member names; all of them where it is not known.
    pub fn resources(&self, pattern: &str, name: &str) -> Vec<String> {
        self.machine.member(pattern, self.member(name).as_ref())
    }
}

/// One condition.
pub(super) fn condition(operator: &str, key: &str, values: Vec<String>) -> Conditions {
    Conditions::from([(operator.to_owned(), BTreeMap::from([(key.to_owned(), values)]))])
}

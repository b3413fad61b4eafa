//! `iam:PassRole`: always for one service (AWS.md §5).

use serde_json::Value;

use super::arguments::Node;
use super::task::{Task, condition};
use super::text::Text;
use crate::policy::statement::Statement;

const ROLE: &str = "arn:$P:iam::$A:role/${Role}";

impl Task<'_> {
    /// Lets the task pass the roles of a member to the services; unknown where only an execution knows them. Nothing where the
    /// member is left out.
    pub fn pass_role(&mut self, member: Option<&Node<'_>>, services: &[&str]) {
        for text in member.map(Node::texts).unwrap_or_default() {
            self.pass(&text, services);
        }
    }

    fn pass(&mut self, role: &Text, services: &[&str]) {
        let services: Vec<String> = services.iter().map(|service| format!("{service}.amazonaws.com")).collect();
        let passed = condition("StringEquals", "iam:PassedToService", services);
        let glob = role.glob();
        let is_arn = glob.starts_with("arn:");
        let name =
            if is_arn { glob.splitn(6, ':').nth(5).and_then(|part| part.strip_prefix("role/")) } else { Some(&*glob) };
        match name.filter(|name| !name.is_empty() && !name.starts_with('*') && !name.contains(':')) {
            Some(_) => {
                let roles = self.machine.named(ROLE, std::slice::from_ref(role));
                self.allow_if(["iam:PassRole"], roles, &passed);
            }
            None => self.unpassed("passes a role that only an execution knows", passed),
        }
    }

    /// A role that the definition does not name.
    pub fn pass_unknown_role(&mut self, reason: &str, services: &[&str]) {
        let services = services.iter().map(|service| format!("{service}.amazonaws.com")).collect();
        self.unpassed(reason, condition("StringEquals", "iam:PassedToService", services));
    }

    fn unpassed(&mut self, reason: &str, conditions: crate::policy::statement::Conditions) {
        let mut statement = Statement::allow(["iam:PassRole"], [self.machine.every(ROLE)]);
        statement.conditions = conditions;
        self.unknown_statement(reason.to_owned(), statement);
    }

    /// The roles that an SDK call passes: what stands at members that are called a role. Where the action is known to pass one, `any`,
    /// also what stands at `…Role` and is not seen to be a role.
    pub fn pass_roles(&mut self, prefix: &str, any: bool) {
        let mut roles = Vec::new();
        gather(&self.arguments, any, 0, &mut roles);
        let services = services(prefix);
        for role in roles {
            self.pass_role(Some(&role), &services);
        }
        if any && self.arguments.is_open() {
            self.pass_unknown_role("may pass a role that only an execution knows", &services);
        }
    }
}

/// How deep a role may stand in a request.
const DEEPEST: usize = 4;

fn gather<'a>(node: &Node<'a>, any: bool, depth: usize, roles: &mut Vec<Node<'a>>) {
    if depth > DEEPEST {
        return;
    }
    let elements = node.elements();
    for element in &elements {
        for (name, value) in element.entries().unwrap_or_default() {
            let name = name.glob().to_ascii_lowercase();
            let is_role = name.ends_with("rolearn")
                || (name.ends_with("role") && (any || value.texts().iter().any(|text| text.glob().contains(":role/"))));
            if is_role {
                roles.push(value);
            } else if let Node::Written(Value::Object(_) | Value::Array(_), _) = value {
                gather(&value, any, depth + 1, roles);
            } else if any && ["target", "targets"].contains(&&*name) {
                // A schedule's and a rule's: the role stands in it.
                roles.push(Node::unknown());
            }
        }
    }
}

/// The services that a call of this IAM prefix passes roles to. Each user guide names its own; most are the prefix.
fn services(prefix: &str) -> Vec<&str> {
    match prefix {
        "ecs" => vec!["ecs-tasks", "ecs"],
        "batch" => vec!["batch", "ecs-tasks"],
        "ec2" => vec!["ec2", "vpc-flow-logs", "spotfleet"],
        "elasticmapreduce" => vec!["elasticmapreduce", "ec2", "application-autoscaling"],
        "rds" => vec!["rds", "monitoring.rds"],
        "s3" => vec!["s3", "batchoperations.s3"],
        "eks" => vec!["eks", "eks-fargate-pods", "ec2"],
        "ssm" => vec!["ssm", "ssm-incidents"],
        "aws-marketplace" => vec!["assets.marketplace"],
        "cassandra" => vec!["cassandra.application-autoscaling"],
        "mobiletargeting" => vec!["pinpoint"],
        "opensearch" | "osis" => vec!["opensearchservice", "osis-pipelines"],
        one => vec![one],
    }
}

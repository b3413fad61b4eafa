//! Tags given to what is made: services ask for their own tagging action beside the one that creates (`src/policy/data/generate.py`
//! says of which, and where that stands).

use super::arguments::Node;
use super::catalog::Action;
use super::task::{Task, condition};
use super::text::Text;

/// What requests call the member that holds tags.
const MEMBERS: [&str; 5] = ["Tags", "TagList", "TagSpecifications", "TagSpecification", "OpsItemTags"];

impl<'a> Task<'a> {
    /// What the request says of tags.
    pub fn tags(&self) -> Option<Node<'a>> {
        let given = MEMBERS.iter().find_map(|name| self.member(name).filter(|_| !self.arguments.is_open()));
        given.filter(|tags| !tags.elements().is_empty())
    }

    /// Infers what an action needs for the request's tags, on what it creates.
    pub fn tag(&mut self, operation: &str, action: &Action, created: Vec<String>) {
        let Some(tagging) = &action.tags else { return };
        if self.arguments.is_open() {
            return self.unknown_statement(
                "may give tags that only an execution knows".to_owned(),
                crate::policy::statement::Statement::allow([&**tagging], created),
            );
        }
        match self.tags() {
            // What is tagged, a specification says; and that it is not there yet, the condition (EC2 user guide, "Grant permission to
            // tag Amazon EC2 resources during creation").
            Some(tags) if tagging == "ec2:CreateTags" => {
                let made = condition("StringEquals", "ec2:CreateAction", vec![operation.to_owned()]);
                self.allow_if(["ec2:CreateTags"], specified(self, &tags), &made);
            }
            Some(_) => self.allow([&**tagging], created),
            None => {}
        }
    }
}

/// The resources of tag specifications: `ResourceType` in each.
fn specified(task: &Task<'_>, specifications: &Node<'_>) -> Vec<String> {
    let types = specifications.elements().into_iter().flat_map(|one| {
        let types = one.member("ResourceType").map(|kind| kind.texts()).unwrap_or_default();
        if types.is_empty() { vec![Text::unknown()] } else { types }
    });
    let arn = |kind: Text| {
        let kind = kind.glob();
        // Images and snapshots have no account in their ARN.
        let account = if ["image", "snapshot"].contains(&&*kind) { "" } else { "$A" };
        task.machine.fill(&format!("arn:$P:ec2:$R:{account}:${{Type}}/*"), |_| Some(kind.clone()))
    };
    types.map(arn).collect()
}

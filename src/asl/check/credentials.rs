//! Credentials of Task states.

use serde_json::Value;

use super::Checker;
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::State;
use crate::asl::text::short;

impl<'d> Checker<'d> {
    /// "The field 'RoleArn' is required but was missing": recorded; "The field 'Credentials' is not supported for
    /// activities": measured (cdk-preflight).
    pub(super) fn credentials(&mut self, state: &State<'d>, is_activity: bool) {
        let name = short(state.at.name);
        let at = state.at.pointer.key("Credentials");
        match state.field("Credentials") {
            None => return,
            Some(Value::Object(credentials)) => {
                if !credentials.contains_key("RoleArn") && !credentials.contains_key("RoleArn.$") {
                    let message = format!("The Credentials of state `{name}` have no RoleArn");
                    let help = "add RoleArn, the ARN of the role that the task assumes".to_owned();
                    self.findings.report(&codes::CREDENTIALS, At::Value(&at), message, Some(help));
                }
            }
            // An expression.
            Some(Value::String(_)) => {}
            // Others are of the wrong type, which is said already.
            Some(_) => return,
        }
        if is_activity {
            let message = format!("State `{name}` has Credentials, which an activity does not take");
            self.findings.report(&codes::CREDENTIALS, At::Key(&at), message, None);
        }
    }
}

//! Retry and Catch.

use serde_json::Value;

use super::{Checker, Site, fields};
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::State;
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// Specification, "Appendix A", and AWS's documentation of error handling.
const ERRORS: [&str; 21] = [
    "States.ALL",
    "States.HeartbeatTimeout",
    "States.Timeout",
    "States.TaskFailed",
    "States.Permissions",
    "States.ResultPathMatchFailure",
    "States.ParameterPathFailure",
    "States.QueryEvaluationError",
    "States.BranchFailed",
    "States.NoChoiceMatched",
    "States.IntrinsicFailure",
    "States.ExceedToleratedFailureThreshold",
    "States.ItemReaderFailed",
    "States.ResultWriterFailed",
    "States.DataLimitExceeded",
    "States.Runtime",
    "States.Http.Socket",
    "States.Http.StatusCode",
    "States.InvalidToken",
    "States.TaskTimedOut",
    "States.ServiceUnavailable",
];

impl<'d> Checker<'d> {
    /// The elements of Retry.
    pub(super) fn retriers(&mut self, state: &State<'d>) {
        let whose = format!("A retrier of state `{}`", short(state.at.name));
        let site = Site { state: state.at.name, language: state.language, in_catch: false, has_result: false };
        self.elements(state, "Retry", |checker, element, pointer, last| {
            let Value::Object(object) = element else {
                checker.wrong_type(&whose, "an element", "an object", element, pointer);
                return;
            };
            checker.fields(site, &whose, object, pointer, &fields::RETRIER);
            checker.error_equals(&whose, element, pointer, last);
        });
    }

    /// The elements of Catch.
    pub(super) fn catchers(&mut self, state: &State<'d>) {
        let whose = format!("A catcher of state `{}`", short(state.at.name));
        let site = Site { state: state.at.name, language: state.language, in_catch: true, has_result: false };
        self.elements(state, "Catch", |checker, element, pointer, last| {
            let Value::Object(object) = element else {
                checker.wrong_type(&whose, "an element", "an object", element, pointer);
                return;
            };
            checker.fields(site, &whose, object, pointer, &fields::CATCHER);
            checker.error_equals(&whose, element, pointer, last);
            checker.needs_next(state.at.name, "catcher", element, pointer);
        });
    }

    fn elements(
        &mut self,
        state: &State<'d>,
        field: &'static str,
        mut check: impl FnMut(&mut Self, &'d Value, &Pointer<'d>, bool),
    ) {
        let pointer = state.at.pointer.key(field);
        match state.field(field) {
            None | Some(Value::Null) => {}
            Some(Value::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    check(self, element, &pointer.index(index), index + 1 == elements.len());
                }
            }
            Some(value) => {
                let whose = format!("State `{}`", short(state.at.name));
                self.wrong_type(&whose, field, "an array", value, &pointer);
            }
        }
    }

    /// "States.ALL must appear alone and at end of list", "Value cannot be empty", "These fields are required:
    /// [ErrorEquals]": measured (cdk-preflight).
    fn error_equals(&mut self, whose: &str, element: &Value, pointer: &Pointer<'_>, last: bool) {
        let at = pointer.key("ErrorEquals");
        let names = match element.get("ErrorEquals") {
            None => {
                let message = format!("{whose} has no ErrorEquals");
                let help = Some("add the names of errors, as ErrorEquals: [States.ALL]".to_owned());
                self.findings.report(&codes::ERROR_EQUALS, At::Value(pointer), message, help);
                return;
            }
            Some(Value::Array(names)) if !names.is_empty() => names,
            Some(Value::Array(_)) => {
                let message = format!("{whose} has an empty ErrorEquals");
                self.findings.report(&codes::ERROR_EQUALS, At::Value(&at), message, None);
                return;
            }
            Some(_) => {
                let message = format!("{whose} has an ErrorEquals that is not an array of names");
                self.findings.report(&codes::ERROR_EQUALS, At::Value(&at), message, None);
                return;
            }
        };
        for (index, name) in names.iter().enumerate() {
            let at = at.index(index);
            let Value::String(name) = name else {
                let message = format!("{whose} has something in ErrorEquals that is not a name");
                self.findings.report(&codes::ERROR_EQUALS, At::Value(&at), message, None);
                continue;
            };
            if name == "States.ALL" && (names.len() > 1 || !last) {
                let (message, help) = if names.len() > 1 {
                    (
                        format!("{whose} names States.ALL beside others, and it must stand alone"),
                        "it holds for every error: remove the others, or give it an element of its own at the end",
                    )
                } else {
                    (
                        format!("{whose} names States.ALL and is not the last, so those after it never apply"),
                        "move it to the end",
                    )
                };
                self.findings.report(&codes::STATES_ALL, At::Value(&at), message, Some(help.to_owned()));
            } else if name.starts_with("States.")
                && !ERRORS.contains(&name.as_str())
                && let Some(near) = self.speller.near(name, ERRORS)
            {
                // Machines name errors of their own so, too.
                self.findings.report(
                    &codes::STATES_ERROR_UNKNOWN,
                    At::Value(&at),
                    format!("{whose} names the error `{}`, which the States Language does not have", short(name)),
                    Some(format!("did you mean {near}?")),
                );
            }
        }
    }
}

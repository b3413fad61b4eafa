//! What [`request_template`](super::request_template) can't give a meaning to.

use super::{Ask, Failure, Input, Machine, Report, Request, Source, escape, pointer_keys};

/// Why a request can't be made into a template. The text names the field, what is wrong and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not RFC 6901.
    #[error(
        "{field} \"{pointer}\" is not a JSON pointer: begin each step with \"/\", and write \"~0\" for ~ and \"~1\" for /"
    )]
    Pointer {
        /// The field.
        field: String,
        /// Its value.
        pointer: String,
    },
    /// A step that is a number or `-`.
    #[error("{field} \"{pointer}\" goes into an array, at \"{step}\": arrays can only be taken and put as a whole")]
    ArrayIndex {
        /// The field.
        field: String,
        /// Its value.
        pointer: String,
        /// The step.
        step: String,
    },
    /// A key of the body that can't be named in a template.
    #[error(
        "{field} \"{pointer}\" has the key \"{key}\", which a template can't name (letters, digits and _ - . : @ only): take the object that holds it"
    )]
    Key {
        /// The field.
        field: String,
        /// Its value.
        pointer: String,
        /// The key.
        key: String,
    },
    /// Two inputs for the same place, or one inside of the other's.
    #[error(
        "{field} \"{pointer}\" and {other_field} \"{other}\" write to the same place: keep one, or give each a key of its own"
    )]
    Overlap {
        /// The later field.
        field: String,
        /// Its value.
        pointer: String,
        /// The earlier field.
        other_field: String,
        /// Its value.
        other: String,
    },
    /// A name with characters that it can't have.
    #[error("{field} \"{name}\" is not {what}: use {allowed}")]
    Name {
        /// The field.
        field: String,
        /// Its value.
        name: String,
        /// What it should be.
        what: &'static str,
        /// The characters it may have.
        allowed: &'static str,
    },
    /// A source of several values, or a constant that is no string, where a string is needed.
    #[error("{field} must be one string: take it from a body, path, query, header or context value, or write a string")]
    NotText {
        /// The field.
        field: String,
    },
    /// No ARN at all.
    #[error("the target names no state machine: give one, or one per stage")]
    NoMachine,
    /// An ARN whose executions can't be named.
    #[error(
        "the target's ARN \"{arn}\" is not a state machine's (arn:aws:states:REGION:ACCOUNT:stateMachine:NAME): its executions can't be named"
    )]
    NotAMachine {
        /// The ARN.
        arn: String,
    },
}

/// Everything that a request needs for its template to mean what it says. Fields are named as in an APIRoute's
/// `request` (`input[0].to`, `executionName`).
///
/// # Errors
/// The first thing found.
pub fn validate_request(request: &Request) -> Result<(), MappingError> {
    match request {
        Request::Start { machine, input, execution_name, trace_header } => {
            validate_machine(machine)?;
            validate_inputs(input)?;
            validate_text("executionName", execution_name.as_ref())?;
            validate_text("traceHeader", trace_header.as_ref())
        }
        Request::List { machine } => validate_machine(machine),
        Request::Task { token, report } => {
            validate_text("taskToken", Some(token))?;
            match report {
                Report::Success(output) => validate_inputs(output),
                Report::Failure(why) => validate_failure(why),
                Report::Heartbeat => Ok(()),
            }
        }
        Request::Execution { machine, execution, ask } => {
            validate_machine(machine)?;
            let mut arns = machine.default.iter().chain(machine.stages.values());
            if let Some(arn) = arns.find(|arn| !arn.contains(":stateMachine:")) {
                return Err(MappingError::NotAMachine { arn: arn.clone() });
            }
            validate_text("executionName", Some(execution))?;
            match ask {
                Ask::Stop(why) => validate_failure(why),
                Ask::Describe | Ask::History => Ok(()),
            }
        }
        Request::Mock(_) | Request::Client => Ok(()),
    }
}

fn validate_failure(Failure { error, cause }: &Failure) -> Result<(), MappingError> {
    validate_text("error", error.as_ref())?;
    validate_text("cause", cause.as_ref())
}

/// Whether the inputs make one document: sources that can be read, pointers that don't overlap.
///
/// # Errors
/// The first thing found.
pub fn validate_inputs(inputs: &[Input]) -> Result<(), MappingError> {
    validate_document("input", inputs)
}

/// As [`validate_inputs`], for the parts of a list with another name.
///
/// # Errors
/// The first thing found.
pub fn validate_document(list: &str, inputs: &[Input]) -> Result<(), MappingError> {
    for (index, input) in inputs.iter().enumerate() {
        let field = format!("{list}[{index}].to");
        validate_source(&format!("{list}[{index}]"), &input.source)?;
        let keys = validate_pointer(&field, &input.to)?;
        for (other_index, other) in inputs[..index].iter().enumerate() {
            let other_keys = pointer_keys(&other.to);
            if keys.starts_with(&other_keys) || other_keys.starts_with(&keys) {
                return Err(MappingError::Overlap {
                    field,
                    pointer: input.to.clone(),
                    other_field: format!("{list}[{other_index}].to"),
                    other: other.to.clone(),
                });
            }
        }
    }
    Ok(())
}

fn validate_machine(machine: &Machine) -> Result<(), MappingError> {
    if machine.default.is_none() && machine.stages.is_empty() {
        return Err(MappingError::NoMachine);
    }
    machine
        .stages
        .keys()
        .find(|stage| stage.is_empty() || !stage.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .map_or(Ok(()), |stage| {
            Err(MappingError::Name {
                field: "stage".to_owned(),
                name: stage.clone(),
                what: "a stage's name",
                allowed: "letters, digits, - and _",
            })
        })
}

fn validate_text(field: &str, source: Option<&Source>) -> Result<(), MappingError> {
    match source {
        None => Ok(()),
        Some(Source::QueryList(_) | Source::HeaderList(_)) => Err(MappingError::NotText { field: field.to_owned() }),
        Some(Source::Value(value)) if !value.is_string() => Err(MappingError::NotText { field: field.to_owned() }),
        Some(source) => validate_source(field, source),
    }
}

fn validate_source(field: &str, source: &Source) -> Result<(), MappingError> {
    const PRINTABLE: &str = "printable ASCII without ' \" \\ $ #";
    let name = |kind: &str, name: &str, what, allowed, valid: bool| {
        if valid {
            return Ok(());
        }
        Err(MappingError::Name { field: format!("{field}.{kind}"), name: name.to_owned(), what, allowed })
    };
    let all = |text: &str, allowed: fn(char) -> bool| !text.is_empty() && text.chars().all(allowed);
    match source {
        Source::Value(_) | Source::Body(None) => Ok(()),
        Source::Output(None) => Ok(()),
        Source::Output(Some(pointer)) | Source::Body(Some(pointer)) => {
            // The fields' names in the manifests.
            let kind = if field.starts_with("output[") { "from" } else { "body" };
            let field = format!("{field}.{kind}");
            let keys = validate_pointer(&field, pointer)?;
            keys.into_iter()
                .find(|key| !all(key, escape::is_key_character))
                .map_or(Ok(()), |key| Err(MappingError::Key { field, pointer: pointer.clone(), key }))
        }
        Source::Path(text) => {
            name("path", text, "a path parameter's name", PRINTABLE, all(text, escape::is_name_character))
        }
        Source::Query(text) => {
            name("query", text, "a query parameter's name", PRINTABLE, all(text, escape::is_name_character))
        }
        Source::QueryList(text) => {
            name("queryList", text, "a query parameter's name", PRINTABLE, all(text, escape::is_name_character))
        }
        Source::Header(text) => name(
            "header",
            text,
            "a header's name",
            "letters, digits, - _ and .",
            all(text, escape::is_header_character),
        ),
        Source::HeaderList(text) => name(
            "headerList",
            text,
            "a header's name",
            "letters, digits, - _ and .",
            all(text, escape::is_header_character),
        ),
        Source::StageVariable(text) => name(
            "stageVariable",
            text,
            "a stage variable that a template can name",
            "letters, digits and _, a letter first",
            all(text, |c| c.is_ascii_alphanumeric() || c == '_') && text.starts_with(|c: char| c.is_ascii_alphabetic()),
        ),
        Source::Context(text) => name(
            "context",
            text,
            "a property of $context",
            "names like identity.sourceIp, each of letters, digits, - _ and : and beginning with a letter",
            all(text, escape::is_context_character)
                && text.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic())),
        ),
    }
}

fn validate_pointer(field: &str, pointer: &str) -> Result<Vec<String>, MappingError> {
    let well_formed = (pointer.is_empty() || pointer.starts_with('/'))
        && pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !well_formed {
        return Err(MappingError::Pointer { field: field.to_owned(), pointer: pointer.to_owned() });
    }
    let keys = pointer_keys(pointer);
    let index = |key: &&String| *key == "-" || (!key.is_empty() && key.chars().all(|c| c.is_ascii_digit()));
    match keys.iter().find(index) {
        Some(step) => {
            Err(MappingError::ArrayIndex { field: field.to_owned(), pointer: pointer.to_owned(), step: step.clone() })
        }
        None => Ok(keys),
    }
}

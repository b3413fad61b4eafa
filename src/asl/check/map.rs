//! Map states: processor, label, reader, writer.

use serde_json::Value;

use super::{Checker, MachineType, unresolved};
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::State;
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// "INVALID_LABEL_NAME: … exceeds the 40-character limit allowed by the service" (cdk-preflight, measured).
const MAX_LABEL: usize = 40;
/// What a Label may not hold: AWS's documentation of the Distributed Map state; LocalStack refuses the same.
const NOT_IN_LABEL: &str = "?*<>{}[]:;,\\|^~$#%&`\"";

impl<'d> Checker<'d> {
    /// What a Map state has besides its table of fields.
    pub(super) fn map(&mut self, state: &State<'d>) {
        let name = short(state.at.name);
        let processor = ["ItemProcessor", "Iterator"].into_iter().find(|field| state.field(field).is_some());
        let Some(processor) = processor else {
            self.findings.report(
                &codes::ITEM_PROCESSOR_MISSING,
                At::Key(&state.at.pointer),
                format!("Map state `{name}` has no ItemProcessor"),
                Some("add ItemProcessor, an object with StartAt and States".to_owned()),
            );
            return;
        };
        let distributed = self.processor_config(state, processor);
        if !distributed {
            for field in ["ItemReader", "ItemBatcher", "ResultWriter", "Label"] {
                if state.field(field).is_some() {
                    self.findings.report(
                        &codes::DISTRIBUTED_ONLY,
                        At::Key(&state.at.pointer.key(field)),
                        format!("Map state `{name}` has {field}, which only the DISTRIBUTED mode uses"),
                        Some(format!("set Mode: DISTRIBUTED in the ProcessorConfig of its {processor}")),
                    );
                }
            }
        }
        self.label(state);
        self.item_reader(state);
        self.result_writer(state);
    }

    /// "These fields are required: [ExecutionType]" and "Field 'ExecutionType' is not supported" (in INLINE mode); "The field
    /// 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines": measured (cdk-preflight).
    fn processor_config(&mut self, state: &State<'d>, processor: &'static str) -> bool {
        let name = short(state.at.name);
        let Some(config) = state.field(processor).and_then(|value| value.get("ProcessorConfig")) else { return false };
        let at = state.at.pointer.key(processor).key("ProcessorConfig");
        let mode = config.get("Mode").and_then(Value::as_str);
        let distributed = mode == Some("DISTRIBUTED");
        match (mode, config.get("ExecutionType")) {
            (Some("DISTRIBUTED"), None) => self.findings.report(
                &codes::PROCESSOR_CONFIG,
                At::Key(&at),
                format!("The ProcessorConfig of Map state `{name}` has Mode: DISTRIBUTED and no ExecutionType"),
                Some("add ExecutionType: STANDARD or EXPRESS".to_owned()),
            ),
            (Some("INLINE"), Some(_)) => self.findings.report(
                &codes::PROCESSOR_CONFIG,
                At::Key(&at.key("ExecutionType")),
                format!("The ProcessorConfig of Map state `{name}` has ExecutionType, and Mode: INLINE has none"),
                Some("remove it, or set Mode: DISTRIBUTED".to_owned()),
            ),
            _ => {}
        }
        if distributed && self.usage.machine_type == MachineType::Express {
            self.findings.report(
                &codes::EXPRESS_DISTRIBUTED_MAP,
                At::Value(&at.key("Mode")),
                format!("Map state `{name}` runs in DISTRIBUTED mode, which a machine of type EXPRESS can't"),
                Some("make the machine STANDARD, or set Mode: INLINE".to_owned()),
            );
        }
        distributed
    }

    fn label(&mut self, state: &State<'d>) {
        let name = short(state.at.name);
        let at = state.at.pointer.key("Label");
        let label = match state.field("Label") {
            None | Some(Value::Null) => return,
            Some(Value::String(label)) => label,
            Some(value) => {
                self.wrong_type(&format!("Map state `{name}`"), "Label", "a string", value, &at);
                return;
            }
        };
        if unresolved(label) {
            return;
        }
        let length = label.chars().count();
        let bad = label.chars().find(|c| c.is_whitespace() || c.is_control() || NOT_IN_LABEL.contains(*c));
        let problem = if label.is_empty() {
            Some("which is empty".to_owned())
        } else if length > MAX_LABEL {
            Some(format!("which has {length} characters; AWS takes at most {MAX_LABEL}"))
        } else {
            bad.map(|bad| format!("which holds a character that it may not, `{bad}`"))
        };
        if let Some(problem) = problem {
            let message = format!("Map state `{name}` has a Label {problem}");
            self.findings.report(&codes::MAP_LABEL, At::Value(&at), message, None);
        } else if let Some(other) = self.labels.get(label.as_str()) {
            let message = format!("Map state `{name}` has the Label of state `{}`", short(other));
            self.findings.report(&codes::DUPLICATE_LABEL, At::Value(&at), message, None);
        } else {
            self.labels.insert(label, state.at.name);
        }
    }

    /// "The field 'Resource' does not match any of the allowed values", "The field 'CSVHeaderLocation' is required", "Field
    /// 'CSVHeaderLocation' is not supported" (with JSON), "These fields are required: [CSVHeaders]": measured
    /// (cdk-preflight).
    fn item_reader(&mut self, state: &State<'d>) {
        let Some(reader @ Value::Object(_)) = state.field("ItemReader") else { return };
        let whose = format!("The ItemReader of state `{}`", short(state.at.name));
        let at = state.at.pointer.key("ItemReader");
        self.s3_resource(&whose, &codes::ITEM_READER, reader, &at, &["getObject", "listObjectsV2"]);
        let Some(config) = reader.get("ReaderConfig").filter(|config| config.is_object()) else { return };
        let at = at.key("ReaderConfig");
        let text = |field: &str| config.get(field).and_then(Value::as_str);
        let location = config.get("CSVHeaderLocation");
        let problem = match text("InputType") {
            Some("CSV") if location.is_none() => Some((at.clone(), "reads CSV and has no CSVHeaderLocation")),
            Some("JSON") if location.is_some() => {
                Some((at.key("CSVHeaderLocation"), "reads JSON and has CSVHeaderLocation"))
            }
            _ if text("CSVHeaderLocation") == Some("GIVEN") && config.get("CSVHeaders").is_none() => {
                Some((at.clone(), "has CSVHeaderLocation: GIVEN and no CSVHeaders"))
            }
            _ => None,
        };
        if let Some((at, problem)) = problem {
            self.findings.report(&codes::ITEM_READER, At::Key(&at), format!("{whose} {problem}"), None);
        }
    }

    /// LocalStack and floci, which follow AWS: Resource is s3:putObject; AWS's own language server wants OutputType.
    fn result_writer(&mut self, state: &State<'d>) {
        let Some(writer @ Value::Object(_)) = state.field("ResultWriter") else { return };
        let whose = format!("The ResultWriter of state `{}`", short(state.at.name));
        let at = state.at.pointer.key("ResultWriter");
        if writer.get("Resource").is_some() {
            self.s3_resource(&whose, &codes::RESULT_WRITER, writer, &at, &["putObject"]);
        }
        if let Some(config @ Value::Object(_)) = writer.get("WriterConfig")
            && config.get("OutputType").is_none()
        {
            let message = format!("{whose} has a WriterConfig without OutputType");
            self.findings.report(&codes::RESULT_WRITER, At::Key(&at.key("WriterConfig")), message, None);
        }
    }

    fn s3_resource(
        &mut self,
        whose: &str,
        rule: &'static codes::Rule,
        object: &'d Value,
        at: &Pointer<'d>,
        actions: &[&str],
    ) {
        let resource = match object.get("Resource") {
            Some(Value::String(resource)) => resource,
            _ => {
                let message = format!("{whose} has no Resource");
                let help = format!("it is arn:aws:states:::s3:{}", actions[0]);
                self.findings.report(rule, At::Key(at), message, Some(help));
                return;
            }
        };
        let fits = unresolved(resource)
            || resource
                .split_once(":states:::s3:")
                .is_some_and(|(begin, action)| begin.starts_with("arn:") && actions.contains(&action));
        if !fits {
            let help =
                actions.iter().map(|action| format!("arn:aws:states:::s3:{action}")).collect::<Vec<_>>().join(" or ");
            self.findings.report(
                rule,
                At::Value(&at.key("Resource")),
                format!("{whose} has the Resource `{}`, which it does not take", short(resource)),
                Some(format!("it is {help}")),
            );
        }
    }
}

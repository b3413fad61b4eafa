//! The fields of every object of the States Language: which there are, in which query language, and what they take.
//!
//! The fields of each type of state, the ranges of numbers and what excludes what were measured with
//! ValidateStateMachineDefinition (cdk-preflight's rules `pf-sfn-asl-*`, September 2026; floci issues 2735, 2968, 3733);
//! the rest is the specification's.

use crate::asl::codes::{self, Rule};
use crate::asl::model::StateType;

/// The query language that has a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    Both,
    JsonPath,
    Jsonata,
}

/// What a field takes.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Looked at elsewhere, or anything.
    Any,
    Text,
    /// In JSONata also an expression.
    Expression,
    /// A timestamp; in JSONata also an expression.
    Timestamp,
    Object(&'static Table),
    /// Data of the user's, in which the query language is evaluated.
    Template,
    /// The same; an object, or in JSONata an expression.
    ObjectTemplate,
    /// The variables that are assigned.
    Assign,
    OneOf(&'static [&'static str]),
    /// In JSONata also an expression.
    Integer(i64, i64),
    /// In JSONata also an expression.
    Number(f64, f64),
    /// InputPath and OutputPath: any path, or null.
    Path,
    /// ResultPath: a reference path into the state's own data, or null.
    Result,
    /// A reference path; `context` says that the context object may be meant.
    Reference {
        context: bool,
    },
    /// ErrorPath and CausePath: a path, or an intrinsic function that gives a string.
    TextPath,
}

pub(super) struct Field {
    pub name: &'static str,
    pub only: Only,
    pub shape: Shape,
}

pub(super) struct Table {
    pub fields: &'static [Field],
    /// Fields of which there may be only one.
    pub one_of: &'static [&'static [&'static str]],
    pub required: &'static [&'static str],
    /// What an unknown field is.
    pub unknown: &'static Rule,
}

const fn both(name: &'static str, shape: Shape) -> Field {
    Field { name, only: Only::Both, shape }
}

const fn path(name: &'static str, shape: Shape) -> Field {
    Field { name, only: Only::JsonPath, shape }
}

const fn jsonata(name: &'static str, shape: Shape) -> Field {
    Field { name, only: Only::Jsonata, shape }
}

const fn table(fields: &'static [Field], one_of: &'static [&'static [&'static str]]) -> Table {
    Table { fields, one_of, required: &[], unknown: &codes::FIELD_UNKNOWN }
}

const fn config(fields: &'static [Field], one_of: &'static [&'static [&'static str]]) -> Table {
    Table { fields, one_of, required: &[], unknown: &codes::FIELD_UNRECOGNIZED }
}

use Shape::{
    Any, Assign, Expression, Integer, Number, Object, ObjectTemplate, OneOf, Path, Reference, Result, Template, Text,
    TextPath, Timestamp,
};

/// The largest number of seconds: specification, and "Maximum value is 99999999".
const MOST: i64 = 99_999_999;
/// "Maximum value is 100000000", for ReaderConfig.MaxItems.
const MOST_ITEMS: i64 = 100_000_000;
const NO_LIMIT: i64 = i64::MAX;

const TYPE: Field = both("Type", Any);
const COMMENT: Field = both("Comment", Text);
const LANGUAGE: Field = both("QueryLanguage", OneOf(&["JSONPath", "JSONata"]));
const INPUT_PATH: Field = path("InputPath", Path);
const OUTPUT_PATH: Field = path("OutputPath", Path);
const RESULT_PATH: Field = path("ResultPath", Result);
const PARAMETERS: Field = path("Parameters", Template);
const RESULT_SELECTOR: Field = path("ResultSelector", Template);
const ARGUMENTS: Field = jsonata("Arguments", Template);
const OUTPUT: Field = jsonata("Output", Template);
const ASSIGN: Field = both("Assign", Assign);
const NEXT: Field = both("Next", Any);
const END: Field = both("End", Any);
const RETRY: Field = both("Retry", Any);
const CATCH: Field = both("Catch", Any);
const REFERENCE: Shape = Reference { context: true };
/// "`$$.Execution.Input.n` is rejected with `Value is not a Reference Path`" (floci issue 3733).
const NUMBER_PATH: Shape = Reference { context: false };

static TASK: Table = table(
    &[
        TYPE,
        COMMENT,
        LANGUAGE,
        INPUT_PATH,
        OUTPUT_PATH,
        RESULT_PATH,
        PARAMETERS,
        RESULT_SELECTOR,
        ARGUMENTS,
        OUTPUT,
        ASSIGN,
        NEXT,
        END,
        RETRY,
        CATCH,
        both("Resource", Any),
        both("Credentials", ObjectTemplate),
        both("TimeoutSeconds", Integer(1, MOST)),
        path("TimeoutSecondsPath", REFERENCE),
        both("HeartbeatSeconds", Integer(1, MOST)),
        path("HeartbeatSecondsPath", REFERENCE),
    ],
    &[&["TimeoutSeconds", "TimeoutSecondsPath"], &["HeartbeatSeconds", "HeartbeatSecondsPath"]],
);

static PASS: Table = table(
    &[
        TYPE,
        COMMENT,
        LANGUAGE,
        INPUT_PATH,
        OUTPUT_PATH,
        RESULT_PATH,
        PARAMETERS,
        OUTPUT,
        ASSIGN,
        NEXT,
        END,
        path("Result", Any),
    ],
    &[],
);

static CHOICE: Table = table(
    &[TYPE, COMMENT, LANGUAGE, INPUT_PATH, OUTPUT_PATH, OUTPUT, ASSIGN, both("Choices", Any), both("Default", Any)],
    &[],
);

static WAIT: Table = table(
    &[
        TYPE,
        COMMENT,
        LANGUAGE,
        INPUT_PATH,
        OUTPUT_PATH,
        OUTPUT,
        ASSIGN,
        NEXT,
        END,
        both("Seconds", Integer(0, MOST)),
        path("SecondsPath", REFERENCE),
        both("Timestamp", Timestamp),
        path("TimestampPath", REFERENCE),
    ],
    &[],
);

static SUCCEED: Table = table(&[TYPE, COMMENT, LANGUAGE, INPUT_PATH, OUTPUT_PATH, OUTPUT], &[]);

static FAIL: Table = table(
    &[
        TYPE,
        COMMENT,
        LANGUAGE,
        both("Error", Expression),
        both("Cause", Expression),
        path("ErrorPath", TextPath),
        path("CausePath", TextPath),
    ],
    &[&["Error", "ErrorPath"], &["Cause", "CausePath"]],
);

static PARALLEL: Table = table(
    &[
        TYPE,
        COMMENT,
        LANGUAGE,
        INPUT_PATH,
        OUTPUT_PATH,
        RESULT_PATH,
        PARAMETERS,
        RESULT_SELECTOR,
        ARGUMENTS,
        OUTPUT,
        ASSIGN,
        NEXT,
        END,
        RETRY,
        CATCH,
        both("Branches", Any),
    ],
    &[],
);

static MAP: Table = table(
    &[
        TYPE,
        COMMENT,
        LANGUAGE,
        INPUT_PATH,
        OUTPUT_PATH,
        RESULT_PATH,
        PARAMETERS,
        RESULT_SELECTOR,
        OUTPUT,
        ASSIGN,
        NEXT,
        END,
        RETRY,
        CATCH,
        both("ItemProcessor", Any),
        both("Iterator", Any),
        path("ItemsPath", REFERENCE),
        jsonata("Items", Template),
        both("ItemSelector", Template),
        both("ItemReader", Object(&ITEM_READER)),
        both("ItemBatcher", Object(&ITEM_BATCHER)),
        both("ResultWriter", Object(&RESULT_WRITER)),
        both("MaxConcurrency", Integer(0, NO_LIMIT)),
        path("MaxConcurrencyPath", NUMBER_PATH),
        both("ToleratedFailurePercentage", Number(0.0, 100.0)),
        path("ToleratedFailurePercentagePath", NUMBER_PATH),
        both("ToleratedFailureCount", Integer(0, NO_LIMIT)),
        path("ToleratedFailureCountPath", NUMBER_PATH),
        both("Label", Any),
    ],
    &[
        &["ItemProcessor", "Iterator"],
        &["ItemSelector", "Parameters"],
        &["MaxConcurrency", "MaxConcurrencyPath"],
        &["ToleratedFailurePercentage", "ToleratedFailurePercentagePath"],
        &["ToleratedFailureCount", "ToleratedFailureCountPath"],
    ],
);

/// The fields of a state.
pub(super) fn of_state(kind: StateType) -> &'static Table {
    match kind {
        StateType::Task => &TASK,
        StateType::Pass => &PASS,
        StateType::Choice => &CHOICE,
        StateType::Wait => &WAIT,
        StateType::Succeed => &SUCCEED,
        StateType::Fail => &FAIL,
        StateType::Parallel => &PARALLEL,
        StateType::Map => &MAP,
    }
}

/// The types of state that have a field.
pub(super) fn types_with(field: &str) -> Vec<StateType> {
    let has = |kind: &StateType| of_state(*kind).fields.iter().any(|known| known.name == field);
    StateType::ALL.into_iter().filter(has).collect()
}

/// The whole machine.
pub(super) static MACHINE: Table = table(
    &[
        both("StartAt", Any),
        both("States", Any),
        COMMENT,
        LANGUAGE,
        both("Version", OneOf(&["1.0"])),
        // 0 is accepted here (cdk-preflight, measured).
        both("TimeoutSeconds", Integer(0, MOST)),
    ],
    &[],
);

/// A branch of a Parallel state. What of the machine's fields AWS takes here was not measured.
pub(super) static BRANCH: Table = table(
    &[
        both("StartAt", Any),
        both("States", Any),
        COMMENT,
        both("QueryLanguage", Any),
        both("Version", Any),
        both("TimeoutSeconds", Any),
    ],
    &[],
);

/// The processor of a Map state: "Field 'QueryLanguage' is not supported" (floci issue 2968).
pub(super) static PROCESSOR: Table = table(
    &[
        both("StartAt", Any),
        both("States", Any),
        COMMENT,
        both("Version", Any),
        both("TimeoutSeconds", Any),
        both("ProcessorConfig", Object(&PROCESSOR_CONFIG)),
    ],
    &[],
);

static PROCESSOR_CONFIG: Table = config(
    &[COMMENT, both("Mode", OneOf(&["INLINE", "DISTRIBUTED"])), both("ExecutionType", OneOf(&["STANDARD", "EXPRESS"]))],
    &[],
);

static ITEM_READER: Table = config(
    &[
        COMMENT,
        both("Resource", Any),
        both("ReaderConfig", Object(&READER_CONFIG)),
        path("Parameters", Template),
        jsonata("Arguments", Template),
    ],
    &[],
);

static READER_CONFIG: Table = config(
    &[
        both("InputType", OneOf(&["CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"])),
        both("CSVHeaderLocation", OneOf(&["FIRST_ROW", "GIVEN"])),
        both("CSVHeaders", Any),
        both("CSVDelimiter", OneOf(&["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"])),
        both("MaxItems", Integer(0, MOST_ITEMS)),
        path("MaxItemsPath", NUMBER_PATH),
        both("ItemsPointer", Any),
        both("ManifestType", OneOf(&["ATHENA_DATA", "S3_INVENTORY"])),
        both("Transformation", OneOf(&["NONE", "LOAD_AND_FLATTEN"])),
    ],
    &[&["MaxItems", "MaxItemsPath"]],
);

static ITEM_BATCHER: Table = config(
    &[
        COMMENT,
        both("MaxItemsPerBatch", Integer(0, NO_LIMIT)),
        path("MaxItemsPerBatchPath", NUMBER_PATH),
        both("MaxInputBytesPerBatch", Integer(0, NO_LIMIT)),
        path("MaxInputBytesPerBatchPath", NUMBER_PATH),
        both("BatchInput", Template),
    ],
    &[&["MaxItemsPerBatch", "MaxItemsPerBatchPath"], &["MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"]],
);

static RESULT_WRITER: Table = config(
    &[
        COMMENT,
        both("Resource", Any),
        path("Parameters", Template),
        jsonata("Arguments", Template),
        both("WriterConfig", Object(&WRITER_CONFIG)),
    ],
    &[],
);

static WRITER_CONFIG: Table = config(
    &[both("Transformation", OneOf(&["NONE", "COMPACT", "FLATTEN"])), both("OutputType", OneOf(&["JSON", "JSONL"]))],
    &[],
);

/// An element of Retry. IntervalSeconds 0 is accepted (cdk-preflight, measured).
pub(super) static RETRIER: Table = table(
    &[
        COMMENT,
        both("ErrorEquals", Any),
        both("IntervalSeconds", Integer(0, MOST)),
        both("MaxAttempts", Integer(0, MOST)),
        both("BackoffRate", Number(1.0, f64::MAX)),
        both("MaxDelaySeconds", Integer(1, 31_622_400)),
        both("JitterStrategy", OneOf(&["FULL", "NONE"])),
    ],
    &[],
);

/// An element of Catch.
pub(super) static CATCHER: Table = table(&[COMMENT, both("ErrorEquals", Any), NEXT, RESULT_PATH, OUTPUT, ASSIGN], &[]);

/// A rule of a Choice state, besides the comparators.
pub(super) static CHOICE_RULE: Table = table(
    &[
        COMMENT,
        NEXT,
        ASSIGN,
        OUTPUT,
        jsonata("Condition", Any),
        path("Variable", REFERENCE),
        path("And", Any),
        path("Or", Any),
        path("Not", Any),
    ],
    &[],
);

/// A rule inside of And, Or and Not.
pub(super) static NESTED_RULE: Table = table(
    &[COMMENT, both("Next", Any), path("Variable", REFERENCE), path("And", Any), path("Or", Any), path("Not", Any)],
    &[],
);

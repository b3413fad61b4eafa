//! Every code that the analyser reports. `docs/lint.md` is written from this table (`tests/docs.rs`).

use super::finding::Severity::{self, Advice, Error, Warning};

/// What one code means.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The stable name, in kebab case.
    pub code: &'static str,
    /// How much a finding with this code matters.
    pub severity: Severity,
    /// What is wrong, in general.
    pub about: &'static str,
    /// How it is known.
    pub basis: Basis,
}

/// How a rule is known to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// AWS answered so: recorded responses, or messages quoted in public issues and test suites.
    Aws,
    /// The States Language specification, <https://states-language.net/spec.html>.
    Specification,
    /// AWS's documentation.
    Documentation,
    /// Public validators' test data is labelled so, and nothing contradicts it.
    Labels,
    /// A rule of stepgate.
    Stepgate,
    /// Experience.
    Practice,
}

macro_rules! rules {
    ($($name:ident $code:literal $severity:ident $basis:ident $about:literal;)*) => {
        $(pub(super) static $name: Rule =
            Rule { code: $code, severity: $severity, basis: Basis::$basis, about: $about };)*
        /// Every rule, in the order of the documentation.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    UNREADABLE "unreadable" Error Stepgate "The text is neither JSON nor one document of YAML, holds a key twice, nests too deep or is too large.";
    MORE_FINDINGS "more-findings" Warning Stepgate "There are more findings than are listed.";
    MORE_ERRORS "more-errors" Error Stepgate "There are more findings than are listed, errors among them.";
    DEFINITION_TOO_LARGE "definition-too-large" Error Documentation "The definition is larger than AWS takes.";

    // Substitutions.
    UNKNOWN_SUBSTITUTION "unknown-substitution" Error Stepgate "`${Name}` stands in a manifest's definition and no substitution has this name.";
    UNRESOLVED_PLACEHOLDER "unresolved-placeholder" Warning Stepgate "`${Name}` stands in a raw file; what it stands for is not checked.";
    SUBSTITUTION_NOT_TEXT "substitution-not-text" Error Stepgate "A value that is no text stands inside a longer string.";
    SUBSTITUTION_IN_EXPRESSION "substitution-in-expression" Error Stepgate "A placeholder stands in the code of an expression; a value can't be code.";
    SUBSTITUTION_STARTS_EXPRESSION "substitution-starts-expression" Error Stepgate "A substituted value would begin an expression.";
    SUBSTITUTION_TOO_DEEP "substitution-too-deep" Error Stepgate "A substituted value nests too deep.";
    SUBSTITUTION_TOO_LARGE "substitution-too-large" Error Stepgate "The substituted values make the definition too large.";
    SUBSTITUTION_IN_KEY "substitution-in-key" Warning Stepgate "A placeholder stands in a key, where nothing is substituted.";
    UNUSED_SUBSTITUTION "unused-substitution" Warning Stepgate "A substitution is declared and never used.";

    // Fields.
    NOT_AN_OBJECT "not-an-object" Error Specification "Something that must be an object is none.";
    FIELD_UNKNOWN "field-unknown" Error Aws "A field that the States Language does not have (\"Field '…' is not supported\").";
    FIELD_NOT_SUPPORTED "field-not-supported" Error Aws "A field that states of another Type have (\"Field '…' is not supported\").";
    FIELD_UNRECOGNIZED "field-unrecognized" Warning Documentation "A field of ItemReader, ItemBatcher, ResultWriter or ProcessorConfig that is not known here.";
    FIELD_MISSING "field-missing" Error Aws "A field is missing (\"These fields are required\").";
    FIELD_CONFLICT "field-conflict" Error Aws "Fields exclude each other (\"There should only be one of the following fields\").";
    WRONG_TYPE "wrong-type" Error Specification "A value is of the wrong JSON type.";
    OUT_OF_RANGE "out-of-range" Error Aws "A number is too small or too large (\"Minimum value is …\", \"Maximum value is …\").";
    VALUE_NOT_ALLOWED "value-not-allowed" Error Aws "A value is none of those that the field takes (\"Value should be one of the following\").";
    VALUE_EMPTY "value-empty" Error Aws "A list is empty (\"Value cannot be empty\").";

    // States and transitions.
    START_MISSING "start-missing" Error Aws "A machine, branch or processor has no StartAt.";
    UNKNOWN_START "unknown-start" Error Aws "StartAt names no state of its level (MISSING_TRANSITION_TARGET).";
    STATES_MISSING "states-missing" Error Aws "A machine, branch or processor has no States.";
    STATES_EMPTY "states-empty" Error Aws "States holds no state.";
    STATE_NAME_TOO_LONG "state-name-too-long" Error Aws "A state's name has more than 80 characters (INVALID_STATE_NAME).";
    DUPLICATE_STATE_NAME "duplicate-state-name" Error Aws "Two states of the machine, at whatever levels, have one name (DUPLICATE_STATE_NAME).";
    TYPE_MISSING "type-missing" Error Specification "A state has no Type.";
    TYPE_UNKNOWN "type-unknown" Error Aws "A state's Type does not exist.";
    NEXT_MISSING "next-missing" Error Aws "A state has neither Next nor End, or a choice rule or catcher has no Next.";
    END_FALSE "end-false" Warning Specification "A state has End: false and no Next.";
    NEXT_AND_END "next-and-end" Error Aws "A state has both Next and End: true.";
    END_NOT_BOOLEAN "end-not-boolean" Error Specification "End is neither true nor false.";
    UNKNOWN_NEXT "unknown-next" Error Aws "Next or Default names no state of its level (MISSING_TRANSITION_TARGET).";
    UNREACHABLE_STATE "unreachable-state" Error Aws "No other state of its level goes to a state (MISSING_TRANSITION_TARGET, \"is not reachable\").";
    CUT_OFF_STATE "cut-off-state" Warning Specification "States go to each other, and none that is reached from StartAt goes to them.";
    NO_END "no-end" Error Aws "No state of a level ends it (MISSING_END_STATE; for branches and processors from public validators' test data).";

    // State types.
    RESOURCE_MISSING "resource-missing" Error Specification "A Task state has no Resource, or one that is no string.";
    RESOURCE_OBJECT "resource-object" Warning Practice "A Task state's Resource is an object, which only CloudFormation resolves.";
    CHOICES_MISSING "choices-missing" Error Aws "A Choice state has no rule.";
    BRANCHES_MISSING "branches-missing" Error Aws "A Parallel state has no branch.";
    ITEM_PROCESSOR_MISSING "item-processor-missing" Error Aws "A Map state has neither ItemProcessor nor Iterator.";
    WAIT_DURATION "wait-duration" Error Aws "A Wait state has none or several of Seconds, SecondsPath, Timestamp, TimestampPath.";
    TIMESTAMP "timestamp" Error Aws "A timestamp is not written as RFC 3339 wants it (\"String does not match RFC3339 timestamp\").";
    CHOICE_OPERATOR "choice-operator" Error Aws "A choice rule has none or several of And, Or, Not, Variable and Condition, or of the comparators.";
    NESTED_NEXT "nested-next" Error Aws "A rule inside And, Or or Not has a Next.";
    CREDENTIALS "credentials" Error Aws "Credentials lack RoleArn, or stand at an activity.";

    // Retry and Catch.
    ERROR_EQUALS "error-equals" Error Aws "ErrorEquals is missing, empty, or holds something that is no string.";
    STATES_ALL "states-all" Error Aws "States.ALL does not stand alone, or not in the last retrier or catcher (\"States.ALL must appear alone and at end of list\").";
    STATES_ERROR_UNKNOWN "states-error-unknown" Warning Specification "An error name resembles one of the States Language's.";

    // Paths, payload templates and intrinsic functions.
    PATH_SYNTAX "path-syntax" Error Aws "A path is no JSONPath (\"Value must be a valid JSONPath\").";
    REFERENCE_PATH "reference-path" Error Aws "A path may select several values where one is needed (\"Value is not a Reference Path\").";
    PAYLOAD_PATH "payload-path" Error Aws "The value of a key that ends with `.$` is neither a path nor an intrinsic function.";
    PAYLOAD_DUPLICATE "payload-duplicate" Error Labels "A payload template holds a key both with and without `.$`.";
    PATH_NOT_EVALUATED "path-not-evaluated" Warning Aws "A value looks like a path or an intrinsic function, and its key does not end with `.$` (NO_DOLLAR, PASS_RESULT_IS_STATIC).";
    INTRINSIC_SYNTAX "intrinsic-syntax" Error Aws "An intrinsic function is not written as one.";
    INTRINSIC_ESCAPE "intrinsic-escape" Warning Specification "A backslash in a string of an intrinsic function stands before a character that needs none.";
    INTRINSIC_UNKNOWN "intrinsic-unknown" Error Aws "There is no intrinsic function of this name.";
    INTRINSIC_ARGUMENTS "intrinsic-arguments" Error Labels "An intrinsic function has too few, too many or the wrong arguments.";
    CONTEXT_PATH "context-path" Warning Documentation "A path into the context object names a field that it does not have.";

    // Query languages.
    QUERY_LANGUAGE "query-language" Error Aws "A state says JSONPath in a machine that says JSONata.";
    LANGUAGE_FIELD "language-field" Error Aws "A field that only the other query language has (\"is only supported for the '…' QueryLanguage\").";
    JSONATA_DELIMITERS "jsonata-delimiters" Error Aws "A string begins with `{%` and does not end with `%}`, or the reverse.";
    JSONATA_SYNTAX "jsonata-syntax" Error Aws "A JSONata expression can't be parsed (INVALID_JSONATA_EXPRESSION).";
    JSONATA_DOUBTFUL "jsonata-doubtful" Warning Stepgate "A JSONata expression can't be parsed here; AWS may read it.";
    JSONATA_REFERENCE "jsonata-reference" Error Aws "A JSONata expression refers to a name, `$` or `$$` at its top, or to $states.errorOutput outside of Catch (UNSUPPORTED_JSONATA_EXPRESSION).";
    JSONATA_STATES_FIELD "jsonata-states-field" Warning Documentation "A JSONata expression uses a field of $states that is not there.";
    JSONATA_EVAL "jsonata-eval" Warning Documentation "A JSONata expression calls $eval, which fails in Step Functions.";
    JSONATA_FUNCTION_UNKNOWN "jsonata-function-unknown" Warning Documentation "A JSONata expression calls a function that does not exist.";
    JSONATA_NOT_EVALUATED "jsonata-not-evaluated" Warning Documentation "A `{% … %}` stands in a state whose query language is JSONPath.";
    DOLLAR_KEY_IN_JSONATA "dollar-key-in-jsonata" Warning Documentation "A key ends with `.$` in a state whose query language is JSONata, where that means nothing.";

    // Variables.
    VARIABLE_NAME "variable-name" Error Aws "A variable has a name that can't be one (INVALID_VARIABLE_NAME).";
    VARIABLE_RESERVED "variable-reserved" Error Aws "Assign sets `states`, which is reserved (RESERVED_VARIABLE_NAME).";
    VARIABLE_SHADOWS "variable-shadows" Warning Documentation "A branch or processor assigns a variable that a level around it assigns.";
    VARIABLE_UNASSIGNED "variable-unassigned" Warning Documentation "A variable is used that no state before assigns.";
    VARIABLE_PERHAPS_UNASSIGNED "variable-perhaps-unassigned" Warning Documentation "A variable is used that is not assigned on every way there.";

    // Map.
    MAP_LABEL "map-label" Error Aws "A Map state's Label is empty, too long, or holds a character that it may not.";
    DUPLICATE_LABEL "duplicate-label" Error Aws "Two Map states have one Label (DUPLICATE_LABEL_NAME).";
    PROCESSOR_CONFIG "processor-config" Error Aws "DISTRIBUTED mode without ExecutionType, or INLINE mode with one.";
    DISTRIBUTED_ONLY "distributed-only" Warning Documentation "A Map state has a field that only DISTRIBUTED mode uses.";
    ITEM_READER "item-reader" Error Aws "An ItemReader's Resource or CSV headers are not as AWS takes them.";
    RESULT_WRITER "result-writer" Error Aws "A ResultWriter's Resource is not s3:putObject, or its WriterConfig is not complete.";

    // Tasks.
    RESOURCE_SYNTAX "resource-syntax" Error Aws "A Task state's Resource is no ARN and no URI.";
    RESOURCE_NOT_ARN "resource-not-arn" Warning Aws "A Task state's Resource is a URI and no ARN; AWS takes only ARNs.";
    LAMBDA_ARN "lambda-arn" Error Labels "The ARN of a Lambda function is not written as one.";
    INTEGRATION_UNKNOWN "integration-unknown" Error Aws "A service has no such optimized integration (\"The resource provided … is not recognized\").";
    INTEGRATION_UNSURE "integration-unsure" Warning Documentation "An optimized integration that is not known here.";
    INTEGRATION_PATTERN "integration-pattern" Error Aws "An integration does not have the pattern .sync, .sync:2 or .waitForTaskToken.";
    PARAMETERS_MISSING "parameters-missing" Error Aws "An integration has no Parameters or Arguments, or lacks a parameter that it needs.";
    RESOURCE_UNKNOWN "resource-unknown" Warning Documentation "A Task state's Resource is an ARN of Step Functions or Lambda, and neither an activity nor a function.";
    SDK_SERVICE_UNKNOWN "sdk-service-unknown" Warning Documentation "An `aws-sdk:` integration names a service that is not known here.";
    SDK_ACTION_UNKNOWN "sdk-action-unknown" Warning Documentation "An `aws-sdk:` integration names an action that its service does not have as far as is known here, or that Step Functions can't call.";
    SDK_ACTION "sdk-action" Warning Documentation "An `aws-sdk:` integration's action is not written in camel case.";
    PARAMETER_CASE "parameter-case" Warning Documentation "A parameter of an `aws-sdk:` integration begins with a small letter; there they begin with capitals.";
    TASK_TOKEN_UNUSED "task-token-unused" Warning Documentation "A .waitForTaskToken task gives its token to nobody.";

    // EXPRESS.
    EXPRESS_PATTERN "express-pattern" Error Aws "An EXPRESS machine uses .sync or .waitForTaskToken.";
    EXPRESS_ACTIVITY "express-activity" Error Aws "An EXPRESS machine uses an activity.";
    EXPRESS_DISTRIBUTED_MAP "express-distributed-map" Error Aws "An EXPRESS machine has a Map state in DISTRIBUTED mode.";
    EXPRESS_CHILD "express-child" Warning Documentation "A task in a processor that runs EXPRESS uses what EXPRESS can't.";
    EXPRESS_WAIT "express-wait" Warning Documentation "A machine that runs five minutes at most waits longer.";

    // Advice.
    HEARTBEAT_TOO_LONG "heartbeat-too-long" Warning Specification "HeartbeatSeconds is not smaller than TimeoutSeconds.";
    LAMBDA_WITHOUT_RETRY "lambda-without-retry" Advice Documentation "A task calls a Lambda function and does not retry.";
    CALLBACK_WITHOUT_TIMEOUT "callback-without-timeout" Advice Documentation "A task waits for a token or an activity and has neither TimeoutSeconds nor HeartbeatSeconds.";
    CHOICE_WITHOUT_DEFAULT "choice-without-default" Advice Specification "A Choice state has no Default.";
    WAIT_BEHIND_ROUTE "wait-behind-route" Advice Documentation "A machine that answers a synchronous route waits longer than API Gateway does.";
}

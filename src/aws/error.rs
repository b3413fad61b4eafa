//! What a failed call means for what comes next.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// How an error is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The object is not there.
    NotFound,
    /// AWS will say the same again until an input changes.
    Terminal,
    /// It passes by itself.
    Retryable,
    /// Too many calls; AWS may say how long to wait.
    Throttled(Option<Duration>),
    /// A role is too new to be visible everywhere (AWS.md §2).
    FreshRole,
    /// The account has no room for another IAM role.
    RoleQuota,
    /// The operator's own credentials are missing, expired or not allowed to do this.
    Credentials,
    /// They may not hand out the role or the policy that was named.
    NotGranted,
}

impl Class {
    /// Whether it is about what was asked for, rather than about AWS or the operator.
    pub fn is_about_what_was_asked(self) -> bool {
        matches!(self, Self::Terminal | Self::NotGranted)
    }
}

/// A call that failed, in words for users.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct AwsError {
    /// The API operation, such as `CreateStateMachine`.
    pub operation: &'static str,
    /// How it is dealt with.
    pub class: Class,
    /// AWS's error code, where AWS answered.
    pub code: Option<String>,
    /// AWS's own words, or what kept the call from being answered.
    pub message: String,
    /// AWS's id of the request, for its support.
    pub request_id: Option<String>,
}

impl AwsError {
    fn sentence(&self) -> String {
        let Self { operation, message, .. } = self;
        match (&self.code, &self.request_id) {
            _ if self.class == Class::RoleQuota => message.clone(),
            (Some(code), Some(id)) => format!("{operation}: {message} ({code}, request {id})"),
            (Some(code), None) => format!("{operation}: {message} ({code})"),
            (None, _) => format!("{operation} was not answered: {message}"),
        }
    }

    /// The same sentence without the request id, which differs in every answer: for conditions, so that a status
    /// does not change with every retry.
    pub fn stable(&self) -> String {
        let Self { operation, message, .. } = self;
        match &self.code {
            _ if self.class == Class::RoleQuota => message.clone(),
            Some(code) => format!("{operation}: {message} ({code})"),
            None => format!("{operation} was not answered: {message}"),
        }
    }

    /// For `map_err`: names the operation that failed.
    pub fn of<E>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        move |error| Self::new(operation, &error)
    }

    /// The answer lacked something that AWS always sends.
    pub fn incomplete(operation: &'static str, what: &str) -> Self {
        Self {
            operation,
            class: Class::Retryable,
            code: None,
            message: format!("the answer has no {what}"),
            request_id: None,
        }
    }

    fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                let code = meta.code().unwrap_or("Unknown");
                let code = code.rsplit('#').next().unwrap_or(code).to_owned();
                let message = meta.message().unwrap_or("AWS gave no reason").to_owned();
                let status = service.raw().status().as_u16();
                let retry_after =
                    service.raw().headers().get("retry-after").and_then(|s| s.parse().ok()).map(Duration::from_secs);
                let request_id = ["x-amzn-requestid", "x-amz-request-id", "x-amz-requestid"]
                    .iter()
                    .find_map(|name| service.raw().headers().get(*name))
                    .or_else(|| meta.extra("aws_request_id"))
                    .map(str::to_owned);
                let class = classify(operation, status, &code, &message, retry_after);
                Self { operation, class, code: Some(code), message, request_id }
            }
            other => {
                let message = innermost(other);
                let class = if message.contains("credentials") || message.contains("assume role") {
                    Class::Credentials
                } else {
                    Class::Retryable
                };
                Self { operation, class, code: None, message, request_id: None }
            }
        }
    }
}

/// The last cause says most: "connection refused" rather than "dispatch failure".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Whether API Gateway says that there are as many objects as the account may have. It says so with the code and the status of a rate limit,
/// `LimitExceededException` and 429, and trying again does not help (the words: hashicorp/terraform-provider-aws#37605).
pub(super) fn is_count_limit(code: &str, text: &str) -> bool {
    code == "LimitExceededException" && text.contains("Maximum number of")
}

/// Sorts AWS's answers (AWS.md §1 and §2; ANCHORS.md §2 on what others get wrong).
fn classify(operation: &str, status: u16, code: &str, message: &str, retry_after: Option<Duration>) -> Class {
    let fresh_role = [
        "authorized to assume the provided role",
        "authorized to access the Log Destination",
        "is not authorized to create managed-rule",
        "Role ARN does not refer to a valid role",
    ];
    match code {
        _ if is_count_limit(code, message) => Class::Terminal,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "LimitExceededException"
            if status == 429 || code != "LimitExceededException" =>
        {
            Class::Throttled(retry_after)
        }
        _ if status == 429 => Class::Throttled(retry_after),
        _ if fresh_role.iter().any(|words| message.contains(words)) => Class::FreshRole,
        "AccessDenied" | "AccessDeniedException"
            if operation == "AttachRolePolicy"
                || message.contains("perform: iam:PassRole on")
                || message.contains("ross-account pass role is not allowed") =>
        {
            Class::NotGranted
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "AccessDenied"
        | "AccessDeniedException"
        | "IncompleteSignature"
        | "OptInRequired" => Class::Credentials,
        "LimitExceeded" if message.contains("RolesPerAccount") => Class::RoleQuota,
        "StateMachineDoesNotExist"
        | "NoSuchEntity"
        | "NotFoundException"
        | "ResourceNotFound"
        | "ResourceNotFoundException" => Class::NotFound,
        // What was not there at the last look may be ours, made by a call whose answer was lost: the next look tells.
        "EntityAlreadyExists" | "StateMachineAlreadyExists" | "ResourceAlreadyExistsException" => Class::Retryable,
        "StateMachineDeleting"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "ConflictException"
        | "OperationAbortedException"
        | "DeleteConflict"
        | "ServiceUnavailable"
        | "ServiceFailure"
        | "InternalFailure"
        | "EntityTemporarilyUnmodifiable" => Class::Retryable,
        // So it says in some operations of what is not there, or not seen yet; where that would be taken for gone, it is asked again.
        "BadRequestException" if names_what_is_not_there(message) => {
            match ["Get", "List", "Delete"].iter().any(|verb| operation.starts_with(verb)) {
                true => Class::Retryable,
                false => Class::NotFound,
            }
        }
        "BadRequestException"
            if message.contains("concurrent modification")
                || message.contains("already an update")
                // A repeated UpdateStage, the answer to whose first try was lost: the next look tells what is left.
                || message.contains("because there is no method setting for this method") =>
        {
            Class::Retryable
        }
        _ if status >= 500 => Class::Retryable,
        _ if operation.starts_with("Get") && status == 404 => Class::NotFound,
        _ => Class::Terminal,
    }
}

/// Whether that is about what a call refers to, in API Gateway's words: of an API or a request validator, a model, a model that another
/// refers to, an authorizer, a stage's deployment (recorded, but for the third and the last).
fn names_what_is_not_there(message: &str) -> bool {
    let what = message.split_once(':').map_or(message, |(what, _)| what);
    let only_error = message.split_once("errors : [").map_or("", |(_, errors)| errors);
    (what.starts_with("Invalid ") && what.ends_with(" identifier specified"))
        || (only_error.starts_with("Invalid model reference specified") && !only_error.contains(", "))
        || message.starts_with("Invalid authorizer ID specified")
        || message == "Deployment id does not exist"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::not_assumable(
        "CreateStateMachine",
        400,
        "AccessDeniedException",
        "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.",
        Class::FreshRole
    )]
    #[case::denied(
        "CreateStateMachine",
        400,
        "AccessDeniedException",
        "User: arn:aws:iam::1:user/x is not authorized to perform: states:CreateStateMachine",
        Class::Credentials
    )]
    #[case::definition(
        "CreateStateMachine",
        400,
        "InvalidDefinition",
        "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET'",
        Class::Terminal
    )]
    #[case::throttled("PutMethod", 429, "TooManyRequestsException", "Too Many Requests", Class::Throttled(None))]
    #[case::iam_throttled("CreateRole", 400, "Throttling", "Rate exceeded", Class::Throttled(None))]
    #[case::conflict(
        "PutIntegration",
        409,
        "ConflictException",
        "Unable to complete operation due to concurrent modification. Please try again later.",
        Class::Retryable
    )]
    #[case::parent(
        "CreateResource",
        404,
        "NotFoundException",
        "Invalid Resource identifier specified",
        Class::NotFound
    )]
    #[case::role_that_may_not_be_passed(
        "PutIntegration",
        403,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/stepgate/s is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/theirs because no identity-based policy allows the iam:PassRole action",
        Class::NotGranted
    )]
    #[case::parent_that_is_not_seen_yet(
        "CreateRequestValidator",
        400,
        "BadRequestException",
        "Invalid REST API identifier specified",
        Class::NotFound
    )]
    #[case::model_that_is_not_seen_yet(
        "PutMethod",
        400,
        "BadRequestException",
        "Invalid model identifier specified: Order",
        Class::NotFound
    )]
    #[case::model_that_another_refers_to(
        "CreateModel",
        400,
        "BadRequestException",
        "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model reference specified: Order]",
        Class::NotFound
    )]
    #[case::model_that_is_wrong_besides(
        "CreateModel",
        400,
        "BadRequestException",
        "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified, Invalid model reference specified: Order]",
        Class::Terminal
    )]
    #[case::authorizer_that_is_not_seen_yet(
        "PutMethod",
        400,
        "BadRequestException",
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
        Class::NotFound
    )]
    #[case::deployment_that_is_not_seen_yet(
        "CreateStage",
        400,
        "BadRequestException",
        "Deployment id does not exist",
        Class::NotFound
    )]
    #[case::bad("PutIntegration", 400, "BadRequestException", "Invalid mapping expression specified", Class::Terminal)]
    #[case::deleting(
        "CreateStateMachine",
        400,
        "StateMachineDeleting",
        "State Machine is being deleted",
        Class::Retryable
    )]
    #[case::made_by_a_call_without_an_answer(
        "CreateRole",
        409,
        "EntityAlreadyExists",
        "Role with name r already exists.",
        Class::Retryable
    )]
    #[case::as_many_as_there_may_be(
        "CreateResource",
        429,
        "LimitExceededException",
        "Maximum number of Resources for this API has been reached.  Please contact AWS if you need additional Resources.",
        Class::Terminal
    )]
    #[case::quota(
        "CreateRole",
        409,
        "LimitExceeded",
        "Cannot exceed quota for RolesPerAccount: 1000",
        Class::RoleQuota
    )]
    fn errors_are_sorted(
        #[case] operation: &str,
        #[case] status: u16,
        #[case] code: &str,
        #[case] message: &str,
        #[case] class: Class,
    ) {
        assert_eq!(classify(operation, status, code, message, None), class);
    }
}

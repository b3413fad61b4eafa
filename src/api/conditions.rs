//! Condition types and reasons. `docs/conditions.md` explains each to users; a test holds the two together.

/// AWS is as this generation asks (pinned stages do not count).
pub const READY: &str = "Ready";
/// Working, or waiting for what will come by itself or from others.
pub const RECONCILING: &str = "Reconciling";
/// An input must change: the object's own spec, a grant, or AWS's state.
pub const STALLED: &str = "Stalled";
/// APIRoute: its RestAPI admits it and no other route wins its path and method.
pub const ACCEPTED: &str = "Accepted";
/// APIRoute: every object that it refers to is there and admits it.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// APIRoute: the stages that follow the newest revision serve it.
pub const PROGRAMMED: &str = "Programmed";
/// StateMachine: every permission that its definition needs could be inferred.
pub const POLICY_COMPLETE: &str = "PolicyComplete";
/// StateMachine: its role keeps, for executions that started before an update, what newer ones don't need. Absent otherwise.
pub const POLICY_NARROWING_PENDING: &str = "PolicyNarrowingPending";

/// Every reason that a condition can carry.
pub mod reasons {
    macro_rules! reasons {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
            $($(#[$doc])* pub const $name: &str = $text;)*
            /// All of them, for the test that holds `docs/conditions.md` to this list.
            pub const ALL: &[&str] = &[$($text),*];
        };
    }

    reasons! {
        /// The operator has not seen the object yet.
        PENDING = "Pending";
        /// AWS is as asked.
        READY = "Ready";
        /// Nothing is wrong.
        HEALTHY = "Healthy";
        /// Changes are being made.
        PROGRESSING = "Progressing";
        /// A call failed in a way that passes; it is tried again.
        RETRYING = "Retrying";
        /// A referenced object is not there or not ready.
        WAITING_FOR_REFERENCE = "WaitingForReference";
        /// A role is too new for AWS to see it everywhere.
        WAITING_FOR_ROLE = "WaitingForRole";
        /// Calls to AWS wait for room in its quotas.
        WAITING_FOR_QUOTA = "WaitingForQuota";
        /// The AWS account has no room for another IAM role.
        ROLE_QUOTA = "RoleQuota";
        /// The object is being deleted.
        DELETING = "Deleting";
        /// Deletion waits for what the message names.
        DELETION_BLOCKED = "DeletionBlocked";
        /// There were too many deletions within an hour; the platform admin has to let further ones go.
        DELETION_HELD = "DeletionHeld";
        /// The annotation stepgate.dev/paused is set.
        PAUSED = "Paused";
        /// Somebody changed what is in AWS, and driftPolicy Report leaves it.
        DRIFTED = "Drifted";
        /// What served before keeps serving, because this generation can't be carried out.
        LAST_KNOWN_GOOD = "LastKnownGood";
        /// The spec holds something that AWS would refuse.
        INVALID_SPEC = "InvalidSpec";
        /// The States Language text is wrong.
        INVALID_DEFINITION = "InvalidDefinition";
        /// A statement, role or managed policy is outside the tenant's lists.
        OVER_CEILING = "OverCeiling";
        /// No AWSAccount admits the namespace, or several do.
        NOT_ADMITTED = "NotAdmitted";
        /// The AWSAccount's credentials belong to another account.
        WRONG_ACCOUNT = "WrongAccount";
        /// Another route has the path and method.
        ROUTE_CONFLICT = "RouteConflict";
        /// Another RestAPI has the base path of the custom domain.
        MAPPING_CONFLICT = "MappingConflict";
        /// An AWS object of our name is not ours.
        OWNERSHIP_CONFLICT = "OwnershipConflict";
        /// Account or Region would change.
        BINDING_CHANGED = "BindingChanged";
        /// A stage is pinned to a revision that does not exist.
        REVISION_NOT_FOUND = "RevisionNotFound";
        /// A stage is to log, and API Gateway has no role for it.
        LOG_ROLE_MISSING = "LogRoleMissing";
        /// AWS said no; the message is AWS's.
        REFUSED_BY_AWS = "RefusedByAWS";
        /// The route is accepted.
        ACCEPTED = "Accepted";
        /// Every reference is resolved.
        RESOLVED = "ResolvedRefs";
        /// The route is served.
        PROGRAMMED = "Programmed";
        /// The RestAPI does not exist.
        NO_SUCH_API = "NoSuchAPI";
        /// A grant does not admit the route.
        NOT_ALLOWED = "NotAllowed";
        /// Every permission that the definition needs was inferred, or is written.
        INFERRED = "Inferred";
        /// Permissions that only an execution knows are neither inferred nor written.
        UNKNOWN_PERMISSIONS = "UnknownPermissions";
        /// Nobody inferred: the role is the user's own, or inference is off.
        NOT_INFERRED = "NotInferred";
        /// Executions of the former definition run, or may.
        EXECUTIONS_RUNNING = "ExecutionsRunning";
        /// Another route won.
        CONFLICTED = "Conflicted";
    }
}

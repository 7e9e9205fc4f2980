//! Every reason with which a call can be refused: its name, its code and the keys
//! of its metadata. `docs/errors.md` says the same to people, and a test compares
//! the two.

use tonic::Code;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $code:ident [$($key:literal),*];)+) => {
        /// The reason of a refused call, as `google.rpc.ErrorInfo.reason` has it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// All reasons, by code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, stable for ever.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The reason with this name. The rules name their reasons by text; a test
            /// finds each of them here.
            pub(super) fn named(name: &str) -> Self {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name).unwrap_or(Self::Internal)
            }

            /// The code that goes with it.
            pub const fn code(self) -> Code {
                match self {
                    $(Self::$variant => Code::$code,)+
                }
            }

            /// The keys that its metadata may have, besides `step_index` and `details_truncated`.
            pub const fn metadata_keys(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($key,)*],)+
                }
            }
        }
    };
}

reasons! {
    /// A field of the request has a value that it may not have.
    FieldInvalid "FIELD_INVALID" InvalidArgument ["left", "findings"];
    /// The page token is damaged, or belongs to other arguments.
    PageTokenInvalid "PAGE_TOKEN_INVALID" InvalidArgument [];
    /// The resume token cannot be read.
    ResumeTokenInvalid "RESUME_TOKEN_INVALID" InvalidArgument [];
    /// The resume token belongs to another database, or to one before a restore.
    ResumeTokenForeign "RESUME_TOKEN_FOREIGN" InvalidArgument [];
    /// The workflow would break rules.
    WorkflowInvalid "WORKFLOW_INVALID" InvalidArgument ["findings"];
    /// The mode does not go with the format of the document.
    ModeRefused "MODE_REFUSED" InvalidArgument [];
    /// The message cannot be read.
    MessageMalformed "MESSAGE_MALFORMED" InvalidArgument [];

    /// The workflow does not exist.
    WorkflowNotFound "WORKFLOW_NOT_FOUND" NotFound ["workflow"];
    /// The workflow never had this version.
    WorkflowVersionNotFound "WORKFLOW_VERSION_NOT_FOUND" NotFound ["workflow", "version"];
    /// The order does not exist.
    OrderNotFound "ORDER_NOT_FOUND" NotFound ["workflow", "order"];
    /// The workflow has no such state.
    StateNotFound "STATE_NOT_FOUND" NotFound ["state", "states", "statuses"];
    /// The workflow has no such status.
    StatusNotFound "STATUS_NOT_FOUND" NotFound ["status", "statuses"];
    /// The status does not belong to the state.
    AssignmentNotFound "ASSIGNMENT_NOT_FOUND" NotFound ["state", "status"];
    /// The workflow has no such transition.
    TransitionNotFound "TRANSITION_NOT_FOUND" NotFound ["transition"];
    /// The workflow has no such action.
    ActionNotFound "ACTION_NOT_FOUND" NotFound ["action"];
    /// The workflow has no such operation.
    OperationNotFound "OPERATION_NOT_FOUND" NotFound ["operation"];
    /// No such hold stands on the order.
    HoldNotFound "HOLD_NOT_FOUND" NotFound ["hold"];
    /// The order has no such line.
    LineNotFound "LINE_NOT_FOUND" NotFound ["line"];
    /// The token is none of this deployment, or shows nothing.
    TrackingNotFound "TRACKING_NOT_FOUND" NotFound [];
    /// There is no such delivery.
    DeliveryNotFound "DELIVERY_NOT_FOUND" NotFound ["delivery"];
    /// There is no such endpoint.
    EndpointNotFound "ENDPOINT_NOT_FOUND" NotFound ["endpoint"];

    /// The workflow has an order with this id.
    OrderExists "ORDER_EXISTS" AlreadyExists ["workflow", "order"];
    /// The workflow has a status with this code.
    StatusExists "STATUS_EXISTS" AlreadyExists ["status"];
    /// The workflow has a transition with this code.
    TransitionExists "TRANSITION_EXISTS" AlreadyExists ["transition"];
    /// There is an endpoint with this code.
    EndpointExists "ENDPOINT_EXISTS" AlreadyExists ["endpoint"];
    /// The request id was used for another request.
    RequestIdReused "REQUEST_ID_REUSED" AlreadyExists ["request_id"];

    /// The caller has seen another version.
    VersionMismatch "VERSION_MISMATCH" Aborted ["expected", "current"];

    /// The actor has none of the roles that are needed.
    RoleRequired "ROLE_REQUIRED" PermissionDenied ["transition", "operation", "roles"];

    /// No declared way leads there from here.
    TransitionNotAllowed "TRANSITION_NOT_ALLOWED" FailedPrecondition ["allowed", "state", "status", "transition", "from_states", "from_statuses"];
    /// Several declared ways lead there.
    TransitionAmbiguous "TRANSITION_AMBIGUOUS" FailedPrecondition ["candidates"];
    /// The guard of the transition or operation says no, or cannot be evaluated.
    GuardRefused "GUARD_REFUSED" FailedPrecondition ["transition", "operation", "guard", "failure", "description"];
    /// The entry guard of the target state says no, or cannot be evaluated.
    EntryGuardRefused "ENTRY_GUARD_REFUSED" FailedPrecondition ["state", "guard", "failure"];
    /// No step can be judged by the workflow as it is stored.
    WorkflowUnusable "WORKFLOW_UNUSABLE" FailedPrecondition ["workflow", "finding"];
    /// The order is on hold.
    OrderHeld "ORDER_HELD" FailedPrecondition ["holds", "reasons"];
    /// The order is not on hold.
    OrderNotHeld "ORDER_NOT_HELD" FailedPrecondition [];
    /// No step leaves the state, and it does not list the operation.
    OrderTerminal "ORDER_TERMINAL" FailedPrecondition ["state"];
    /// The state may not be put on hold.
    StateNotHoldable "STATE_NOT_HOLDABLE" FailedPrecondition ["state"];
    /// As many holds stand on the order as may.
    HoldLimit "HOLD_LIMIT" FailedPrecondition ["max"];
    /// The status is not assigned to the state.
    StatusNotInState "STATUS_NOT_IN_STATE" FailedPrecondition ["state", "status"];
    /// The status is retired.
    StatusRetired "STATUS_RETIRED" FailedPrecondition ["status"];
    /// An order may not start in the state.
    StateCannotStart "STATE_CANNOT_START" FailedPrecondition ["state", "allowed"];
    /// The state does not allow the operation.
    OperationNotAllowed "OPERATION_NOT_ALLOWED" FailedPrecondition ["operation", "state", "allowed"];
    /// More is asked of a line than is left.
    QuantityExceeded "QUANTITY_EXCEEDED" FailedPrecondition ["line", "left", "asked", "done"];
    /// More money is asked than is left.
    AmountExceeded "AMOUNT_EXCEEDED" FailedPrecondition ["left", "asked"];
    /// The operation would change nothing.
    NothingToDo "NOTHING_TO_DO" FailedPrecondition ["operation", "transition"];
    /// Automatic steps set each other off without end.
    CascadeLimit "CASCADE_LIMIT" FailedPrecondition ["limit", "transitions"];
    /// The guards of the step take too long together.
    GuardLimit "GUARD_LIMIT" FailedPrecondition ["limit"];
    /// Orders use the status.
    StatusInUse "STATUS_IN_USE" FailedPrecondition ["status", "state", "count", "orders"];
    /// Transitions name the status.
    StatusNamedByTransition "STATUS_NAMED_BY_TRANSITION" FailedPrecondition ["status", "transitions"];
    /// The status belongs to a state.
    StatusAssigned "STATUS_ASSIGNED" FailedPrecondition ["status", "states"];
    /// The status belongs to another state of a workflow that shares none.
    StatusAssignedElsewhere "STATUS_ASSIGNED_ELSEWHERE" FailedPrecondition ["status", "state"];
    /// A state with statuses has a default.
    DefaultRequired "DEFAULT_REQUIRED" FailedPrecondition ["status", "states"];
    /// The state would have no status left that can be entered.
    LastStatusOfState "LAST_STATUS_OF_STATE" FailedPrecondition ["state", "status"];
    /// The workflow has orders.
    WorkflowInUse "WORKFLOW_IN_USE" FailedPrecondition ["workflow", "count", "orders"];
    /// The target has taken the delivery.
    DeliverySucceeded "DELIVERY_SUCCEEDED" FailedPrecondition ["delivery"];
    /// Actions name the endpoint, or deliveries wait to go there.
    EndpointInUse "ENDPOINT_IN_USE" FailedPrecondition ["endpoint", "actions", "deliveries"];

    /// The diagram is too large for an answer.
    DiagramTooLarge "DIAGRAM_TOO_LARGE" FailedPrecondition ["max"];
    /// The document of a workflow is too large for an answer.
    ExportTooLarge "EXPORT_TOO_LARGE" FailedPrecondition ["max"];

    /// The resume token is ahead of history.
    ResumeTokenAhead "RESUME_TOKEN_AHEAD" OutOfRange ["partition", "offset", "head"];
    /// The history at the resume token is past its retention.
    ResumeTokenExpired "RESUME_TOKEN_EXPIRED" OutOfRange ["partition", "offset", "oldest"];

    /// The message is larger than the server takes.
    MessageTooLarge "MESSAGE_TOO_LARGE" OutOfRange ["max"];
    /// The headers of the call are larger than a call may have.
    HeadersTooLarge "HEADERS_TOO_LARGE" OutOfRange ["max"];

    /// More waits to be written or computed than the server takes.
    Overloaded "OVERLOADED" ResourceExhausted [];
    /// Deciding it takes longer than others may be made to wait, or too much memory.
    TooCostly "TOO_COSTLY" ResourceExhausted ["max_ms", "max_bytes"];
    /// More lists and other long reads are under way than the server takes.
    TooManyReads "TOO_MANY_READS" ResourceExhausted [];
    /// As many tests of actions are under way as may be.
    TestLimit "TEST_LIMIT" ResourceExhausted ["max"];
    /// As many streams of history are open as may be.
    StreamLimit "STREAM_LIMIT" ResourceExhausted ["max"];
    /// The server is stopping.
    ShuttingDown "SHUTTING_DOWN" Unavailable [];
    /// The database does not answer; nothing was written.
    DatabaseUnavailable "DATABASE_UNAVAILABLE" Unavailable [];
    /// There is no room on the disk of the database; nothing was written.
    StorageFull "STORAGE_FULL" Unavailable [];
    /// The database can only be read; nothing was written.
    StorageReadOnly "STORAGE_READ_ONLY" Unavailable [];
    /// The SQLite file is damaged and the server stops; nothing was written.
    StorageDamaged "STORAGE_DAMAGED" Unavailable [];
    /// Whether the step was written could not be found out.
    OutcomeUnknown "OUTCOME_UNKNOWN" Unknown [];
    /// There is no such method.
    NotImplemented "NOT_IMPLEMENTED" Unimplemented [];
    /// Something is wrong inside Waymark.
    Internal "INTERNAL" Internal [];
}

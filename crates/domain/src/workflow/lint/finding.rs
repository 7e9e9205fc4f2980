//! Findings, and the rules that they are about.

use std::{collections::BTreeSet, fmt};

use crate::workflow::{Assignment, Operation, State, Status, Subject, Transition};

/// The weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The workflow cannot be stored.
    Error,
    /// The workflow works, but probably not as meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// A mistake in a workflow, or something worth knowing of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule; its order is that of severity.
    pub rule: Rule,
    /// The part that it is about.
    pub subject: Subject,
    /// The problem, to be read after the subject.
    pub message: String,
}

impl Finding {
    /// A finding; the message is read after the subject.
    pub fn new(rule: Rule, subject: Subject, message: impl Into<String>) -> Self {
        Self {
            rule,
            subject,
            message: message.into(),
        }
    }

    /// Its weight.
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }
}

macro_rules! parts {
    ($($part:ident),+) => {
        $(impl $part {
            /// The part, as findings name it.
            pub(in crate::workflow) fn subject(&self) -> Subject {
                Subject::$part(self.code.clone())
            }

            /// A finding about the part; the message is read after the subject.
            pub(super) fn finding(&self, rule: Rule, message: impl Into<String>) -> Finding {
                Finding::new(rule, self.subject(), message)
            }
        })+
    };
}

parts!(Operation, Status, State, Transition);

impl Assignment {
    /// The assignment, as findings name it.
    pub(in crate::workflow) fn subject(&self) -> Subject {
        Subject::Assignment(self.state.clone(), self.status.clone())
    }
}

/// Texts in their order, each once, separated by commas.
pub(super) fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let texts: BTreeSet<String> = items.into_iter().map(|item| item.to_string()).collect();
    texts.into_iter().collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, self.message)
    }
}

macro_rules! rules {
    ($($severity:ident { $($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)? })+) => {
        /// The rules of lint, errors first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($($(#[$doc])* $name,)+)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// The stable code of the rule, in `snake_case`.
            pub fn code(self) -> &'static str {
                match self {
                    $($(Self::$name => $code,)+)+
                }
            }

            /// The weight of its findings.
            pub fn severity(self) -> Severity {
                match self {
                    $($(Self::$name)|+ => Severity::$severity,)+
                }
            }
        }
    };
}

impl Rule {
    /// Whether a part is missing where this rule is broken, so that what follows from how parts
    /// belong together is not said.
    pub(super) fn breaks_graph(self) -> bool {
        matches!(
            self,
            Self::DuplicateCode
                | Self::UnknownReference
                | Self::MissingDefault
                | Self::TargetNotAssigned
        )
    }

    /// Whether findings of this rule follow from how all parts belong together.
    pub(super) fn is_of_graph(self) -> bool {
        matches!(
            self,
            Self::GuardedAutomaticCycle
                | Self::UnreachableState
                | Self::UnreachableStatus
                | Self::DeadEnd
                | Self::AmbiguousTarget
                | Self::TransitionNeverTaken
                | Self::TimerRace
                | Self::GoneRound
                | Self::ConstantGuard
                | Self::LeavesStartAtOnce
                | Self::OperationNeverAllowed
                | Self::RefundNeverPossible
                | Self::TimerCircle
                | Self::Shadowed
                | Self::UnassignedStatus
        )
    }
}

rules! {
    Error {
        /// A document cannot be read, or leaves out what a new part needs.
        Document = "document",
        /// A part of the stored workflow cannot be read.
        Unreadable = "unreadable",
        /// A limit of the workflow is exceeded; nothing else was judged.
        LimitExceeded = "limit_exceeded",
        /// Two parts of one sort have the same code.
        DuplicateCode = "duplicate_code",
        /// A part names another one that does not exist.
        UnknownReference = "unknown_reference",
        /// A guard, an entry guard or the condition of an action does not compile.
        InvalidGuard = "invalid_guard",
        /// A text of an action was stored by an older version and cannot be filled in any more.
        InvalidTemplate = "invalid_template",
        /// A state has statuses, none of them the default.
        MissingDefault = "missing_default",
        /// A state has two defaults.
        SeveralDefaults = "several_defaults",
        /// The default of a state is retired.
        RetiredDefault = "retired_default",
        /// A status belongs to several states of an exclusive workflow.
        SharedStatus = "shared_status",
        /// No order can start in the initial state.
        InitialState = "initial_state",
        /// More than one state is of the category held.
        SeveralHeldStates = "several_held_states",
        /// The held state says that it is holdable, terminal or a start.
        HeldStateFlags = "held_state_flags",
        /// A transition enters or leaves the held state.
        HeldStateTransition = "held_state_transition",
        /// A transition leads to a status that does not belong to its state.
        TargetNotAssigned = "target_not_assigned",
        /// A transition reverses, but names no operation that could be taken back.
        InvalidReverse = "invalid_reverse",
        /// A step that nobody asks for would move the status inside a state and has no guard.
        AutomaticInsideState = "automatic_inside_state",
        /// Automatic transitions without guards lead back to where they began.
        AutomaticCycle = "automatic_cycle",
        /// A transition has roles that nobody can be asked for.
        RolesWithoutCaller = "roles_without_caller",
    }
    Warning {
        /// Orders stand in a state that becomes terminal.
        OrdersBecomeTerminal = "orders_become_terminal",
        /// Orders would take an automatic transition, were they asked.
        OrdersWouldMove = "orders_would_move",
        /// Deliveries wait for an action that goes, or does something else, or is switched off.
        DeliveriesWait = "deliveries_wait",
        /// Automatic transitions lead back to where they began, if their guards let them.
        GuardedAutomaticCycle = "guarded_automatic_cycle",
        /// No order can come into the state.
        UnreachableState = "unreachable_state",
        /// No order can come to the status in this state.
        UnreachableStatus = "unreachable_status",
        /// A state has no status, so no order can enter it.
        StateWithoutStatus = "state_without_status",
        /// An order stays for ever where it is not meant to.
        DeadEnd = "dead_end",
        /// Two transitions lead from one place to one target, and nothing tells them apart.
        AmbiguousTarget = "ambiguous_target",
        /// No order can ever take the transition.
        TransitionNeverTaken = "transition_never_taken",
        /// A transition leads to a retired status.
        RetiredTarget = "retired_target",
        /// The flags of a state contradict its category.
        CategoryMismatch = "category_mismatch",
        /// A document names another workflow than the one that it is to change.
        OtherWorkflow = "other_workflow",
        /// A period is written in months, which read like minutes.
        Months = "months",
        /// A document has an element that is not known, so nothing is taken from it.
        UnknownElement = "unknown_element",
        /// A document marks several statuses of a state as its default.
        SeveralMarkedDefaults = "several_marked_defaults",
        /// The actions of a transition lead back to it.
        ActionCircle = "action_circle",
        /// Time and an automatic transition take an order from the same place.
        TimerRace = "timer_race",
        /// Time would take an order to the status that it has already.
        TimerKeepsStatus = "timer_keeps_status",
        /// A transition has flags that only matter for steps that no call makes.
        CallSays = "call_says",
        /// The roles, the guard or the actions of a transition can be gone round.
        GoneRound = "gone_round",
        /// A step that time sets off asks for the actor or the request of a call.
        ActorOfTime = "actor_of_time",
        /// A step that time sets off takes a transition that asks for roles.
        NeverByTime = "never_by_time",
        /// An automatic transition records an operation that asks for roles.
        RolesByChance = "roles_by_chance",
        /// A guard names the instant, but is asked only when something happens.
        NowInGuard = "now_in_guard",
        /// An expression comes to the same on every order.
        ConstantGuard = "constant_guard",
        /// An expression can be evaluated on no order.
        FailingGuard = "failing_guard",
        /// An expression compares with a code or word that does not exist.
        UnknownCode = "unknown_code",
        /// Orders leave the initial state as soon as they are created.
        LeavesStartAtOnce = "leaves_start_at_once",
        /// Nothing can record the operation.
        OperationNeverAllowed = "operation_never_allowed",
        /// A refund finds nothing that it could refund.
        RefundNeverPossible = "refund_never_possible",
        /// An action sets an attribute that orders cannot have.
        AttributeNeverSet = "attribute_never_set",
        /// Time leads orders back to where they began, for ever.
        TimerCircle = "timer_circle",
        /// Another transition always goes first.
        Shadowed = "shadowed",
        /// A mail has nobody to go to.
        MailToNobody = "mail_to_nobody",
    }
    Info {
        /// A status belongs to no state.
        UnassignedStatus = "unassigned_status",
        /// A transition names no place that it leaves, so it starts anywhere.
        FromAnywhere = "from_anywhere",
        /// A manual transition has the code of an operation and does not record it.
        OperationBeside = "operation_beside",
        /// An action names an endpoint that the server does not have.
        UnknownEndpoint = "unknown_endpoint",
        /// An action names a template of mails that the server does not have.
        UnknownTemplate = "unknown_template",
        /// An action publishes where the server cannot.
        UnmatchedSubject = "unmatched_subject",
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

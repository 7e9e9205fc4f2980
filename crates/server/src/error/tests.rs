//! Every error fits its budget, has its details, and is documented.

mod documented;

use std::collections::BTreeSet;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use waymark_domain::{
    actor::Actor,
    delivery::DeliveryId,
    guard::EvaluationError,
    order::{Fixed, FixedField, Guarded, Hint, Hold, NotHere, Rejection, When},
    value::{
        Invalid, LineId, Money, OrderId, Quantity, Reason as HoldReason, RequestId, Role, Timestamp,
    },
    workflow::{ActionPath, Blocker, Refusal, Standing, TriggerPoint, Usage, diagram::TooLarge},
};
use waymark_persistence::{EndpointInUse, OutboxRefusal};

use super::*;

/// The longest texts that the contract lets through.
struct Longest;

impl Longest {
    fn code<T: std::str::FromStr>() -> T
    where
        T::Err: std::fmt::Debug,
    {
        "c".repeat(32).parse().unwrap()
    }

    fn codes<T: std::str::FromStr + Clone>(count: usize) -> Vec<T>
    where
        T::Err: std::fmt::Debug,
    {
        vec![Self::code(); count]
    }

    fn id<T: std::str::FromStr>() -> T
    where
        T::Err: std::fmt::Debug,
    {
        "%".repeat(128).parse().unwrap()
    }

    /// 1,000 characters that grow most: four bytes each, three times that in a message.
    fn expression() -> String {
        "\u{1F980}".repeat(1_000)
    }

    fn hold() -> Hold {
        Hold {
            id: Self::id(),
            reason: HoldReason::new(&"\u{1F980}".repeat(128)).unwrap(),
            placed_by: Actor {
                id: "%".repeat(128).parse().unwrap(),
                ..Actor::unstated()
            },
            place_time: Timestamp::default(),
            expire_time: None,
            status: None,
            visible_to_customer: false,
            notify_customer: false,
        }
    }

    fn failure() -> EvaluationError {
        EvaluationError {
            message: "\u{1F980}".repeat(300),
        }
    }

    fn usage() -> Usage {
        Usage {
            count: u64::MAX,
            order_ids: vec![Self::id::<OrderId>(); 10],
        }
    }
}

#[expect(clippy::too_many_lines, reason = "one of each")]
fn rejections() -> Vec<Rejection> {
    let (state, status) = (Longest::code, Longest::code);
    let line = Longest::id::<LineId>;
    let quantity: Quantity = "999999999999.9999".parse().unwrap();
    let money = Money::new(1_000_000_000_000_000).unwrap();
    vec![
        Rejection::VersionMismatch {
            expected: i64::MAX,
            current: i64::MAX,
        },
        Rejection::TransitionNotAllowed {
            from_state: state(),
            from_status: status(),
            allowed: Longest::codes(2_000),
        },
        Rejection::TransitionAmbiguous {
            candidates: Longest::codes(2_000),
        },
        Rejection::GuardRefused {
            of: Guarded::Operation(Longest::code()),
            expression: Longest::expression(),
            description: String::new(),
        },
        Rejection::GuardRefused {
            of: Guarded::Transition(Longest::code()),
            expression: Longest::expression(),
            description: "\u{1F980}".repeat(1_024),
        },
        Rejection::GuardFailed {
            of: Guarded::Transition(Longest::code()),
            expression: Longest::expression(),
            source: Longest::failure(),
        },
        Rejection::EntryGuardRefused {
            state: state(),
            expression: Longest::expression(),
        },
        Rejection::EntryGuardFailed {
            state: state(),
            expression: Longest::expression(),
            source: Longest::failure(),
        },
        Rejection::RoleRequired {
            of: Guarded::Operation(Longest::code()),
            roles: vec![Role::new("clerk").unwrap()],
        },
        Rejection::RoleRequired {
            of: Guarded::Transition(Longest::code()),
            roles: vec![Role::new(&"%".repeat(64)).unwrap(); 500],
        },
        Rejection::TransitionNotHere {
            transition: Longest::code(),
            why: Box::new(NotHere::Elsewhere {
                states: Longest::codes(200),
                statuses: Longest::codes(1_000),
            }),
            standing: Standing {
                state: state(),
                status: status(),
            },
            allowed: Longest::codes(2_000),
        },
        Rejection::OrderHeld {
            holds: vec![Longest::hold(); 16].into(),
        },
        Rejection::OrderNotHeld,
        Rejection::OrderTerminal { state: state() },
        Rejection::StateNotHoldable { state: state() },
        Rejection::HoldLimit { max: usize::MAX },
        Rejection::StatusNotInState {
            state: state(),
            status: status(),
        },
        Rejection::StateWithoutStatus { state: state() },
        Rejection::StatusRetired { status: status() },
        Rejection::CommentStatusNever {
            standing: Standing {
                state: state(),
                status: status(),
            },
            allowed: Longest::codes(2_000),
        },
        Rejection::StateCannotStart {
            state: state(),
            allowed: Longest::codes(200),
        },
        Rejection::OperationNotAllowed {
            operation: Longest::code(),
            state: state(),
            allowed: Longest::codes(100),
        },
        Rejection::QuantityExceeded {
            line: line(),
            left: quantity,
            asked: quantity,
        },
        Rejection::LineInUse {
            line: line(),
            done: quantity,
        },
        Rejection::AmountExceeded {
            left: money,
            asked: money,
        },
        Rejection::RefundUnclear { left: money },
        Rejection::NoUnitsToRefund {
            left: money,
            invoice: Some(Longest::code()),
        },
        Rejection::NothingToDo {
            operation: Longest::code(),
            transition: Some(Longest::code()),
        },
        Rejection::GuardLimit { limit: u64::MAX },
        Rejection::CascadeLimit {
            limit: 100,
            transitions: Longest::codes(101),
        },
        Rejection::TransitionNotFound {
            transition: Longest::code(),
        },
        Rejection::StateNotFound { state: state() },
        Rejection::StatusNotFound { status: status() },
        Rejection::OperationNotFound {
            operation: Longest::code(),
        },
        Rejection::Hinting {
            rejection: Box::new(Rejection::TransitionNotAllowed {
                from_state: state(),
                from_status: status(),
                allowed: Longest::codes(2_000),
            }),
            hint: Hint::NoCall {
                transition: Longest::code(),
                when: When::Recorded(Longest::codes(100)),
            },
        },
        Rejection::HoldNotFound {
            hold: Longest::id(),
        },
        Rejection::LineNotFound { line: line() },
        Rejection::Field {
            field: "order.lines",
            problem: Invalid::Duplicate,
        },
        Rejection::FieldsFixed {
            fields: vec![
                FixedField {
                    path: "order.lines[499].quantity_canceled".to_owned(),
                    why: Fixed::Stepwise,
                };
                2_000
            ],
        },
    ]
}

fn findings(count: usize) -> Vec<workflow::Finding> {
    let start = "workflow: x\nlabel: X\ninitial_state: a\nstates:\n  a: {label: A, category: initial, can_start: true}\n";
    let unknown = "z".repeat(32);
    let transitions =
        (0..count).map(|n| format!("  t{n:0>31}: {{label: T, to_state: {unknown}}}\n"));
    let text = format!(
        "{start}transitions:\n{}",
        transitions.collect::<Vec<_>>().concat()
    );
    let document = workflow::document::parse(&text, workflow::document::Format::Yaml).unwrap();
    let draft = workflow::document::draft(None, &document, workflow::document::Mode::Replace, None)
        .unwrap();
    let findings: Vec<_> = workflow::lint(&draft);
    assert!(findings.len() >= count);
    findings
}

#[expect(clippy::too_many_lines, reason = "one of each")]
fn refusals() -> Vec<Refusal> {
    let (state, status) = (Longest::code, Longest::code);
    vec![
        Refusal::WorkflowNotFound {
            workflow: Longest::code(),
        },
        Refusal::WorkflowUnusable {
            workflow: Longest::code(),
            finding: "\u{1F980}".repeat(1_000),
        },
        Refusal::WorkflowInUse {
            workflow: Longest::code(),
            usage: Longest::usage(),
        },
        Refusal::StateNotFound { state: state() },
        Refusal::StatusNotFound { status: status() },
        Refusal::NotInWorkflow {
            states: Longest::codes(200),
            statuses: Longest::codes(1_000),
        },
        Refusal::NotInWorkflow {
            states: Vec::new(),
            statuses: Longest::codes(1_000),
        },
        Refusal::StatusExists { status: status() },
        Refusal::StatusRetired { status: status() },
        Refusal::StatusAssignedElsewhere {
            status: status(),
            state: state(),
        },
        Refusal::DefaultRequired {
            state: state(),
            status: status(),
        },
        Refusal::AssignmentNotFound {
            state: state(),
            status: status(),
        },
        Refusal::LastStatusOfState {
            state: state(),
            status: status(),
        },
        Refusal::StatusNamedByTransition {
            status: status(),
            transitions: Longest::codes(200),
        },
        Refusal::StatusAssigned {
            status: status(),
            states: Longest::codes(200),
        },
        Refusal::StatusIsDefault {
            status: status(),
            states: Longest::codes(200),
        },
        Refusal::StatusInUse {
            status: status(),
            state: Some(state()),
            why: Blocker::BecomesHeld,
            usage: Longest::usage(),
        },
        Refusal::StatusInUse {
            status: status(),
            state: None,
            why: Blocker::Goes,
            usage: Longest::usage(),
        },
        Refusal::StatusNotInState {
            state: state(),
            status: status(),
        },
        Refusal::TransitionExists {
            transition: Longest::code(),
        },
        Refusal::TransitionNotFound {
            transition: Longest::code(),
        },
        Refusal::ActionNotFound {
            action: ActionPath {
                point: TriggerPoint::Operation(Longest::code()),
                code: Longest::code(),
            },
        },
        Refusal::OperationNotFound {
            operation: Longest::code(),
        },
        Refusal::GuardInvalid {
            transition: Longest::code(),
            problem: waymark_domain::guard::GuardError::Syntax {
                message: "\u{1F980}".repeat(1_000),
            },
        },
        Refusal::DateInvalid {
            transition: Longest::code(),
            problem: waymark_domain::guard::GuardError::NotAllowed("may use order only"),
        },
        Refusal::WorkflowInvalid {
            findings: findings(2_000),
        },
        Refusal::FieldRequired {
            paths: vec!["%".repeat(4_000); 100],
        },
        Refusal::ModeRefused,
        Refusal::VersionMismatch {
            expected: "%".repeat(128),
            current: "v1".to_owned(),
        },
    ]
}

/// One of each about deliveries and endpoints.
fn ledger_errors() -> Vec<Error> {
    let delivery = || -> DeliveryId { "1023-9223372036854775807-4294967295".parse().unwrap() };
    let action = format!("transition.{0}.{0}", "c".repeat(32));
    let action: workflow::ActionPath = action.parse().unwrap();
    vec![
        Error::from(OutboxRefusal::DeliveryNotFound { id: delivery() }),
        Error::from(OutboxRefusal::DeliverySucceeded { id: delivery() }),
        Error::EndpointNotFound {
            code: Longest::code(),
        },
        Error::EndpointExists {
            code: Longest::code(),
        },
        Error::from(EndpointInUse {
            code: Longest::code(),
            actions: vec![(Longest::code(), action); 10],
            deliveries: vec![delivery(); 10],
        }),
    ]
}

/// One error of every kind, each as large as it can become.
#[expect(clippy::too_many_lines, reason = "one of each")]
fn errors() -> Vec<Error> {
    let (workflow, order_id) = (Longest::code::<WorkflowCode>, Longest::id::<OrderId>);
    let partition = waymark_domain::partition::Partition::new(1_023);
    let document =
        |text: &str| workflow::document::parse(text, workflow::document::Format::Yaml).unwrap_err();
    let mut errors = vec![
        Error::from(InvalidRequest::new(
            "%".repeat(2_000),
            waymark_proto::invalid::Problem::Text("\u{1F980}".repeat(2_000)),
        )),
        Error::PageToken(page::Invalid),
        Error::StreamLimit(StreamLimit { max: usize::MAX }),
        Error::TrackingNotFound,
        Error::ResumeToken(TokenError::Ahead {
            partition,
            offset: i64::MAX,
            head: i64::MAX,
        }),
        Error::ResumeToken(TokenError::Expired {
            partition,
            offset: i64::MAX,
            oldest: i64::MAX,
        }),
        Error::Refused(persistence::Refusal::RequestIdReused {
            request_id: RequestId::new(&"\u{1F980}".repeat(128)).unwrap(),
        }),
        Error::Refused(persistence::Refusal::WorkflowNotFound {
            workflow: workflow(),
        }),
        Error::Refused(persistence::Refusal::WorkflowUnusable {
            workflow: workflow(),
            finding: "\u{1F980}".repeat(1_000),
        }),
        Error::Refused(persistence::Refusal::OrderNotFound {
            workflow: workflow(),
            order_id: order_id(),
        }),
        Error::Refused(persistence::Refusal::OrderExists {
            workflow: workflow(),
            order_id: order_id(),
        }),
        Error::Refused(persistence::Refusal::TooCostly {
            budget: std::time::Duration::from_millis(100),
        }),
        Error::Refused(persistence::Refusal::TooLarge {
            bytes_max: usize::MAX,
        }),
        Error::Refused(persistence::Refusal::Fault),
        Error::RequestIdReused,
        Error::Document(document(&format!("{}: 1", "%".repeat(3_000)))),
        Error::Document(DocumentError::NoExport),
        Error::Document(DocumentError::NotWritten {
            problem: "what the writer says".to_owned(),
        }),
        Error::VersionNotFound {
            workflow: workflow(),
            version: i64::MAX,
        },
        Error::Submit(SubmitError::Overloaded),
        Error::Submit(SubmitError::ShuttingDown),
        Error::from(CommitError::Overloaded),
        Error::from(CommitError::Unavailable),
        Error::from(CommitError::OutcomeUnknown),
        Error::from(CommitError::Database),
        Error::from(CommitError::StorageFull),
        Error::from(CommitError::StorageReadOnly),
        Error::from(CommitError::StorageDamaged),
        Error::from(persistence::Error::Unavailable {
            source: "password=secret".into(),
        }),
        Error::from(persistence::Error::SchemaOlder {
            pending: vec!["secret".to_owned()],
        }),
        Error::from(persistence::Error::Busy),
        Error::UnknownName(UnknownName {
            kind: NameKind::Status,
            code: "c".repeat(32),
            is: Some(NameKind::State),
            nearest: Some("c".repeat(32)),
        }),
        Error::Hinting {
            error: Box::new(Error::Definition(Refusal::StateNotFound {
                state: Longest::code(),
            })),
            hint: format!("did you mean {}?", "c".repeat(32)),
        },
        Error::ComputationLimit,
        Error::ReadLimit,
        Error::TestLimit(TestLimit { max: usize::MAX }),
        Error::DiagramTooLarge(TooLarge { max: usize::MAX }),
        Error::ExportTooLarge { max: usize::MAX },
        Error::Internal { what: "secret" },
        Error::Definition(Refusal::WorkflowInvalid {
            findings: findings(2_000),
        })
        .in_field("transition"),
    ];
    let remark = workflow::document::Remark::from;
    errors.push(Error::DocumentRefused {
        remarks: findings(2_000).into_iter().map(remark).collect(),
    });
    errors.extend([TokenError::Invalid, TokenError::Foreign].map(Error::ResumeToken));
    errors.extend(
        rejections()
            .into_iter()
            .map(|rejection| Error::rejected(rejection).of_step(999)),
    );
    errors.extend(refusals().into_iter().map(Error::Definition));
    errors.extend(ledger_errors());
    errors
}

fn statuses() -> Vec<Status> {
    let below = [Code::OutOfRange, Code::Internal, Code::Unimplemented];
    let below = below.map(|code| explain(Status::new(code, "")));
    errors()
        .into_iter()
        .map(Status::from)
        .chain(below)
        .chain([Status::from(crate::intake::headers_too_large())])
        .collect()
}

#[test]
fn the_worst_error_of_every_kind_fits() {
    for status in statuses() {
        let bytes = budget::wire_bytes(&status);
        assert!(bytes <= 4_096, "{bytes} bytes: {status:?}");
    }
}

#[test]
fn what_is_cut_is_said() {
    let status = Status::from(Error::rejected(Rejection::TransitionNotAllowed {
        from_state: Longest::code(),
        from_status: Longest::code(),
        allowed: Longest::codes(2_000),
    }));
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["details_truncated"], "true");
    assert!(metadata["allowed"].starts_with("cccc"));
    assert_eq!(metadata["state"].len(), 32);

    let small = Status::from(Error::rejected(Rejection::OrderNotHeld));
    assert!(small.get_details_error_info().unwrap().metadata.is_empty());
}

#[test]
fn as_many_mistakes_of_a_document_are_told_as_fit() {
    let refused = |count: usize| {
        let lines = (0..count).map(|n| format!("a_key_that_is_not_known_{n}: 1\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        let error = workflow::document::parse(&lines, workflow::document::Format::Yaml);
        Status::from(Error::from(error.unwrap_err()))
    };
    for (count, least) in [(1, 1), (6, 6), (100, 8)] {
        let status = refused(count);
        let metadata = status.get_details_error_info().unwrap().metadata;
        assert_eq!(metadata["findings"], count.to_string());
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert!(violations.len() >= least, "{count}: {}", violations.len());
        // The texts may be cut where none is left out.
        let is_cut = metadata.contains_key("details_truncated");
        assert!(is_cut || violations.len() == count);
        for (violation, line) in violations.iter().zip(1..) {
            let begin = format!("line {line}, column 1, a_key_that_is_not_known_");
            assert!(violation.description.starts_with(&begin), "{violation:?}");
            assert_eq!(violation.field, "document");
        }
    }
}

#[test]
fn a_held_order_says_why_the_newest_first() {
    let hold = |id: &str, reason: &str| Hold {
        id: id.parse().unwrap(),
        reason: HoldReason::new(reason).unwrap(),
        ..Longest::hold()
    };
    let holds = vec![
        hold("9", "Address is being checked"),
        hold("7", ""),
        hold("2", "fraud"),
    ];
    let refused = Rejection::OrderHeld {
        holds: holds.into(),
    };
    let status = Status::from(Error::rejected(refused));
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["holds"], "9,7,2");
    assert_eq!(metadata["reasons"], "Address is being checked; fraud");

    let many = Rejection::OrderHeld {
        holds: vec![Longest::hold(); 16].into(),
    };
    let status = Status::from(Error::rejected(many));
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["details_truncated"], "true");
    assert!(metadata["reasons"].starts_with("\u{1F980}"));
}

#[test]
fn fields_that_cannot_change_are_violations_by_name() {
    let fixed = |path: &str, why| FixedField {
        path: path.to_owned(),
        why,
    };
    let status = Status::from(Error::rejected(Rejection::FieldsFixed {
        fields: vec![
            fixed("order.state", Fixed::Stepwise),
            fixed("order.currency", Fixed::Immutable),
        ],
    }));
    let details = status.get_error_details();
    let bad = &details.bad_request().unwrap().field_violations;
    let said = bad
        .iter()
        .map(|wrong| (wrong.field.as_str(), wrong.description.as_str()));
    let said: Vec<_> = said.collect();
    assert_eq!(
        said,
        [
            ("order.state", "is changed by steps of the workflow only"),
            ("order.currency", "is immutable"),
        ]
    );
    assert_eq!(
        status.message(),
        "order.state is changed by steps of the workflow only; order.currency is immutable"
    );
}

#[test]
fn fields_of_a_step_are_named_by_its_place() {
    let wrong = Rejection::Field {
        field: "expire_time",
        problem: Invalid::Empty,
    };
    let left = Money::new(700).unwrap();
    let unclear = Rejection::RefundUnclear { left };
    for (rejection, field) in [(wrong, "expire_time"), (unclear, "lines")] {
        let alone = Status::from(Error::rejected(rejection.clone()));
        let below = Error::rejected(rejection).below("steps[2].x".to_owned());
        let below = Status::from(below.of_step(2));
        let details = below.get_error_details();
        let named = &details.bad_request().unwrap().field_violations[0].field;
        assert_eq!(*named, format!("steps[2].x.{field}"));
        let told = alone.message().replace("expire_time", named);
        assert_eq!(below.message(), told, "where it names the field");
    }
}

#[test]
fn a_guard_of_plain_characters_is_told_whole() {
    let expression = "x".repeat(1_000);
    let refused = Rejection::GuardRefused {
        of: Guarded::Transition(Longest::code()),
        expression: expression.clone(),
        description: String::new(),
    };
    let status = Status::from(Error::rejected(refused));
    assert_eq!(
        status.get_details_error_info().unwrap().metadata["guard"],
        expression
    );
}

#[test]
fn a_refused_guard_says_what_to_do_instead() {
    let refused = Rejection::GuardRefused {
        of: Guarded::Transition("cancel".parse().unwrap()),
        expression: "order.can_ship".to_owned(),
        description: "Record the operation cancel for the rest.".to_owned(),
    };
    let status = Status::from(Error::rejected(refused));
    assert_eq!(
        status.get_details_error_info().unwrap().metadata["description"],
        "Record the operation cancel for the rest."
    );
    assert!(status.message().contains("for the rest"), "{status:?}");
}

#[test]
fn an_unclear_refund_says_how_much_is_left() {
    let left = Money::new(700).unwrap();
    let status = Status::from(Error::rejected(Rejection::RefundUnclear { left }));
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.metadata["left"].as_str()),
        ("FIELD_INVALID", "700")
    );
    let wrong = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(wrong.field, "lines");
    assert!(wrong.description.contains("700"), "{wrong:?}");
}

#[test]
fn every_code_has_its_details() {
    for status in statuses() {
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.domain, "waymark");
        assert!(!status.message().is_empty(), "{status:?}");
        let violations = details
            .bad_request()
            .map_or(0, |bad| bad.field_violations.len());
        assert_eq!(
            violations > 0,
            status.code() == Code::InvalidArgument,
            "{status:?}"
        );
        let precondition = details.precondition_failure().is_some();
        assert_eq!(
            precondition,
            status.code() == Code::FailedPrecondition,
            "{status:?}"
        );
        let retry = details
            .retry_info()
            .is_some_and(|retry| retry.retry_delay.is_some());
        let is_transient = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
        assert_eq!(retry, is_transient, "{status:?}");
        let everywhere = ["step_index", "details_truncated"];
        let reason = Reason::named(&info.reason);
        for key in info
            .metadata
            .keys()
            .filter(|key| !everywhere.contains(&key.as_str()))
        {
            assert!(
                reason.metadata_keys().contains(&key.as_str()),
                "{} has {key}",
                info.reason
            );
        }
    }
}

#[test]
fn every_reason_is_sent_by_something() {
    let sent: BTreeSet<String> = statuses()
        .iter()
        .map(|status| status.get_details_error_info().unwrap().reason)
        .collect();
    let all: BTreeSet<String> = Reason::ALL
        .iter()
        .map(|reason| reason.as_str().to_owned())
        .collect();
    assert_eq!(sent, all);
}

#[test]
fn reasons_of_the_rules_are_known() {
    for rejection in rejections() {
        let problem = Problem::from(&rejection);
        assert_eq!(problem.reason.as_str(), rejection.reason());
    }
    for refusal in refusals() {
        assert_eq!(
            Problem::from(Error::Definition(refusal.clone()))
                .reason
                .as_str(),
            refusal.reason()
        );
    }
}

#[test]
fn nothing_inside_gets_out() {
    for status in statuses() {
        assert!(!format!("{status:?}").contains("secret"), "{status:?}");
    }
}

#[test]
fn a_step_is_refused_as_a_call_of_its_own() {
    let refused = || {
        Error::rejected(Rejection::OrderHeld {
            holds: vec![Longest::hold()].into(),
        })
    };
    let (status, step) = (Status::from(refused()), refused().into_step_error(4_096));
    let info = status.get_details_error_info().unwrap();
    assert_eq!(step.code, i32::from(status.code()));
    assert_eq!(
        (step.reason, step.message.as_str()),
        (info.reason, status.message())
    );
    assert_eq!(
        step.metadata
            .into_iter()
            .collect::<std::collections::HashMap<_, _>>(),
        info.metadata
    );
}

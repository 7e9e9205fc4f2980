//! How orders, history and workflows look on the wire.

use std::collections::BTreeSet;

use waymark_domain::{
    history::{
        Change, Destination, Detail, Entry, Kind, LogPosition, Logged, Readers, Recorded, SetOff,
    },
    order::{Customer, Guarded, Hold, LineQuantity, Order, Rejection},
    partition::Partition,
    value::{Money, Timestamp},
    workflow::{
        Effect, Standing, Workflow, diff,
        document::{Place, Remark},
        lint,
    },
};
use waymark_proto::{
    convert::{
        history::{Facets, HistoryFilter, StreamHistory},
        order::{available_status_to_wire, available_to_wire, order_to_wire},
        state::state_to_wire,
        workflow::{change_to_wire, finding_to_wire, remark_to_wire, version_to_wire},
    },
    v1::{self, history_entry::Detail as WireDetail},
};

use crate::sample::{
    CREATED, clerk, default_workflow, graph, line, order, record, value, workflow,
};

fn standing(state: &str, status: &str) -> Standing {
    Standing {
        state: value(state),
        status: value(status),
    }
}

fn logged(detail: Detail) -> Logged {
    let from = match detail {
        Detail::Created(_) => None,
        _ => Some(standing("new", "pending")),
    };
    Logged {
        workflow: default_workflow(),
        order_id: value("100000001"),
        position: LogPosition {
            partition: Partition::new(3),
            offset: 42,
        },
        step_offset: 42,
        entry: Entry {
            sequence: 5,
            from,
            to: standing("processing", "packing"),
            transition: Some(value("start")),
            comment: value("go"),
            notify_customer: true,
            visible_to_customer: false,
            actor: clerk(),
            request_id: Some(value("once")),
            caused_by: 4,
            workflow_version: 9,
            metadata: waymark_domain::value::Metadata::default(),
            create_time: CREATED,
            detail,
            set_off: vec![
                SetOff {
                    action: "transition.start.tell_erp".parse().unwrap(),
                    to: Destination::Endpoint(value("erp")),
                },
                SetOff {
                    action: "create.mail".parse().unwrap(),
                    to: Destination::Readers(Readers::Copy(value("a@example.com"))),
                },
            ],
        },
    }
}

#[test]
fn what_an_entry_set_off() {
    let wire = v1::HistoryEntry::from(&logged(Detail::Commented));
    let told = |set_off: &v1::SetOff| {
        let v1::SetOff {
            delivery_id,
            action,
            kind,
            destination,
        } = set_off.clone();
        [delivery_id, action, kind, destination].join(" ")
    };
    let told: Vec<_> = wire.set_off.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "3-42-0 transition.start.tell_erp webhook erp",
            "3-42-1 create.mail email a@example.com"
        ]
    );
}

fn recorded() -> Recorded {
    Recorded {
        operation: value("invoice"),
        effect: Effect::Invoice,
        lines: vec![LineQuantity {
            line_id: value("1"),
            quantity: value("1.5"),
            returned: value("0"),
        }],
        amount: Money::new(7).unwrap(),
        reverse: false,
        whole: false,
        counted: Money::new(7).unwrap(),
    }
}

fn hold() -> Hold {
    Hold {
        id: value("4"),
        reason: value("fraud"),
        placed_by: clerk(),
        place_time: CREATED,
        expire_time: Some(CREATED),
        status: Some(value("held")),
        visible_to_customer: false,
        notify_customer: false,
    }
}

/// One detail of every kind.
fn details() -> Vec<Detail> {
    vec![
        Detail::Created(Box::new(order())),
        Detail::Transitioned(None),
        Detail::Commented,
        Detail::Held(hold()),
        Detail::Released(vec![value("4")]),
        Detail::Recorded(recorded()),
        Detail::Updated(Vec::new()),
    ]
}

#[test]
fn orders() {
    let order = Order {
        standing: standing("processing", "done"),
        holds: vec![hold()],
        return_to: Some(standing("new", "pending")),
        update_time: Timestamp::from_micros(-1),
        ..order()
    };
    let wire = order_to_wire(&graph(), &order, None);
    assert_eq!(
        (wire.status_label.as_str(), wire.visible_on_storefront),
        ("Done", false)
    );
    assert_eq!(
        (wire.return_state.as_str(), wire.return_status.as_str()),
        ("new", "pending")
    );
    assert_eq!(wire.allowed_operations, Vec::<String>::new());
    let time = wire.update_time.map(|time| (time.seconds, time.nanos));
    assert_eq!(time, Some((-1, 999_999_000)));
    let placed = wire.holds.first().unwrap();
    assert_eq!((placed.id.as_str(), placed.reason.as_str()), ("4", "fraud"));
    assert_eq!(placed.expire_time, placed.place_time);
    assert_eq!(placed.status, "held");
    let second = wire.lines.get(1).unwrap();
    assert_eq!(
        (
            second.quantity_ordered.as_str(),
            second.quantity_shipped.as_str()
        ),
        ("0.5", "0")
    );
    assert_eq!(wire.customer, None);
}

#[test]
fn labels_fall_back() {
    let graph = graph();
    let label = |asked: Option<&str>, own: Option<&str>| {
        let order = Order {
            store_view: own.map(value),
            ..order()
        };
        order_to_wire(&graph, &order, asked.map(value).as_ref()).status_label
    };
    assert_eq!(label(Some("de"), Some("en")), "Wartend");
    assert_eq!(label(Some("fr"), Some("de")), "Wartend");
    assert_eq!(label(Some("fr"), None), "Waiting");
    let order = order_to_wire(&graph, &order(), None);
    assert!(order.visible_on_storefront);
    let allowed: BTreeSet<_> = order
        .allowed_operations
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(allowed, BTreeSet::from(["invoice", "edit"]));
}

#[test]
fn entries() {
    let wire = v1::HistoryEntry::from(&logged(Detail::Transitioned(Some(recorded()))));
    assert_eq!(wire.kind(), v1::EntryKind::Transitioned);
    assert_eq!(
        (
            wire.workflow.as_str(),
            wire.order_id.as_str(),
            wire.sequence
        ),
        ("order", "100000001", 5)
    );
    assert_eq!(
        wire.log_position,
        Some(v1::LogPosition {
            partition: 3,
            offset: 42
        })
    );
    assert_eq!(
        (wire.from_state.as_str(), wire.from_status.as_str()),
        ("new", "pending")
    );
    assert_eq!(
        (wire.to_state.as_str(), wire.to_status.as_str()),
        ("processing", "packing")
    );
    assert!(wire.status_changed && wire.notify_customer && !wire.visible_to_customer);
    assert_eq!(
        (wire.transition.as_str(), wire.comment.as_str()),
        ("start", "go")
    );
    assert_eq!(
        (
            wire.request_id.as_str(),
            wire.caused_by,
            wire.workflow_version
        ),
        ("once", 4, 9)
    );
    assert_eq!(
        wire.actor.map(|actor| (actor.id, actor.roles)),
        Some(("ada".to_owned(), vec!["clerk".to_owned()]))
    );
    let Some(WireDetail::Recorded(recorded)) = wire.detail else {
        panic!("the transition recorded an operation");
    };
    assert_eq!(recorded.effect(), v1::OperationEffect::Invoice);
    assert_eq!(
        (recorded.operation.as_str(), recorded.amount),
        ("invoice", 7)
    );
    let moved = v1::OperationLine {
        line_id: "1".to_owned(),
        quantity: "1.5".to_owned(),
        returned: String::new(),
    };
    assert_eq!(recorded.lines, [moved]);
    assert_eq!(
        (recorded.reverse, recorded.whole, recorded.counted_amount),
        (false, false, 7)
    );
}

#[test]
fn what_was_taken_back_and_what_came_back() {
    let mut refund = recorded();
    refund.effect = Effect::Refund;
    refund.reverse = true;
    refund.counted = Money::ZERO;
    refund.lines[0].returned = value("0.5");
    let wire = v1::HistoryEntry::from(&logged(Detail::Recorded(refund)));
    let Some(WireDetail::Recorded(recorded)) = wire.detail else {
        panic!("an operation was recorded");
    };
    assert!(recorded.reverse);
    assert_eq!((recorded.amount, recorded.counted_amount), (7, 0));
    assert_eq!(recorded.lines[0].returned, "0.5");
}

/// A cancelled line is not owed, and what is paid beyond what is owed shows.
#[test]
fn the_money_of_an_order() {
    let mut order = order();
    order.total_canceled = Money::new(999).unwrap();
    order.total_invoiced = Money::new(100).unwrap();
    order.lines[0].total = Some(Money::new(1_000).unwrap());
    order.lines[0].returned = value("0.5");
    let told = |order: &Order| {
        let wire = order_to_wire(&graph(), order, None);
        let totals = (wire.total_canceled, wire.total_invoiced);
        (totals, wire.total_due, wire.total_overpaid)
    };
    assert_eq!(told(&order), ((999, 100), 1_000, 0));
    order.total_paid = Money::new(1_200).unwrap();
    assert_eq!(told(&order), ((999, 100), 0, 200));
    let wire = order_to_wire(&graph(), &order, None);
    let [first, second] = wire.lines.as_slice() else {
        panic!("the order has two lines");
    };
    assert_eq!(
        (first.quantity_returned.as_str(), first.total),
        ("0.5", Some(1_000))
    );
    assert_eq!(
        (second.quantity_returned.as_str(), second.total),
        ("0", None)
    );
}

#[test]
fn a_rehearsed_entry_has_no_place_in_the_log() {
    let mut rehearsed = logged(Detail::Commented);
    rehearsed.position.offset = 0;
    assert_eq!(v1::HistoryEntry::from(&rehearsed).log_position, None);
}

#[test]
fn the_first_entry_holds_the_bare_order() {
    let wire = v1::HistoryEntry::from(&logged(Detail::Created(Box::new(order()))));
    assert_eq!((wire.from_state.as_str(), wire.status_changed), ("", true));
    let Some(WireDetail::Created(v1::OrderCreated { order: Some(order) })) = wire.detail else {
        panic!("the order was created");
    };
    assert_eq!(
        (
            order.status_label.as_str(),
            order.grand_total,
            order.lines.len()
        ),
        ("", 1_999, 2)
    );
    assert_eq!((order.total_due, order.total_overpaid), (1_999, 0));
    assert_eq!(order.allowed_operations, Vec::<String>::new());
}

#[test]
fn filters_find_what_was_written() {
    let entries: Vec<Logged> = details().into_iter().map(logged).collect();
    for wanted in &entries {
        let kind = v1::HistoryEntry::from(wanted).kind;
        let request = v1::StreamHistoryRequest {
            kinds: vec![kind],
            ..Default::default()
        };
        let filter = StreamHistory::read(request).unwrap().filter;
        let found: Vec<Kind> = entries
            .iter()
            .filter(|entry| filter.matches(&Facets::from(*entry)))
            .map(|entry| entry.entry.kind())
            .collect();
        assert_eq!(found, [wanted.entry.kind()]);
    }
}

#[test]
fn filters_ask_for_all_that_is_given() {
    let entries: Vec<Logged> = details().into_iter().map(logged).collect();
    let count = |request| {
        let filter = StreamHistory::read(request).unwrap().filter;
        entries
            .iter()
            .filter(|entry| filter.matches(&Facets::from(*entry)))
            .count()
    };
    let all = entries.len();
    assert_eq!(count(v1::StreamHistoryRequest::default()), all);
    let imported = vec![v1::EntryKind::Imported.into()];
    assert_eq!(
        count(v1::StreamHistoryRequest {
            kinds: imported,
            ..Default::default()
        }),
        0
    );
    let list = |text: &str| vec![text.to_owned()];
    assert_eq!(
        count(v1::StreamHistoryRequest {
            workflows: list("order"),
            ..Default::default()
        }),
        all
    );
    assert_eq!(
        count(v1::StreamHistoryRequest {
            workflows: list("returns"),
            ..Default::default()
        }),
        0
    );
    assert_eq!(
        count(v1::StreamHistoryRequest {
            order_ids: list("100000001"),
            ..Default::default()
        }),
        all
    );
    assert_eq!(
        count(v1::StreamHistoryRequest {
            order_ids: list("2"),
            ..Default::default()
        }),
        0
    );
    assert_eq!(
        count(v1::StreamHistoryRequest {
            statuses: list("packing"),
            ..Default::default()
        }),
        all
    );
    assert_eq!(
        count(v1::StreamHistoryRequest {
            statuses: list("pending"),
            ..Default::default()
        }),
        0
    );
}

#[test]
fn status_changes_alone() {
    let filter = HistoryFilter {
        status_changes_only: true,
        ..Default::default()
    };
    let mut entry = logged(Detail::Commented);
    assert!(filter.matches(&Facets::from(&entry)));
    entry.entry.to = standing("new", "pending");
    assert!(!filter.matches(&Facets::from(&entry)));
}

#[test]
fn changes_of_an_order() {
    let after = Customer {
        email: value("ada@example.org"),
        guest: true,
        ..Customer::default()
    };
    let mut virtual_line = line("1", "2");
    virtual_line.is_virtual = true;
    virtual_line.total = Some(Money::new(5).unwrap());
    let changes = vec![
        Change::Attribute {
            key: "colour".to_owned(),
            before: None,
            after: Some("red".to_owned()),
        },
        Change::Customer {
            before: Customer::default(),
            after,
        },
        Change::StoreView {
            before: Some(value("de")),
            after: None,
        },
        Change::Lines {
            before: vec![virtual_line],
            after: Vec::new(),
        },
        Change::GrandTotal {
            before: Money::ZERO,
            after: Money::new(5).unwrap(),
        },
    ];
    let wire = v1::HistoryEntry::from(&logged(Detail::Updated(changes)));
    let Some(WireDetail::Updated(v1::OrderUpdated { changes })) = wire.detail else {
        panic!("the order was updated");
    };
    let found: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change.path.as_str(),
                change.before.as_deref(),
                change.after.as_deref(),
            )
        })
        .collect();
    let lines = r#"[{"id":"1","is_virtual":true,"quantity_canceled":"0","quantity_invoiced":"0","quantity_ordered":"2","quantity_refunded":"0","quantity_returned":"0","quantity_shipped":"0","sku":"sku","total":"5"}]"#;
    let expected = [
        ("attributes.colour", None, Some("red")),
        ("customer.email", None, Some("ada@example.org")),
        ("customer.guest", Some("false"), Some("true")),
        ("store_view", Some("de"), None),
        ("lines", Some(lines), Some("[]")),
        ("grand_total", Some("0"), Some("5")),
    ];
    assert_eq!(found, expected);
}

#[test]
fn available_transitions() {
    let record = record();
    let transition = record.workflow.transitions.first().unwrap();
    let open = available_to_wire(&record, transition, &Ok(standing("processing", "packing")));
    assert!(open.allowed && open.reasons.is_empty());
    let wire = open.transition.unwrap();
    assert_eq!(
        (
            wire.code.as_str(),
            wire.to_status.as_str(),
            wire.etag.as_str()
        ),
        ("start", "packing", record.stamp.etag().as_str())
    );
    let refused = Err(Rejection::RoleRequired {
        of: Guarded::Transition(value("start")),
        roles: vec![value("clerk")],
    });
    let blocked = available_to_wire(&record, transition, &refused);
    assert!(!blocked.allowed);
    let reasons: Vec<_> = blocked
        .reasons
        .iter()
        .map(|reason| reason.reason.as_str())
        .collect();
    assert_eq!(reasons, ["ROLE_REQUIRED"]);
}

#[test]
fn statuses_that_comments_may_set() {
    let told = |judged: Result<Option<&str>, Rejection>| {
        let judged = judged.map(|code| code.map(value));
        let wire = available_status_to_wire(&value("packing"), &judged);
        let reasons: Vec<_> = wire.reasons.iter().map(|it| it.reason.clone()).collect();
        (wire.status, wire.allowed, wire.transition, reasons)
    };
    let text = str::to_owned;
    assert_eq!(
        told(Ok(None)),
        (text("packing"), true, String::new(), vec![])
    );
    assert_eq!(
        told(Ok(Some("start"))),
        (text("packing"), true, text("start"), vec![])
    );
    assert_eq!(
        told(Err(Rejection::OrderNotHeld)),
        (
            text("packing"),
            false,
            String::new(),
            vec![text("ORDER_NOT_HELD")]
        )
    );
}

#[test]
fn states() {
    let workflow = workflow();
    let state = workflow.state(&value("processing")).unwrap();
    let wire = state_to_wire(&workflow, state);
    assert_eq!(wire.category(), v1::StateCategory::Active);
    assert_eq!(
        (wire.default_status.as_str(), wire.display_label.as_str()),
        ("packing", "Packing")
    );
    assert_eq!(wire.entry_guard, "order.grand_total > 0");
    let pairs: Vec<_> = wire
        .assignments
        .iter()
        .map(|pair| {
            (
                pair.status.as_str(),
                pair.is_default,
                pair.visible_on_storefront,
            )
        })
        .collect();
    assert_eq!(pairs, [("packing", true, true), ("done", false, false)]);
    let new = workflow.state(&value("new")).unwrap();
    assert_eq!(state_to_wire(&workflow, new).display_label, "Waiting");
}

#[test]
fn workflows() {
    let record = record();
    let wire = v1::Workflow::from(&record);
    assert_eq!(
        (wire.code.as_str(), wire.version, wire.etag.as_str()),
        ("order", 1, record.stamp.etag().as_str())
    );
    assert_eq!(
        (
            wire.initial_state.as_str(),
            wire.default_store_view.as_str()
        ),
        ("new", "en")
    );
    assert_ne!(wire.comment_status(), v1::CommentStatus::Unspecified);
    assert_ne!(wire.status_sharing(), v1::StatusSharing::Unspecified);
    assert_ne!(wire.refunded_units(), v1::RefundedUnits::Unspecified);
    assert_eq!(wire.overpayment(), v1::Overpayment::Record);
    let operations: Vec<_> = wire
        .operations
        .iter()
        .map(|o| (o.code.as_str(), o.effect()))
        .collect();
    let expected = [
        ("edit", v1::OperationEffect::None),
        ("invoice", v1::OperationEffect::Invoice),
    ];
    assert_eq!(operations, expected);
}

#[test]
fn differences_and_findings() {
    let before = workflow();
    let after = Workflow {
        label: value("Orders"),
        transitions: Vec::new(),
        ..before.clone()
    };
    let changes = diff(&before, &after);
    let version = version_to_wire(2, &clerk(), CREATED, &changes);
    let found: Vec<_> = version
        .changes
        .iter()
        .map(|change| (change.kind(), change.subject.as_str()))
        .collect();
    let expected = [
        (v1::ChangeKind::Changed, "workflow"),
        (v1::ChangeKind::Removed, "transition start"),
    ];
    assert_eq!(found, expected);
    let first = changes.first().map(change_to_wire).unwrap();
    assert_eq!(
        (first.before.as_str(), first.after.as_str()),
        ("label: Order", "label: Orders")
    );

    let findings: Vec<v1::LintFinding> = lint(&after).iter().map(finding_to_wire).collect();
    let unreachable = findings
        .iter()
        .find(|finding| finding.rule == "unreachable_state")
        .unwrap();
    assert_eq!(unreachable.severity(), v1::LintSeverity::Warning);
    assert_eq!(unreachable.subject, "state processing");
    assert!(!unreachable.message.is_empty());
    assert_eq!((unreachable.line, unreachable.column), (0, 0));
    let mut remark = Remark::from(lint(&after)[0].clone());
    remark.place = Some(Place {
        line: 3,
        column: u64::MAX,
    });
    let placed = remark_to_wire(&remark);
    assert_eq!((placed.line, placed.column), (3, i32::MAX));
    assert_eq!(placed.message, remark.finding.message);
}

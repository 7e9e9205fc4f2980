//! The life of one order in preset `magento`, entry by entry.

use tonic::Code;
use waymark_proto::v1::{self, EntryKind, history_entry::Detail};
use waymark_tests::{
    Backend, Shop, World, refused,
    replay::{facts, replay},
    shop::standing,
};

on_each_database!(
    an_order_lives_from_pending_to_closed,
    automatic_entries_point_at_their_cause,
    nothing_moves_a_closed_order,
    history_is_listed_both_ways_and_for_customers,
    canceling_closes_what_is_open,
    payment_review_goes_three_ways,
);

/// What an entry is, in short: sequence, kind, where to, transition, cause.
type Row<'a> = (i64, EntryKind, &'a str, &'a str, i64);

fn rows(entries: &[v1::HistoryEntry]) -> Vec<Row<'_>> {
    let row = |e: &'_ v1::HistoryEntry| (e.sequence, e.kind(), e.caused_by);
    entries
        .iter()
        .map(|entry| {
            let (sequence, kind, cause) = row(entry);
            (
                sequence,
                kind,
                entry.to_state.as_str(),
                entry.transition.as_str(),
                cause,
            )
        })
        .collect()
}

async fn to_complete(shop: &Shop, id: &str) {
    shop.place(id, &[("shirt", "2"), ("mug", "1.5")]).await;
    shop.record(id, "invoice", &[("shirt", "2")]).await.unwrap();
    shop.record(id, "ship", &[]).await.unwrap();
    shop.record(id, "invoice", &[]).await.unwrap();
}

async fn an_order_lives_from_pending_to_closed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let placed = shop.place("1", &[("shirt", "2"), ("mug", "1.5")]).await;
    assert_eq!((standing(&placed), placed.version), (("new", "pending"), 1));

    let one = shop
        .record("1", "invoice", &[("shirt", "2")])
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(standing(&one), ("processing", "processing"));
    let both = shop
        .record("1", "ship", &[("shirt", "2"), ("mug", "1.5")])
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(standing(&both), ("processing", "processing"));
    let rest = shop.record("1", "invoice", &[]).await.unwrap();
    assert_eq!(
        standing(rest.order.as_ref().unwrap()),
        ("complete", "complete")
    );
    let back = shop.record("1", "refund", &[]).await.unwrap();
    assert_eq!(standing(back.order.as_ref().unwrap()), ("closed", "closed"));
    let held = shop.hold("1", "audit").await.unwrap();
    assert_eq!(standing(held.order.as_ref().unwrap()), ("holded", "holded"));
    let order = held.order.unwrap();
    assert_eq!(
        (order.return_state.as_str(), order.return_status.as_str()),
        ("closed", "closed")
    );
    let released = shop
        .release("1", &held.hold.unwrap().id)
        .await
        .unwrap()
        .order
        .unwrap();
    assert_eq!(standing(&released), ("closed", "closed"));
    assert!(
        released.holds.is_empty()
            && released.return_state.is_empty()
            && released.return_status.is_empty()
    );

    let entries = shop.entries("1").await;
    assert_eq!(
        rows(&entries),
        [
            (1, EntryKind::Created, "new", "", 0),
            (2, EntryKind::OperationRecorded, "new", "", 0),
            (
                3,
                EntryKind::Transitioned,
                "processing",
                "start_processing",
                2
            ),
            (4, EntryKind::OperationRecorded, "processing", "", 0),
            (5, EntryKind::OperationRecorded, "processing", "", 0),
            (6, EntryKind::Transitioned, "complete", "complete", 5),
            (7, EntryKind::OperationRecorded, "complete", "", 0),
            (8, EntryKind::Transitioned, "closed", "close", 7),
            (9, EntryKind::Held, "holded", "", 0),
            (10, EntryKind::Released, "closed", "", 0),
        ]
    );
    assert_eq!(replay(&entries), facts(shop.get("1").await));
}

async fn automatic_entries_point_at_their_cause(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("shirt", "1")]).await;
    let shipped = shop.record("1", "ship", &[]).await.unwrap();
    assert_eq!(shipped.entries.len(), 2, "the step and what it set off");
    // One call invoices the last quantity and completes the order.
    let invoiced = shop.record("1", "invoice", &[]).await.unwrap();
    let [step, automatic] = invoiced.entries.as_slice() else {
        panic!("{:?}", invoiced.entries)
    };
    assert_eq!((step.caused_by, automatic.caused_by), (0, step.sequence));
    assert_eq!(
        automatic.actor.as_ref().unwrap().kind(),
        v1::ActorKind::System
    );
    assert_eq!(
        step.actor.as_ref().unwrap().kind(),
        v1::ActorKind::Integration,
        "nobody stated an actor"
    );
    assert!(automatic.status_changed && !step.status_changed);
    let at = |entry: &v1::HistoryEntry| entry.log_position.unwrap();
    assert_eq!(
        (at(step).partition, at(step).offset + 1),
        (at(automatic).partition, at(automatic).offset)
    );
    let Some(Detail::Recorded(recorded)) = &step.detail else {
        panic!("{step:?}")
    };
    assert_eq!(
        recorded.lines,
        [v1::OperationLine {
            line_id: "shirt".into(),
            quantity: "1".into(),
            returned: String::new(),
        }]
    );
    assert_eq!(shop.entries("1").await[3..], invoiced.entries);
}

async fn nothing_moves_a_closed_order(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    to_complete(&shop, "1").await;
    shop.record("1", "refund", &[]).await.unwrap();
    let closed = shop.get("1").await;
    assert_eq!(standing(&closed), ("closed", "closed"));
    for operation in ["invoice", "ship", "cancel", "edit"] {
        refused(
            shop.record("1", operation, &[]).await,
            Code::FailedPrecondition,
            "ORDER_TERMINAL",
        );
    }
    // Late money may still be recorded there; nothing was paid that could go back.
    refused(
        shop.record("1", "refund", &[]).await,
        Code::FailedPrecondition,
        "NOTHING_TO_DO",
    );
    for transition in ["cancel", "accept_payment", "deny_payment", "flag_fraud"] {
        refused(
            shop.take("1", transition).await,
            Code::FailedPrecondition,
            "ORDER_TERMINAL",
        );
    }
    refused(
        shop.take("1", "no_such_transition").await,
        Code::NotFound,
        "TRANSITION_NOT_FOUND",
    );
    assert_eq!(
        shop.get("1").await,
        closed,
        "a refused step changes nothing"
    );

    // Comments, attributes, hold and release stay possible.
    shop.comment("1", "archived", "").await.unwrap();
    let held = shop.hold("1", "").await.unwrap();
    refused(
        shop.record("1", "refund", &[]).await,
        Code::FailedPrecondition,
        "ORDER_HELD",
    );
    shop.comment("1", "while held", "").await.unwrap();
    shop.release("1", &held.hold.unwrap().id).await.unwrap();
    let request = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            attributes: [("shelf".into(), "7".into())].into(),
            ..shop.draft("1", &[])
        }),
        update_mask: Some(waymark_tests::shop::mask(&["attributes"])),
        ..Default::default()
    };
    let updated = shop
        .orders()
        .update_order(request)
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    assert_eq!(updated.attributes["shelf"], "7");
    assert_eq!(replay(&shop.entries("1").await), facts(shop.get("1").await));
}

async fn history_is_listed_both_ways_and_for_customers(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    to_complete(&shop, "1").await;
    let told = v1::AddCommentRequest {
        visible_to_customer: true,
        notify_customer: true,
        ..shop.remark("1", "On its way")
    };
    shop.orders().add_comment(told).await.unwrap();

    let entries = shop.entries("1").await;
    let list = |newest_first, page_size, page_token: &str, visible_to_customer_only| {
        v1::ListHistoryRequest {
            workflow: shop.workflow(),
            order_id: "1".into(),
            newest_first,
            visible_to_customer_only,
            page_size,
            page_token: page_token.into(),
        }
    };
    let newest = shop
        .history()
        .list_history(list(true, 0, "", false))
        .await
        .unwrap()
        .into_inner();
    assert!(newest.entries.iter().eq(entries.iter().rev()) && newest.next_page_token.is_empty());
    let visible = shop
        .history()
        .list_history(list(false, 0, "", true))
        .await
        .unwrap()
        .into_inner()
        .entries;
    assert_eq!(
        visible
            .iter()
            .map(|e| e.comment.as_str())
            .collect::<Vec<_>>(),
        ["On its way"]
    );
    assert!(visible[0].notify_customer);

    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let page = shop
            .history()
            .list_history(list(false, 2, &token, false))
            .await
            .unwrap()
            .into_inner();
        assert!(page.entries.len() <= 2);
        paged.extend(page.entries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let other = shop
            .history()
            .list_history(list(true, 2, &token, false))
            .await;
        refused(other, Code::InvalidArgument, "PAGE_TOKEN_INVALID").names("page_token");
    }
    assert_eq!(paged, entries);
    let unknown = v1::ListHistoryRequest {
        order_id: "2".into(),
        ..list(false, 0, "", false)
    };
    refused(
        shop.history().list_history(unknown).await,
        Code::NotFound,
        "ORDER_NOT_FOUND",
    );
}

async fn canceling_closes_what_is_open(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("shirt", "3")]).await;
    let canceled = shop.take("1", "cancel").await.unwrap();
    let order = canceled.order.unwrap();
    assert_eq!(
        (
            order.state.as_str(),
            order.lines[0].quantity_canceled.as_str(),
            order.total_due
        ),
        ("canceled", "3", 0)
    );
    assert_eq!(
        canceled.entries.len(),
        1,
        "the operation is in the entry of the step"
    );
    assert!(
        matches!(&canceled.entries[0].detail, Some(Detail::Recorded(r)) if r.operation == "cancel")
    );

    // What is invoiced stands in its way; the rest is cancelled by the operation.
    shop.place("2", &[("shirt", "3")]).await;
    shop.record("2", "invoice", &[("shirt", "1")])
        .await
        .unwrap();
    let refusal = refused(
        shop.take("2", "cancel").await,
        Code::FailedPrecondition,
        "GUARD_REFUSED",
    );
    assert_eq!(refusal.particular("transition"), "cancel");
    let rest = shop.record("2", "cancel", &[]).await.unwrap();
    let rest = rest.order.unwrap();
    assert_eq!(
        (
            rest.state.as_str(),
            rest.lines[0].quantity_canceled.as_str()
        ),
        ("processing", "2")
    );
    let shipped = shop.record("2", "ship", &[]).await.unwrap();
    assert_eq!(shipped.order.unwrap().state, "complete");

    // Line by line, the last one cancels the order.
    shop.place("3", &[("shirt", "1"), ("mug", "1")]).await;
    shop.record("3", "cancel", &[("shirt", "1")]).await.unwrap();
    assert_eq!(shop.get("3").await.state, "new");
    let last = shop.record("3", "cancel", &[]).await.unwrap();
    assert_eq!(last.order.unwrap().state, "canceled");
    assert_eq!(last.entries[1].caused_by, last.entries[0].sequence);
}

async fn payment_review_goes_three_ways(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let review = |id: &str| v1::Order {
        state: "payment_review".into(),
        ..shop.draft(id, &[("shirt", "1")])
    };
    for (id, transition, state, status) in [
        ("1", "accept_payment", "processing", "processing"),
        ("2", "deny_payment", "canceled", "canceled"),
        ("3", "flag_fraud", "payment_review", "fraud"),
    ] {
        let placed = shop.create(review(id)).await.unwrap().order.unwrap();
        assert_eq!(standing(&placed), ("payment_review", "payment_review"));
        let moved = shop.take(id, transition).await.unwrap().order.unwrap();
        assert_eq!(standing(&moved), (state, status), "{transition}");
    }
    refused(
        shop.take("3", "flag_fraud").await,
        Code::FailedPrecondition,
        "TRANSITION_NOT_ALLOWED",
    );
    let processing = v1::Order {
        state: "processing".into(),
        ..shop.draft("4", &[])
    };
    let refusal = refused(
        shop.create(processing).await,
        Code::FailedPrecondition,
        "STATE_CANNOT_START",
    );
    assert_eq!(
        refusal.list("allowed"),
        ["new", "pending_payment", "payment_review"]
    );
}

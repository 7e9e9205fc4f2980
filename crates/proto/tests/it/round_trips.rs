//! What the domain says can be written and read back without loss.

use proptest::prelude::*;
use waymark_domain::{
    order::{Credits, Line, NewOrder, Order},
    value::Money,
    workflow::{Record, Standing},
};
use waymark_proto::{
    convert::{
        actor_to_wire,
        order::{GetOrder, order_to_wire},
        status::{CreateStatus, status_to_wire},
        step::{ParsedChange, ParsedStep},
        transition::{CreateTransition, transition_to_wire},
    },
    v1,
};

use crate::{
    arbitrary,
    sample::{CREATED, default_workflow, graph, record},
};

/// The order as it is after it was created.
fn placed(new: NewOrder) -> Order {
    let (Some(state), Some(status)) = (new.state, new.status) else {
        panic!("the order names where it starts");
    };
    Order {
        workflow: new.workflow,
        id: new.id,
        standing: Standing { state, status },
        version: 1,
        lines: new.lines.into_iter().map(Line::new).collect(),
        currency: new.currency,
        grand_total: new.grand_total,
        total_paid: Money::ZERO,
        total_refunded: Money::ZERO,
        total_canceled: Money::ZERO,
        total_invoiced: Money::ZERO,
        credited: Money::ZERO,
        credits: Credits::default(),
        unreckoned: None,
        whole: None,
        store_view: new.store_view,
        customer: new.customer,
        attributes: new.attributes,
        holds: Vec::new(),
        return_to: None,
        create_time: CREATED,
        update_time: CREATED,
        status_time: CREATED,
        wait: None,
    }
}

proptest! {
    #[test]
    fn actors(actor in arbitrary::actor()) {
        let request = v1::HoldOrderRequest {
            order_id: "1".to_owned(),
            actor: Some(actor_to_wire(&actor)),
            ..Default::default()
        };
        let step = ParsedStep::hold_order(request, &default_workflow()).unwrap();
        let ParsedChange::Change(command) = step.change else {
            panic!("a hold changes an order");
        };
        prop_assert_eq!(command.context.actor, actor);
    }

    #[test]
    fn statuses(status in arbitrary::status()) {
        let request = v1::CreateStatusRequest {
            status: Some(status_to_wire(&record(), &status)),
            ..Default::default()
        };
        let read = CreateStatus::read(request, &default_workflow()).unwrap();
        prop_assert_eq!(read.status, status);
    }

    #[test]
    fn transitions(transition in arbitrary::transition()) {
        let request = v1::CreateTransitionRequest {
            transition: Some(transition_to_wire(&record(), &transition)),
            ..Default::default()
        };
        let read = CreateTransition::read(request, &default_workflow()).unwrap();
        prop_assert_eq!(read.transition, transition);
    }

    #[test]
    fn orders(new in arbitrary::new_order()) {
        let order = Some(order_to_wire(&graph(), &placed(new.clone()), None));
        let request = v1::CreateOrderRequest { order, ..Default::default() };
        let step = ParsedStep::create_order(request, &default_workflow()).unwrap();
        prop_assert_eq!((&step.workflow, &step.order_id), (&new.workflow, &new.id));
        let ParsedChange::Create { order, .. } = step.change else {
            panic!("the order is to be created");
        };
        prop_assert_eq!(*order, new);
    }

    /// Whatever text arrives, reading it answers and does not panic.
    #[test]
    fn any_text(text in ".{0,200}", number in any::<i64>()) {
        let workflow = default_workflow();
        let request = v1::GetOrderRequest {
            workflow: text.clone(),
            order_id: text.clone(),
            store_view: text.clone(),
        };
        if let Err(invalid) = GetOrder::read(request, &workflow) {
            prop_assert!(!invalid.violations().is_empty());
        }
        let line = v1::OrderLine { id: text.clone(), quantity_ordered: text.clone(), ..Default::default() };
        let order = v1::Order { id: text.clone(), grand_total: number, lines: vec![line], ..Default::default() };
        let request = v1::UpdateOrderRequest {
            order: Some(order),
            update_mask: Some(prost_types::FieldMask { paths: vec![text] }),
            expected_version: number,
            ..Default::default()
        };
        if let Err(invalid) = ParsedStep::update_order(request, &workflow) {
            prop_assert!(invalid.to_string().len() < 4_000);
        }
    }
}

#[test]
fn stamps_follow_their_parts() {
    let record: Record = record();
    let status = record.workflow.statuses.first().unwrap();
    let wire = status_to_wire(&record, status);
    assert_eq!(wire.etag, record.stamp.etag());
    assert_eq!(
        wire.create_time.map(|time| (time.seconds, time.nanos)),
        Some((1_700_000_000, 123_456_000))
    );
    assert_eq!(wire.create_time, wire.update_time);
}

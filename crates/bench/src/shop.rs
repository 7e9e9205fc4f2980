//! The shop that the benchmark plays: its workflow, its orders, and the requests
//! that make and move them.

use bytes::Bytes;
use waymark_proto::v1::{
    Actor, ActorKind, ApplyWorkflowRequest, CreateOrderRequest, Customer, ExecuteStepsRequest,
    GetOrderRequest, Order, OrderLine, Step, StreamStepsRequest, TransitionOrderRequest, step,
    transition_order_request::Target,
};

use crate::{card::Card, wire};

/// The code of the workflow.
pub(crate) const WORKFLOW: &str = "bench";
/// The state into which `pack` leads.
pub(crate) const PACKED: &str = "packed";
/// The workflow as a document.
pub(crate) const DOCUMENT: &str = include_str!("workflow.yaml");
/// The number of customers.
pub(crate) const CUSTOMERS: usize = 10_000;

/// The id of an order by its number; all have the same length up to ten millions.
pub(crate) fn order_id(number: usize) -> String {
    format!("order-{number:07}")
}

/// The id of a customer by its number; all have the same length.
pub(crate) fn customer_id(number: usize) -> String {
    format!("customer-{number:05}")
}

/// The number of an order by its id.
pub(crate) fn order_number(id: &str) -> Option<usize> {
    id.strip_prefix("order-")?.parse().ok()
}

/// The request for the workflow.
pub(crate) fn apply() -> ApplyWorkflowRequest {
    ApplyWorkflowRequest {
        document: DOCUMENT.to_owned(),
        ..ApplyWorkflowRequest::default()
    }
}

/// The request for an order of a workflow. The same number makes the same request, which may be repeated.
pub(crate) fn create(workflow: &str, number: usize) -> Bytes {
    let customer = number % CUSTOMERS;
    wire::framed(&creation(workflow, order_id(number), number, customer))
}

fn creation(workflow: &str, id: String, number: usize, customer: usize) -> CreateOrderRequest {
    let line = |id: &str, sku: String, name: &str, quantity: &str| OrderLine {
        id: id.to_owned(),
        sku,
        name: name.to_owned(),
        quantity_ordered: quantity.to_owned(),
        ..OrderLine::default()
    };
    let customer = customer_id(customer);
    CreateOrderRequest {
        request_id: format!("create-{id}"),
        order: Some(Order {
            workflow: workflow.to_owned(),
            id,
            lines: vec![
                line("1", format!("mug-{:03}", number % 500), "Mug", "2"),
                line("2", format!("tea-{:03}", number % 300), "Green tea", "0.5"),
            ],
            currency: "EUR".to_owned(),
            grand_total: 5_990,
            customer: Some(Customer {
                email: format!("{customer}@example.com"),
                id: customer,
                name: "Anna Example".to_owned(),
                guest: false,
            }),
            ..Order::default()
        }),
        ..CreateOrderRequest::default()
    }
}

/// The request for an order as it stands.
pub(crate) fn get(id: String) -> Bytes {
    wire::framed(&GetOrderRequest {
        workflow: WORKFLOW.to_owned(),
        order_id: id,
        ..GetOrderRequest::default()
    })
}

/// Writes requests that move orders or make them, each with a request id of its own.
#[derive(Debug)]
pub(crate) struct Composer {
    /// Not seeded: an id that an earlier run used would be answered without a step.
    random: fastrand::Rng,
    /// The beginning of the ids of new orders; each run has its own.
    run: u32,
    /// The number of new orders.
    created: usize,
}

impl Composer {
    pub(crate) fn new() -> Self {
        let mut random = fastrand::Rng::new();
        Self {
            run: random.u32(0..0x10_0000),
            random,
            created: 0,
        }
    }

    /// A new order as a call of its own.
    pub(crate) fn creation(&mut self) -> Bytes {
        wire::framed(&self.new_order())
    }

    /// Many new orders in one call.
    pub(crate) fn creations(&mut self, count: usize) -> Bytes {
        let steps = (0..count).map(|_| Step {
            command: Some(step::Command::CreateOrder(self.new_order())),
        });
        wire::framed(&ExecuteStepsRequest {
            steps: steps.collect(),
            ..ExecuteStepsRequest::default()
        })
    }

    /// The next order of the run, of any customer. Its id is as long as those of the orders that are there.
    fn new_order(&mut self) -> CreateOrderRequest {
        let number = self.created;
        self.created += 1;
        let id = format!("{:05x}-{number:07}", self.run);
        creation(WORKFLOW, id, number, self.random.usize(0..CUSTOMERS))
    }

    /// One step as a call of its own.
    pub(crate) fn call(&mut self, card: Card) -> Bytes {
        wire::framed(&self.transition(card))
    }

    /// One step on a stream.
    pub(crate) fn streamed(&mut self, card: Card) -> Bytes {
        wire::framed(&StreamStepsRequest {
            correlation_id: card.number.to_string(),
            step: Some(self.step(card)),
        })
    }

    /// Many steps in one call.
    pub(crate) fn batch(&mut self, cards: &[Card]) -> Bytes {
        wire::framed(&ExecuteStepsRequest {
            steps: cards.iter().map(|card| self.step(*card)).collect(),
            ..ExecuteStepsRequest::default()
        })
    }

    fn step(&mut self, card: Card) -> Step {
        Step {
            command: Some(step::Command::TransitionOrder(self.transition(card))),
        }
    }

    fn transition(&mut self, card: Card) -> TransitionOrderRequest {
        TransitionOrderRequest {
            workflow: WORKFLOW.to_owned(),
            order_id: order_id(card.number),
            target: Some(Target::Transition(card.way.transition().to_owned())),
            comment: "Moved at the packing table".to_owned(),
            actor: Some(Actor {
                kind: ActorKind::User.into(),
                id: "anna".to_owned(),
                ..Actor::default()
            }),
            request_id: format!("{:032x}", self.random.u128(..)),
            ..TransitionOrderRequest::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn new_orders_have_ids_of_their_own_as_long_as_those_that_are_there() {
        let (mut one, mut other) = (Composer::new(), Composer::new());
        (one.run, other.run) = (1, 0xf_ffff);
        let mut ids = HashSet::new();
        for composer in [&mut one, &mut other] {
            for _ in 0..100 {
                let request = composer.new_order();
                let order = request.order.unwrap();
                assert_eq!(order.id.len(), order_id(0).len());
                assert_eq!(request.request_id, format!("create-{}", order.id));
                assert_eq!(order_number(&order.id), None);
                assert!(ids.insert(order.id));
            }
        }
    }
}

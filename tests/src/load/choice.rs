//! What a client does next: mostly what shops do to orders of the preset `magento`, sometimes what they should not.

use std::collections::BTreeMap;

use waymark_proto::v1::{self, step::Command, transition_order_request::Target};

use super::{
    call::{Call, Together},
    dice::Dice,
    recorder::Recorder,
};
use crate::{
    shop::{line, moved},
    validator::MARK,
};

/// Transitions and statuses of the preset, and some that are not in it.
const TRANSITIONS: [&str; 5] = [
    "cancel",
    "accept_payment",
    "deny_payment",
    "flag_fraud",
    "no_such_way",
];
const STATUSES: [&str; 5] = [
    "pending",
    "received",
    "processing",
    "rejected",
    "no_such_status",
];

/// Makes the calls of one client.
#[derive(Debug)]
pub(super) struct Chooser<'r> {
    pub(super) recorder: &'r Recorder,
    pub(super) dice: Dice,
    /// The name of the client, which makes its marks unique.
    pub(super) name: String,
    pub(super) count: usize,
    /// Whether calls can be recognised when they come again.
    pub(super) has_request_ids: bool,
    /// Below how many orders most calls place one.
    pub(super) orders: usize,
}

/// What all calls carry.
struct Context {
    workflow: String,
    metadata: BTreeMap<String, String>,
    request_id: String,
}

impl Chooser<'_> {
    pub(super) fn next(&mut self) -> Call {
        let is_new = self.recorder.order_count() < self.orders && self.dice.chance(70);
        if is_new || self.recorder.order_count() == 0 {
            let id = format!("o{}", self.recorder.fresh_name());
            return self.create(id);
        }
        match self.dice.below(100) {
            // An order that exists cannot be placed again.
            0..2 => {
                let (id, _) = self.some_order();
                self.create(id)
            }
            2..8 => self.update(),
            8..18 => {
                let commands = (0..2 + self.dice.below(4))
                    .map(|_| self.command())
                    .collect();
                let how = *self.dice.pick(&[
                    Together::Separate,
                    Together::Atomic,
                    Together::Atomic,
                    Together::Streamed,
                ]);
                Call::Many { commands, how }
            }
            _ => Call::One(self.command()),
        }
    }

    fn context(&mut self) -> Context {
        self.count += 1;
        let mark = format!("{}-{}", self.name, self.count);
        let request_id = if self.has_request_ids {
            mark.clone()
        } else {
            String::new()
        };
        let metadata = BTreeMap::from([(MARK.to_owned(), mark)]);
        Context {
            workflow: self.recorder.workflow().to_owned(),
            metadata,
            request_id,
        }
    }

    fn some_order(&mut self) -> (String, i64) {
        let number = self.dice.below(self.recorder.order_count());
        self.recorder.order(number).expect("orders do not go away")
    }

    fn create(&mut self, id: String) -> Call {
        let Context {
            workflow,
            metadata,
            request_id,
        } = self.context();
        let order = v1::Order {
            workflow,
            id,
            lines: vec![line("1", "1000"), line("2", "500.5")],
            currency: "EUR".to_owned(),
            grand_total: 1_000_000,
            attributes: BTreeMap::from([("colour".to_owned(), "red".to_owned())]),
            ..Default::default()
        };
        Call::Create(v1::CreateOrderRequest {
            order: Some(order),
            metadata,
            request_id,
            ..Default::default()
        })
    }

    fn update(&mut self) -> Call {
        let (id, _) = self.some_order();
        let Context {
            workflow,
            metadata,
            request_id,
        } = self.context();
        let shade = format!("shade {}", self.dice.below(1000));
        let attributes = BTreeMap::from([("colour".to_owned(), shade)]);
        let order = v1::Order {
            workflow,
            id,
            attributes,
            ..Default::default()
        };
        Call::Update(v1::UpdateOrderRequest {
            order: Some(order),
            metadata,
            request_id,
            ..Default::default()
        })
    }

    fn command(&mut self) -> Command {
        let (mut order_id, version) = self.some_order();
        if self.dice.chance(2) {
            "nowhere".clone_into(&mut order_id);
        }
        let expected_version = if self.dice.chance(15) { version } else { 0 };
        match self.dice.below(100) {
            0..25 => self.operation(order_id, expected_version, "invoice"),
            25..48 => self.operation(order_id, expected_version, "ship"),
            48..53 => self.operation(order_id, expected_version, "refund"),
            53..56 => self.operation(order_id, expected_version, "no_such_operation"),
            56..59 => self.hold(order_id, expected_version),
            59..76 => self.release(order_id, expected_version),
            76..79 => self.transition(order_id, expected_version),
            _ => self.comment(order_id, expected_version),
        }
    }

    fn operation(&mut self, order_id: String, expected_version: i64, operation: &str) -> Command {
        let Context {
            workflow,
            metadata,
            request_id,
        } = self.context();
        let lines = match self.dice.below(20) {
            0 => vec![moved("1", "999999")],
            1 => vec![moved("no-such-line", "1")],
            2..8 => vec![moved("1", "0.25"), moved("2", "1")],
            _ => vec![moved("1", "1")],
        };
        Command::RecordOperation(v1::RecordOperationRequest {
            workflow,
            order_id,
            operation: operation.to_owned(),
            lines,
            metadata,
            request_id,
            expected_version,
            ..Default::default()
        })
    }

    fn hold(&mut self, order_id: String, expected_version: i64) -> Command {
        let Context {
            workflow,
            metadata,
            request_id,
        } = self.context();
        let reason = format!("suspicion {}", self.count);
        Command::HoldOrder(v1::HoldOrderRequest {
            workflow,
            order_id,
            reason,
            metadata,
            request_id,
            expected_version,
            ..Default::default()
        })
    }

    fn release(&mut self, order_id: String, expected_version: i64) -> Command {
        let Context {
            workflow,
            metadata,
            request_id,
        } = self.context();
        let hold_id = if self.dice.chance(5) {
            "no-such-hold".to_owned()
        } else {
            String::new()
        };
        Command::ReleaseOrder(v1::ReleaseOrderRequest {
            workflow,
            order_id,
            hold_id,
            metadata,
            request_id,
            expected_version,
            ..Default::default()
        })
    }

    fn transition(&mut self, order_id: String, expected_version: i64) -> Command {
        let Context {
            workflow,
            metadata,
            request_id,
        } = self.context();
        let target = Target::Transition((*self.dice.pick(&TRANSITIONS)).to_owned());
        Command::TransitionOrder(v1::TransitionOrderRequest {
            workflow,
            order_id,
            target: Some(target),
            metadata,
            request_id,
            expected_version,
            ..Default::default()
        })
    }

    fn comment(&mut self, order_id: String, expected_version: i64) -> Command {
        let Context {
            workflow,
            metadata,
            request_id,
        } = self.context();
        let status = if self.dice.chance(30) {
            *self.dice.pick(&STATUSES)
        } else {
            ""
        };
        let words = self.dice.below(60);
        Command::AddComment(v1::AddCommentRequest {
            workflow,
            order_id,
            status: status.to_owned(),
            comment: format!("said {}", "word ".repeat(words)),
            metadata,
            request_id,
            expected_version,
            ..Default::default()
        })
    }
}

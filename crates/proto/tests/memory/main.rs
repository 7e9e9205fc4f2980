//! Decoding and checking a request of n bytes takes at most 8 · n + 1 MiB, and a batch of steps 4 MiB more, whatever the
//! bytes are: every request of the contract, with every one of its fields given as often as fits, at every level, and
//! mixtures of these.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails"
)]

mod dense;
mod documents;
mod requests;

use std::sync::Mutex;

use peak_alloc::PeakAlloc;
use prost::Message;
use waymark_proto::v1::{self, step::Command};

use self::{
    dense::{Mixture, Shapes},
    requests::{REQUESTS, Request},
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test at a time: they share the allocator.
static TURN: Mutex<()> = Mutex::new(());

const KIB: usize = 1024;

/// What decoding and checking took at most.
fn taken(request: &Request, message: &[u8]) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    (request.read)(message);
    MEMORY.peak_usage() - before
}

fn check(request: &Request, what: &str, message: &[u8]) {
    let taken = taken(request, message);
    // The lines of a few hundred orders take more than their bytes, and have to fit: a batch may take as much in any case.
    let free = if request.name == "ExecuteStepsRequest" {
        5 * 1024 * KIB
    } else {
        1024 * KIB
    };
    let allowed = 8 * message.len() + free;
    assert!(
        taken <= allowed,
        "{} of {} bytes of {what} takes {taken} bytes, {allowed} are allowed",
        request.name,
        message.len()
    );
}

#[test]
fn every_field_may_be_given_as_often_as_fits() {
    let _turn = TURN.lock().unwrap();
    let shapes = Shapes::new();
    for request in REQUESTS {
        for (what, message) in shapes.of(request.name, 32 * KIB) {
            check(request, &what, &message);
        }
        for (what, message) in shapes.of(request.name, KIB) {
            check(request, &what, &message);
        }
    }
}

/// A few of each request; `WAYMARK_TEST_MIXTURES` makes it so many.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what a test is asked for is no setting"
)]
fn mixtures_may_be_given() {
    let _turn = TURN.lock().unwrap();
    let given = std::env::var("WAYMARK_TEST_MIXTURES");
    mix(given.map_or(20, |count| count.parse().unwrap()));
}

/// A document is read as a whole, so its parts are what may be given often.
#[test]
fn documents_may_be_dense() {
    let _turn = TURN.lock().unwrap();
    for bytes in [16 * KIB, 200 * KIB, 1_000 * KIB] {
        for (what, request) in documents::dense(bytes) {
            check_document(&what, request);
        }
    }
}

fn check_document(what: &str, request: v1::ApplyWorkflowRequest) {
    let found = REQUESTS
        .iter()
        .find(|request| request.name == "ApplyWorkflowRequest");
    let message = request.encode_to_vec();
    drop(request);
    check(found.expect("a request"), what, &message);
}

fn mix(rounds: usize) {
    let mut mixture = Mixture::new("documents");
    for round in 0..rounds {
        let bytes = [2 * KIB, 20 * KIB, 100 * KIB, 500 * KIB][round % 4];
        let (what, request) = documents::mixture(&mut mixture, bytes);
        check_document(&format!("{what} {round}"), request);
    }
    let shapes = Shapes::new();
    for request in REQUESTS {
        let mut mixture = Mixture::new(request.name);
        for round in 0..rounds {
            let bytes = [200, 2 * KIB, 20 * KIB, 100 * KIB][round % 4];
            let message = mixture.next(&shapes, request.name, bytes);
            check(request, &format!("mixture {round}"), &message);
        }
    }
}

/// What one call once made a gigabyte of.
#[test]
fn the_largest_message_may_be_dense() {
    const BYTES: usize = 4 * 1024 * KIB;
    let _turn = TURN.lock().unwrap();
    let wrapped = |number: u8, mut inner: Vec<u8>| {
        let mut message = Vec::new();
        prost::encoding::encode_key(
            number.into(),
            prost::encoding::WireType::LengthDelimited,
            &mut message,
        );
        prost::encoding::encode_varint(inner.len() as u64, &mut message);
        message.append(&mut inner);
        message
    };
    let of = |name: &str| {
        let found = REQUESTS.iter().find(|request| request.name == name);
        found.expect("a request")
    };
    let steps = [0x0a, 0].repeat(BYTES / 2);
    check(of("ExecuteStepsRequest"), "empty steps", &steps);
    let lines = wrapped(1, [0x42, 0].repeat(BYTES / 2 - 8));
    check(of("CreateOrderRequest"), "empty lines", &lines);
    let actions = wrapped(2, [0x62, 0].repeat(BYTES / 2 - 8));
    check(of("CreateTransitionRequest"), "empty actions", &actions);
}

/// As many steps as may be, each with what costs most for its bytes, and all of it right.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_largest_batches_fit() {
    let _turn = TURN.lock().unwrap();
    let request = REQUESTS
        .iter()
        .find(|request| request.name == "ExecuteStepsRequest")
        .unwrap();
    let shortest = v1::AddCommentRequest {
        order_id: "1".to_owned(),
        comment: "x".to_owned(),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        actor: Some(v1::Actor {
            kind: 1,
            roles: vec!["a".to_owned()],
            ..v1::Actor::default()
        }),
        ..v1::AddCommentRequest::default()
    };
    let lines = (0..500).map(|number| v1::OperationLine {
        line_id: number.to_string(),
        quantity: "1".to_owned(),
        returned: String::new(),
    });
    let shipped = v1::RecordOperationRequest {
        order_id: "1".to_owned(),
        operation: "ship".to_owned(),
        lines: lines.collect(),
        ..v1::RecordOperationRequest::default()
    };
    let wrong = v1::RecordOperationRequest {
        lines: vec![v1::OperationLine::default(); 500],
        ..shipped.clone()
    };
    let lines = (0..500).map(|number| v1::OrderLine {
        id: format!("{number:x}"),
        quantity_ordered: "1".to_owned(),
        ..v1::OrderLine::default()
    });
    let order = v1::Order {
        id: "1".to_owned(),
        lines: lines.collect(),
        ..v1::Order::default()
    };
    let placed = v1::CreateOrderRequest {
        order: Some(order.clone()),
        ..v1::CreateOrderRequest::default()
    };
    let empty = v1::CreateOrderRequest {
        order: Some(v1::Order {
            id: "1".to_owned(),
            ..v1::Order::default()
        }),
        ..v1::CreateOrderRequest::default()
    };
    let pairs = |count: usize| (0..count).map(|key| (format!("{key:x}"), "v".to_owned()));
    let relabelled = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            attributes: pairs(64).collect(),
            ..order
        }),
        ..v1::UpdateOrderRequest::default()
    };
    let noted = v1::AddCommentRequest {
        metadata: pairs(1_000).collect(),
        ..shortest.clone()
    };
    for (command, count) in [
        (Command::CreateOrder(placed), 800),
        (Command::CreateOrder(empty), 1_000),
        (Command::UpdateOrder(relabelled), 700),
        (Command::AddComment(noted), 350),
        (Command::AddComment(shortest), 1_000),
        (Command::RecordOperation(shipped), 800),
        (Command::RecordOperation(wrong), 1_000),
    ] {
        let step = v1::Step {
            command: Some(command),
        };
        let batch = v1::ExecuteStepsRequest {
            steps: vec![step; count],
            ..v1::ExecuteStepsRequest::default()
        };
        let message = batch.encode_to_vec();
        drop(batch);
        assert!(message.len() < 4 * 1024 * KIB);
        check(request, "steps", &message);
    }
}

//! Requests that read orders and history.

use prost_types::{Duration, Timestamp};
use waymark_domain::partition::{Partition, PartitionCount};
use waymark_proto::{
    convert::{
        history::{ListHistory, StreamHistory, WatchHistory},
        order::{GetOrder, ListAvailableTransitions, OrderListRequest},
    },
    v1,
};

use super::{CODE, INSTANT, NUL, STORE_VIEW, VISIBLE, check, text, texts};
use crate::sample::default_workflow;

#[test]
fn reading_orders() {
    let workflow = default_workflow();
    let request = v1::GetOrderRequest {
        workflow: text("?"),
        order_id: text(""),
        store_view: text("?"),
    };
    check(
        GetOrder::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("order_id", "must not be empty"),
            ("store_view", STORE_VIEW),
        ],
    );
    let actor = v1::Actor {
        kind: -1,
        ..Default::default()
    };
    let request = v1::ListAvailableTransitionsRequest {
        workflow: text("?"),
        actor: Some(actor),
        ..Default::default()
    };
    check(
        ListAvailableTransitions::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("order_id", "must not be empty"),
            ("actor.kind", "has no value with the number -1"),
        ],
    );
}

#[test]
fn listing_orders() {
    let filter = v1::OrderFilter {
        ids: texts(&["1", ""]),
        states: texts(&["?"]),
        statuses: texts(&["?"]),
        return_statuses: texts(&["?"]),
        customer_id: text("\0"),
        updated_after: Some(Timestamp {
            seconds: 253_402_300_800,
            nanos: 0,
        }),
        updated_before: Some(Timestamp {
            seconds: 0,
            nanos: -1,
        }),
        attributes: [(text(""), text(""))].into(),
        ..Default::default()
    };
    let request = v1::ListOrdersRequest {
        workflows: texts(&["order", "?"]),
        filter: Some(filter),
        order_by: text("id asc"),
        page_size: -1,
        store_view: text("?"),
        ..Default::default()
    };
    check(
        OrderListRequest::read(request),
        &[
            ("workflows[1]", CODE),
            ("filter.ids[1]", "must not be empty"),
            ("filter.states[0]", CODE),
            ("filter.statuses[0]", CODE),
            ("filter.return_statuses[0]", CODE),
            ("filter.customer_id", NUL),
            ("filter.updated_after", INSTANT),
            ("filter.updated_before", INSTANT),
            ("filter.attributes", "must be a map without empty keys"),
            (
                "order_by",
                "must be update_time, create_time or id, perhaps followed by desc",
            ),
            ("page_size", "must lie between 0 and 2147483647"),
            ("store_view", STORE_VIEW),
        ],
    );
    let filter = v1::OrderFilter {
        ids: vec![text("1"); 1_001],
        ..Default::default()
    };
    let request = v1::ListOrdersRequest {
        filter: Some(filter),
        ..Default::default()
    };
    check(
        OrderListRequest::read(request),
        &[("filter.ids", "must have at most 1000 entries, has 1001")],
    );
}

#[test]
fn reading_history() {
    let request = v1::ListHistoryRequest {
        workflow: text("?"),
        page_size: -1,
        ..Default::default()
    };
    check(
        ListHistory::read(request, &default_workflow()),
        &[
            ("workflow", CODE),
            ("order_id", "must not be empty"),
            ("page_size", "must lie between 0 and 2147483647"),
        ],
    );
    let request = v1::StreamHistoryRequest {
        workflows: texts(&["?"]),
        order_ids: texts(&["a b"]),
        kinds: vec![1, 0, 99],
        statuses: texts(&["?"]),
        ..Default::default()
    };
    let expected = [
        ("workflows[0]", CODE),
        ("order_ids[0]", VISIBLE),
        ("kinds[1]", "is required"),
        ("kinds[2]", "has no value with the number 99"),
        ("statuses[0]", CODE),
    ];
    check(StreamHistory::read(request), &expected);
}

#[test]
fn watching_history() {
    let eight = PartitionCount::new(8).unwrap();
    let watch = |request| WatchHistory::read(request, eight);
    let request = v1::WatchHistoryRequest {
        workflows: texts(&["?"]),
        order_ids: vec![text("1"); 1_001],
        start: 2,
        resume_token: text("token"),
        partitions: vec![7, 8, -1],
        checkpoint_interval: Some(Duration {
            seconds: 0,
            nanos: 99_999_999,
        }),
        ..Default::default()
    };
    let duration = "must be a duration between 100 milliseconds and 1 hour";
    check(
        watch(request),
        &[
            ("workflows[0]", CODE),
            ("order_ids", "must have at most 1000 entries, has 1001"),
            ("start", "must not be given together with `resume_token`"),
            ("partitions[1]", "must lie between 0 and 7"),
            ("partitions[2]", "must lie between 0 and 7"),
            ("checkpoint_interval", duration),
        ],
    );
    // However many partitions there are.
    for count in [1, 8] {
        let watch = |partitions| {
            let request = v1::WatchHistoryRequest {
                partitions: vec![0; partitions],
                ..Default::default()
            };
            WatchHistory::read(request, PartitionCount::new(count).unwrap())
        };
        let once = watch(1_024).unwrap().partitions;
        assert_eq!(once, [Partition::new(0)]);
        check(
            watch(1_025),
            &[("partitions", "must have at most 1024 entries, has 1025")],
        );
    }
    for (seconds, nanos) in [
        (3_600, 1),
        (-1, 0),
        (i64::MIN, i32::MIN),
        (1, 1_000_000_000),
    ] {
        let checkpoint_interval = Some(Duration { seconds, nanos });
        let request = v1::WatchHistoryRequest {
            checkpoint_interval,
            start: 3,
            ..Default::default()
        };
        check(
            watch(request),
            &[
                ("start", "has no value with the number 3"),
                ("checkpoint_interval", duration),
            ],
        );
    }
}

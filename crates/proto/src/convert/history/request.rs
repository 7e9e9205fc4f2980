//! Requests that read or watch history.

use std::time::Duration;

use waymark_domain::{
    partition::{PARTITIONS_MAX, Partition, PartitionCount},
    value::{Invalid, OrderId},
};

use super::filter::{HistoryFilter, read_filter};
use crate::{
    convert::{
        call::PageRequest,
        instant::duration_from_wire,
        violations::{Path, Read},
    },
    invalid::Problem,
    v1,
};

/// The interval between checkpoints where none was asked.
const CHECKPOINT_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
/// The shortest interval between checkpoints.
const CHECKPOINT_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// The longest interval between checkpoints.
const CHECKPOINT_INTERVAL_MAX: Duration = Duration::from_hours(1);

request! {
    /// Asks for a page of an order's history.
    ListHistory: ListHistoryRequest in workflow or default;
    arguments = "ListHistory" without page_size, page_token;
    /// The order.
    order_id: OrderId = text(order_id),
    /// Whether the newest entry comes first.
    newest_first: bool = same(newest_first),
    /// Whether only entries are wanted that the customer may see.
    visible_to_customer_only: bool = same(visible_to_customer_only),
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

request! {
    /// Asks for the history up to now.
    StreamHistory: StreamHistoryRequest;
    /// The filter of entries.
    filter: HistoryFilter =
        with(workflows, order_ids, kinds, statuses, status_changes_only; |at| {
            let resume_token = String::new();
            read_filter(at, v1::StreamHistoryRequest {
                workflows, order_ids, kinds, statuses, status_changes_only, resume_token,
            })
        }),
    /// The token after which to go on; none for the beginning.
    resume_token: Option<String> = with(resume_token; |_| {
        Ok(Some(resume_token).filter(|token| !token.is_empty()))
    }),
}

request! {
    /// Asks for the history as it is written; reading takes how many partitions there are.
    WatchHistory: WatchHistoryRequest, count: PartitionCount;
    /// The filter of entries.
    filter: HistoryFilter =
        with(workflows, order_ids, kinds, statuses, status_changes_only; |at| {
            let resume_token = String::new();
            read_filter(at, v1::StreamHistoryRequest {
                workflows, order_ids, kinds, statuses, status_changes_only, resume_token,
            })
        }),
    /// The place where the watch begins.
    start: WatchFrom = with(start, resume_token; |at| {
        watch_from(at.field("start"), start, resume_token)
    }),
    /// Only these partitions, sorted, each once; empty for all.
    partitions: Vec<Partition> = with(partitions; |at| {
        read_partitions(at.field("partitions"), &partitions, count)
    }),
    /// The longest time between checkpoints.
    checkpoint_interval: Duration = by(checkpoint_interval; interval),
}

/// The place where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchFrom {
    /// With what is written from now on.
    Now,
    /// With the oldest entry that is kept.
    Beginning,
    /// After what this token covers.
    Token(String),
}

fn watch_from(at: Path<'_>, start: i32, resume_token: String) -> Read<WatchFrom> {
    let start = at.number(start)?;
    if resume_token.is_empty() {
        return Ok(match start {
            v1::WatchStart::Unspecified | v1::WatchStart::Now => WatchFrom::Now,
            v1::WatchStart::Beginning => WatchFrom::Beginning,
        });
    }
    match start {
        v1::WatchStart::Unspecified => Ok(WatchFrom::Token(resume_token)),
        v1::WatchStart::Now | v1::WatchStart::Beginning => {
            let other = "resume_token";
            Err(at.note(Problem::Excluded { other }))
        }
    }
}

/// A request means the same however many partitions there are, so it may name one twice where there is one alone.
fn read_partitions(at: Path<'_>, numbers: &[i32], count: PartitionCount) -> Read<Vec<Partition>> {
    let count = count.get();
    let (min, max) = (0, i64::from(count) - 1);
    let partitions_max = usize::from(PARTITIONS_MAX);
    let mut partitions: Vec<_> = at.each(numbers, partitions_max, |at, number| {
        if (0..count).contains(number) {
            return Ok(Partition::new(*number));
        }
        Err(at.note(Invalid::OutOfRange { min, max }))
    })?;
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}

fn interval(at: Path<'_>, interval: Option<prost_types::Duration>) -> Read<Duration> {
    let Some(interval) = interval else {
        return Ok(CHECKPOINT_INTERVAL_DEFAULT);
    };
    let range = CHECKPOINT_INTERVAL_MIN..=CHECKPOINT_INTERVAL_MAX;
    let interval = duration_from_wire(interval).filter(|interval| range.contains(interval));
    interval.ok_or_else(|| {
        let expected = "a duration between 100 milliseconds and 1 hour";
        at.note(Invalid::Malformed { expected })
    })
}

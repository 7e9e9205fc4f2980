//! Requests that read or watch history.

use std::time::Duration;

use waymark_domain::{
    partition::{PARTITIONS_MAX, Partition, PartitionCount},
    value::{Invalid, OrderId, WorkflowCode},
};

use super::filter::{FilterFields, HistoryFilter};
use crate::{
    convert::{
        call::{PageRequest, fingerprint, read_page},
        violations::{Noted, Path, Violations},
    },
    invalid::{InvalidRequest, Problem},
    v1,
};

/// How often a checkpoint comes for which nothing else was asked.
const CHECKPOINT_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
/// The shortest interval between checkpoints.
const CHECKPOINT_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// The longest interval between checkpoints.
const CHECKPOINT_INTERVAL_MAX: Duration = Duration::from_hours(1);

/// Asks for a page of an order's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListHistory {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// Whether the newest entry comes first.
    pub newest_first: bool,
    /// Whether only entries are wanted that the customer may see.
    pub visible_to_customer_only: bool,
    /// Which page.
    pub page: PageRequest,
}

/// Asks for the history up to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHistory {
    /// Which entries.
    pub filter: HistoryFilter,
    /// The token after which to go on; none for the beginning.
    pub resume_token: Option<String>,
}

/// Asks for the history as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchHistory {
    /// Which entries.
    pub filter: HistoryFilter,
    /// Where to begin.
    pub start: WatchFrom,
    /// Only these partitions, sorted, each once; empty for all.
    pub partitions: Vec<Partition>,
    /// How often a checkpoint comes at least.
    pub checkpoint_interval: Duration,
}

/// Where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchFrom {
    /// With what is written from now on.
    Now,
    /// With the oldest entry that is kept.
    Beginning,
    /// After what this token covers.
    Token(String),
}

impl ListHistory {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::ListHistoryRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListHistory", request, without page_size, page_token);
        let v1::ListHistoryRequest {
            workflow,
            order_id,
            newest_first,
            visible_to_customer_only,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let order_id = found.text(at.field("order_id"), &order_id);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                workflow: workflow?,
                order_id: order_id?,
                newest_first,
                visible_to_customer_only,
                page: page?,
            })
        })
    }
}

impl StreamHistory {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(request: v1::StreamHistoryRequest) -> Result<Self, InvalidRequest> {
        let v1::StreamHistoryRequest {
            workflows,
            order_ids,
            kinds,
            statuses,
            status_changes_only,
            resume_token,
        } = request;
        let filter = FilterFields {
            workflows,
            order_ids,
            kinds,
            statuses,
            status_changes_only,
        };
        Violations::collect(|found| {
            Ok(Self {
                filter: filter.read(found)?,
                resume_token: Some(resume_token).filter(|token| !token.is_empty()),
            })
        })
    }
}

impl WatchHistory {
    /// Reads the request; `count` is how many partitions there are.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::WatchHistoryRequest,
        count: PartitionCount,
    ) -> Result<Self, InvalidRequest> {
        let v1::WatchHistoryRequest {
            workflows,
            order_ids,
            kinds,
            statuses,
            status_changes_only,
            resume_token,
            start,
            partitions,
            checkpoint_interval,
        } = request;
        let filter = FilterFields {
            workflows,
            order_ids,
            kinds,
            statuses,
            status_changes_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let filter = filter.read(found);
            let start = watch_from(found, at.field("start"), start, resume_token);
            let partitions = read_partitions(found, at.field("partitions"), &partitions, count);
            let at = at.field("checkpoint_interval");
            let checkpoint_interval = interval(found, at, checkpoint_interval);
            Ok(Self {
                filter: filter?,
                start: start?,
                partitions: partitions?,
                checkpoint_interval: checkpoint_interval?,
            })
        })
    }
}

fn watch_from(
    found: &mut Violations,
    at: Path<'_>,
    start: i32,
    resume_token: String,
) -> Result<WatchFrom, Noted> {
    let start = found.number(at, start)?;
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
            Err(found.note(at, Problem::Excluded { other }))
        }
    }
}

/// A request means the same however many partitions there are, so it may name one twice where there is one alone.
fn read_partitions(
    found: &mut Violations,
    at: Path<'_>,
    numbers: &[i32],
    count: PartitionCount,
) -> Result<Vec<Partition>, Noted> {
    let count = count.get();
    found.count(at, numbers.len(), usize::from(PARTITIONS_MAX))?;
    let (min, max) = (0, i64::from(count) - 1);
    let numbered = numbers.iter().enumerate();
    let partitions: Vec<_> = numbered
        .map(|(index, number)| {
            if (0..count).contains(number) {
                return Ok(Partition::new(*number));
            }
            Err(found.note(at.index(index), Invalid::OutOfRange { min, max }))
        })
        .collect();
    let mut partitions: Vec<_> = partitions.into_iter().collect::<Result<_, _>>()?;
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}

fn interval(
    found: &mut Violations,
    at: Path<'_>,
    interval: Option<prost_types::Duration>,
) -> Result<Duration, Noted> {
    let Some(interval) = interval else {
        return Ok(CHECKPOINT_INTERVAL_DEFAULT);
    };
    let prost_types::Duration { seconds, nanos } = interval;
    let duration = match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) => Some(Duration::new(seconds, nanos)),
        _ => None,
    };
    let range = CHECKPOINT_INTERVAL_MIN..=CHECKPOINT_INTERVAL_MAX;
    duration
        .filter(|duration| range.contains(duration))
        .ok_or_else(|| {
            let expected = "a duration between 100 milliseconds and 1 hour";
            found.note(at, Invalid::Malformed { expected })
        })
}

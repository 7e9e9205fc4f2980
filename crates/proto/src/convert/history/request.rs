//! Requests that read or watch history, and the filter of its entries.

use std::{collections::BTreeSet, time::Duration};

use waymark_domain::{
    history::{Kind, Logged},
    partition::{PARTITIONS_MAX, Partition, PartitionCount},
    value::{Invalid, OrderId, StatusCode, WorkflowCode},
};

use crate::{
    convert::{
        call::{FILTER_VALUES_MAX, PageRequest},
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

/// A filter of entries: all that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// The workflows; empty for all.
    pub workflows: BTreeSet<WorkflowCode>,
    /// The orders, in each of the workflows; empty for all.
    pub order_ids: BTreeSet<OrderId>,
    /// The kinds; none for all. Empty where only kinds were asked for that no entry has yet.
    pub kinds: Option<BTreeSet<Kind>>,
    /// The statuses after the entry; empty for any.
    pub statuses: BTreeSet<StatusCode>,
    /// Whether only entries are wanted that changed the status.
    pub status_changes_only: bool,
}

/// The part of an entry that filters ask about, and all that is kept of one beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facets {
    /// The workflow of its order.
    pub workflow: WorkflowCode,
    /// Its order.
    pub order_id: OrderId,
    /// Its kind.
    pub kind: Kind,
    /// The status after it.
    pub status: StatusCode,
    /// Whether that is another one than before.
    pub status_changed: bool,
}

impl From<&Logged> for Facets {
    fn from(logged: &Logged) -> Self {
        let entry = &logged.entry;
        Self {
            workflow: logged.workflow.clone(),
            order_id: logged.order_id.clone(),
            kind: entry.kind(),
            status: entry.to.status.clone(),
            status_changed: entry.status_changed(),
        }
    }
}

impl HistoryFilter {
    /// The one order that is asked for; none where there may be several.
    pub fn one_order(&self) -> Option<(&WorkflowCode, &OrderId)> {
        if self.workflows.len() != 1 || self.order_ids.len() != 1 {
            return None;
        }
        Some((self.workflows.first()?, self.order_ids.first()?))
    }

    /// Whether an entry is wanted.
    pub fn matches(&self, facets: &Facets) -> bool {
        let Self {
            workflows,
            order_ids,
            kinds,
            statuses,
            status_changes_only,
        } = self;
        (workflows.is_empty() || workflows.contains(&facets.workflow))
            && (order_ids.is_empty() || order_ids.contains(&facets.order_id))
            && kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&facets.kind))
            && (statuses.is_empty() || statuses.contains(&facets.status))
            && (!status_changes_only || facets.status_changed)
    }
}

reader! {
    /// Reads the filter of a request; what watches is asked as what streams.
    fn read_filter(StreamHistoryRequest { resume_token }) -> HistoryFilter {
        workflows: list(workflows; FILTER_VALUES_MAX),
        order_ids: list(order_ids; FILTER_VALUES_MAX),
        kinds: by(kinds; read_kinds),
        statuses: list(statuses; FILTER_VALUES_MAX),
        status_changes_only: same(status_changes_only),
    }
}

fn read_kinds(at: Path<'_>, numbers: Vec<i32>) -> Read<Option<BTreeSet<Kind>>> {
    let kinds: Vec<Option<Kind>> = at.each(numbers, FILTER_VALUES_MAX, read_kind)?;
    Ok((!kinds.is_empty()).then(|| kinds.into_iter().flatten().collect()))
}

/// Reads a kind; none for one that no entry has yet.
fn read_kind(at: Path<'_>, number: i32) -> Read<Option<Kind>> {
    Ok(match at.number(number)? {
        v1::EntryKind::Unspecified => return Err(at.note(Problem::Required)),
        v1::EntryKind::Created => Some(Kind::Created),
        v1::EntryKind::Transitioned => Some(Kind::Transitioned),
        v1::EntryKind::Commented => Some(Kind::Commented),
        v1::EntryKind::Held => Some(Kind::Held),
        v1::EntryKind::Released => Some(Kind::Released),
        v1::EntryKind::OperationRecorded => Some(Kind::OperationRecorded),
        v1::EntryKind::Updated => Some(Kind::Updated),
        v1::EntryKind::Imported => None,
    })
}

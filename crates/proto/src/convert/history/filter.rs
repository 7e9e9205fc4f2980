//! Filters of history.

use std::collections::BTreeSet;

use waymark_domain::{
    history::{Kind, Logged},
    value::{OrderId, StatusCode, WorkflowCode},
};

use crate::{
    convert::{
        listing::FILTER_VALUES_MAX,
        violations::{Path, Read},
    },
    invalid::Problem,
    v1,
};

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
    pub(super) fn read_filter(StreamHistoryRequest { resume_token }) -> HistoryFilter {
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

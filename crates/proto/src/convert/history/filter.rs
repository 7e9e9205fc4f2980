//! Which entries of history a reader wants.

use std::collections::BTreeSet;

use waymark_domain::{
    history::{Kind, Logged},
    value::{OrderId, StatusCode, WorkflowCode},
};

use crate::{
    convert::{
        listing::FILTER_VALUES_MAX,
        violations::{Noted, Path, Violations},
    },
    invalid::Problem,
    v1,
};

/// Which entries are wanted: all that is given must match.
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

/// A filter as it stands in a request.
pub(super) struct FilterFields {
    pub(super) workflows: Vec<String>,
    pub(super) order_ids: Vec<String>,
    pub(super) kinds: Vec<i32>,
    pub(super) statuses: Vec<String>,
    pub(super) status_changes_only: bool,
}

impl HistoryFilter {
    /// Whether an entry is wanted.
    pub fn matches(&self, logged: &Logged) -> bool {
        let Self {
            workflows,
            order_ids,
            kinds,
            statuses,
            status_changes_only,
        } = self;
        let entry = &logged.entry;
        (workflows.is_empty() || workflows.contains(&logged.workflow))
            && (order_ids.is_empty() || order_ids.contains(&logged.order_id))
            && kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&entry.kind()))
            && (statuses.is_empty() || statuses.contains(&entry.to.status))
            && (!status_changes_only || entry.status_changed())
    }
}

impl FilterFields {
    pub(super) fn read(self, found: &mut Violations) -> Result<HistoryFilter, Noted> {
        let (at, max) = (Path::REQUEST, FILTER_VALUES_MAX);
        let workflows = found.list(at.field("workflows"), &self.workflows, max);
        let order_ids = found.list(at.field("order_ids"), &self.order_ids, max);
        let kinds = kinds(found, at.field("kinds"), &self.kinds);
        let statuses = found.list(at.field("statuses"), &self.statuses, max);
        Ok(HistoryFilter {
            workflows: workflows?,
            order_ids: order_ids?,
            kinds: kinds?,
            statuses: statuses?,
            status_changes_only: self.status_changes_only,
        })
    }
}

fn kinds(
    found: &mut Violations,
    at: Path<'_>,
    numbers: &[i32],
) -> Result<Option<BTreeSet<Kind>>, Noted> {
    found.count(at, numbers.len(), FILTER_VALUES_MAX)?;
    let numbered = numbers.iter().enumerate();
    let kinds: Vec<_> = numbered
        .map(|(index, number)| kind(found, at.index(index), *number))
        .collect();
    let kinds: Vec<Option<Kind>> = kinds.into_iter().collect::<Result<_, _>>()?;
    Ok((!kinds.is_empty()).then(|| kinds.into_iter().flatten().collect()))
}

/// Reads a kind; none for one that no entry has yet.
fn kind(found: &mut Violations, at: Path<'_>, number: i32) -> Result<Option<Kind>, Noted> {
    Ok(match found.number(at, number)? {
        v1::EntryKind::Unspecified => return Err(found.note(at, Problem::Required)),
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

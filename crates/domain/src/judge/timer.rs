//! Steps of time alone: those that come some time after a status was entered or on a date of the
//! order's own, and holds that expire. While an order is on hold, the clock of its status stands
//! still.

use super::{
    cascade,
    draft::{CustomerFlags, Draft},
    due::{timed, unread},
    holding,
    transition::{Taker, judge},
};
use crate::{
    history::{Change, Detail, Entry},
    order::{Hold, Rejection},
    value::Timestamp,
};

/// Notes on the last entry of a step which date cannot be read where the order stands now, so that
/// it waits in vain. That an attribute is not there is no fault: it may be set yet.
pub(super) fn note_unread(draft: &mut Draft<'_>) {
    let is_held = draft.order.return_to.is_some();
    if is_held || !draft.entries.iter().any(may_change_dates) {
        return;
    }
    if let Some(note) = unread(draft.graph, &draft.order) {
        draft.note_last("waymark.date_failed", &note);
    }
}

/// Whether an entry brought the order somewhere, or changed an attribute.
fn may_change_dates(entry: &Entry) -> bool {
    let is_attribute = |change: &Change| matches!(change, Change::Attribute { .. });
    let is_set =
        matches!(&entry.detail, Detail::Updated(changes) if changes.iter().any(is_attribute));
    is_set || entry.from.as_ref() != Some(&entry.to)
}

/// Does what is due by the clock, with all that it sets off: releases the holds that have expired,
/// or takes the first transition that is due and allowed.
///
/// # Errors
/// Returns [`Rejection::NothingDue`] when nothing is, and why what is due cannot be done.
pub(super) fn fire(draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let moment = draft.moment();
    if let Some(return_to) = draft.order.return_to.clone() {
        let holds = draft.order.holds.iter();
        let is_over = |at: Timestamp| at <= moment.clock;
        let expired = holds.filter(|hold| hold.expire_time.is_some_and(is_over));
        let expired: Vec<&Hold> = expired.collect();
        if expired.is_empty() {
            return Err(Rejection::NothingDue);
        }
        let flags = CustomerFlags::of_holds(&expired);
        let expired = expired.iter().map(|hold| hold.id.clone()).collect();
        draft.made_by_time(flags);
        holding::release_these(draft, return_to, expired);
        return cascade::run(draft);
    }
    let is_put_right = moment.put_wait_right(&mut draft.order);
    if take_due(draft)? {
        return Ok(());
    }
    if is_put_right {
        let standing = draft.order.standing.clone();
        draft.write(standing, None, Detail::Updated(Vec::new()));
        return cascade::run(draft);
    }
    Err(Rejection::NothingDue)
}

/// Takes the first transition that is due and open, with all that it sets off, and says whether
/// there is one. Where what follows is refused, the next one has its turn, so that none blocks the
/// others. A step that keeps the status keeps its clock as well, and would be due at once again.
///
/// # Errors
/// Returns the first refusal where no other one is open.
fn take_due(draft: &mut Draft<'_>) -> Result<bool, Rejection> {
    let clock = draft.clock();
    let due = timed(draft.graph, &draft.order).into_iter();
    let mut refusal = None;
    for (transition, _) in due.filter(|(_, at)| *at <= clock) {
        let Ok(open) = judge(draft, transition, None, Taker::Time) else {
            continue;
        };
        if open.to.status == draft.order.standing.status {
            continue;
        }
        let mut trial = draft.fork()?;
        trial.made_by_time(CustomerFlags::of(transition));
        trial.take(open);
        match cascade::run(&mut trial) {
            Ok(()) => {
                *draft = trial;
                return Ok(true);
            }
            Err(rejection) => refusal = refusal.or(Some(rejection)),
        }
    }
    refusal.map_or(Ok(false), Err)
}

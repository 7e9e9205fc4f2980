//! Placing and releasing holds.

use super::{
    draft::Draft,
    transition::{assigned, enterable, entry_guard},
};
use crate::{
    history::Detail,
    order::{Hold, Rejection},
    value::{HOLDS_MAX, HoldId, Reason, StatusCode, Timestamp},
    workflow::Standing,
};

/// Places a hold. The first one moves the order to the held state.
pub(super) fn hold(
    draft: &mut Draft<'_>,
    reason: &Reason,
    status: Option<&StatusCode>,
    expire_time: Option<Timestamp>,
) -> Result<(), Rejection> {
    if expire_time.is_some_and(|expire_time| expire_time <= draft.clock()) {
        return Err(Rejection::malformed("expire_time", "in the future"));
    }
    let to = landing(draft, status)?;
    if draft.order.holds.len() >= HOLDS_MAX {
        return Err(Rejection::HoldLimit { max: HOLDS_MAX });
    }
    let hold = Hold {
        id: HoldId::of_entry(draft.next_sequence()),
        reason: reason.clone(),
        placed_by: draft.context.actor.clone(),
        place_time: draft.now(),
        expire_time,
        status: Some(to.status.clone()),
        visible_to_customer: draft.context.visible_to_customer,
        notify_customer: draft.context.notify_customer,
    };
    draft.write(to, None, Detail::Held(hold));
    Ok(())
}

/// Releases one hold, or all. The last one returns the order to exactly where it was.
pub(super) fn release(draft: &mut Draft<'_>, hold: Option<&HoldId>) -> Result<(), Rejection> {
    let order = &draft.order;
    let Some(return_to) = order.return_to.clone() else {
        return Err(Rejection::OrderNotHeld);
    };
    let released: Vec<HoldId> = match hold {
        None => order.holds.iter().map(|hold| hold.id.clone()).collect(),
        Some(id) if order.holds.iter().any(|hold| hold.id == *id) => vec![id.clone()],
        Some(id) => return Err(Rejection::HoldNotFound { hold: id.clone() }),
    };
    release_these(draft, return_to, released);
    Ok(())
}

/// Releases holds that stand on the order, which returns when no other stands, and else shows the
/// status of the newest that does.
pub(super) fn release_these(draft: &mut Draft<'_>, return_to: Standing, released: Vec<HoldId>) {
    let stands = |hold: &&Hold| !released.contains(&hold.id);
    let newest = draft.order.holds.iter().rfind(stands);
    let to = match newest {
        None => return_to,
        Some(hold) => standing_of(draft, hold),
    };
    draft.write(to, None, Detail::Released(released));
}

/// Where an order stands while this is its newest hold. The status may have left the state since,
/// and old holds do not say it; then the order stays as it is.
fn standing_of(draft: &Draft<'_>, hold: &Hold) -> Standing {
    let Standing { state, status } = draft.order.standing.clone();
    let placed = hold.status.clone();
    let placed = placed.filter(|placed| draft.workflow().assignment(&state, placed).is_some());
    Standing {
        state,
        status: placed.unwrap_or(status),
    }
}

fn landing(draft: &Draft<'_>, status: Option<&StatusCode>) -> Result<Standing, Rejection> {
    let from = &draft.order.standing;
    let is_held = draft.order.return_to.is_some();
    let not_holdable = || Rejection::StateNotHoldable {
        state: from.state.clone(),
    };
    let held = draft.workflow().held_state().ok_or_else(not_holdable)?;
    if !is_held && !draft.state().is_some_and(|state| state.holdable) {
        return Err(not_holdable());
    }
    let status = match status {
        Some(status) => status,
        None if from.state == held.code => &from.status,
        None => draft.workflow().default_status(&held.code).ok_or_else(|| {
            Rejection::StateWithoutStatus {
                state: held.code.clone(),
            }
        })?,
    };
    let to = Standing {
        state: held.code.clone(),
        status: status.clone(),
    };
    if to != *from {
        assigned(draft, &to.state, status)?;
        enterable(draft, status)?;
    }
    if !is_held {
        entry_guard(draft, &to.state, None)?;
    }
    Ok(to)
}

//! Placing and releasing holds.

use super::{
    HOLDS_MAX, Hold, Rejection, Standing,
    draft::Draft,
    transition::{assigned, enterable, entry_guard},
};
use crate::{
    history::Detail,
    value::{HoldId, Invalid, Reason, StatusCode, Timestamp},
};

/// Places a hold. The first one moves the order to the held state.
pub(super) fn hold(
    draft: &mut Draft<'_>,
    reason: &Reason,
    status: Option<&StatusCode>,
    expire_time: Option<Timestamp>,
) -> Result<(), Rejection> {
    if expire_time.is_some_and(|expire_time| expire_time <= draft.clock()) {
        return Err(Rejection::Field {
            field: "expire_time",
            problem: Invalid::Malformed {
                expected: "in the future",
            },
        });
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

/// Releases holds that stand on the order, which returns when no other stands.
pub(super) fn release_these(draft: &mut Draft<'_>, return_to: Standing, released: Vec<HoldId>) {
    let order = &draft.order;
    let is_last = released.len() == order.holds.len();
    let to = if is_last {
        return_to
    } else {
        order.standing.clone()
    };
    draft.write(to, None, Detail::Released(released));
}

/// Refuses a status that the workflow does not have.
pub(super) fn known(draft: &Draft<'_>, status: Option<&StatusCode>) -> Result<(), Rejection> {
    match status.filter(|status| draft.workflow().status(status).is_none()) {
        Some(status) => Err(Rejection::StatusNotFound {
            status: status.clone(),
        }),
        None => Ok(()),
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
        None if is_held => &from.status,
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
        entry_guard(draft, &to.state, None, &draft.context.actor)?;
    }
    Ok(to)
}

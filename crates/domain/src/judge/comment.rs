//! Comments, which may name another status of the present state.

use super::{
    allowed::allowed,
    cascade,
    draft::Draft,
    target::{Settable, Setting},
};
use crate::{
    history::Detail,
    order::Rejection,
    value::{Invalid, StatusCode, TransitionCode},
};

/// Comments on an order and perhaps moves it to another status of its state.
pub(super) fn comment(draft: &mut Draft<'_>, status: Option<&StatusCode>) -> Result<(), Rejection> {
    let present = &draft.order.standing.status;
    let Some(status) = status.filter(|status| *status != present) else {
        if draft.context.comment.is_empty() {
            return Err(Rejection::Field {
                field: "comment",
                problem: Invalid::Empty,
            });
        }
        draft.write(draft.order.standing.clone(), None, Detail::Commented);
        return Ok(());
    };
    let setting = Settable::new(draft).setting(draft, status)?;
    let Some(setting) = setting else {
        return Err(Rejection::CommentStatusNever {
            standing: draft.order.standing.clone(),
            allowed: allowed(draft),
        });
    };
    write(draft, status, setting);
    Ok(())
}

/// Sets a status by a comment on a copy of the order, with all that this sets off, and says which
/// transition is taken for it, if any. None where comments set no status. Where the guards take
/// too long together, that is the refusal.
pub(super) fn try_status<'a>(
    draft: &Draft<'a>,
    settable: &Settable<'a>,
    status: &StatusCode,
) -> Option<Result<Option<TransitionCode>, Rejection>> {
    let setting = settable.setting(draft, status);
    let judged = draft.within_budget().and(setting).transpose()?;
    Some(judged.and_then(|setting| try_out(draft, status, setting)))
}

fn try_out(
    draft: &Draft<'_>,
    status: &StatusCode,
    setting: Setting,
) -> Result<Option<TransitionCode>, Rejection> {
    let mut trial = draft.fork()?;
    write(&mut trial, status, setting);
    let settled = cascade::run(&mut trial);
    trial.within_budget()?;
    settled?;
    let written = trial.entries.into_iter().next();
    Ok(written.and_then(|entry| entry.transition))
}

/// Writes the comment: with the status by itself, or with the transition that leads there.
fn write(draft: &mut Draft<'_>, status: &StatusCode, setting: Setting) {
    match setting {
        Setting::Plain => {
            let mut to = draft.order.standing.clone();
            to.status = status.clone();
            draft.write(to, None, Detail::Commented);
        }
        Setting::Along(open) => draft.take(open),
    }
}

//! What a change of a workflow means for orders that wait for time to take them on.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    value::Timestamp,
    workflow::{Transition, Trigger, Workflow},
};

use crate::{
    Error,
    schema::orders,
    tx::{Tx, on_conn},
};

/// Makes orders due at once that may wait for something else now: the dispatcher looks at each
/// and finds out when it is really due. Nothing is done where no timer came, went or changed.
pub(super) async fn refresh(
    tx: &mut Tx,
    before: Option<&Workflow>,
    after: &Workflow,
    now: Timestamp,
) -> Result<(), Error> {
    let timed: Vec<_> = timed(after).collect();
    if before.is_none_or(|before| timed == self::timed(before).collect::<Vec<_>>()) {
        return Ok(());
    }
    let now = Some(now.micros());
    let of_workflow = || orders::table.filter(orders::workflow.eq(after.code.to_string()));
    let waiting = of_workflow().filter(orders::due_time.is_not_null());
    on_conn!(tx, |c| diesel::update(waiting)
        .set(orders::due_time.eq(now))
        .execute(c)
        .await)?;
    for transition in timed {
        let states: Vec<_> = transition
            .from_states
            .iter()
            .map(ToString::to_string)
            .collect();
        let statuses: Vec<_> = transition
            .from_statuses
            .iter()
            .map(ToString::to_string)
            .collect();
        let due = orders::due_time.eq(now);
        let here = of_workflow().filter(orders::due_time.is_null());
        match (states.is_empty(), statuses.is_empty()) {
            (true, true) => on_conn!(tx, |c| diesel::update(here).set(due).execute(c).await)?,
            (false, true) => {
                let here = here.filter(orders::state.eq_any(states));
                on_conn!(tx, |c| diesel::update(here).set(due).execute(c).await)?
            }
            (true, false) => {
                let here = here.filter(orders::status.eq_any(statuses));
                on_conn!(tx, |c| diesel::update(here).set(due).execute(c).await)?
            }
            (false, false) => {
                let here = here
                    .filter(orders::state.eq_any(states))
                    .filter(orders::status.eq_any(statuses));
                on_conn!(tx, |c| diesel::update(here).set(due).execute(c).await)?
            }
        };
    }
    Ok(())
}

fn timed(workflow: &Workflow) -> impl Iterator<Item = &Transition> {
    workflow
        .transitions
        .iter()
        .filter(|transition| matches!(transition.trigger, Trigger::After(_)))
}

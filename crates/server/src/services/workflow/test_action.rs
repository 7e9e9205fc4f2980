//! Tests of actions: one action, run against an order without a step.

use std::sync::Arc;

use waymark_domain::{
    delivery::Attempt,
    history::{Destination, Entry, LogPosition, Logged},
    judge,
    order::Order,
    workflow::Refusal,
};
use waymark_persistence::Batched;
use waymark_proto::{
    convert::{call::ValidateOnly, delivery::attempt_to_wire, workflow::TestAction},
    v1,
};

use crate::{
    App, Error,
    dispatch::{self, ActionTest, blockers::blockers},
    services::{order::view::find, suggestions},
};

/// Says what an action would do, and has it send what it sends.
pub(super) async fn answer(
    app: &Arc<App>,
    call: TestAction,
) -> Result<v1::TestActionResponse, Error> {
    // In a place of its own, since what it holds is large.
    Box::pin(run(app, call)).await
}

async fn run(app: &Arc<App>, call: TestAction) -> Result<v1::TestActionResponse, Error> {
    let (action, actor) = (call.action, call.actor);
    // Those beyond the bound are refused before anything is read or judged for them.
    let _place = match call.validate_only {
        ValidateOnly::Yes => None,
        ValidateOnly::No => Some(app.test_slots.enter()?),
    };
    let (published, order) = find(app, &call.workflow, &call.order_id).await?;
    let mut entry = last_entry(app, &order).await?;
    entry.logged.entry.notify_customer |= call.notify_customer;
    let now = app.store().clock().now();
    let tried = {
        let (published, order) = (Arc::clone(&published), order.clone());
        let (last, action) = (entry.logged.entry.clone(), action.clone());
        let caller = actor.clone();
        move || judge::try_action(&published.graph, order, last, &action, (&caller, now))
    };
    let Some(trial) = app.compute(tried).await? else {
        let refusal = Refusal::ActionNotFound { action };
        let workflow = published.graph.workflow();
        return Err(suggestions::with_part(workflow, refusal.into()));
    };
    let applies = trial.applies();
    let is_run = applies || call.ignore_condition;
    let problem = if is_run { trial.problem } else { trial.unmet };
    let destinations = trial.destinations.into_iter().filter(|_| is_run);
    let destinations: Vec<_> = destinations.collect();
    let written = trial.written.filter(|_| is_run);
    let written = written.map(|written| unwritten(&entry, written));
    let mut problems: Vec<String> = problem.into_iter().collect();
    let deliveries = match call.validate_only {
        ValidateOnly::Yes => {
            let about = (published.graph.workflow(), &order);
            problems.extend(blockers(app, about, &action, &destinations).await?);
            destinations.iter().map(|to| delivery(to, None)).collect()
        }
        ValidateOnly::No => {
            tracing::info!(order.id = %call.order_id, %action, actor.id = actor.id.as_str(), "action tested");
            let tested = ActionTest {
                published,
                order,
                entry,
                action,
            };
            // It ends with its call: nothing depends on its result.
            let sent = dispatch::test(&app.transports, tested, destinations).await?;
            let sent = sent.iter().map(|(to, attempt)| delivery(to, Some(attempt)));
            sent.collect()
        }
    };
    Ok(v1::TestActionResponse {
        applies,
        problem: problems.join("; "),
        deliveries,
        entry: written.as_ref().map(v1::HistoryEntry::from),
    })
}

async fn last_entry(app: &App, order: &Order) -> Result<Batched, Error> {
    let before = order.version.saturating_sub(1);
    let last = app
        .store()
        .order_history_after(&order.workflow, &order.id, before, 1);
    let last = last.await?.into_iter().next();
    last.ok_or(Error::Internal {
        what: "an order has no last entry",
    })
}

/// An entry that was not written: it has no place in the log.
fn unwritten(last: &Batched, entry: Entry) -> Logged {
    let position = LogPosition {
        offset: 0,
        ..last.logged.position
    };
    Logged {
        position,
        step_offset: 0,
        entry,
        ..last.logged.clone()
    }
}

fn delivery(to: &Destination, attempt: Option<&Attempt>) -> v1::TestDelivery {
    v1::TestDelivery {
        destination: to.to_string(),
        attempt: attempt.map(|attempt| attempt_to_wire(1, attempt)),
    }
}

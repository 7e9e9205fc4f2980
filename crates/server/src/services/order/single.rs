//! One step on one order.

use waymark_persistence::{Committed, Step, StepChange, Unit, UnitMode, UnitOutcome};
use waymark_proto::convert::{
    call::ValidateOnly,
    step::{ParsedChange, ParsedStep},
};

use super::view::{self, Done};
use crate::{
    App, Error,
    services::{once, suggestions},
    telemetry,
};

/// Carries out a step, or makes a dry run of it.
pub(super) async fn carry_out<R: From<Done>>(app: &App, step: ParsedStep) -> Result<R, Error> {
    telemetry::note_order(&step.order_id);
    telemetry::note_request(step.request.as_ref().map(|request| &request.id));
    let (asked, validate_only) = (step.store_view.clone(), step.validate_only);
    let outcome = match validate_only {
        ValidateOnly::No => app.submit(unit(step)).await?,
        ValidateOnly::Yes => dry_run(app, unit(step)).await?,
    };
    match only(outcome) {
        Ok(committed) => Ok(view::done(&committed, asked.as_ref()).into()),
        Err(error) => Err(suggestions::with_workflow(app.store(), error).await),
    }
}

/// Makes a dry run of steps. They are read and decided on threads that give way to those that
/// serve calls: a small call may be about many large orders, and guards may take long.
pub(super) async fn dry_run(app: &App, unit: Unit) -> Result<UnitOutcome, Error> {
    let store = app.bulk().clone();
    // In a place of its own, since every call of an order carries what this future takes.
    app.dry_run(Box::pin(async move { Ok(store.dry_run(unit).await?) }))
        .await
}

/// The unit of a step alone.
pub(super) fn unit(step: ParsedStep) -> Unit {
    Unit {
        steps: vec![to_store(step)],
        mode: UnitMode::Separate,
        return_orders: true,
    }
}

/// A step as the store knows it.
pub(super) fn to_store(step: ParsedStep) -> Step {
    let ParsedStep {
        workflow,
        order_id,
        request,
        change,
        store_view: _,
        validate_only: _,
        command: _,
    } = step;
    let change = match change {
        ParsedChange::Create { order, context } => StepChange::Create(order, context),
        ParsedChange::Change(command) => StepChange::Change(command),
    };
    Step {
        workflow,
        order_id,
        request: request.as_ref().map(once::key),
        change,
    }
}

/// The outcome of the only step of a unit.
pub(super) fn only(outcome: UnitOutcome) -> Result<Committed, Error> {
    match outcome {
        UnitOutcome::Done(steps) => {
            let step = steps.into_iter().next();
            Ok(step.ok_or(Error::Internal {
                what: "a unit of one step has no outcome",
            })??)
        }
        UnitOutcome::Refused { index: _, refusal } => Err(Error::Refused(refusal)),
    }
}

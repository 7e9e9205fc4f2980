//! One step on one order.

use waymark_persistence::{Committed, Request, Step, StepChange, Unit, UnitMode, UnitOutcome};
use waymark_proto::{
    convert::{
        call::ValidateOnly,
        step::{ParsedChange, ParsedStep},
    },
    invalid::InvalidRequest,
};

use super::view::{self, Done};
use crate::{App, Error, services::names, telemetry};

/// Carries out a step that was read, or only rehearses it.
pub(super) async fn carry_out(
    app: &App,
    step: Result<ParsedStep, InvalidRequest>,
) -> Result<Done, Error> {
    let step = step?;
    telemetry::note_order(&step.order_id);
    telemetry::note_request(step.request.as_ref().map(|request| &request.id));
    let (asked, validate_only) = (step.store_view.clone(), step.validate_only);
    let unit = Unit {
        steps: vec![to_store(step)],
        mode: UnitMode::Separate,
        return_orders: true,
    };
    let outcome = match validate_only {
        ValidateOnly::No => app.submit(unit).await?,
        ValidateOnly::Yes => rehearse(app, unit).await?,
    };
    match only(outcome) {
        Ok(committed) => Ok(view::done(&committed, asked.as_ref())),
        Err(error) => Err(names::told(app.store(), error).await),
    }
}

/// Says what steps would come to. They are read and decided on threads that give way to those that
/// serve calls: a small call may be about many large orders, and guards may take long.
pub(super) async fn rehearse(app: &App, unit: Unit) -> Result<UnitOutcome, Error> {
    let store = app.bulk().clone();
    // In a place of its own, since every call of an order carries what this future takes.
    app.rehearse(Box::pin(async move { Ok(store.rehearse(unit).await?) }))
        .await
}

/// What the store shall do for a step.
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
    let request = request.map(|key| Request {
        id: key.id,
        fingerprint: key.fingerprint,
    });
    Step {
        workflow,
        order_id,
        request,
        change,
    }
}

/// What became of the only step of a unit.
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

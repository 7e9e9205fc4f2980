//! Many steps in one call.

use prost::Message;
use waymark_domain::value::StoreView;
use waymark_persistence::{Committed, Unit, UnitMode, UnitOutcome};
use waymark_proto::{
    convert::{
        call::ValidateOnly,
        step::{ExecuteSteps, ParsedStep},
    },
    invalid::InvalidRequest,
    v1,
};

use super::{
    single,
    view::{self, Done},
};
use crate::{App, Error, limits::ANSWER_BYTES_SOFT_MAX};

/// How a step that can be carried out is shown: its place in the call, and the store view
/// asked for.
struct Shown {
    index: usize,
    asked: Option<StoreView>,
}

/// Carries out a batch and answers one result for each step, in their order.
pub(super) async fn execute(app: &App, batch: ExecuteSteps) -> Result<Vec<v1::StepResult>, Error> {
    let ExecuteSteps {
        steps,
        atomic,
        return_orders,
        validate_only,
    } = batch;
    let count = steps.len();
    let (mut unit, mut shown, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, step) in steps.into_iter().enumerate() {
        match prepare(step) {
            Ok((step, asked)) => {
                unit.push(step);
                shown.push(Shown { index, asked });
            }
            Err(error) if atomic => return Err(error.of_step(index)),
            Err(error) => refused.push((index, error_result(error))),
        }
    }
    let mode = if atomic {
        UnitMode::Atomic
    } else {
        UnitMode::Separate
    };
    let outcomes = match commit(app, Unit { steps: unit, mode }, validate_only).await? {
        UnitOutcome::Done(outcomes) => outcomes,
        UnitOutcome::Refused { index, refusal } => return Err(Error::from(refusal).of_step(index)),
    };
    let mut answer = Answer {
        results: vec![v1::StepResult::default(); count],
        bytes: 0,
        return_orders,
    };
    for (index, result) in refused {
        answer.put(index, result);
    }
    for (Shown { index, asked }, outcome) in shown.into_iter().zip(outcomes) {
        answer.put(index, result(asked.as_ref(), outcome.map_err(Error::from)));
    }
    Ok(answer.results)
}

fn prepare(
    step: Result<ParsedStep, InvalidRequest>,
) -> Result<(waymark_persistence::Step, Option<StoreView>), Error> {
    let step = step?;
    let asked = step.store_view.clone();
    Ok((single::to_store(step)?, asked))
}

async fn commit(app: &App, unit: Unit, validate_only: ValidateOnly) -> Result<UnitOutcome, Error> {
    if unit.steps.is_empty() {
        return Ok(UnitOutcome::Done(Vec::new()));
    }
    Ok(match validate_only {
        ValidateOnly::No => app.submit(unit).await?,
        ValidateOnly::Yes => app.store().rehearse(unit).await?,
    })
}

/// Shows what became of a step.
pub(super) fn result(
    asked: Option<&StoreView>,
    outcome: Result<Committed, Error>,
) -> v1::StepResult {
    match outcome {
        Ok(committed) => {
            let Done {
                order,
                entries,
                replayed,
            } = view::done(committed, asked);
            let hold = view::hold(&entries);
            v1::StepResult {
                order: Some(order),
                entries,
                hold,
                replayed,
                error: None,
            }
        }
        Err(error) => error_result(error),
    }
}

/// The result of a step that was not carried out.
pub(super) fn error_result(error: Error) -> v1::StepResult {
    v1::StepResult {
        error: Some(error.into_step_error()),
        ..v1::StepResult::default()
    }
}

/// The results, and how large they have become.
struct Answer {
    results: Vec<v1::StepResult>,
    bytes: usize,
    return_orders: bool,
}

impl Answer {
    /// Orders are left out where nobody asked for them, and as soon as the answer would be
    /// larger than clients take: the steps have happened, so it must arrive.
    fn put(&mut self, index: usize, mut result: v1::StepResult) {
        let fits = |bytes: usize| self.bytes + bytes <= ANSWER_BYTES_SOFT_MAX;
        if !self.return_orders || !fits(result.encoded_len()) {
            result.order = None;
        }
        self.bytes += result.encoded_len();
        if let Some(place) = self.results.get_mut(index) {
            *place = result;
        }
    }
}

//! Many steps in one call.

use waymark_domain::value::StoreView;
use waymark_persistence::{Committed, Unit, UnitMode, UnitOutcome};
use waymark_proto::{
    convert::{call::ValidateOnly, step::ExecuteSteps},
    v1,
};

use super::{
    single,
    view::{self, Written, listed_bytes},
};
use crate::{
    App, Error,
    limits::{ANSWER_BYTES_SOFT_MAX, RESULT_BYTES_MIN},
    services::suggestions,
};

/// How a step that can be carried out is shown: its place in the call, the field that it stands in
/// there, and the store view asked for.
struct Shown {
    index: usize,
    command: &'static str,
    asked: Option<StoreView>,
}

impl Shown {
    /// The error of the step, whose fields the store knows by their names in a call of its own.
    fn name_fields(&self, error: Error) -> Error {
        error.below(format!("steps[{}].{}", self.index, self.command))
    }
}

/// Carries out a batch and answers one result for each step, in their order.
pub(super) async fn execute(
    app: &App,
    batch: ExecuteSteps,
) -> Result<v1::ExecuteStepsResponse, Error> {
    let (atomic, return_orders) = (batch.atomic, batch.return_orders);
    let count = batch.steps.len();
    let (mut steps, mut shown) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut answer = Answer::new(count);
    for (index, step) in batch.steps.enumerate() {
        match step.map_err(Error::from) {
            Ok(step) => {
                shown.push(Shown {
                    index,
                    command: step.command,
                    asked: step.store_view.clone(),
                });
                steps.push(single::to_store(step));
            }
            Err(error) if atomic => return Err(error.of_step(index)),
            Err(error) => answer.refuse(index, error),
        }
    }
    let unit = Unit {
        steps,
        mode: if atomic {
            UnitMode::Atomic
        } else {
            UnitMode::Separate
        },
        return_orders,
    };
    let outcomes = match commit(app, unit, batch.validate_only).await? {
        UnitOutcome::Done(outcomes) => outcomes,
        UnitOutcome::Refused { index, refusal } => {
            let error = suggestions::with_workflow(app.store(), refusal.into()).await;
            return Err(match shown.get(index) {
                Some(step) => step.name_fields(error).of_step(index),
                None => error.of_step(index),
            });
        }
    };
    let (mut orders, mut is_suggested) = (Vec::new(), false);
    for (shown, outcome) in shown.into_iter().zip(outcomes) {
        match outcome {
            Ok(committed) => {
                answer.put(shown.index, &committed);
                if return_orders {
                    orders.push((shown, committed));
                }
            }
            Err(error) => {
                let mut error = Error::from(error);
                // One suggestion is enough, and each costs a read of all workflows.
                if !std::mem::replace(&mut is_suggested, true) {
                    error = suggestions::with_workflow(app.store(), error).await;
                }
                answer.refuse(shown.index, shown.name_fields(error));
            }
        }
    }
    for (shown, committed) in orders {
        answer.add_order(shown.index, &committed, shown.asked.as_ref());
    }
    let results = answer.results;
    Ok(v1::ExecuteStepsResponse { results })
}

async fn commit(app: &App, unit: Unit, validate_only: ValidateOnly) -> Result<UnitOutcome, Error> {
    if unit.steps.is_empty() {
        return Ok(UnitOutcome::Done(Vec::new()));
    }
    Ok(match validate_only {
        ValidateOnly::No => app.submit(unit).await?,
        ValidateOnly::Yes => single::dry_run(app, unit).await?,
    })
}

/// The results, which never become larger than clients take: the steps have happened, so the answer must arrive. Each
/// result has room for what must be there, however large the others are; entries go before orders.
struct Answer {
    results: Vec<v1::StepResult>,
    /// How many have yet to come.
    open: usize,
    bytes: usize,
}

impl Answer {
    fn new(count: usize) -> Self {
        Self {
            results: vec![v1::StepResult::default(); count],
            open: count,
            bytes: 0,
        }
    }

    /// What the next result may take, so that those behind it keep their least.
    fn room(&self) -> usize {
        let others = self.open.saturating_sub(1) * RESULT_BYTES_MIN;
        ANSWER_BYTES_SOFT_MAX.saturating_sub(self.bytes + others)
    }

    fn put(&mut self, index: usize, committed: &Committed) {
        let written = Written::of(&committed.entries, self.room());
        let done = view::Done {
            order: None,
            written,
            replayed: committed.replayed,
        };
        self.place(index, done.into());
    }

    fn refuse(&mut self, index: usize, error: Error) {
        let result = v1::StepResult {
            error: Some(error.into_step_error(self.room())),
            ..v1::StepResult::default()
        };
        self.place(index, result);
    }

    fn place(&mut self, index: usize, result: v1::StepResult) {
        self.open = self.open.saturating_sub(1);
        self.bytes += listed_bytes(&result);
        if let Some(place) = self.results.get_mut(index) {
            *place = result;
        }
    }

    /// Adds the order of a step, if it fits. All results are there.
    fn add_order(&mut self, index: usize, committed: &Committed, asked: Option<&StoreView>) {
        let Some(order) = view::order_after(committed, asked) else {
            return;
        };
        let bytes = listed_bytes(&order);
        if bytes > self.room() {
            return;
        }
        self.bytes += bytes;
        if let Some(place) = self.results.get_mut(index) {
            place.order = Some(order);
        }
    }
}

//! Steps as they come. Units are handed over one after the other, so that steps on one
//! order keep their order. Results are answered as they come, so that an order whose
//! partition is locked holds up no other, and those of one order in the order of its steps.

use std::{
    collections::HashMap,
    future,
    sync::{Arc, OnceLock},
};

use futures::{Stream, StreamExt, stream};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tonic::{Status, Streaming};
use waymark_domain::value::{OrderId, StoreView, WorkflowCode};
use waymark_proto::{
    convert::step::{ParsedStep, StreamedStep},
    invalid::InvalidRequest,
    v1,
};

use super::{single, view};
use crate::{
    App, Error,
    committer::{SubmitError, Ticket},
    error::explain,
    limits::ANSWER_BYTES_SOFT_MAX,
};

/// How many steps of one stream are in flight at once. The sender of more is slowed down.
const STEPS_IN_FLIGHT_MAX: usize = 256;

/// A step that waits for its outcome, the store view to show it in, and the field that it stands in.
struct Queued {
    ticket: Ticket,
    asked: Option<StoreView>,
    command: &'static str,
}

/// The orders of a stream, each with the end of its last step.
#[derive(Default)]
struct Orders(HashMap<(WorkflowCode, OrderId), oneshot::Receiver<()>>);

/// The turn of a step among those on its order.
struct Turn {
    /// Closed when the step before it is answered; none where there is none.
    before: Option<oneshot::Receiver<()>>,
    /// Dropped when this one is.
    end: oneshot::Sender<()>,
}

impl Orders {
    /// The turn of a step behind all that came before it.
    fn turn(&mut self, step: &ParsedStep) -> Turn {
        if self.0.len() >= 2 * STEPS_IN_FLIGHT_MAX {
            let is_in_flight = |end: &mut oneshot::Receiver<()>| {
                end.try_recv()
                    .is_err_and(|error| error == TryRecvError::Empty)
            };
            self.0.retain(|_, end| is_in_flight(end));
        }
        let order = (step.workflow.clone(), step.order_id.clone());
        let (end, ended) = oneshot::channel();
        Turn {
            before: self.0.insert(order, ended),
            end,
        }
    }
}

/// Carries out the steps of a stream. When the server stops, it reads no more of them,
/// answers those that are in flight, and ends. When the stream ends early, they are
/// answered too.
pub(super) fn execute(
    app: Arc<App>,
    steps: Streaming<v1::StreamStepsRequest>,
) -> impl Stream<Item = Result<v1::StreamStepsResponse, Status>> + Send {
    let stopping = app.stopping().clone();
    let broken = Arc::new(OnceLock::new());
    let breaking = Arc::clone(&broken);
    let mut orders = Orders::default();
    let results = steps
        .take_until(stopping.clone().cancelled_owned())
        .scan((), move |(), message| {
            future::ready(match message {
                Ok(message) => Some(message),
                Err(status) => {
                    // It is the last message, so there is no other.
                    let _ = breaking.set(status);
                    None
                }
            })
        })
        .then(move |message| {
            let step = StreamedStep::read(message, app.default_workflow());
            let turn = step.step.as_ref().ok().map(|step| orders.turn(step));
            hand_over(Arc::clone(&app), step, turn)
        })
        .buffer_unordered(STEPS_IN_FLIGHT_MAX)
        .map(Ok);
    let last = stream::once(async move {
        match broken.get() {
            Some(status) => Some(Err(explain(Status::clone(status)))),
            None => stopping
                .is_cancelled()
                .then(|| Err(Status::from(Error::from(SubmitError::ShuttingDown)))),
        }
    });
    results.chain(last.filter_map(future::ready))
}

/// Queues a step at once, and gives what waits for its result.
async fn hand_over(
    app: Arc<App>,
    step: StreamedStep,
    turn: Option<Turn>,
) -> impl Future<Output = v1::StreamStepsResponse> + Send {
    let StreamedStep {
        correlation_id,
        step,
    } = step;
    let queued = queue(&app, step).await;
    async move {
        let result = match queued {
            Ok(queued) => finish(queued).await,
            Err(error) => refused(error),
        };
        if let Some(Turn { before, end }) = turn {
            if let Some(before) = before {
                // Nothing is ever sent.
                let _ = before.await;
            }
            // This result goes out before the next one of the order is looked at.
            drop(end);
        }
        v1::StreamStepsResponse {
            correlation_id,
            result: Some(result),
        }
    }
}

async fn queue(app: &App, step: Result<ParsedStep, InvalidRequest>) -> Result<Queued, Error> {
    let step = step?;
    let (asked, command) = (step.store_view.clone(), step.command);
    let ticket = app.hand_over_when_room(single::unit(step)).await?;
    Ok(Queued {
        ticket,
        asked,
        command,
    })
}

async fn finish(queued: Queued) -> v1::StepResult {
    let Queued {
        ticket,
        asked,
        command,
    } = queued;
    let outcome = ticket.outcome().await.map_err(Error::from);
    match outcome.and_then(single::only) {
        Ok(committed) => view::done(&committed, asked.as_ref()).into(),
        Err(error) => refused(error.below(format!("step.{command}"))),
    }
}

fn refused(error: Error) -> v1::StepResult {
    v1::StepResult {
        error: Some(error.into_step_error(ANSWER_BYTES_SOFT_MAX)),
        ..v1::StepResult::default()
    }
}

//! Steps as they come. Units are handed over one after the other, so that steps on one
//! order keep their order; results are answered in the order of the steps, which costs
//! nothing while they wait, since a step is committed whether or not its result is read.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use tonic::{Status, Streaming};
use waymark_domain::value::StoreView;
use waymark_persistence::{Unit, UnitMode};
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

/// How many steps of one stream are under way at once. The sender of more is slowed down.
const STEPS_UNDER_WAY_MAX: usize = 256;

/// A step that waits for its outcome, and the store view to show it in.
struct Queued {
    ticket: Ticket,
    asked: Option<StoreView>,
}

/// Carries out the steps of a stream. When the server stops, it reads no more of them,
/// answers those that are under way, and ends.
pub(super) fn execute(
    app: Arc<App>,
    steps: Streaming<v1::StreamStepsRequest>,
) -> impl Stream<Item = Result<v1::StreamStepsResponse, Status>> + Send {
    let stopping = app.stopping().clone();
    let results = steps
        .take_until(stopping.clone().cancelled_owned())
        .then(move |message| hand_over(Arc::clone(&app), message))
        .buffered(STEPS_UNDER_WAY_MAX);
    let last = stream::once(async move { stopping.is_cancelled() });
    results.chain(last.filter_map(async |stops| {
        stops.then(|| Err(Status::from(Error::from(SubmitError::ShuttingDown))))
    }))
}

/// Queues a step at once, and gives what waits for its result.
async fn hand_over(
    app: Arc<App>,
    message: Result<v1::StreamStepsRequest, Status>,
) -> impl Future<Output = Result<v1::StreamStepsResponse, Status>> + Send {
    let queued = match message {
        Err(status) => Err(explain(status)),
        Ok(message) => {
            let StreamedStep {
                correlation_id,
                step,
            } = StreamedStep::read(message, app.default_workflow());
            Ok((correlation_id, queue(&app, step).await))
        }
    };
    async move {
        let (correlation_id, queued) = queued?;
        let result = match queued {
            Ok(queued) => finish(queued).await,
            Err(error) => refused(error),
        };
        Ok(v1::StreamStepsResponse {
            correlation_id,
            result: Some(result),
        })
    }
}

async fn queue(app: &App, step: Result<ParsedStep, InvalidRequest>) -> Result<Queued, Error> {
    let step = step?;
    let asked = step.store_view.clone();
    let unit = Unit {
        steps: vec![single::to_store(step)],
        mode: UnitMode::Separate,
        return_orders: true,
    };
    let ticket = app.hand_over_when_room(unit).await?;
    Ok(Queued { ticket, asked })
}

async fn finish(queued: Queued) -> v1::StepResult {
    let Queued { ticket, asked } = queued;
    let outcome = ticket.outcome().await.map_err(Error::from);
    match outcome.and_then(single::only) {
        Ok(committed) => view::done(&committed, asked.as_ref()).into(),
        Err(error) => refused(error),
    }
}

fn refused(error: Error) -> v1::StepResult {
    v1::StepResult {
        error: Some(error.into_step_error(ANSWER_BYTES_SOFT_MAX)),
        ..v1::StepResult::default()
    }
}

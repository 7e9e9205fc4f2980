//! Diagrams of a workflow, with an order or the number of orders in it.

use std::sync::Arc;

use waymark_domain::workflow::diagram::{Format, Marks, TooLarge, render_within};
use waymark_persistence::Published;
use waymark_proto::{convert::workflow::DiagramWorkflow, v1};

use super::super::{definition, order};
use crate::{App, Error, kept::Drawn, limits::ANSWER_BYTES_SOFT_MAX, telemetry};

/// Answers with the diagram of a workflow.
pub(super) async fn answer(
    app: &App,
    call: DiagramWorkflow,
) -> Result<v1::DiagramWorkflowResponse, Error> {
    let document = draw(app, call).await?;
    Ok(v1::DiagramWorkflowResponse { document })
}

async fn draw(app: &App, call: DiagramWorkflow) -> Result<String, Error> {
    let workflow = call.workflow;
    let published = definition::find(app, &workflow).await?;
    let format = call.format;
    if call.order_id.is_none() && !call.counts {
        return Ok(plain(app, published, format).await??.to_string());
    }
    let mut marks = Marks::default();
    if let Some(order_id) = call.order_id {
        telemetry::note_order(&order_id);
        let (_, order) = order::find(app, &workflow, &order_id).await?;
        marks.standing = Some(order.standing);
        let (bulk, workflow) = (app.bulk().clone(), workflow.clone());
        let visited = async move { Ok(bulk.visited(&workflow, &order_id).await?) };
        marks.visited = app.read_many(visited).await?;
    }
    if call.counts {
        let bulk = app.bulk().clone();
        let counted = async move { Ok(bulk.count_orders(&workflow).await?) };
        let counts = app.read_many(counted).await?.into_iter();
        let counts = counts.map(|(place, count)| (place, u64::try_from(count).unwrap_or(0)));
        marks.counts = counts.collect();
    }
    let drawn = app.compute(move || drawing(&published, format, &marks));
    Ok(drawn.await??)
}

/// Draws a version once, however often it is asked for.
async fn plain(app: &App, published: Arc<Published>, format: Format) -> Result<Drawn, Error> {
    let kept = Arc::clone(app.kept());
    if let Some(drawn) = kept.drawing(&published.record, format) {
        return Ok(drawn);
    }
    let draw = move || {
        // Others may have waited for the same.
        if let Some(drawn) = kept.drawing(&published.record, format) {
            return drawn;
        }
        let drawn = drawing(&published, format, &Marks::default()).map(Arc::from);
        kept.keep_drawing(&published.record, format, &drawn);
        drawn
    };
    app.compute(draw).await
}

fn drawing(published: &Published, format: Format, marks: &Marks) -> Result<String, TooLarge> {
    let workflow = &published.record.workflow;
    render_within(ANSWER_BYTES_SOFT_MAX, workflow, format, marks)
}

//! Drawings of a workflow, with an order or the number of orders in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use waymark_domain::{
    order::Standing,
    value::{OrderId, WorkflowCode},
    workflow::diagram::{self, Format, Marks},
};
use waymark_persistence::Published;
use waymark_proto::convert::workflow::{DiagramFormat, DiagramWorkflow};

use super::super::{definition, order};
use crate::{App, Error, kept::Drawn, limits::ANSWER_BYTES_SOFT_MAX, telemetry};

/// Draws a workflow.
pub(super) async fn draw(app: &Arc<App>, call: DiagramWorkflow) -> Result<String, Error> {
    let DiagramWorkflow {
        workflow,
        format,
        order_id,
        counts,
    } = call;
    let published = definition::find(app, &workflow).await?;
    let format = match format {
        DiagramFormat::Mermaid => Format::Mermaid,
        DiagramFormat::Dot => Format::Dot,
        DiagramFormat::Svg => Format::Svg,
    };
    if order_id.is_none() && !counts {
        return Ok(plain(app, published, format).await??.to_string());
    }
    let mut marks = Marks::default();
    if let Some(order_id) = order_id {
        telemetry::note_order(&order_id);
        let (_, order) = order::find(app, &workflow, &order_id).await?;
        marks.standing = Some(order.standing);
        let visited = visited(Arc::clone(app), workflow.clone(), order_id);
        marks.visited = app.read_many(visited).await?;
    }
    if counts {
        marks.counts = app.read_many(count(Arc::clone(app), workflow)).await?;
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

fn drawing(
    published: &Published,
    format: Format,
    marks: &Marks,
) -> Result<String, diagram::TooLarge> {
    let workflow = &published.record.workflow;
    diagram::render_within(ANSWER_BYTES_SOFT_MAX, workflow, format, marks)
}

/// Where an order has been.
async fn visited(
    app: Arc<App>,
    workflow: WorkflowCode,
    order: OrderId,
) -> Result<BTreeSet<Standing>, Error> {
    Ok(app.bulk().visited(&workflow, &order).await?)
}

async fn count(app: Arc<App>, workflow: WorkflowCode) -> Result<BTreeMap<Standing, u64>, Error> {
    let counts = app.bulk().count_orders(&workflow).await?.into_iter();
    Ok(counts
        .map(|(standing, count)| (standing, u64::try_from(count).unwrap_or(0)))
        .collect())
}

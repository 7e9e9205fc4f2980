//! Drawings of a workflow, with an order or the number of orders in it.

use std::collections::{BTreeMap, BTreeSet};

use waymark_domain::{
    order::Standing,
    value::{OrderId, WorkflowCode},
    workflow::diagram::{self, Format, Marks},
};
use waymark_persistence::{Direction, HistoryQuery, Visibility};
use waymark_proto::convert::workflow::{DiagramFormat, DiagramWorkflow};

use super::super::{definition, order};
use crate::{App, Error, telemetry};

/// How many entries of an order are read at once.
const ENTRIES_READ: usize = 1_000;

/// Draws a workflow.
pub(super) async fn draw(app: &App, call: DiagramWorkflow) -> Result<String, Error> {
    let DiagramWorkflow {
        workflow,
        format,
        order_id,
        counts,
    } = call;
    let published = definition::find(app, &workflow).await?;
    let mut marks = Marks::default();
    if let Some(order_id) = order_id {
        telemetry::note_order(&order_id);
        let (_, order) = order::find(app, &workflow, &order_id).await?;
        marks.standing = Some(order.standing);
        marks.visited = visited(app, &workflow, &order_id).await?;
    }
    if counts {
        marks.counts = count(app, &workflow).await?;
    }
    let format = match format {
        DiagramFormat::Mermaid => Format::Mermaid,
        DiagramFormat::Dot => Format::Dot,
        DiagramFormat::Svg => Format::Svg,
    };
    Ok(diagram::render(&published.record.workflow, format, &marks))
}

/// Where an order has been.
async fn visited(
    app: &App,
    workflow: &WorkflowCode,
    order: &OrderId,
) -> Result<BTreeSet<Standing>, Error> {
    let (mut visited, mut after_sequence) = (BTreeSet::new(), None);
    loop {
        let query = HistoryQuery {
            direction: Direction::Ascending,
            after_sequence,
            visibility: Visibility::All,
            limit: ENTRIES_READ,
        };
        let Some(page) = app.store().order_history(workflow, order, &query).await? else {
            return Ok(visited);
        };
        visited.extend(page.entries.into_iter().map(|logged| logged.entry.to));
        match page.next {
            Some(next) => after_sequence = Some(next),
            None => return Ok(visited),
        }
    }
}

async fn count(app: &App, workflow: &WorkflowCode) -> Result<BTreeMap<Standing, u64>, Error> {
    let counts = app.store().count_orders(workflow).await?.into_iter();
    Ok(counts
        .map(|(standing, count)| (standing, u64::try_from(count).unwrap_or(0)))
        .collect())
}

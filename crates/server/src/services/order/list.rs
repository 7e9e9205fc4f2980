//! Pages of orders.

use std::sync::Arc;

use waymark_domain::{
    value::{StoreView, WorkflowCode},
    workflow::{Assignment, Category, Standing, Workflow},
};
use waymark_persistence::{Direction, OrderCursor, OrderPage, OrderQuery, OrderSort, SortKey};
use waymark_proto::{
    convert::order::{self as wire, OrderBy, OrderFilter, OrderListRequest, order_to_wire},
    v1,
};

use super::super::suggestions;
use crate::{App, Error, page};

/// The list for which tokens of orders are made.
const KIND: &str = "orders";

pub(super) async fn list(
    app: &Arc<App>,
    call: OrderListRequest,
) -> Result<v1::ListOrdersResponse, Error> {
    app.read_many(page(Arc::clone(app), call)).await
}

async fn page(app: Arc<App>, call: OrderListRequest) -> Result<v1::ListOrdersResponse, Error> {
    let OrderListRequest {
        workflows,
        filter,
        order_by,
        page,
        store_view,
    } = call;
    let after: Option<OrderCursor> = page::begin(KIND, &page)?;
    let query = query(&app, workflows, filter, sort(order_by)).await?;
    let store = app.bulk();
    let found = store.list_orders(&query, after.as_ref(), page.size).await?;
    let mut shown = show(&app, &found, store_view.as_ref()).await?;
    // What is too large for one answer is left to the next page.
    let count = page::fitting(shown.iter().map(|(_, order)| order));
    let rest = shown.get(count);
    let next = found.next_after(rest.map_or(found.orders.len(), |(place, _)| *place));
    shown.truncate(count);
    Ok(v1::ListOrdersResponse {
        orders: shown.into_iter().map(|(_, order)| order).collect(),
        next_page_token: page::next(KIND, &page, next.as_ref()),
    })
}

/// The orders of a page, each with its place on it. One whose workflow is not there is left out: it
/// is no matter of who asks for others.
async fn show(
    app: &App,
    page: &OrderPage,
    asked: Option<&StoreView>,
) -> Result<Vec<(usize, v1::Order)>, Error> {
    let workflows = app.bulk().workflows_of(page).await?;
    let orders = page.orders.iter().enumerate();
    let shown = orders.filter_map(|(place, order)| {
        let published = workflows.get(&order.workflow)?;
        Some((place, order_to_wire(&published.graph, order, asked)))
    });
    Ok(shown.collect())
}

fn sort(order_by: OrderBy) -> OrderSort {
    OrderSort {
        by: match order_by.key {
            wire::SortKey::UpdateTime => SortKey::UpdateTime,
            wire::SortKey::CreateTime => SortKey::CreateTime,
            wire::SortKey::Id => SortKey::Id,
        },
        direction: match order_by.direction {
            wire::Direction::Ascending => Direction::Ascending,
            wire::Direction::Descending => Direction::Descending,
        },
    }
}

async fn query(
    app: &App,
    workflows: Vec<WorkflowCode>,
    filter: OrderFilter,
    sort: OrderSort,
) -> Result<OrderQuery, Error> {
    let standings = standings(app, &workflows, &filter).await?;
    Ok(OrderQuery {
        workflows,
        ids: filter.ids,
        standings,
        return_statuses: filter.return_statuses,
        customer: filter.customer_id,
        updated_after: filter.updated_after,
        updated_before: filter.updated_before,
        attributes: filter.attributes,
        sort,
    })
}

/// The pairs of state and status that the filter wants, none where it names none. Orders stand on
/// assigned pairs only, and on hold, from which they return, in the held state only, so the pairs
/// answer all questions but to which status.
async fn standings(
    app: &App,
    workflows: &[WorkflowCode],
    filter: &OrderFilter,
) -> Result<Option<Vec<(WorkflowCode, Standing)>>, Error> {
    let asks = !filter.states.is_empty()
        || !filter.statuses.is_empty()
        || !filter.return_statuses.is_empty()
        || filter.held.is_some()
        || filter.visible_on_storefront.is_some();
    if workflows.is_empty() && !asks {
        return Ok(None);
    }
    let searched = suggestions::find_workflows(app.bulk(), workflows).await?;
    suggestions::check_states(&searched, &filter.states)?;
    let statuses = filter.statuses.iter().chain(&filter.return_statuses);
    suggestions::check_statuses(&searched, statuses)?;
    if !asks {
        return Ok(None);
    }
    let searched = searched.iter().map(|published| &published.record.workflow);
    let pairs = searched.flat_map(|workflow| {
        let wanted = workflow
            .assignments
            .iter()
            .filter(|pair| wants(filter, workflow, pair));
        wanted.map(|pair| {
            let standing = Standing {
                state: pair.state.clone(),
                status: pair.status.clone(),
            };
            (workflow.code.clone(), standing)
        })
    });
    Ok(Some(pairs.collect()))
}

fn wants(filter: &OrderFilter, workflow: &Workflow, pair: &Assignment) -> bool {
    let is_held = workflow
        .state(&pair.state)
        .is_some_and(|state| state.category == Category::Held);
    (filter.states.is_empty() || filter.states.contains(&pair.state))
        && (filter.statuses.is_empty() || filter.statuses.contains(&pair.status))
        && filter.held.is_none_or(|held| held == is_held)
        && (filter.return_statuses.is_empty() || is_held)
        && filter
            .visible_on_storefront
            .is_none_or(|visible| visible == pair.visible_on_storefront)
}

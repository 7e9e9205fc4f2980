//! What orders use of a workflow. Asked under the locks of all partitions, so no
//! order can move onto something while it goes.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, QueryDsl, dsl::count_star};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    order::Standing,
    value::{OrderId, StatusCode, WorkflowCode},
    workflow::{Refusal, Usage, Workflow},
};

use crate::{
    Error,
    rows::Reading,
    schema::orders,
    tx::{Tx, on_conn},
};

/// How many order ids a refusal names.
const NAMED_MAX: i64 = 10;

/// Refuses a change that takes away what orders use; `after` is none when the workflow goes.
pub(super) async fn check(
    tx: &mut Tx,
    before: &Workflow,
    after: Option<&Workflow>,
    used: &BTreeSet<StatusCode>,
) -> Result<Option<Refusal>, Error> {
    let Some(after) = after else {
        let usage = of_workflow(tx, &before.code).await?;
        let in_use = usage.count > 0;
        return Ok(in_use.then(|| Refusal::WorkflowInUse {
            workflow: before.code.clone(),
            usage,
        }));
    };
    for assignment in &before.assignments {
        if after
            .assignment(&assignment.state, &assignment.status)
            .is_some()
        {
            continue;
        }
        let standing = Standing {
            state: assignment.state.clone(),
            status: assignment.status.clone(),
        };
        let usage = of_standing(tx, &before.code, &standing).await?;
        if usage.count > 0 {
            let (status, state) = (standing.status, Some(standing.state));
            return Ok(Some(Refusal::StatusInUse {
                status,
                state,
                usage,
            }));
        }
    }
    for status in &before.statuses {
        if after.status(&status.code).is_none() && used.contains(&status.code) {
            let usage = Usage {
                count: 0,
                order_ids: Vec::new(),
            };
            return Ok(Some(Refusal::StatusInUse {
                status: status.code.clone(),
                state: None,
                usage,
            }));
        }
    }
    Ok(None)
}

async fn of_workflow(tx: &mut Tx, workflow: &WorkflowCode) -> Result<Usage, Error> {
    let of_workflow = orders::table.filter(orders::workflow.eq(workflow.as_str()));
    let count = of_workflow.select(count_star());
    let count: i64 = on_conn!(tx, |c| count.first(c).await)?;
    let ids = of_workflow.select(orders::id).limit(NAMED_MAX);
    let ids: Vec<String> = on_conn!(tx, |c| ids.load(c).await)?;
    usage(count, &ids)
}

/// The orders that stand on a pair, and those that will return to it when they are released.
async fn of_standing(
    tx: &mut Tx,
    workflow: &WorkflowCode,
    standing: &Standing,
) -> Result<Usage, Error> {
    let here = orders::table
        .filter(orders::workflow.eq(workflow.as_str()))
        .filter(orders::state.eq(standing.state.as_str()))
        .filter(orders::status.eq(standing.status.as_str()));
    let back = orders::table
        .filter(orders::workflow.eq(workflow.as_str()))
        .filter(orders::return_state.eq(standing.state.as_str()))
        .filter(orders::return_status.eq(standing.status.as_str()));
    let (count_here, count_back) = (here.select(count_star()), back.select(count_star()));
    let mut count: i64 = on_conn!(tx, |c| count_here.first(c).await)?;
    count += on_conn!(tx, |c| count_back.first::<i64>(c).await)?;
    if count == 0 {
        return usage(0, &[]);
    }
    let (ids_here, ids_back) = (
        here.select(orders::id).limit(NAMED_MAX),
        back.select(orders::id).limit(NAMED_MAX),
    );
    let mut ids: Vec<String> = on_conn!(tx, |c| ids_here.load(c).await)?;
    ids.extend(on_conn!(tx, |c| ids_back.load::<String>(c).await)?);
    ids.truncate(usize::try_from(NAMED_MAX).unwrap_or_default());
    usage(count, &ids)
}

fn usage(count: i64, ids: &[String]) -> Result<Usage, Error> {
    let ids = ids.iter().map(|id| {
        Reading {
            table: "orders",
            row: id,
        }
        .text::<OrderId>("id", id)
    });
    let mut order_ids = ids.collect::<Result<Vec<_>, _>>()?;
    order_ids.sort_unstable();
    Ok(Usage {
        count: u64::try_from(count).unwrap_or_default(),
        order_ids,
    })
}

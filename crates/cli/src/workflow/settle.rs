//! `waymark workflow settle`.

use std::{fmt::Write, process::ExitCode, time::Duration};

use tokio::time::sleep;
use tonic::{Code, transport::Channel};
use uuid::Uuid;
use waymark_proto::v1::{
    self, SettleOrdersRequest, SettleOrdersResponse, workflow_service_client::WorkflowServiceClient,
};

use crate::{
    arguments::Settle,
    connection,
    failure::{Failure, refused_if},
    output,
};

/// Orders of a page, which takes half a second at the pace of the server.
const PAGE_SIZE: i32 = 500;
/// Maximum of times that a page is sent whose answer did not come.
const TRIES_MAX: u32 = 5;
/// The pause before it is sent again, doubled each time.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks all orders of a workflow, page by page, and prints which moved.
pub(super) async fn settle(arguments: Settle) -> Result<ExitCode, Failure> {
    let Settle {
        workflow,
        dry_run,
        roles,
        caller,
        server,
    } = arguments;
    let actor = match (caller.actor(), roles.is_empty()) {
        (actor, true) => actor,
        (actor, false) => Some(v1::Actor {
            roles,
            ..actor.unwrap_or_default()
        }),
    };
    let mut client = WorkflowServiceClient::new(connection::connect(&server).await?);
    let (mut moved, mut looked_at, mut is_refused) = (0, 0, false);
    let mut page_token = String::new();
    loop {
        // A page whose answer is lost is gone on with, and moves nothing twice.
        let request_id = (!dry_run).then(Uuid::new_v4);
        let request = SettleOrdersRequest {
            workflow: workflow.clone(),
            page_size: PAGE_SIZE,
            page_token,
            actor: actor.clone(),
            request_id: request_id.map_or_else(String::new, |id| id.to_string()),
            validate_only: dry_run,
        };
        let page = ask(&mut client, request).await?;
        output::print(&report(&page))?;
        moved += page.moved.len();
        looked_at += i64::from(page.looked_at);
        is_refused |= !page.refused.is_empty();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let what = if dry_run { "would move" } else { "moved" };
    output::print(&format!("{moved} of {looked_at} orders {what}\n"))?;
    Ok(refused_if(is_refused))
}

/// Sends a page until it is answered.
async fn ask(
    client: &mut WorkflowServiceClient<Channel>,
    request: SettleOrdersRequest,
) -> Result<SettleOrdersResponse, Failure> {
    let mut pause = PAUSE;
    for _ in 1..TRIES_MAX {
        let status = match client.settle_orders(request.clone()).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        // The same request id asks what became of it.
        let is_unknown = status.code() == Code::Unknown;
        let failure = Failure::of_call(status);
        if !is_unknown && !failure.is_transient() {
            return Err(failure);
        }
        let millis = pause.as_millis();
        output::print_error(&format!("waymark: {failure}; trying again in {millis} ms"));
        sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
    let answer = client.settle_orders(request).await;
    Ok(answer.map_err(Failure::of_call)?.into_inner())
}

fn report(page: &SettleOrdersResponse) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for order in &page.moved {
        let _ = writeln!(text, "{}: {}", order.order_id, order.transitions.join(", "));
    }
    for order in &page.refused {
        let _ = writeln!(
            text,
            "{}: refused, {}: {}",
            order.order_id, order.reason, order.message
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_told_with_their_transitions_or_why_they_stay() {
        let page = SettleOrdersResponse {
            moved: vec![v1::SettledOrder {
                order_id: "7".to_owned(),
                transitions: vec!["start".to_owned(), "complete".to_owned()],
            }],
            refused: vec![v1::RefusedOrder {
                order_id: "8".to_owned(),
                reason: "CASCADE_LIMIT".to_owned(),
                message: "too many".to_owned(),
            }],
            ..SettleOrdersResponse::default()
        };
        assert_eq!(
            report(&page),
            "7: start, complete\n8: refused, CASCADE_LIMIT: too many\n"
        );
    }
}

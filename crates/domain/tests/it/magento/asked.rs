//! Steps and comments that people and other programs ask for.

use serde_json::Value;
use waymark_domain::{
    actor::Actor,
    judge::{self, Graph},
    order::{Action, Command, Context, Progress},
    value::{Comment, Metadata, Quantity, StatusCode},
    workflow,
};

use super::{NOW, Outcome, Skip, hold, line, order_in, run, take, text};

/// Steps that a person or an API call asks for on orders in given statuses.
pub(super) fn asked(graph: &Graph, action: &str, statuses: &[&str], moved: bool) -> Outcome {
    for status in statuses {
        let code = StatusCode::new(status).unwrap();
        let state = graph
            .workflow()
            .states_of(&code)
            .next()
            .ok_or(Skip("the preset has no such status"))?;
        let order = order_in(
            graph,
            state.as_str(),
            Some(status),
            vec![line(1, Quantity::whole(1).unwrap())],
        )?;
        let answer = match action {
            "cancel" => take(graph, &order, "cancel"),
            "hold" => run(graph, &order, hold()),
            _ => run(graph, &order, Action::Release { hold: None }),
        };
        assert_eq!(answer.is_ok(), moved, "{action} of {status}: {answer:?}");
    }
    Ok(())
}

pub(super) fn admin(graph: &Graph, input: &Value, expected: &Value) -> Outcome {
    let named: Vec<&str> = input
        .get("statuses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let counted = |key: &str| expected.get(key).and_then(Value::as_u64);
    let all = u64::try_from(named.len()).unwrap();
    match text(input, "action") {
        "mass_hold" | "mass_unhold" | "mass_cancel" => {
            let action = text(input, "action").trim_start_matches("mass_");
            let key = match action {
                "hold" => "held",
                "unhold" => "released",
                _ => "canceled",
            };
            match counted(key) {
                Some(0) => asked(graph, action, &named, false),
                Some(count) if count == all => asked(graph, action, &named, true),
                _ => Err(Skip("a mixed mass action: each order is its own step")),
            }
        }
        "" if input.get("code").is_some() && text(expected, "error") == "status_code_exists" => {
            let status = graph
                .workflow()
                .statuses
                .iter()
                .find(|s| s.code.as_str() == text(input, "code"))
                .cloned();
            let status = status.ok_or(Skip("the preset has no such status"))?;
            let refusal = workflow::create_status(graph.workflow(), status).unwrap_err();
            assert_eq!(refusal.reason(), "STATUS_EXISTS");
            Ok(())
        }
        "" if text(input, "status") == "holded" => {
            let order = order_in(
                graph,
                "holded",
                None,
                vec![line(1, Quantity::whole(1).unwrap())],
            )?;
            let allowed = Progress::new(graph.workflow(), &order).allowed_operations();
            for hidden in ["invoice", "cancel", "ship", "edit"] {
                let is_allowed = allowed.iter().any(|code| code.as_str() == hidden);
                assert!(!is_allowed, "{hidden} of a held order");
            }
            assert_eq!(
                take(graph, &order, "cancel").unwrap_err().reason(),
                "ORDER_HELD"
            );
            Ok(())
        }
        _ => Err(Skip("a screen of the admin panel")),
    }
}

/// A comment is kept with its flags and the order's status.
pub(super) fn comment(graph: &Graph, input: &Value) -> Outcome {
    let order = order_in(graph, "new", None, Vec::new())?;
    let flag = |key: &str| input.get(key).and_then(Value::as_u64) == Some(1);
    let command = Command {
        context: Context {
            actor: Actor::unstated(),
            comment: Comment::new(text(input, "comment")).unwrap(),
            notify_customer: flag("is_customer_notified"),
            visible_to_customer: flag("is_visible_on_front"),
            metadata: Metadata::default(),
            request_id: None,
        },
        expected_version: None,
        action: Action::Comment { status: None },
    };
    let entries = judge::decide(graph, &order, &command, NOW).unwrap();
    assert_eq!(entries[0].comment.as_str(), text(input, "comment"));
    assert_eq!(entries[0].notify_customer, flag("is_customer_notified"));
    assert_eq!(entries[0].visible_to_customer, flag("is_visible_on_front"));
    assert_eq!(entries[0].to, order.standing);
    Ok(())
}

//! Refusals of decisions about deliveries and endpoints.

use waymark_domain::value::EndpointCode;
use waymark_persistence::{EndpointInUse, OutboxRefusal};

use super::{Problem, Reason};

pub(super) fn of_delivery(refusal: &OutboxRefusal) -> Problem {
    let message = refusal.to_string();
    match refusal {
        OutboxRefusal::DeliveryNotFound { id } => {
            Problem::new(Reason::DeliveryNotFound, message).with("delivery", id)
        }
        OutboxRefusal::DeliverySucceeded { id } => Problem::new(Reason::DeliverySucceeded, message)
            .with("delivery", id)
            .about(format!("delivery {id}")),
    }
}

pub(super) fn no_endpoint(code: &EndpointCode) -> Problem {
    let message = format!("there is no endpoint {code}");
    Problem::new(Reason::EndpointNotFound, message).with("endpoint", code)
}

pub(super) fn endpoint_exists(code: &EndpointCode) -> Problem {
    let message = format!("there is an endpoint {code} already");
    Problem::new(Reason::EndpointExists, message).with("endpoint", code)
}

pub(super) fn endpoint_in_use(in_use: &EndpointInUse) -> Problem {
    let EndpointInUse {
        code,
        actions,
        deliveries,
    } = in_use;
    let actions: Vec<_> = actions
        .iter()
        .map(|(workflow, path)| format!("{workflow}/{path}"))
        .collect();
    let message = format!("endpoint {code} is named by actions, or deliveries wait to go there");
    Problem::new(Reason::EndpointInUse, message)
        .with("endpoint", code)
        .with_list("actions", &actions)
        .with_list("deliveries", deliveries)
        .about(format!("endpoint {code}"))
}

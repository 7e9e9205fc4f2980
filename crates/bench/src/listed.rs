//! Orders that are listed: beside the many of a large shop, a few of a rare status, spread over all of them.

use waymark_proto::v1::{
    ApplyMode, ApplyWorkflowRequest, ApplyWorkflowResponse, TransitionOrderRequest,
    transition_order_request::Target,
};

use crate::{
    deck::Deck,
    failure::Failure,
    load::Generator,
    shop,
    wire::{self, Connections, Method},
};

/// The rare status.
pub(crate) const STATUS: &str = "missing";
/// The number of orders that have it.
pub(crate) const RARE: usize = 20;
/// The transition that leads to it.
const TRANSITION: &str = "set_aside";
/// The additions to the workflow, as a document.
const DOCUMENT: &str = include_str!("listed.yaml");
/// The number of orders that are moved before, so that the newest are not copies that were all written at one instant.
const MOVED: usize = 1_000;

/// The ids of the rare ones among so many orders.
pub(crate) fn rare(orders: usize) -> impl Iterator<Item = String> {
    let apart = orders / RARE;
    (0..RARE).map(move |turn| shop::order_id(turn * apart + apart / 2))
}

/// Moves some of the orders `0..orders`, all of which are open, and sets the rare ones aside.
pub(crate) async fn set_aside(connections: &Connections, orders: usize) -> Result<(), Failure> {
    let apply = ApplyWorkflowRequest {
        workflow: shop::WORKFLOW.to_owned(),
        document: DOCUMENT.to_owned(),
        mode: ApplyMode::Merge.into(),
        ..ApplyWorkflowRequest::default()
    };
    let _: ApplyWorkflowResponse = connections.ask(Method::APPLY_WORKFLOW, &apply).await?;
    let generator = Generator::new(Deck::new(orders, &[]));
    generator.pass(connections, orders.min(MOVED)).await?;
    let call = Method::TRANSITION_ORDER.call()?;
    for order_id in rare(orders) {
        let request = TransitionOrderRequest {
            workflow: shop::WORKFLOW.to_owned(),
            order_id,
            target: Some(Target::Transition(TRANSITION.to_owned())),
            ..TransitionOrderRequest::default()
        };
        call.send_and_drain(connections.sender()?, wire::framed(&request))
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use waymark_domain::workflow::{
        Workflow,
        document::{Format, Mode, apply, parse},
    };

    use super::*;

    #[test]
    fn the_rare_orders_are_of_the_shop_and_differ() {
        for orders in [50_000, 1_000_000] {
            let ids = rare(orders).collect::<BTreeSet<_>>();
            assert_eq!(ids.len(), RARE);
            let mut numbers = ids.iter().map(|id| shop::order_number(id).unwrap());
            assert!(numbers.all(|number| number < orders));
        }
    }

    #[test]
    fn a_listed_shop_has_as_many_pairs_as_a_usual_one() {
        let of = |base: Option<&Workflow>, text: &str, mode| {
            apply(base, &parse(text, Format::Yaml).unwrap(), mode, None).unwrap()
        };
        let usual = of(None, shop::DOCUMENT, Mode::Replace);
        let listed = of(Some(&usual), DOCUMENT, Mode::Merge);
        assert_eq!(listed.assignments.len(), 13);
        let mut statuses = listed.statuses.iter();
        assert!(statuses.any(|status| status.code.as_str() == STATUS));
    }
}

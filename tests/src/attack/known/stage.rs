//! The server that is attacked, and the words for its answers.

use futures::{StreamExt, stream};
use waymark_proto::v1;

use crate::{Clients, Server, Shop, attack::document, shop::Answer, world};

/// The number of orders with many lines, to be listed, streamed and moved.
const ORDERS: usize = 1_000;
pub(super) const LINES: usize = 500;
/// The number of orders whose lines have the longest ids.
const LONG_ORDERS: usize = 70;

/// A server with the orders and workflows of the attacks.
#[derive(Debug)]
pub struct Stage<'s> {
    pub(super) server: &'s Server,
    pub(super) clients: Clients,
    /// A workflow whose orders have many lines.
    pub(super) shop: Shop,
}

impl<'s> Stage<'s> {
    /// Places the orders.
    ///
    /// # Panics
    /// Panics where the server does not take them.
    pub async fn set(server: &'s Server) -> Self {
        let clients = server.clients();
        let plain = document::workflow("bulk", "true", &document::written(&[]));
        let shop = world::apply(&clients, "bulk", &plain).await;
        let lines: Vec<v1::OrderLine> = (0..LINES).map(line).collect();
        stream::iter(0..ORDERS)
            .for_each_concurrent(8, |number| {
                let order = v1::Order {
                    lines: lines.clone(),
                    ..shop.draft(&format!("bulk-{number}"), &[])
                };
                let shop = &shop;
                async move { drop(shop.create(order).await.expect("the order is placed")) }
            })
            .await;
        for number in 0..LONG_ORDERS {
            let long = |line: v1::OrderLine| v1::OrderLine {
                id: format!("{:0>128}", line.id),
                ..line
            };
            let order = v1::Order {
                lines: lines.iter().cloned().map(long).collect(),
                ..shop.draft(&format!("long-{number}"), &[])
            };
            shop.create(order).await.expect("the order is placed");
        }
        let large = document::large("large", 190, 4, 1_990);
        world::apply(&clients, "large", &large).await;
        Self {
            server,
            clients,
            shop,
        }
    }
}

pub(super) fn line(number: usize) -> v1::OrderLine {
    v1::OrderLine {
        id: format!("{number:0>36}"),
        sku: format!("sku-{number}"),
        name: "An article of a name that is neither short nor long".to_owned(),
        quantity_ordered: "2".to_owned(),
        ..Default::default()
    }
}

pub(super) fn told(done: Answer<()>) -> String {
    done.map_or_else(|status| refused(&status), |()| "done".to_owned())
}

pub(super) fn refused(status: &tonic::Status) -> String {
    let text: String = status.message().chars().take(90).collect();
    format!("{:?}: {text}", status.code())
}

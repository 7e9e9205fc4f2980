//! Copies of a mail as mails of their own: as in Magento, nobody gets one of a mail that the
//! customer could not be sent.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{Delivery, DeliveryState},
    history::{Destination, Readers},
    value::Timestamp,
};

use super::key;
use crate::{
    Error,
    schema::deliveries,
    tx::{Tx, on_conn},
};

/// Why such a copy is not sent.
const GIVEN_UP: &str = "the mail to the customer was given up";

/// The other mails of the entry and action of a delivery, in one state.
macro_rules! copies {
    ($delivery:expr, $state:expr) => {{
        let (partition, log_offset, number) = key($delivery.id);
        deliveries::table
            .filter(deliveries::partition.eq(partition))
            .filter(deliveries::log_offset.eq(log_offset))
            .filter(deliveries::number.gt(number))
            .filter(deliveries::action.eq($delivery.action.to_string()))
            .filter(deliveries::state.eq($state.word()))
    }};
}

/// Skips the copies of a customer's mail that was given up. They come after it in its lane, so
/// none of them is under way.
pub(super) async fn skip(tx: &mut Tx, delivery: &Delivery, now: Timestamp) -> Result<(), Error> {
    if !is_of_customer(delivery) {
        return Ok(());
    }
    let change = (
        deliveries::state.eq(DeliveryState::Skipped.word()),
        deliveries::problem.eq(GIVEN_UP),
        deliveries::due_time.eq(None::<i64>),
        deliveries::update_time.eq(now.micros()),
    );
    on_conn!(tx, |c| {
        diesel::update(copies!(delivery, DeliveryState::Pending))
            .set(change)
            .execute(c)
            .await
    })?;
    Ok(())
}

/// Takes up again the copies that were skipped with a customer's mail, which is tried again
/// itself, and says how many. They have their turn after it.
pub(super) async fn take_up(
    tx: &mut Tx,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<usize, Error> {
    if !is_of_customer(delivery) || delivery.state != DeliveryState::Dead {
        return Ok(0);
    }
    let now = now.micros();
    let change = (
        deliveries::state.eq(DeliveryState::Pending.word()),
        deliveries::problem.eq(""),
        deliveries::due_time.eq(Some(now)),
        deliveries::update_time.eq(now),
    );
    let skipped =
        copies!(delivery, DeliveryState::Skipped).filter(deliveries::problem.eq(GIVEN_UP));
    Ok(on_conn!(tx, |c| diesel::update(skipped)
        .set(change)
        .execute(c)
        .await)?)
}

fn is_of_customer(delivery: &Delivery) -> bool {
    delivery.to == Destination::Readers(Readers::Customer)
}

//! Blind copies that go by themselves. A mail to the customer and its blind copies are one envelope,
//! until the server refuses the address of the customer: from then on the copies are a delivery of
//! their own, and so are those of the mails that wait behind that one.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, dsl::sql,
    sql_types::Bool,
};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{DeliveryId, DeliveryState},
    history::{Destination, Readers},
    value::Timestamp,
};

use super::statements::WaitingKey;
use crate::{
    Error,
    rows::{
        StoredNumber, StoredText,
        delivery::{DeliveryRow, key},
    },
    schema::deliveries,
    tx::{Tx, on_conn},
};

/// The pending deliveries in the lane of an order that go to these readers.
macro_rules! pending {
    ($order:expr, $readers:expr) => {
        deliveries::table
            .filter(deliveries::order_key.eq($order.order_key))
            .filter(deliveries::lane.eq($order.lane.clone()))
            .filter(deliveries::partition.eq($order.partition))
            // In the words of the index, or it would not be taken.
            .filter(sql::<Bool>("state = 'pending'"))
            .filter(deliveries::destination.eq(Destination::Readers($readers).stored()))
    };
}

/// Records that the address of the customer was refused, to whom a delivery goes. Its copies are due
/// at once, as a delivery of their own, and where it is tried again, so are the copies of those that
/// wait behind it.
pub(super) async fn part(tx: &mut Tx, id: DeliveryId, now: Timestamp) -> Result<(), Error> {
    let row = deliveries::table.find(key(id));
    let row = on_conn!(tx, |c| row.first::<DeliveryRow>(c).await).optional()?;
    let Some(row) = row else {
        return Ok(());
    };
    set_apart(tx, &row, Readers::CustomerRefused, now).await?;
    if !row.is_pending() {
        return Ok(());
    }
    let order = WaitingKey {
        partition: row.partition,
        order_key: row.order_key,
        lane: row.lane.into_lossy(),
        now: now.micros(),
    };
    part_behind(tx, &order, (row.log_offset, row.number)).await
}

/// Lets the copies of those mails of an order go that wait behind one to a customer whose address
/// was refused.
pub(super) async fn part_waiting(tx: &mut Tx, order: &WaitingKey) -> Result<(), Error> {
    let refused = pending!(order, Readers::CustomerRefused)
        .order((deliveries::log_offset, deliveries::number))
        .select((deliveries::log_offset, deliveries::number));
    let refused = on_conn!(tx, |c| refused.first::<(i64, StoredNumber)>(c).await).optional()?;
    match refused {
        Some(place) => part_behind(tx, order, place).await,
        None => Ok(()),
    }
}

/// The same of those behind this offset and number.
async fn part_behind(
    tx: &mut Tx,
    order: &WaitingKey,
    (log_offset, number): (i64, StoredNumber),
) -> Result<(), Error> {
    let here = deliveries::log_offset.eq(log_offset);
    let later = deliveries::log_offset
        .gt(log_offset)
        .or(here.and(deliveries::number.gt(number)));
    let rows = pending!(order, Readers::Customer).filter(later);
    let rows: Vec<DeliveryRow> = on_conn!(tx, |c| rows.load(c).await)?;
    let now = Timestamp::from_micros(order.now);
    for row in &rows {
        set_apart(tx, row, Readers::CustomerAlone, now).await?;
    }
    Ok(())
}

/// Leaves a mail to the customer alone, who is one of these readers; its copies are a delivery of
/// their own from then on, unless they are already or there are none. One that cannot be read stays
/// as it is: it becomes a dead letter itself.
async fn set_apart(
    tx: &mut Tx,
    row: &DeliveryRow,
    customer: Readers,
    now: Timestamp,
) -> Result<(), Error> {
    let Ok(delivery) = row.delivery() else {
        return Ok(());
    };
    if delivery.to == Destination::Readers(Readers::Customer) {
        insert_copies(tx, row, delivery.id, now).await?;
    }
    let itself = deliveries::table.find(row.key());
    let change = deliveries::destination.eq(Destination::Readers(customer).stored());
    on_conn!(tx, |c| diesel::update(itself).set(change).execute(c).await)?;
    Ok(())
}

async fn insert_copies(
    tx: &mut Tx,
    row: &DeliveryRow,
    id: DeliveryId,
    now: Timestamp,
) -> Result<(), Error> {
    let to = Destination::Readers(Readers::Copies);
    let (partition, log_offset, number) = key(id.of_copies());
    let copies = (
        deliveries::partition.eq(partition),
        deliveries::log_offset.eq(log_offset),
        deliveries::number.eq(number),
        deliveries::order_key.eq(row.order_key),
        deliveries::lane.eq(to.lane()),
        deliveries::workflow.eq(row.workflow.lossy()),
        deliveries::order_id.eq(row.order_id.lossy()),
        deliveries::sequence.eq(row.sequence),
        deliveries::order_version.eq(row.order_version),
        deliveries::transition.eq(row.transition.as_ref().map(StoredText::lossy)),
        deliveries::action.eq(row.action.lossy()),
        deliveries::kind.eq(to.kind()),
        deliveries::destination.eq(to.stored()),
        deliveries::state.eq(DeliveryState::Pending.word()),
        deliveries::attempts.eq(StoredNumber(0)),
        deliveries::problem.eq(""),
        deliveries::due_time.eq(Some(now.micros())),
        deliveries::create_time.eq(row.create_time),
        deliveries::update_time.eq(now.micros()),
    );
    let insert = diesel::insert_into(deliveries::table).values(copies);
    on_conn!(tx, |c| insert.execute(c).await)?;
    Ok(())
}

//! The places where an order has been, by its history, of which only these are read.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    value::{OrderId, WorkflowCode},
    workflow::Standing,
};

use crate::{
    Error, Store,
    order_entries::offsets,
    rows::{Reading, StoredText},
    schema::history,
    tx::on_conn,
};

/// The state and the status of a place, as they are stored.
type PlaceRow = (StoredText, StoredText);

/// How many entries are read in one statement; SQLite bounds its parameters.
const OFFSETS_AT_ONCE: usize = 500;
/// How many entries are read before the connection is given back.
const PIECE_OFFSETS: usize = 10_000;

impl Store {
    /// The places in which an order has been; none where there is no such order. It is read in
    /// pieces, between which the connection is given back and others get their turn.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn visited(
        &self,
        workflow: &WorkflowCode,
        order_id: &OrderId,
    ) -> Result<BTreeSet<Standing>, Error> {
        let partition = self.partition_of(workflow, order_id);
        let offsets = self
            .database()
            .snapshot(async |tx| offsets(tx, partition, workflow, order_id).await);
        let offsets = offsets.await?;
        let mut visited = BTreeSet::new();
        for piece in offsets.chunks(PIECE_OFFSETS) {
            let places = self.database().read(async |tx| {
                let mut places = Vec::new();
                for offsets in piece.chunks(OFFSETS_AT_ONCE) {
                    let find = history::table
                        .filter(history::partition.eq(partition.number()))
                        .filter(history::log_offset.eq_any(offsets))
                        .select((history::to_state, history::to_status))
                        .distinct();
                    places.extend(on_conn!(tx, |c| find.load::<PlaceRow>(c).await)?);
                }
                Ok(places)
            });
            visited.extend(places.await?);
            // On SQLite nothing else waits, so nobody else would get the thread.
            tokio::task::yield_now().await;
        }
        let reading = Reading::of("history", order_id);
        let read = |(state, status): PlaceRow| {
            Ok(Standing {
                state: reading.text("to_state", &state)?,
                status: reading.text("to_status", &status)?,
            })
        };
        visited.into_iter().map(read).collect()
    }
}

//! The key of a deployment that signs its tokens.

use std::fmt;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::value::Timestamp;

use crate::{
    Error,
    rows::Reading,
    schema::tracking_key,
    tx::{Tx, on_conn},
};

/// Signs the tokens of a deployment: 32 random bytes, made with its database.
#[derive(Clone, PartialEq, Eq)]
pub struct TrackingKey([u8; 32]);

impl TrackingKey {
    /// The key with this secret.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The secret itself.
    pub fn secret(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Says nothing of the secret, wherever it may be printed.
impl fmt::Debug for TrackingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackingKey").finish_non_exhaustive()
    }
}

pub(crate) async fn find(tx: &mut Tx) -> Result<Option<TrackingKey>, Error> {
    let secret = tracking_key::table.select(tracking_key::secret);
    let secret = on_conn!(tx, |c| secret.first::<Vec<u8>>(c).await).optional()?;
    let reading = Reading::of("tracking_key", &"1");
    let read = |secret: Vec<u8>| {
        let secret = secret.try_into();
        secret.map_err(|_| reading.corrupt("secret", "not 32 bytes"))
    };
    Ok(secret.map(read).transpose()?.map(TrackingKey))
}

/// Makes the key, once for the life of a database.
pub(crate) async fn create(tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(Error::unavailable)?;
    let row = (
        tracking_key::singleton.eq(1),
        tracking_key::secret.eq(secret.as_slice()),
        tracking_key::create_time.eq(now.micros()),
    );
    let insert = diesel::insert_into(tracking_key::table).values(row);
    on_conn!(tx, |c| insert.execute(c).await)?;
    Ok(())
}

//! Where webhooks go.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use waymark_domain::value::{EndpointCode, Timestamp};

use crate::{
    Error, Store,
    rows::Reading,
    schema::endpoints,
    tx::{Ending, before, on_conn},
};

/// Where webhooks go.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its code.
    pub code: EndpointCode,
    /// Its URL.
    pub url: String,
    /// Whether anything is sent there.
    pub active: bool,
    /// The secrets that sign, the newest first.
    pub secrets: Vec<EndpointSecret>,
}

/// A secret of an endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSecret {
    /// Its text, `whsec_…`.
    pub secret: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// Until when it signs; none for as long as it is the newest.
    pub expire_time: Option<Timestamp>,
}

impl Store {
    /// All endpoints.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        let rows = self.database().read(async |tx| {
            let all = endpoints::table.select((
                endpoints::code,
                endpoints::url,
                endpoints::active,
                endpoints::secrets,
            ));
            Ok(on_conn!(tx, |c| all
                .load::<(String, String, bool, String)>(c)
                .await)?)
        });
        let read = rows.await?.into_iter().map(|(code, url, active, secrets)| {
            let reading = Reading {
                table: "endpoints",
                row: &code,
            };
            Ok(Endpoint {
                code: reading.text("code", &code)?,
                url: url.clone(),
                active,
                secrets: reading.json("secrets", &secrets)?,
            })
        });
        read.collect()
    }

    /// Switches an endpoint off, and says why.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn disable_endpoint(&self, code: &EndpointCode, problem: &str) -> Result<(), Error> {
        let written = self.database().write(&[], async |tx| {
            let row = endpoints::table.find(code.as_str());
            let change = (endpoints::active.eq(false), endpoints::problem.eq(problem));
            on_conn!(tx, |c| diesel::update(row).set(change).execute(c).await)?;
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }
}

//! Endpoints, to which webhooks go. An endpoint is changed with the locks of all partitions, as a workflow is,
//! so that no step can send something to one that is being deleted.

use std::fmt;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use waymark_domain::{
    delivery::DeliveryId,
    history::Destination,
    value::{Description, EndpointCode, Timestamp, WorkflowCode},
    workflow::{ActionPath, Channel, Work},
};

use super::OutboxCall;
use crate::{
    Error, Store,
    once::{Answered, CarriedOut, ChangeError, Transact},
    rows::{Reading, StoredNumber, StoredText, json, position},
    schema::{deliveries, endpoints},
    statement::limit,
    tx::{Ending, Tx, before, on_conn},
    workflows,
};

const NAMED_MAX: usize = 10;

/// The target of webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its code.
    pub code: EndpointCode,
    /// Its URL.
    pub url: String,
    /// What it is for.
    pub description: Description,
    /// Whether anything is sent there.
    pub active: bool,
    /// Why it was switched off; empty for no problem.
    pub problem: String,
    /// The secrets that sign, the newest first.
    pub secrets: Vec<EndpointSecret>,
    /// 1, 2, 3 … with every change; the store counts.
    pub version: i64,
    /// When it was made; the store sets it.
    pub create_time: Timestamp,
    /// When it last changed; the store sets it.
    pub update_time: Timestamp,
}

/// A secret of an endpoint. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSecret {
    /// Its text, `whsec_…`.
    pub secret: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// Until when it signs; none until it is replaced.
    pub expire_time: Option<Timestamp>,
}

/// An edit of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointEdit {
    /// It is like this; secrets that have expired are dropped.
    Save(Endpoint),
    /// It goes.
    Delete,
}

/// Why an endpoint cannot be deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {code} is in use")]
pub struct EndpointInUse {
    /// The endpoint.
    pub code: EndpointCode,
    /// Up to ten actions that send to it.
    pub actions: Vec<(WorkflowCode, ActionPath)>,
    /// Up to ten deliveries that wait to go there.
    pub deliveries: Vec<DeliveryId>,
}

impl EndpointSecret {
    /// Whether it signs at an instant.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expire_time.is_none_or(|expires| expires > now)
    }
}

impl fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSecret")
            .field("create_time", &self.create_time)
            .field("expire_time", &self.expire_time)
            .finish_non_exhaustive()
    }
}

#[derive(diesel::Queryable)]
struct EndpointRow {
    code: StoredText,
    url: StoredText,
    description: StoredText,
    active: bool,
    problem: StoredText,
    secrets: StoredText,
    version: i64,
    create_time: i64,
    update_time: i64,
}

#[derive(diesel::Insertable, diesel::AsChangeset)]
#[diesel(table_name = endpoints)]
struct NewEndpointRow<'e> {
    code: &'e str,
    url: &'e str,
    description: &'e str,
    active: bool,
    problem: &'e str,
    secrets: String,
    version: i64,
    create_time: i64,
    update_time: i64,
}

impl EndpointRow {
    fn endpoint(&self) -> Result<Endpoint, Error> {
        let reading = Reading::of("endpoints", &self.code);
        Ok(Endpoint {
            code: reading.text("code", &self.code)?,
            description: reading.text("description", &self.description)?,
            secrets: reading.json("secrets", &self.secrets)?,
            url: reading.plain("url", &self.url)?.to_owned(),
            active: self.active,
            problem: reading.plain("problem", &self.problem)?.to_owned(),
            version: self.version,
            create_time: Timestamp::from_micros(self.create_time),
            update_time: Timestamp::from_micros(self.update_time),
        })
    }
}

impl Store {
    /// Lists all endpoints that can be read, by code.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        let (endpoints, _) = self.stored_endpoints().await?;
        Ok(endpoints)
    }

    /// Lists all endpoints that can be read, by code, and says of the others why they cannot.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn stored_endpoints(&self) -> Result<(Vec<Endpoint>, Vec<Error>), Error> {
        let rows = self.database().read(async |tx| {
            let all = endpoints::table.order(endpoints::code);
            Ok(on_conn!(tx, |c| all.load::<EndpointRow>(c).await)?)
        });
        let (mut endpoints, mut unreadable) = (Vec::new(), Vec::new());
        for row in rows.await? {
            match row.endpoint() {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(error) => unreadable.push(error),
            }
        }
        Ok((endpoints, unreadable))
    }

    /// Finds an endpoint.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn find_endpoint(&self, code: &EndpointCode) -> Result<Option<Endpoint>, Error> {
        self.database().read(async |tx| find(tx, code).await).await
    }

    /// Changes an endpoint in one transaction, and answers it as it is then, or was.
    ///
    /// `edit` is given the endpoint as it is now, or none, and the time. It must be pure: it is
    /// called again when the transaction is tried again. An endpoint that stays as it is keeps
    /// its version. `encode` makes the bytes that a repeated call is answered with.
    ///
    /// # Errors
    /// Returns [`ChangeError::Refused`] when `edit` refuses or something that is deleted is in
    /// use, [`ChangeError::RequestIdReused`], and [`ChangeError::Failed`].
    pub async fn change_endpoint<E: From<EndpointInUse> + Send>(
        &self,
        call: &OutboxCall,
        code: &EndpointCode,
        edit: impl FnMut(Option<&Endpoint>, Timestamp) -> Result<EndpointEdit, E> + Send,
        encode: impl FnMut(&Endpoint) -> Vec<u8>,
    ) -> Result<Answered<Endpoint>, ChangeError<E>> {
        let all: Vec<_> = self.partition_count().all().collect();
        let change = EndpointChange { code, edit };
        self.answer_once(call, &all, change, encode).await
    }

    /// Switches an endpoint off, and says why, unless it has another URL by now than the one that
    /// led to it. Says whether it was switched off.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn disable_endpoint(
        &self,
        code: &EndpointCode,
        url: &str,
        problem: &str,
    ) -> Result<bool, Error> {
        let all: Vec<_> = self.partition_count().all().collect();
        let written = self.database().write(&all, async |tx| {
            let found = find(tx, code).await?;
            let Some(before) = found.filter(|endpoint| endpoint.active && endpoint.url == url)
            else {
                return Ok(Ending::RollBack(false));
            };
            let after = Endpoint {
                active: false,
                problem: problem.to_owned(),
                ..before.clone()
            };
            save(tx, Some(before), after, self.clock().now()).await?;
            Ok(Ending::Commit(true))
        });
        written.await.map_err(before)
    }
}

struct EndpointChange<'c, F> {
    code: &'c EndpointCode,
    edit: F,
}

impl<E, F> Transact for EndpointChange<'_, F>
where
    E: From<EndpointInUse> + Send,
    F: FnMut(Option<&Endpoint>, Timestamp) -> Result<EndpointEdit, E> + Send,
{
    type Done = Endpoint;
    type Refusal = E;

    async fn carry_out(&mut self, tx: &mut Tx, now: Timestamp) -> CarriedOut<Self> {
        let before = find(tx, self.code).await?;
        match (self.edit)(before.as_ref(), now) {
            Ok(edited) => apply(tx, self.code, (before, edited), now).await,
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

async fn find(tx: &mut Tx, code: &EndpointCode) -> Result<Option<Endpoint>, Error> {
    let row = endpoints::table.find(code.as_str());
    let row: Option<EndpointRow> = on_conn!(tx, |c| row.first(c).await).optional()?;
    row.as_ref().map(EndpointRow::endpoint).transpose()
}

/// Carries an edit out, unless what is deleted is in use.
async fn apply<E: From<EndpointInUse> + Send>(
    tx: &mut Tx,
    code: &EndpointCode,
    (before, edited): (Option<Endpoint>, EndpointEdit),
    now: Timestamp,
) -> Result<Result<Endpoint, E>, Error> {
    match (before, edited) {
        (before, EndpointEdit::Save(after)) => Ok(Ok(save(tx, before, after, now).await?)),
        (Some(before), EndpointEdit::Delete) => {
            if let Some(in_use) = in_use(tx, code).await? {
                return Ok(Err(in_use.into()));
            }
            let row = endpoints::table.find(code.as_str());
            on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
            Ok(Ok(before))
        }
        // An edit refuses to delete what is not there.
        (None, EndpointEdit::Delete) => Err(Error::Database {
            source: diesel::result::Error::NotFound,
        }),
    }
}

async fn save(
    tx: &mut Tx,
    before: Option<Endpoint>,
    mut after: Endpoint,
    now: Timestamp,
) -> Result<Endpoint, Error> {
    after.secrets.retain(|secret| secret.is_valid(now));
    let (version, create_time, update_time) = match &before {
        Some(before) => (before.version, before.create_time, before.update_time),
        None => (0, now, now),
    };
    after.version = version;
    after.create_time = create_time;
    after.update_time = update_time;
    if before.as_ref() == Some(&after) {
        return Ok(after);
    }
    after.version += 1;
    after.update_time = now.max(update_time);
    let row = NewEndpointRow {
        code: after.code.as_str(),
        url: &after.url,
        description: after.description.as_str(),
        active: after.active,
        problem: &after.problem,
        secrets: json(&after.secrets)?,
        version: after.version,
        create_time: after.create_time.micros(),
        update_time: after.update_time.micros(),
    };
    if before.is_some() {
        let old = endpoints::table.find(row.code);
        on_conn!(tx, |c| diesel::update(old).set(&row).execute(c).await)?;
    } else {
        let insert = diesel::insert_into(endpoints::table).values(&row);
        on_conn!(tx, |c| insert.execute(c).await)?;
    }
    Ok(after)
}

/// The blockers of deleting an endpoint.
async fn in_use(tx: &mut Tx, code: &EndpointCode) -> Result<Option<EndpointInUse>, Error> {
    let mut actions = Vec::new();
    for workflow in workflows::codes(tx).await? {
        let Some(loaded) = workflows::load(tx, &workflow).await? else {
            continue;
        };
        let declared = loaded.record.workflow.actions();
        let sends = declared.filter(|(_, action)| {
            matches!(&action.work, Work::Send(Channel::Webhook(to), _) if to.endpoint == *code)
        });
        actions.extend(sends.map(|(point, action)| {
            let code = action.code.clone();
            (workflow.clone(), ActionPath { point, code })
        }));
    }
    actions.truncate(NAMED_MAX);
    let deliveries = waiting(tx, code).await?;
    let is_free = actions.is_empty() && deliveries.is_empty();
    Ok((!is_free).then(|| EndpointInUse {
        code: code.clone(),
        actions,
        deliveries,
    }))
}

/// The first deliveries that wait to go to an endpoint. Those that wait for earlier ones have no
/// due time, but the earlier ones do.
async fn waiting(tx: &mut Tx, code: &EndpointCode) -> Result<Vec<DeliveryId>, Error> {
    let rows = deliveries::table
        .filter(deliveries::lane.eq(Destination::Endpoint(code.clone()).lane()))
        .filter(deliveries::due_time.is_not_null())
        .order((deliveries::partition, deliveries::due_time))
        .select((
            deliveries::partition,
            deliveries::log_offset,
            deliveries::number,
        ))
        .limit(limit(NAMED_MAX));
    let rows: Vec<(i32, i64, StoredNumber)> = on_conn!(tx, |c| rows.load(c).await)?;
    let id = |(partition, offset, number): (i32, i64, StoredNumber)| {
        let row = format!("{partition}/{offset}/{number}");
        let reading = Reading::of("deliveries", &row);
        Ok(DeliveryId {
            position: position(partition, offset),
            number: reading.number("number", number)?,
        })
    };
    rows.into_iter().map(id).collect()
}

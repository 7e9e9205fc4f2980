//! Rows of `deliveries`, `delivery_attempts` and `delivery_decisions`.

use std::time::Duration;

use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use waymark_domain::{
    delivery::{Attempt, Decision, Delivery, DeliveryId, DeliveryState, Verdict},
    history::{Destination, LogPosition, Logged, SetOff},
    partition::Partition,
    value::{Timestamp, TransitionCode},
};

use super::{Reading, StoredNumber, StoredText, position};
use crate::{Error, statement::table_row};

table_row! {
    /// A row as it is written with its step; it is pending and due at once.
    NewDeliveryRow, DeliveryArrays;
    DeliveryRow {
        partition: i32, i32 => Integer;
        log_offset: i64, i64 => BigInt;
        number: i32, StoredNumber => Integer;
        order_key: i64, i64 => BigInt;
        lane: String, StoredText => Text;
        workflow: &'a str, StoredText => Text;
        order_id: &'a str, StoredText => Text;
        sequence: i64, i64 => BigInt;
        order_version: i64, i64 => BigInt;
        transition: Option<&'a str>, Option<StoredText> => Nullable<Text>;
        action: String, StoredText => Text;
        kind: &'a str, StoredText => Text;
        destination: String, StoredText => Text;
        create_time: i64, i64 => BigInt;
        due_time: Option<i64>, Option<i64> => Nullable<BigInt>;
        + update_time: i64;
        + state: StoredText;
        + attempts: StoredNumber;
        + problem: StoredText;
    }
}

/// The key of a delivery's row: partition, offset and number.
pub(crate) type DeliveryKey = (i32, i64, StoredNumber);

/// A partition and a number: of its deliveries, those with this number among those of their entries.
pub(crate) type Numbered = (Partition, StoredNumber);

/// The rows of a table about [`Numbered`] deliveries, those of the entries at some offsets.
macro_rules! numbered {
    ($table:ident, $place:expr, $offsets:expr) => {{
        let (partition, number): $crate::rows::delivery::Numbered = $place;
        $table::table
            .filter($table::partition.eq(partition.number()))
            .filter($table::number.eq(number))
            .filter($table::log_offset.eq_any($offsets))
    }};
}
pub(crate) use numbered;

pub(crate) fn key(id: DeliveryId) -> DeliveryKey {
    let LogPosition { partition, offset } = id.position;
    (partition.number(), offset, id.number.into())
}

impl<'a> NewDeliveryRow<'a> {
    /// Writes what an entry of an order set off into a row. The order is given by its key
    /// and the version in which the step leaves it; it is due at once, by the clock.
    pub(crate) fn new(
        logged: &'a Logged,
        (order_key, order_version): (i64, i64),
        number: i32,
        set_off: &'a SetOff,
        clock: Timestamp,
    ) -> Self {
        Self {
            partition: logged.position.partition.number(),
            log_offset: logged.position.offset,
            number,
            order_key,
            lane: set_off.to.lane(),
            workflow: logged.workflow.as_str(),
            order_id: logged.order_id.as_str(),
            sequence: logged.entry.sequence,
            order_version,
            transition: logged.entry.transition.as_ref().map(TransitionCode::as_str),
            action: set_off.action.to_string(),
            kind: set_off.to.kind(),
            destination: set_off.to.stored(),
            create_time: logged.entry.create_time.micros(),
            due_time: Some(clock.micros()),
        }
    }
}

impl DeliveryRow {
    pub(crate) fn key(&self) -> DeliveryKey {
        (self.partition, self.log_offset, self.number)
    }

    /// Whether it waits to be sent.
    pub(crate) fn is_pending(&self) -> bool {
        self.state.lossy() == DeliveryState::Pending.word()
    }

    /// Reads a delivery that was found due, which only one that is pending can be.
    pub(crate) fn due(&self) -> Result<Delivery, Error> {
        let delivery = self.delivery()?;
        if self.is_pending() {
            return Ok(delivery);
        }
        let reading = Reading::of("deliveries", &delivery.id);
        let why = format!("only what is pending has one, and it is {}", self.state);
        Err(reading.corrupt("due_time", why))
    }

    pub(crate) fn delivery(&self) -> Result<Delivery, Error> {
        let row = format!("{}/{}/{}", self.partition, self.log_offset, self.number);
        let reading = Reading::of("deliveries", &row);
        let kind = reading.plain("kind", &self.kind)?;
        let destination = reading.plain("destination", &self.destination)?;
        let to = Destination::parse(kind, destination)
            .map_err(|source| reading.corrupt("destination", source))?;
        let lane = reading.plain("lane", &self.lane)?;
        if lane.is_empty() {
            return Err(reading.corrupt("lane", "it is empty"));
        }
        Ok(Delivery {
            id: DeliveryId {
                position: position(self.partition, self.log_offset),
                number: reading.number("number", self.number)?,
            },
            workflow: reading.text("workflow", &self.workflow)?,
            order_id: reading.text("order_id", &self.order_id)?,
            sequence: self.sequence,
            order_version: self.order_version,
            transition: reading.optional("transition", self.transition.as_ref())?,
            action: reading.text("action", &self.action)?,
            to,
            lane: lane.to_owned(),
            state: reading.word("state", &self.state)?,
            attempts: reading.number("attempts", self.attempts)?,
            problem: reading.plain("problem", &self.problem)?.to_owned(),
            due_time: self.due_time.map(Timestamp::from_micros),
            create_time: Timestamp::from_micros(self.create_time),
            update_time: Timestamp::from_micros(self.update_time),
        })
    }
}

#[derive(Debug, Clone, diesel::Queryable)]
pub(crate) struct AttemptRow {
    partition: i32,
    log_offset: i64,
    number: StoredNumber,
    attempt: StoredNumber,
    start_time: i64,
    duration_micros: i64,
    outcome: StoredText,
    code: Option<StoredNumber>,
    problem: StoredText,
    answer: Vec<u8>,
}

impl AttemptRow {
    /// Reads the number of the attempt, and the attempt.
    pub(crate) fn attempt(self) -> Result<(u32, Attempt), Error> {
        let row = format!(
            "{}/{}/{}/{}",
            self.partition, self.log_offset, self.number, self.attempt
        );
        let reading = Reading::of("delivery_attempts", &row);
        let micros = u64::try_from(self.duration_micros);
        let code = self.code.map(|code| reading.number("code", code));
        let attempt = Attempt {
            start_time: Timestamp::from_micros(self.start_time),
            duration: micros
                .map(Duration::from_micros)
                .map_err(|e| reading.corrupt("duration_micros", e))?,
            outcome: reading.word("outcome", &self.outcome)?,
            code: code.transpose()?,
            problem: reading.plain("problem", &self.problem)?.to_owned(),
            answer: self.answer,
        };
        Ok((reading.number("attempt", self.attempt)?, attempt))
    }
}

#[derive(Debug, Clone, diesel::Queryable)]
pub(crate) struct DecisionRow {
    partition: i32,
    log_offset: i64,
    number: StoredNumber,
    decision: StoredNumber,
    verdict: StoredText,
    reason: StoredText,
    actor: StoredText,
    create_time: i64,
}

/// The word of a decision that a delivery is tried again.
pub(crate) const RETRIED: &str = "retried";
/// The word of a decision that a delivery is not sent.
pub(crate) const SKIPPED: &str = "skipped";

impl DecisionRow {
    pub(crate) fn decision(self) -> Result<Decision, Error> {
        let row = format!(
            "{}/{}/{}/{}",
            self.partition, self.log_offset, self.number, self.decision
        );
        let reading = Reading::of("delivery_decisions", &row);
        let verdict = match reading.plain("verdict", &self.verdict)? {
            RETRIED => Verdict::Retried,
            SKIPPED => Verdict::Skipped(reading.text("reason", &self.reason)?),
            _ => return Err(reading.corrupt("verdict", "neither retried nor skipped")),
        };
        Ok(Decision {
            verdict,
            actor: reading.json("actor", &self.actor)?,
            time: Timestamp::from_micros(self.create_time),
        })
    }
}

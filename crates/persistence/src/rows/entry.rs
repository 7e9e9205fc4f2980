//! A row of `history`.

use waymark_domain::{
    history::{Entry, LogPosition, Logged, SetOff},
    partition::Partition,
    value::{OrderId, RequestId, Timestamp, TransitionCode, WorkflowCode},
    workflow::Standing,
};

use super::{OrderRowName, Reading, StoredText, json};
use crate::Error;

#[derive(Debug, Clone, diesel::Queryable)]
pub(crate) struct EntryRow {
    pub(crate) partition: i32,
    pub(crate) log_offset: i64,
    pub(crate) step_offset: i64,
    pub(crate) order_key: i64,
    pub(crate) workflow: StoredText,
    pub(crate) order_id: StoredText,
    pub(crate) sequence: i64,
    pub(crate) kind: StoredText,
    pub(crate) from_state: Option<StoredText>,
    pub(crate) from_status: Option<StoredText>,
    pub(crate) to_state: StoredText,
    pub(crate) to_status: StoredText,
    pub(crate) transition: Option<StoredText>,
    pub(crate) comment: StoredText,
    pub(crate) notify_customer: bool,
    pub(crate) visible_to_customer: bool,
    pub(crate) actor: StoredText,
    pub(crate) request_id: Option<StoredText>,
    pub(crate) fingerprint: Option<Vec<u8>>,
    pub(crate) caused_by: i64,
    pub(crate) workflow_version: i64,
    pub(crate) metadata: StoredText,
    pub(crate) create_time: i64,
    pub(crate) detail: StoredText,
    pub(crate) batch_id: Vec<u8>,
    pub(crate) set_off: Option<StoredText>,
}

/// What a row holds besides the logged entry.
pub(crate) struct Keys<'k> {
    pub(crate) order_key: i64,
    /// The fingerprint of the call, on the first entry of a remembered step.
    pub(crate) fingerprint: Option<&'k [u8; 16]>,
    pub(crate) batch_id: &'k [u8; 16],
}

/// A row as it is written.
#[derive(Debug)]
pub(crate) struct NewEntryRow<'e> {
    pub(crate) partition: i32,
    pub(crate) log_offset: i64,
    pub(crate) step_offset: i64,
    pub(crate) order_key: i64,
    pub(crate) workflow: &'e str,
    pub(crate) order_id: &'e str,
    pub(crate) sequence: i64,
    pub(crate) kind: &'e str,
    pub(crate) from_state: Option<&'e str>,
    pub(crate) from_status: Option<&'e str>,
    pub(crate) to_state: &'e str,
    pub(crate) to_status: &'e str,
    pub(crate) transition: Option<&'e str>,
    pub(crate) comment: &'e str,
    pub(crate) notify_customer: bool,
    pub(crate) visible_to_customer: bool,
    pub(crate) actor: String,
    pub(crate) request_id: Option<&'e str>,
    pub(crate) fingerprint: Option<&'e [u8]>,
    pub(crate) caused_by: i64,
    pub(crate) workflow_version: i64,
    pub(crate) metadata: String,
    pub(crate) create_time: i64,
    pub(crate) detail: String,
    pub(crate) batch_id: &'e [u8],
    pub(crate) set_off: Option<String>,
}

impl<'e> NewEntryRow<'e> {
    /// Writes an entry into a row. The request id is stored only beside a fingerprint, on
    /// the first entry of its step.
    pub(crate) fn new(logged: &'e Logged, keys: &Keys<'e>) -> Result<Self, Error> {
        let entry = &logged.entry;
        let from = entry.from.as_ref();
        let request = keys.fingerprint.and(entry.request_id.as_ref());
        Ok(Self {
            partition: logged.position.partition.number(),
            log_offset: logged.position.offset,
            step_offset: logged.step_offset,
            order_key: keys.order_key,
            workflow: logged.workflow.as_str(),
            order_id: logged.order_id.as_str(),
            sequence: entry.sequence,
            // As people who read the table with SQL see it; `detail` says the same.
            kind: entry.kind().word(),
            from_state: from.map(|standing| standing.state.as_str()),
            from_status: from.map(|standing| standing.status.as_str()),
            to_state: entry.to.state.as_str(),
            to_status: entry.to.status.as_str(),
            transition: entry.transition.as_ref().map(TransitionCode::as_str),
            comment: entry.comment.as_str(),
            notify_customer: entry.notify_customer,
            visible_to_customer: entry.visible_to_customer,
            actor: json(&entry.actor)?,
            request_id: request.map(RequestId::as_str),
            fingerprint: keys.fingerprint.map(<[u8; 16]>::as_slice),
            caused_by: entry.caused_by,
            workflow_version: entry.workflow_version,
            metadata: json(&entry.metadata)?,
            create_time: entry.create_time.micros(),
            detail: json(&entry.detail)?,
            batch_id: keys.batch_id,
            set_off: set_off(&entry.set_off)?,
        })
    }
}

impl EntryRow {
    /// How many bytes its texts have.
    pub(crate) fn bytes(&self) -> usize {
        let set_off = self.set_off.as_ref().map_or(0, StoredText::len);
        self.comment.len() + self.metadata.len() + self.detail.len() + set_off
    }

    /// Reads the entry.
    pub(crate) fn logged(&self) -> Result<Logged, Error> {
        self.reading(|reading| {
            Ok(Logged {
                workflow: reading.text("workflow", &self.workflow)?,
                order_id: reading.text("order_id", &self.order_id)?,
                position: LogPosition {
                    partition: Partition::new(self.partition),
                    offset: self.log_offset,
                },
                step_offset: self.step_offset,
                entry: self.entry(reading)?,
            })
        })
    }

    /// Its order, where that can be read.
    pub(crate) fn order(&self) -> Option<(WorkflowCode, OrderId)> {
        let order = self.reading(|reading| {
            let workflow: WorkflowCode = reading.text("workflow", &self.workflow)?;
            let order_id: OrderId = reading.text("order_id", &self.order_id)?;
            Ok((workflow, order_id))
        });
        order.ok()
    }

    fn reading<T>(&self, read: impl FnOnce(&Reading<'_>) -> Result<T, Error>) -> Result<T, Error> {
        read(&Reading {
            table: "history",
            row: &OrderRowName {
                partition: self.partition,
                number: self.log_offset,
                workflow: self.workflow.lossy(),
                order_id: self.order_id.lossy(),
            },
        })
    }

    fn entry(&self, reading: &Reading<'_>) -> Result<Entry, Error> {
        let entry = Entry {
            sequence: self.sequence,
            from: self.from(reading)?,
            to: Standing {
                state: reading.text("to_state", &self.to_state)?,
                status: reading.text("to_status", &self.to_status)?,
            },
            transition: reading.optional("transition", self.transition.as_ref())?,
            comment: reading.text("comment", &self.comment)?,
            notify_customer: self.notify_customer,
            visible_to_customer: self.visible_to_customer,
            actor: reading.json("actor", &self.actor)?,
            request_id: reading.optional("request_id", self.request_id.as_ref())?,
            caused_by: self.caused_by,
            workflow_version: self.workflow_version,
            metadata: reading.json("metadata", &self.metadata)?,
            create_time: Timestamp::from_micros(self.create_time),
            detail: reading.json("detail", &self.detail)?,
            set_off: match &self.set_off {
                Some(set_off) => reading.json("set_off", set_off)?,
                None => Vec::new(),
            },
        };
        if entry.kind().word() == reading.plain("kind", &self.kind)? {
            Ok(entry)
        } else {
            Err(reading.corrupt("kind", "differs from the detail beside it"))
        }
    }

    fn from(&self, reading: &Reading<'_>) -> Result<Option<Standing>, Error> {
        match (&self.from_state, &self.from_status) {
            (Some(state), Some(status)) => Ok(Some(Standing {
                state: reading.text("from_state", state)?,
                status: reading.text("from_status", status)?,
            })),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => Err(reading.corrupt(
                "from_status",
                "a state without a status, or a status without a state",
            )),
        }
    }
}

/// Most entries set off nothing, and say nothing.
fn set_off(set_off: &[SetOff]) -> Result<Option<String>, Error> {
    (!set_off.is_empty()).then(|| json(&set_off)).transpose()
}

//! A row of `history`.

use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
use waymark_domain::{
    history::{Entry, Logged, SetOff},
    value::{OrderId, RequestId, Timestamp, TransitionCode, WorkflowCode},
    workflow::Standing,
};

use super::{OrderRowName, Reading, StoredText, json, position};
use crate::{Error, statement::table_row};

/// The longest step: the entry of the call and a hundred automatic ones. `FindSteps` has it too.
pub(crate) const STEP_ENTRIES_MAX: usize = 101;

table_row! {
    NewEntryRow, EntryArrays;
    EntryRow {
        partition: i32, i32 => Integer;
        log_offset: i64, i64 => BigInt;
        step_offset: i64, i64 => BigInt;
        order_key: i64, i64 => BigInt;
        workflow: &'a str, StoredText => Text;
        order_id: &'a str, StoredText => Text;
        sequence: i64, i64 => BigInt;
        kind: &'a str, StoredText => Text;
        from_state: Option<&'a str>, Option<StoredText> => Nullable<Text>;
        from_status: Option<&'a str>, Option<StoredText> => Nullable<Text>;
        to_state: &'a str, StoredText => Text;
        to_status: &'a str, StoredText => Text;
        transition: Option<&'a str>, Option<StoredText> => Nullable<Text>;
        comment: &'a str, StoredText => Text;
        notify_customer: bool, bool => Bool;
        visible_to_customer: bool, bool => Bool;
        actor: String, StoredText => Text;
        request_id: Option<&'a str>, Option<StoredText> => Nullable<Text>;
        fingerprint: Option<&'a [u8]>, Option<Vec<u8>> => Nullable<Binary>;
        caused_by: i64, i64 => BigInt;
        workflow_version: i64, i64 => BigInt;
        metadata: String, StoredText => Text;
        create_time: i64, i64 => BigInt;
        detail: String, StoredText => Text;
        batch_id: &'a [u8], Vec<u8> => Binary;
        set_off: Option<String>, Option<StoredText> => Nullable<Text>;
    }
}

/// The columns of a row besides those of the logged entry.
pub(crate) struct EntryKeys<'k> {
    pub(crate) order_key: i64,
    /// The fingerprint of the call, on the first entry of a remembered step.
    pub(crate) fingerprint: Option<&'k [u8; 16]>,
    pub(crate) batch_id: &'k [u8; 16],
}

impl<'a> NewEntryRow<'a> {
    /// Writes an entry into a row. The request id is stored only beside a fingerprint, on
    /// the first entry of its step.
    pub(crate) fn new(logged: &'a Logged, keys: &EntryKeys<'a>) -> Result<Self, Error> {
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

    pub(crate) fn logged(&self) -> Result<Logged, Error> {
        self.reading(|reading| {
            Ok(Logged {
                workflow: reading.text("workflow", &self.workflow)?,
                order_id: reading.text("order_id", &self.order_id)?,
                position: position(self.partition, self.log_offset),
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

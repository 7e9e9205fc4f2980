//! Rows of the five tables that hold a workflow.

use std::{collections::BTreeMap, fmt};

use waymark_domain::{
    guard::Expression,
    value::{
        Description, Label, StateCode, StatusCode, StoreView, Timestamp, TransitionCode,
        WorkflowCode,
    },
    workflow::{
        Assignment, CommentStatus, Finding, Overpayment, RefundedUnits, Rule, Stamp, State, Status,
        StatusSharing, Subject, Transition, Trigger, Workflow,
    },
};

use super::{Reading, StoredNumber, StoredText, json, word};
use crate::{
    Error,
    schema::{assignments, states, statuses, transitions, workflows},
};

/// How many characters of the problem with a column are shown.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// How many automatic steps one step may set off where that cannot be read.
const MAX_CASCADE: u32 = 16;

/// The parts of a workflow that cannot be read: they are left out, so that the others can be.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(Vec<Finding>);

impl Unreadable {
    /// Takes what was read; none, and a finding about it, for what was not.
    pub(crate) fn note<T>(&mut self, subject: Subject, read: Result<T, Error>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                self.0.push(unreadable(subject, &error));
                None
            }
        }
    }

    /// Takes a column of the workflow itself, or what stands in for it.
    fn or<T>(&mut self, read: Result<T, Error>, instead: T) -> T {
        self.note(Subject::Workflow, read).unwrap_or(instead)
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.0
    }
}

/// Says of a part of a workflow that it cannot be read.
fn unreadable(subject: Subject, error: &Error) -> Finding {
    // Nothing else comes of reading a row that is there.
    let mut message = "cannot be read".to_owned();
    if let Error::Corrupt {
        table,
        column,
        row,
        source,
    } = error
    {
        let source = source.to_string();
        let why = short(source.lines().next().unwrap_or_default());
        message = match (&subject, *table) {
            // A part that has no code goes by its row.
            (Subject::Workflow, table) if table != "workflows" => format!(
                "has the row {:?} in {table} that cannot be read, for its `{column}`: {why}",
                short(row)
            ),
            _ => format!("cannot be read, for its `{column}`: {why}"),
        };
    }
    Finding::new(Rule::Unreadable, subject, message)
}

/// As much of a text as is shown.
fn short(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[derive(Debug, Clone, PartialEq, diesel::Queryable, diesel::Insertable, diesel::AsChangeset)]
#[diesel(table_name = workflows, primary_key(code), treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct WorkflowRow {
    pub(crate) code: StoredText,
    pub(crate) label: StoredText,
    pub(crate) description: StoredText,
    pub(crate) initial_state: StoredText,
    pub(crate) default_store_view: Option<StoredText>,
    pub(crate) comment_status: StoredText,
    pub(crate) status_sharing: StoredText,
    pub(crate) refunded_units: StoredText,
    pub(crate) operations: StoredText,
    pub(crate) max_cascade: StoredNumber,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) on_create: StoredText,
    pub(crate) on_comment: StoredText,
    pub(crate) overpayment: StoredText,
}

impl WorkflowRow {
    pub(crate) fn new(workflow: &Workflow, stamp: &Stamp) -> Result<Self, Error> {
        Ok(Self {
            code: text(&workflow.code),
            label: text(&workflow.label),
            description: text(&workflow.description),
            initial_state: text(&workflow.initial_state),
            default_store_view: workflow.default_store_view.as_ref().map(text),
            comment_status: word(&workflow.comment_status)?.into(),
            status_sharing: word(&workflow.status_sharing)?.into(),
            refunded_units: word(&workflow.refunded_units)?.into(),
            operations: json(&workflow.operations)?.into(),
            max_cascade: i32::try_from(workflow.max_cascade)
                .unwrap_or(i32::MAX)
                .into(),
            version: stamp.version,
            create_time: stamp.create_time.micros(),
            update_time: stamp.update_time.micros(),
            on_create: json(&workflow.on_create)?.into(),
            on_comment: json(&workflow.on_comment)?.into(),
            overpayment: word(&workflow.overpayment)?.into(),
        })
    }

    /// Reads the workflow, still without its parts. For what cannot be read, something stands in by
    /// which nothing else goes wrong; it is a finding, so no step is judged by it.
    ///
    /// # Errors
    /// Returns [`Error::Corrupt`] where its code is none.
    pub(crate) fn workflow(&self, unreadable: &mut Unreadable) -> Result<Workflow, Error> {
        let reading = Reading::of("workflows", &self.code);
        let code: WorkflowCode = reading.text("code", &self.code)?;
        // Codes are labels and codes of states as well.
        let label = reading.text("label", &self.code)?;
        let initial_state = reading.text("initial_state", &self.code)?;
        let store_view = self.default_store_view.as_ref();
        let max_cascade = reading.number("max_cascade", self.max_cascade);
        Ok(Workflow {
            code,
            label: unreadable.or(reading.text("label", &self.label), label),
            description: unreadable.or(
                reading.text("description", &self.description),
                Description::default(),
            ),
            initial_state: unreadable.or(
                reading.text("initial_state", &self.initial_state),
                initial_state,
            ),
            default_store_view: unreadable
                .or(reading.optional("default_store_view", store_view), None),
            comment_status: unreadable.or(
                reading.word("comment_status", &self.comment_status),
                CommentStatus::Never,
            ),
            status_sharing: unreadable.or(
                reading.word("status_sharing", &self.status_sharing),
                StatusSharing::Shared,
            ),
            refunded_units: unreadable.or(
                reading.word("refunded_units", &self.refunded_units),
                RefundedUnits::StillShip,
            ),
            overpayment: unreadable.or(
                reading.word("overpayment", &self.overpayment),
                Overpayment::Record,
            ),
            operations: unreadable.or(reading.json("operations", &self.operations), Vec::new()),
            max_cascade: unreadable.or(max_cascade, MAX_CASCADE),
            states: Vec::new(),
            statuses: Vec::new(),
            assignments: Vec::new(),
            transitions: Vec::new(),
            on_create: unreadable.or(reading.json("on_create", &self.on_create), Vec::new()),
            on_comment: unreadable.or(reading.json("on_comment", &self.on_comment), Vec::new()),
        })
    }

    pub(crate) fn stamp(&self) -> Stamp {
        stamp(self.version, self.create_time, self.update_time)
    }
}

/// A text as it is written.
fn text(value: &impl fmt::Display) -> StoredText {
    value.to_string().into()
}

fn stamp(version: i64, create_time: i64, update_time: i64) -> Stamp {
    Stamp {
        version,
        create_time: Timestamp::from_micros(create_time),
        update_time: Timestamp::from_micros(update_time),
    }
}

#[derive(Debug, Clone, PartialEq, diesel::Queryable, diesel::Insertable, diesel::AsChangeset)]
#[diesel(table_name = states, primary_key(workflow, code), treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct StateRow {
    pub(crate) workflow: StoredText,
    pub(crate) code: StoredText,
    pub(crate) label: StoredText,
    pub(crate) category: StoredText,
    pub(crate) can_start: bool,
    pub(crate) operations: StoredText,
    pub(crate) holdable: bool,
    pub(crate) terminal: bool,
    pub(crate) entry_guard: Option<StoredText>,
    pub(crate) position: StoredNumber,
    pub(crate) on_enter: StoredText,
    pub(crate) on_leave: StoredText,
}

impl StateRow {
    pub(crate) fn new(workflow: &WorkflowCode, state: &State) -> Result<Self, Error> {
        Ok(Self {
            workflow: text(workflow),
            code: text(&state.code),
            label: text(&state.label),
            category: word(&state.category)?.into(),
            can_start: state.can_start,
            operations: json(&state.operations)?.into(),
            holdable: state.holdable,
            terminal: state.terminal,
            entry_guard: state.entry_guard.as_ref().map(text),
            position: state.position.into(),
            on_enter: json(&state.on_enter)?.into(),
            on_leave: json(&state.on_leave)?.into(),
        })
    }

    pub(crate) fn subject(&self) -> Subject {
        let code = self.code.lossy().parse::<StateCode>();
        code.map_or(Subject::Workflow, Subject::State)
    }

    pub(crate) fn state(&self) -> Result<State, Error> {
        let row = format!("{}/{}", self.workflow, self.code);
        let reading = Reading::of("states", &row);
        let entry_guard = reading.optional_plain("entry_guard", self.entry_guard.as_ref())?;
        Ok(State {
            code: reading.text("code", &self.code)?,
            label: reading.text("label", &self.label)?,
            category: reading.word("category", &self.category)?,
            can_start: self.can_start,
            operations: reading.json("operations", &self.operations)?,
            holdable: self.holdable,
            terminal: self.terminal,
            entry_guard: entry_guard.map(Expression::of_stored),
            position: reading.number("position", self.position)?,
            on_enter: reading.json("on_enter", &self.on_enter)?,
            on_leave: reading.json("on_leave", &self.on_leave)?,
        })
    }
}

/// A status without its mark of use, which edits neither see nor change.
#[derive(diesel::Queryable, diesel::Selectable, diesel::Insertable, diesel::AsChangeset)]
#[diesel(table_name = statuses, primary_key(workflow, code), treat_none_as_default_value = false, treat_none_as_null = true)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StatusRow {
    pub(crate) workflow: StoredText,
    pub(crate) code: StoredText,
    pub(crate) label: StoredText,
    pub(crate) store_view_labels: StoredText,
    pub(crate) description: StoredText,
    pub(crate) color: Option<StoredText>,
    pub(crate) position: StoredNumber,
    pub(crate) retired: bool,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) on_enter: StoredText,
}

impl StatusRow {
    pub(crate) fn new(
        workflow: &WorkflowCode,
        status: &Status,
        stamp: &Stamp,
    ) -> Result<Self, Error> {
        Ok(Self {
            workflow: text(workflow),
            code: text(&status.code),
            label: text(&status.label),
            store_view_labels: json(&status.store_view_labels)?.into(),
            description: text(&status.description),
            color: status.color.as_ref().map(text),
            position: status.position.into(),
            retired: status.retired,
            version: stamp.version,
            create_time: stamp.create_time.micros(),
            update_time: stamp.update_time.micros(),
            on_enter: json(&status.on_enter)?.into(),
        })
    }

    pub(crate) fn readable_code(&self) -> Option<StatusCode> {
        self.code.lossy().parse().ok()
    }

    pub(crate) fn subject(&self) -> Subject {
        let code = self.readable_code();
        code.map_or(Subject::Workflow, Subject::Status)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        stamp(self.version, self.create_time, self.update_time)
    }

    pub(crate) fn status(&self) -> Result<Status, Error> {
        let row = format!("{}/{}", self.workflow, self.code);
        let reading = Reading::of("statuses", &row);
        let labels: BTreeMap<StoreView, Label> =
            reading.json("store_view_labels", &self.store_view_labels)?;
        Ok(Status {
            code: reading.text("code", &self.code)?,
            label: reading.text("label", &self.label)?,
            store_view_labels: labels,
            description: reading.text("description", &self.description)?,
            color: reading.optional("color", self.color.as_ref())?,
            position: reading.number("position", self.position)?,
            retired: self.retired,
            on_enter: reading.json("on_enter", &self.on_enter)?,
        })
    }
}

#[derive(Debug, Clone, PartialEq, diesel::Queryable, diesel::Insertable)]
#[diesel(table_name = assignments)]
pub(crate) struct AssignmentRow {
    pub(crate) workflow: StoredText,
    pub(crate) state: StoredText,
    pub(crate) status: StoredText,
    pub(crate) is_default: bool,
    pub(crate) visible_on_storefront: bool,
}

impl AssignmentRow {
    pub(crate) fn new(workflow: &WorkflowCode, assignment: &Assignment) -> Self {
        Self {
            workflow: text(workflow),
            state: text(&assignment.state),
            status: text(&assignment.status),
            is_default: assignment.is_default,
            visible_on_storefront: assignment.visible_on_storefront,
        }
    }

    pub(crate) fn subject(&self) -> Subject {
        match (self.state.lossy().parse(), self.status.lossy().parse()) {
            (Ok(state), Ok(status)) => Subject::Assignment(state, status),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Subject::Workflow,
        }
    }

    pub(crate) fn assignment(&self) -> Result<Assignment, Error> {
        let row = format!("{}/{}/{}", self.workflow, self.state, self.status);
        let reading = Reading::of("assignments", &row);
        Ok(Assignment {
            state: reading.text("state", &self.state)?,
            status: reading.text("status", &self.status)?,
            is_default: self.is_default,
            visible_on_storefront: self.visible_on_storefront,
        })
    }
}

#[derive(Debug, Clone, PartialEq, diesel::Queryable, diesel::Insertable, diesel::AsChangeset)]
#[diesel(table_name = transitions, primary_key(workflow, code), treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct TransitionRow {
    pub(crate) workflow: StoredText,
    pub(crate) code: StoredText,
    pub(crate) label: StoredText,
    pub(crate) description: StoredText,
    pub(crate) from_statuses: StoredText,
    pub(crate) from_states: StoredText,
    pub(crate) to_state: StoredText,
    pub(crate) to_status: Option<StoredText>,
    pub(crate) guard: Option<StoredText>,
    pub(crate) trigger_kind: StoredText,
    pub(crate) trigger_operations: StoredText,
    pub(crate) operation: Option<StoredText>,
    pub(crate) roles: StoredText,
    pub(crate) position: StoredNumber,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) trigger_after: Option<StoredText>,
    pub(crate) actions: StoredText,
    pub(crate) reverse: bool,
    pub(crate) visible_to_customer: bool,
    pub(crate) notify_customer: bool,
    pub(crate) trigger_at: Option<StoredText>,
}

impl TransitionRow {
    pub(crate) fn new(
        workflow: &WorkflowCode,
        transition: &Transition,
        stamp: &Stamp,
    ) -> Result<Self, Error> {
        let (kind, after, at) = match &transition.trigger {
            Trigger::Manual => ("manual", None, None),
            Trigger::OnOperations(_) => ("on_operations", None, None),
            Trigger::Automatic => ("automatic", None, None),
            Trigger::After(period) => ("after", Some(text(period)), None),
            Trigger::At(expression) => ("at", None, Some(text(expression))),
        };
        Ok(Self {
            workflow: text(workflow),
            code: text(&transition.code),
            label: text(&transition.label),
            description: text(&transition.description),
            from_statuses: json(&transition.from_statuses)?.into(),
            from_states: json(&transition.from_states)?.into(),
            to_state: text(&transition.to_state),
            to_status: transition.to_status.as_ref().map(text),
            guard: transition.guard.as_ref().map(text),
            trigger_kind: kind.to_owned().into(),
            trigger_operations: json(&transition.trigger.operations())?.into(),
            operation: transition.operation.as_ref().map(text),
            roles: json(&transition.roles)?.into(),
            position: transition.position.into(),
            version: stamp.version,
            create_time: stamp.create_time.micros(),
            update_time: stamp.update_time.micros(),
            trigger_after: after,
            trigger_at: at,
            actions: json(&transition.actions)?.into(),
            reverse: transition.reverse,
            visible_to_customer: transition.visible_to_customer,
            notify_customer: transition.notify_customer,
        })
    }

    pub(crate) fn readable_code(&self) -> Option<TransitionCode> {
        self.code.lossy().parse().ok()
    }

    pub(crate) fn subject(&self) -> Subject {
        let code = self.readable_code();
        code.map_or(Subject::Workflow, Subject::Transition)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        stamp(self.version, self.create_time, self.update_time)
    }

    pub(crate) fn transition(&self) -> Result<Transition, Error> {
        let row = format!("{}/{}", self.workflow, self.code);
        let reading = Reading::of("transitions", &row);
        let guard = reading.optional_plain("guard", self.guard.as_ref())?;
        let trigger_at = reading.optional_plain("trigger_at", self.trigger_at.as_ref())?;
        let trigger = match reading.plain("trigger_kind", &self.trigger_kind)? {
            "manual" => Trigger::Manual,
            "on_operations" => {
                Trigger::OnOperations(reading.json("trigger_operations", &self.trigger_operations)?)
            }
            "automatic" => Trigger::Automatic,
            "after" => {
                let after = reading.optional("trigger_after", self.trigger_after.as_ref())?;
                let missing = || reading.corrupt("trigger_after", "there is none");
                Trigger::After(after.ok_or_else(missing)?)
            }
            "at" => Trigger::At(Expression::of_stored(trigger_at.unwrap_or_default())),
            other => return Err(reading.corrupt("trigger_kind", format!("unknown kind {other}"))),
        };
        Ok(Transition {
            code: reading.text("code", &self.code)?,
            label: reading.text("label", &self.label)?,
            description: reading.text("description", &self.description)?,
            from_statuses: reading.json("from_statuses", &self.from_statuses)?,
            from_states: reading.json("from_states", &self.from_states)?,
            to_state: reading.text("to_state", &self.to_state)?,
            to_status: reading.optional("to_status", self.to_status.as_ref())?,
            guard: guard.map(Expression::of_stored),
            trigger,
            operation: reading.optional("operation", self.operation.as_ref())?,
            reverse: self.reverse,
            visible_to_customer: self.visible_to_customer,
            notify_customer: self.notify_customer,
            roles: reading.json("roles", &self.roles)?,
            actions: reading.json("actions", &self.actions)?,
            position: reading.number("position", self.position)?,
        })
    }
}

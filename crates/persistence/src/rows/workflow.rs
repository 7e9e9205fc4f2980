//! Rows of the five tables that hold a workflow.

use std::collections::BTreeMap;

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

use super::{Reading, json, word};
use crate::{
    Error,
    schema::{assignments, states, statuses, transitions, workflows},
};

/// How much of what is wrong with a column is told.
const TOLD_CHARACTERS_MAX: usize = 200;

/// How many automatic steps one step may set off where that cannot be read.
const MAX_CASCADE: u32 = 16;

/// The parts of a workflow that cannot be read: they are left out, so that the others can be.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(Vec<Finding>);

impl Unreadable {
    /// Takes what was read; none, and a note about it, for what was not.
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

    /// What was noted.
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

/// As much of a text as is told.
fn short(text: &str) -> String {
    text.chars().take(TOLD_CHARACTERS_MAX).collect()
}

#[derive(Debug, Clone, PartialEq, diesel::Queryable, diesel::Insertable, diesel::AsChangeset)]
#[diesel(table_name = workflows, primary_key(code), treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct WorkflowRow {
    pub(crate) code: String,
    pub(crate) label: String,
    pub(crate) description: String,
    pub(crate) initial_state: String,
    pub(crate) default_store_view: Option<String>,
    pub(crate) comment_status: String,
    pub(crate) status_sharing: String,
    pub(crate) refunded_units: String,
    pub(crate) operations: String,
    pub(crate) max_cascade: i32,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) on_create: String,
    pub(crate) on_comment: String,
    pub(crate) overpayment: String,
}

impl WorkflowRow {
    pub(crate) fn new(workflow: &Workflow, stamp: &Stamp) -> Result<Self, Error> {
        Ok(Self {
            code: workflow.code.to_string(),
            label: workflow.label.to_string(),
            description: workflow.description.to_string(),
            initial_state: workflow.initial_state.to_string(),
            default_store_view: workflow
                .default_store_view
                .as_ref()
                .map(ToString::to_string),
            comment_status: word(&workflow.comment_status)?,
            status_sharing: word(&workflow.status_sharing)?,
            refunded_units: word(&workflow.refunded_units)?,
            operations: json(&workflow.operations)?,
            max_cascade: i32::try_from(workflow.max_cascade).unwrap_or(i32::MAX),
            version: stamp.version,
            create_time: stamp.create_time.micros(),
            update_time: stamp.update_time.micros(),
            on_create: json(&workflow.on_create)?,
            on_comment: json(&workflow.on_comment)?,
            overpayment: word(&workflow.overpayment)?,
        })
    }

    /// Reads the workflow, still without its parts. For what cannot be read, something stands in by
    /// which nothing else goes wrong; it is noted, so no step is judged by it.
    ///
    /// # Errors
    /// Returns [`Error::Corrupt`] where its code is none.
    pub(crate) fn workflow(&self, unreadable: &mut Unreadable) -> Result<Workflow, Error> {
        let reading = Reading {
            table: "workflows",
            row: &self.code,
        };
        let code: WorkflowCode = reading.text("code", &self.code)?;
        // Codes are labels and codes of states as well.
        let label = reading.text("label", &self.code)?;
        let initial_state = reading.text("initial_state", &self.code)?;
        let store_view = self.default_store_view.as_deref();
        let max_cascade = u32::try_from(self.max_cascade);
        let max_cascade = max_cascade.map_err(|e| reading.corrupt("max_cascade", e));
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
    pub(crate) workflow: String,
    pub(crate) code: String,
    pub(crate) label: String,
    pub(crate) category: String,
    pub(crate) can_start: bool,
    pub(crate) operations: String,
    pub(crate) holdable: bool,
    pub(crate) terminal: bool,
    pub(crate) entry_guard: Option<String>,
    pub(crate) position: i32,
    pub(crate) on_enter: String,
    pub(crate) on_leave: String,
}

impl StateRow {
    pub(crate) fn new(workflow: &WorkflowCode, state: &State) -> Result<Self, Error> {
        Ok(Self {
            workflow: workflow.to_string(),
            code: state.code.to_string(),
            label: state.label.to_string(),
            category: word(&state.category)?,
            can_start: state.can_start,
            operations: json(&state.operations)?,
            holdable: state.holdable,
            terminal: state.terminal,
            entry_guard: state.entry_guard.as_ref().map(ToString::to_string),
            position: state.position,
            on_enter: json(&state.on_enter)?,
            on_leave: json(&state.on_leave)?,
        })
    }

    /// What a finding about it is about.
    pub(crate) fn subject(&self) -> Subject {
        let code = self.code.parse::<StateCode>();
        code.map_or(Subject::Workflow, Subject::State)
    }

    pub(crate) fn state(&self) -> Result<State, Error> {
        let row = format!("{}/{}", self.workflow, self.code);
        let reading = Reading {
            table: "states",
            row: &row,
        };
        Ok(State {
            code: reading.text("code", &self.code)?,
            label: reading.text("label", &self.label)?,
            category: reading.word("category", &self.category)?,
            can_start: self.can_start,
            operations: reading.json("operations", &self.operations)?,
            holdable: self.holdable,
            terminal: self.terminal,
            entry_guard: self.entry_guard.as_deref().map(Expression::of_stored),
            position: self.position,
            on_enter: reading.json("on_enter", &self.on_enter)?,
            on_leave: reading.json("on_leave", &self.on_leave)?,
        })
    }
}

/// A status without its mark of use, which edits neither see nor change.
#[derive(
    Debug,
    Clone,
    PartialEq,
    diesel::Queryable,
    diesel::Selectable,
    diesel::Insertable,
    diesel::AsChangeset,
)]
#[diesel(table_name = statuses, primary_key(workflow, code), treat_none_as_default_value = false, treat_none_as_null = true)]
pub(crate) struct StatusRow {
    pub(crate) workflow: String,
    pub(crate) code: String,
    pub(crate) label: String,
    pub(crate) store_view_labels: String,
    pub(crate) description: String,
    pub(crate) color: Option<String>,
    pub(crate) position: i32,
    pub(crate) retired: bool,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) on_enter: String,
}

impl StatusRow {
    pub(crate) fn new(
        workflow: &WorkflowCode,
        status: &Status,
        stamp: &Stamp,
    ) -> Result<Self, Error> {
        Ok(Self {
            workflow: workflow.to_string(),
            code: status.code.to_string(),
            label: status.label.to_string(),
            store_view_labels: json(&status.store_view_labels)?,
            description: status.description.to_string(),
            color: status.color.as_ref().map(ToString::to_string),
            position: status.position,
            retired: status.retired,
            version: stamp.version,
            create_time: stamp.create_time.micros(),
            update_time: stamp.update_time.micros(),
            on_enter: json(&status.on_enter)?,
        })
    }

    /// Its code, where that can be read.
    pub(crate) fn readable_code(&self) -> Option<StatusCode> {
        self.code.parse().ok()
    }

    /// What a finding about it is about.
    pub(crate) fn subject(&self) -> Subject {
        let code = self.readable_code();
        code.map_or(Subject::Workflow, Subject::Status)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        stamp(self.version, self.create_time, self.update_time)
    }

    pub(crate) fn status(&self) -> Result<Status, Error> {
        let row = format!("{}/{}", self.workflow, self.code);
        let reading = Reading {
            table: "statuses",
            row: &row,
        };
        let labels: BTreeMap<StoreView, Label> =
            reading.json("store_view_labels", &self.store_view_labels)?;
        Ok(Status {
            code: reading.text("code", &self.code)?,
            label: reading.text("label", &self.label)?,
            store_view_labels: labels,
            description: reading.text("description", &self.description)?,
            color: reading.optional("color", self.color.as_deref())?,
            position: self.position,
            retired: self.retired,
            on_enter: reading.json("on_enter", &self.on_enter)?,
        })
    }
}

#[derive(Debug, Clone, PartialEq, diesel::Queryable, diesel::Insertable)]
#[diesel(table_name = assignments)]
pub(crate) struct AssignmentRow {
    pub(crate) workflow: String,
    pub(crate) state: String,
    pub(crate) status: String,
    pub(crate) is_default: bool,
    pub(crate) visible_on_storefront: bool,
}

impl AssignmentRow {
    pub(crate) fn new(workflow: &WorkflowCode, assignment: &Assignment) -> Self {
        Self {
            workflow: workflow.to_string(),
            state: assignment.state.to_string(),
            status: assignment.status.to_string(),
            is_default: assignment.is_default,
            visible_on_storefront: assignment.visible_on_storefront,
        }
    }

    /// What a finding about it is about.
    pub(crate) fn subject(&self) -> Subject {
        match (self.state.parse(), self.status.parse()) {
            (Ok(state), Ok(status)) => Subject::Assignment(state, status),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => Subject::Workflow,
        }
    }

    pub(crate) fn assignment(&self) -> Result<Assignment, Error> {
        let row = format!("{}/{}/{}", self.workflow, self.state, self.status);
        let reading = Reading {
            table: "assignments",
            row: &row,
        };
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
    pub(crate) workflow: String,
    pub(crate) code: String,
    pub(crate) label: String,
    pub(crate) description: String,
    pub(crate) from_statuses: String,
    pub(crate) from_states: String,
    pub(crate) to_state: String,
    pub(crate) to_status: Option<String>,
    pub(crate) guard: Option<String>,
    pub(crate) trigger_kind: String,
    pub(crate) trigger_operations: String,
    pub(crate) operation: Option<String>,
    pub(crate) roles: String,
    pub(crate) position: i32,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
    pub(crate) trigger_after: Option<String>,
    pub(crate) actions: String,
    pub(crate) reverse: bool,
    pub(crate) visible_to_customer: bool,
    pub(crate) notify_customer: bool,
    pub(crate) trigger_at: Option<String>,
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
            Trigger::After(period) => ("after", Some(period.to_string()), None),
            Trigger::At(expression) => ("at", None, Some(expression.to_string())),
        };
        Ok(Self {
            workflow: workflow.to_string(),
            code: transition.code.to_string(),
            label: transition.label.to_string(),
            description: transition.description.to_string(),
            from_statuses: json(&transition.from_statuses)?,
            from_states: json(&transition.from_states)?,
            to_state: transition.to_state.to_string(),
            to_status: transition.to_status.as_ref().map(ToString::to_string),
            guard: transition.guard.as_ref().map(ToString::to_string),
            trigger_kind: kind.to_owned(),
            trigger_operations: json(&transition.trigger.operations())?,
            operation: transition.operation.as_ref().map(ToString::to_string),
            roles: json(&transition.roles)?,
            position: transition.position,
            version: stamp.version,
            create_time: stamp.create_time.micros(),
            update_time: stamp.update_time.micros(),
            trigger_after: after,
            trigger_at: at,
            actions: json(&transition.actions)?,
            reverse: transition.reverse,
            visible_to_customer: transition.visible_to_customer,
            notify_customer: transition.notify_customer,
        })
    }

    /// Its code, where that can be read.
    pub(crate) fn readable_code(&self) -> Option<TransitionCode> {
        self.code.parse().ok()
    }

    /// What a finding about it is about.
    pub(crate) fn subject(&self) -> Subject {
        let code = self.readable_code();
        code.map_or(Subject::Workflow, Subject::Transition)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        stamp(self.version, self.create_time, self.update_time)
    }

    pub(crate) fn transition(&self) -> Result<Transition, Error> {
        let row = format!("{}/{}", self.workflow, self.code);
        let reading = Reading {
            table: "transitions",
            row: &row,
        };
        let trigger = match self.trigger_kind.as_str() {
            "manual" => Trigger::Manual,
            "on_operations" => {
                Trigger::OnOperations(reading.json("trigger_operations", &self.trigger_operations)?)
            }
            "automatic" => Trigger::Automatic,
            "after" => {
                let period = self.trigger_after.as_deref().unwrap_or_default();
                Trigger::After(reading.text("trigger_after", period)?)
            }
            "at" => {
                let expression = self.trigger_at.as_deref().unwrap_or_default();
                Trigger::At(Expression::of_stored(expression))
            }
            other => return Err(reading.corrupt("trigger_kind", format!("unknown kind {other}"))),
        };
        Ok(Transition {
            code: reading.text("code", &self.code)?,
            label: reading.text("label", &self.label)?,
            description: reading.text("description", &self.description)?,
            from_statuses: reading.json("from_statuses", &self.from_statuses)?,
            from_states: reading.json("from_states", &self.from_states)?,
            to_state: reading.text("to_state", &self.to_state)?,
            to_status: reading.optional("to_status", self.to_status.as_deref())?,
            guard: self.guard.as_deref().map(Expression::of_stored),
            trigger,
            operation: reading.optional("operation", self.operation.as_deref())?,
            reverse: self.reverse,
            visible_to_customer: self.visible_to_customer,
            notify_customer: self.notify_customer,
            roles: reading.json("roles", &self.roles)?,
            actions: reading.json("actions", &self.actions)?,
            position: self.position,
        })
    }
}

//! A step in the making: the order as the step has changed it so far, and the
//! entries that the step will leave.

use super::{Context, Order, Standing, evolve::apply};
use crate::{
    actor::Actor,
    guard::Facts,
    history::{Detail, Entry},
    value::{Comment, Metadata, OperationCode, Timestamp, TransitionCode},
    workflow::{Graph, State, Workflow},
};

/// A step in the making.
pub(super) struct Draft<'a> {
    pub(super) graph: &'a Graph,
    pub(super) context: &'a Context,
    pub(super) order: Order,
    pub(super) entries: Vec<Entry>,
    now: Timestamp,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        context: &'a Context,
        order: Order,
        now: Timestamp,
    ) -> Self {
        Self {
            graph,
            context,
            order,
            entries: Vec::new(),
            now,
        }
    }

    /// The same order with nothing written yet, to try something out.
    pub(super) fn fork(&self) -> Self {
        Self::new(self.graph, self.context, self.order.clone(), self.now)
    }

    pub(super) fn workflow(&self) -> &'a Workflow {
        self.graph.workflow()
    }

    pub(super) fn state(&self) -> Option<&'a State> {
        self.workflow().state(&self.order.standing.state)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn next_sequence(&self) -> i64 {
        self.order.version + 1
    }

    /// What a guard sees when `actor` asks about `order`.
    pub(super) fn facts<'f>(&'f self, order: &'f Order, actor: &'f Actor) -> Facts<'f> {
        Facts {
            workflow: self.graph.workflow(),
            order,
            actor,
            comment: &self.context.comment,
            metadata: &self.context.metadata,
            now: self.now,
        }
    }

    /// Writes the entry of the call itself.
    pub(super) fn write(
        &mut self,
        to: Standing,
        transition: Option<TransitionCode>,
        detail: Detail,
    ) {
        let from = match detail {
            Detail::Created(_) => None,
            _ => Some(self.order.standing.clone()),
        };
        let context = self.context;
        self.push(Entry {
            sequence: self.next_sequence(),
            from,
            to,
            transition,
            comment: context.comment.clone(),
            notify_customer: context.notify_customer,
            visible_to_customer: context.visible_to_customer,
            actor: context.actor.clone(),
            request_id: context.request_id.clone(),
            caused_by: 0,
            workflow_version: self.graph.version(),
            metadata: context.metadata.clone(),
            create_time: self.now,
            detail,
        });
    }

    /// Writes an automatic entry, set off by the entry before it. The customer may
    /// read it when the customer may read the call's own entry.
    pub(super) fn write_automatic(
        &mut self,
        to: Standing,
        transition: TransitionCode,
        detail: Detail,
    ) {
        self.push(Entry {
            sequence: self.next_sequence(),
            from: Some(self.order.standing.clone()),
            to,
            transition: Some(transition),
            comment: Comment::default(),
            notify_customer: false,
            visible_to_customer: self.context.visible_to_customer,
            actor: Actor::system(),
            request_id: None,
            caused_by: self.order.version,
            workflow_version: self.graph.version(),
            metadata: Metadata::default(),
            create_time: self.now,
            detail,
        });
    }

    /// Notes on the last entry that a guard could not be evaluated.
    pub(super) fn note_failed_guard(&mut self, transition: &TransitionCode, message: &str) {
        if let Some(entry) = self.entries.last_mut() {
            entry
                .metadata
                .note("waymark.guard_failed", &format!("{transition}: {message}"));
        }
    }

    /// The operation that the last entry recorded.
    pub(super) fn last_operation(&self) -> Option<OperationCode> {
        match &self.entries.last()?.detail {
            Detail::Recorded(recorded) | Detail::Transitioned(Some(recorded)) => {
                Some(recorded.operation.clone())
            }
            Detail::Created(_)
            | Detail::Transitioned(None)
            | Detail::Commented
            | Detail::Held(_)
            | Detail::Released(_)
            | Detail::Updated(_) => None,
        }
    }

    fn push(&mut self, entry: Entry) {
        apply(&mut self.order, &entry);
        self.entries.push(entry);
    }
}

//! A step in the making: the order as the step has changed it so far, and the
//! entries that the step will leave.

use super::{facts::Facts, graph::Graph};
use crate::{
    actor::Actor,
    guard::CostBudget,
    history::{Detail, Entry, Moment, Recorded, apply, note_unreckoned},
    order::{Context, Hold, Order, Rejection},
    value::{Comment, Metadata, Timestamp, TransitionCode},
    workflow::{ActionPath, Standing, State, Transition, Workflow},
};

/// Whether the customer may read of something, and whether that asks to notify them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CustomerFlags {
    pub(super) visible_to_customer: bool,
    pub(super) notify_customer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// A call, which says for all of the step what the customer is told.
    Call,
    /// Time, whose transitions say it for themselves.
    Time,
}

/// A transition that may be taken, with where it lands and what it records.
pub(super) struct OpenTransition {
    pub(super) transition: TransitionCode,
    pub(super) to: Standing,
    pub(super) recorded: Option<Recorded>,
}

pub(super) struct Addition {
    pub(super) caused_by: i64,
    pub(super) action: Option<ActionPath>,
    pub(super) to: Standing,
    pub(super) transition: Option<TransitionCode>,
    pub(super) comment: Comment,
    pub(super) flags: CustomerFlags,
    pub(super) detail: Detail,
}

pub(super) struct Draft<'a> {
    pub(super) graph: &'a Graph,
    pub(super) context: &'a Context,
    pub(super) order: Order,
    pub(super) entries: Vec<Entry>,
    /// The budget of guards from here on, shared with whatever is tried beside this draft.
    pub(super) budget: &'a CostBudget,
    /// The flags of the step as a whole.
    flags: CustomerFlags,
    maker: Maker,
    moment: Moment,
}

/// The work of copying an order, as steps of a guard's evaluation, and of each of its lines.
const FORK_STEPS: u64 = 50;
const FORK_STEPS_PER_LINE: u64 = 1;
/// The work of reckoning what an operation moves of each line, and of moving it.
const RECORDING_STEPS_PER_LINE: u64 = 10;

impl CustomerFlags {
    /// The flags of a transition, for a step that no call makes.
    pub(super) fn of(transition: &Transition) -> Self {
        Self {
            visible_to_customer: transition.visible_to_customer,
            notify_customer: transition.notify_customer,
        }
    }

    /// The flags of holds, for their release by time: those that any of them has.
    pub(super) fn of_holds(holds: &[&Hold]) -> Self {
        Self {
            visible_to_customer: holds.iter().any(|hold| hold.visible_to_customer),
            notify_customer: holds.iter().any(|hold| hold.notify_customer),
        }
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        context: &'a Context,
        order: Order,
        moment: Moment,
        budget: &'a CostBudget,
    ) -> Self {
        Self {
            graph,
            context,
            order,
            entries: Vec::new(),
            budget,
            flags: CustomerFlags {
                visible_to_customer: context.visible_to_customer,
                notify_customer: context.notify_customer,
            },
            maker: Maker::Call,
            moment,
        }
    }

    /// Makes it a step of time, of which the customer is told this.
    pub(super) fn made_by_time(&mut self, flags: CustomerFlags) {
        self.flags = flags;
        self.maker = Maker::Time;
    }

    /// Whether an action that writes on request to the customer does so for the entry with this
    /// index.
    pub(super) fn asks_to_notify(&self, index: usize) -> bool {
        let entry = self.entries.get(index);
        self.flags.notify_customer || entry.is_some_and(|entry| entry.notify_customer)
    }

    /// The same order with nothing written yet, to try something out; its work comes out of the
    /// same budget.
    ///
    /// # Errors
    /// Returns [`Rejection::GuardLimit`] where nothing is left of that.
    pub(super) fn fork(&self) -> Result<Self, Rejection> {
        self.spend(FORK_STEPS, FORK_STEPS_PER_LINE)?;
        Ok(Self::new(
            self.graph,
            self.context,
            self.order.clone(),
            self.moment,
            self.budget,
        ))
    }

    /// Takes the work of finding out what an operation of a transition moves off the budget.
    ///
    /// # Errors
    /// Returns [`Rejection::GuardLimit`] where nothing is left of that.
    pub(super) fn spend_on_recording(&self) -> Result<(), Rejection> {
        self.spend(0, RECORDING_STEPS_PER_LINE)
    }

    fn spend(&self, once: u64, per_line: u64) -> Result<(), Rejection> {
        let lines = u64::try_from(self.order.lines.len()).unwrap_or(u64::MAX);
        let steps = lines.saturating_mul(per_line).saturating_add(once);
        // What it says is said by the rejection.
        let _ = self.budget.spend(steps);
        self.within_budget()
    }

    /// Refuses what was decided with guards that were not asked any more.
    ///
    /// # Errors
    /// Returns [`Rejection::GuardLimit`].
    pub(super) fn within_budget(&self) -> Result<(), Rejection> {
        if self.budget.is_exhausted() {
            return Err(Rejection::GuardLimit {
                limit: CostBudget::STEPS_MAX,
            });
        }
        Ok(())
    }

    /// Refuses steps of an order that is on hold or in a terminal state.
    ///
    /// # Errors
    /// Returns [`Rejection::OrderHeld`] or [`Rejection::OrderTerminal`].
    pub(super) fn movable(&self) -> Result<(), Rejection> {
        let order = &self.order;
        if order.return_to.is_some() {
            return Err(Rejection::OrderHeld {
                holds: order.holds.iter().rev().cloned().collect(),
            });
        }
        if self.state().is_some_and(|state| state.terminal) {
            return Err(Rejection::OrderTerminal {
                state: order.standing.state.clone(),
            });
        }
        Ok(())
    }

    pub(super) fn workflow(&self) -> &'a Workflow {
        self.graph.workflow()
    }

    pub(super) fn state(&self) -> Option<&'a State> {
        self.workflow().state(&self.order.standing.state)
    }

    pub(super) fn moment(&self) -> Moment {
        self.moment
    }

    /// The time of the entries of the step.
    pub(super) fn now(&self) -> Timestamp {
        self.moment.time
    }

    /// The time of the clock, by which everything is judged that is due.
    pub(super) fn clock(&self) -> Timestamp {
        self.moment.clock
    }

    pub(super) fn next_sequence(&self) -> i64 {
        self.order.version + 1
    }

    /// The facts for a guard that is asked about `order`: with it, what the call says and has
    /// recorded.
    pub(super) fn facts<'f>(&'f self, order: &'f Order) -> Facts<'f> {
        let call = self.entries.first();
        Facts {
            workflow: self.graph.workflow(),
            order,
            actor: &self.context.actor,
            comment: &self.context.comment,
            metadata: &self.context.metadata,
            now: self.moment.time,
            recorded: call.and_then(|entry| entry.detail.recorded()),
            entry: None,
        }
    }

    /// The facts for the guard of an operation of which this is about to be recorded.
    pub(super) fn facts_recording<'f>(&'f self, recorded: &'f Recorded) -> Facts<'f> {
        Facts {
            recorded: Some(recorded),
            ..self.facts(&self.order)
        }
    }

    /// The facts for an action that an entry of this step sets off.
    pub(super) fn facts_after<'f>(&'f self, entry: &'f Entry) -> Facts<'f> {
        Facts {
            entry: Some(entry),
            ..self.facts(&self.order)
        }
    }

    /// Takes a transition as the call itself.
    pub(super) fn take(&mut self, open: OpenTransition) {
        let detail = Detail::Transitioned(open.recorded);
        self.write(open.to, Some(open.transition), detail);
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
            notify_customer: self.flags.notify_customer,
            visible_to_customer: self.flags.visible_to_customer,
            actor: context.actor.clone(),
            request_id: context.request_id.clone(),
            caused_by: 0,
            workflow_version: self.graph.version(),
            metadata: context.metadata.clone(),
            create_time: self.moment.time,
            detail,
            set_off: Vec::new(),
        });
    }

    /// Writes an entry that Waymark adds by itself.
    pub(super) fn write_automatic(&mut self, addition: Addition) {
        let mut metadata = Metadata::default();
        if let Some(action) = &addition.action {
            metadata.note("waymark.action", &action.to_string());
        }
        self.push(Entry {
            sequence: self.next_sequence(),
            from: Some(self.order.standing.clone()),
            to: addition.to,
            transition: addition.transition,
            comment: addition.comment,
            notify_customer: addition.flags.notify_customer,
            visible_to_customer: addition.flags.visible_to_customer,
            actor: Actor::system(),
            request_id: None,
            caused_by: addition.caused_by,
            workflow_version: self.graph.version(),
            metadata,
            create_time: self.moment.time,
            detail: addition.detail,
            set_off: Vec::new(),
        });
    }

    /// A further step along a transition. The customer may read it when the customer may
    /// read the first entry, and in a step of time where the transition says so.
    pub(super) fn further_step(&self, caused_by: i64, open: OpenTransition) -> Addition {
        let own = match self.maker {
            Maker::Call => CustomerFlags::default(),
            Maker::Time => self
                .workflow()
                .transition(&open.transition)
                .map(CustomerFlags::of)
                .unwrap_or_default(),
        };
        Addition {
            caused_by,
            action: None,
            to: open.to,
            transition: Some(open.transition),
            comment: Comment::default(),
            flags: CustomerFlags {
                visible_to_customer: self.flags.visible_to_customer || own.visible_to_customer,
                ..own
            },
            detail: Detail::Transitioned(open.recorded),
        }
    }

    pub(super) fn note(&mut self, index: usize, key: &str, text: &str) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.metadata.note(key, text);
        }
    }

    pub(super) fn note_last(&mut self, key: &str, text: &str) {
        if let Some(entry) = self.entries.last_mut() {
            entry.metadata.note(key, text);
        }
    }

    fn push(&mut self, mut entry: Entry) {
        self.moment.note(&mut entry);
        note_unreckoned(&self.order, &mut entry);
        apply(&mut self.order, &entry);
        self.entries.push(entry);
    }
}

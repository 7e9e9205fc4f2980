//! A workflow made ready for orders: guards compiled, transitions in order.

use std::{collections::HashMap, hash::Hash};

use crate::{
    guard::{Expression, Guard, GuardError, Instant, Scope},
    value::{OperationCode, StateCode, StatusCode, TransitionCode},
    workflow::{Action, ActionPath, Transition, Trigger, TriggerPoint, Work, Workflow},
};

/// A workflow at one version, ready to judge commands.
#[derive(Debug)]
pub struct Graph {
    workflow: Workflow,
    version: i64,
    guards: HashMap<TransitionCode, Guard>,
    operation_guards: HashMap<OperationCode, Guard>,
    entry_guards: HashMap<StateCode, Guard>,
    /// When transitions are due that wait for a date.
    instants: HashMap<TransitionCode, Instant>,
    /// The status of each state on which an order lands that names none.
    defaults: HashMap<StateCode, StatusCode>,
    actions: HashMap<TriggerPoint, Vec<ReadyAction>>,
    is_without_timers: bool,
    /// The first expression that does not compile.
    unusable: Option<GraphError>,
}

#[derive(Debug)]
pub(crate) struct ReadyAction {
    pub(crate) path: ActionPath,
    pub(crate) condition: Option<Guard>,
    pub(crate) work: Work,
}

impl ReadyAction {
    /// Compiles the condition of an action; one that cannot be used says so when it is asked.
    pub(crate) fn new(path: ActionPath, action: &Action) -> Self {
        let condition = action.condition.as_ref();
        Self {
            path,
            condition: condition.map(|it| Guard::of_stored(it, Scope::OrderAndEntry)),
            work: action.work.clone(),
        }
    }
}

/// Why a workflow cannot judge every command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The guard of a transition is wrong.
    #[error("the guard of transition {transition} {source}")]
    Guard {
        /// The transition.
        transition: TransitionCode,
        /// The fault.
        source: GuardError,
    },
    /// The date for which a transition waits is wrong.
    #[error("the date of transition {transition} {source}")]
    Instant {
        /// The transition.
        transition: TransitionCode,
        /// The fault.
        source: GuardError,
    },
    /// The guard of an operation is wrong.
    #[error("the guard of operation {operation} {source}")]
    OperationGuard {
        /// The operation.
        operation: OperationCode,
        /// The fault.
        source: GuardError,
    },
    /// The entry guard of a state is wrong.
    #[error("the entry guard of state {state} {source}")]
    EntryGuard {
        /// The state.
        state: StateCode,
        /// The fault.
        source: GuardError,
    },
    /// The condition of an action is wrong.
    #[error("the condition of action {action} {source}")]
    Condition {
        /// The action.
        action: ActionPath,
        /// The fault.
        source: GuardError,
    },
}

impl GraphError {
    /// The fault of the expression.
    pub fn problem(&self) -> &GuardError {
        match self {
            Self::Guard { source, .. }
            | Self::Instant { source, .. }
            | Self::OperationGuard { source, .. }
            | Self::EntryGuard { source, .. }
            | Self::Condition { source, .. } => source,
        }
    }
}

impl Graph {
    /// Compiles the guards of a workflow and sorts its transitions by position, then code.
    ///
    /// # Errors
    /// Returns [`GraphError`] for the first guard that does not compile.
    pub fn new(workflow: Workflow, version: i64) -> Result<Self, GraphError> {
        let graph = Self::of_stored(workflow, version);
        let problem = graph.problems().next();
        problem.map_or(Ok(graph), Err)
    }

    /// Compiles the guards of a workflow that was stored, perhaps by other rules: one that is
    /// beyond what is allowed now refuses whatever needs it, and everything else goes on. One that
    /// does not compile at all makes the workflow [unusable](Self::unusable).
    pub fn of_stored(workflow: Workflow, version: i64) -> Self {
        let mut graph = Self::uncompiled(workflow, version);
        let workflow = &graph.workflow;
        let (transitions, states) = (workflow.transitions.iter(), workflow.states.iter());
        let operations = workflow.operations.iter();
        graph.guards = guards(transitions.clone().map(|it| (&it.code, it.guard.as_ref())));
        graph.entry_guards = guards(states.map(|it| (&it.code, it.entry_guard.as_ref())));
        graph.operation_guards = guards(operations.map(|it| (&it.code, it.guard.as_ref())));
        let instants = transitions.filter_map(|transition| {
            let instant = Instant::of_stored(transition.trigger.date()?);
            Some((transition.code.clone(), instant))
        });
        graph.instants = instants.collect();
        graph.actions = ready_actions(workflow);
        let unusable = graph.problems().find(|it| it.problem().is_uncompilable());
        graph.unusable = unusable;
        graph
    }

    /// A workflow without its guards and actions, where they cannot be compiled. It says what parts
    /// there are; nothing is to be judged by it.
    pub fn uncompiled(mut workflow: Workflow, version: i64) -> Self {
        workflow
            .transitions
            .sort_by(|a, b| (a.position, &a.code).cmp(&(b.position, &b.code)));
        let defaults = workflow.assignments.iter().filter(|pair| pair.is_default);
        let defaults = defaults.map(|pair| (pair.state.clone(), pair.status.clone()));
        let mut transitions = workflow.transitions.iter();
        Self {
            guards: HashMap::new(),
            operation_guards: HashMap::new(),
            entry_guards: HashMap::new(),
            instants: HashMap::new(),
            defaults: defaults.collect(),
            actions: HashMap::new(),
            is_without_timers: !transitions.any(|transition| transition.trigger.is_timed()),
            unusable: None,
            workflow,
            version,
        }
    }

    /// Why no step is to be judged by the workflow: the first guard, date or condition that does
    /// not compile. A condition or an automatic step that silently never comes would lead orders
    /// astray, so nothing goes on until that is mended; none as a rule.
    pub fn unusable(&self) -> Option<&GraphError> {
        self.unusable.as_ref()
    }

    /// The guards, dates and conditions that cannot be used: those of transitions by position,
    /// then of operations, states and active actions.
    pub fn problems(&self) -> impl Iterator<Item = GraphError> {
        let transitions = self.workflow.transitions.iter().filter_map(|transition| {
            Some(GraphError::Guard {
                source: self.guard(&transition.code)?.problem()?.clone(),
                transition: transition.code.clone(),
            })
        });
        let dates = self.workflow.transitions.iter().filter_map(|transition| {
            Some(GraphError::Instant {
                source: self.instant(&transition.code)?.problem()?.clone(),
                transition: transition.code.clone(),
            })
        });
        let operations = self.workflow.operations.iter().filter_map(|operation| {
            Some(GraphError::OperationGuard {
                source: self.operation_guard(&operation.code)?.problem()?.clone(),
                operation: operation.code.clone(),
            })
        });
        let states = self.workflow.states.iter().filter_map(|state| {
            Some(GraphError::EntryGuard {
                source: self.entry_guard(&state.code)?.problem()?.clone(),
                state: state.code.clone(),
            })
        });
        let actions = self.actions.values().flatten().filter_map(|action| {
            Some(GraphError::Condition {
                source: action.condition.as_ref()?.problem()?.clone(),
                action: action.path.clone(),
            })
        });
        transitions
            .chain(dates)
            .chain(operations)
            .chain(states)
            .chain(actions)
    }

    /// The definition.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The version of the workflow, from 1.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The transitions that a call may take, by position, then code.
    pub fn manual_transitions(&self) -> impl Iterator<Item = &Transition> {
        let transitions = self.workflow.transitions.iter();
        transitions.filter(|transition| transition.trigger == Trigger::Manual)
    }

    pub(crate) fn guard(&self, transition: &TransitionCode) -> Option<&Guard> {
        self.guards.get(transition)
    }

    pub(crate) fn operation_guard(&self, operation: &OperationCode) -> Option<&Guard> {
        self.operation_guards.get(operation)
    }

    pub(crate) fn entry_guard(&self, state: &StateCode) -> Option<&Guard> {
        self.entry_guards.get(state)
    }

    pub(crate) fn instant(&self, transition: &TransitionCode) -> Option<&Instant> {
        self.instants.get(transition)
    }

    /// The status that a transition leads to where nothing else is named: its own, or the default
    /// of its state.
    pub(crate) fn leads_to<'g>(&'g self, transition: &'g Transition) -> Option<&'g StatusCode> {
        let default = || self.defaults.get(&transition.to_state);
        transition.to_status.as_ref().or_else(default)
    }

    pub(super) fn is_without_timers(&self) -> bool {
        self.is_without_timers
    }

    pub(crate) fn is_without_actions(&self) -> bool {
        self.actions.is_empty()
    }

    /// The active actions of a trigger point, by position, then code.
    pub(crate) fn actions(&self, point: &TriggerPoint) -> &[ReadyAction] {
        self.actions.get(point).map_or(&[], Vec::as_slice)
    }
}

fn guards<'w, C: Clone + Eq + Hash + 'w>(
    parts: impl Iterator<Item = (&'w C, Option<&'w Expression>)>,
) -> HashMap<C, Guard> {
    let guards = parts
        .filter_map(|(code, guard)| Some((code.clone(), Guard::of_stored(guard?, Scope::Order))));
    guards.collect()
}

fn ready_actions(workflow: &Workflow) -> HashMap<TriggerPoint, Vec<ReadyAction>> {
    let active = workflow.actions().filter(|(_, action)| action.active);
    let mut active: Vec<_> = active.collect();
    active.sort_by(|(_, a), (_, b)| (a.position, &a.code).cmp(&(b.position, &b.code)));
    let mut ready: HashMap<TriggerPoint, Vec<ReadyAction>> = HashMap::new();
    for (point, action) in active {
        let path = ActionPath {
            point: point.clone(),
            code: action.code.clone(),
        };
        let action = ReadyAction::new(path, action);
        ready.entry(point).or_default().push(action);
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        value::Invalid,
        workflow::{Writing, sample},
    };

    /// A place of an expression: what stands before it in what is said, and how it comes there.
    type ExpressionPlace = (&'static str, fn(&mut Workflow, Expression));

    const PLACES: &[ExpressionPlace] = &[
        ("the guard of transition go", |workflow, guard| {
            let mut go = sample::transition("go", &["new"], "processing", Trigger::Manual);
            go.guard = Some(guard);
            workflow.transitions.push(go);
        }),
        ("the guard of operation invoice", |workflow, guard| {
            workflow.operations[0].guard = Some(guard);
        }),
        ("the entry guard of state new", |workflow, guard| {
            let new = workflow.states.iter_mut();
            let new = new.filter(|state| state.code.as_str() == "new");
            new.for_each(|state| state.entry_guard = Some(guard.clone()));
        }),
        ("the condition of action create.go", |workflow, guard| {
            workflow.on_create.push(conditional(guard));
        }),
        ("the date of transition later", |workflow, date| {
            let later = Trigger::At(date);
            let later = sample::transition("later", &["new"], "processing", later);
            workflow.transitions.push(later);
        }),
    ];

    fn conditional(condition: Expression) -> Action {
        Action {
            condition: Some(condition),
            ..sample::action(
                "go",
                Work::Write(Writing::Transition("go".parse().unwrap())),
            )
        }
    }

    fn stored(text: &str, (_, put): &ExpressionPlace) -> Graph {
        let mut workflow = sample::workflow();
        put(&mut workflow, Expression::of_stored(text));
        Graph::of_stored(workflow, 1)
    }

    #[test]
    fn what_does_not_compile_makes_the_workflow_unusable_wherever_it_stands() {
        for (text, said) in [
            ("order.((", "is not a CEL expression"),
            ("order.nothing == 1", "knows no field order.nothing"),
            ("nothing", "knows no"),
            ("order.grand_total + 1", "must answer"),
        ] {
            for place in PLACES {
                let graph = stored(text, place);
                let unusable = graph.unusable().map(ToString::to_string);
                let unusable = unusable.unwrap_or_else(|| panic!("{} {text}", place.0));
                assert!(unusable.starts_with(place.0), "{unusable}");
                assert!(unusable.contains(said), "{unusable}");
            }
        }
    }

    #[test]
    fn what_is_beyond_todays_bounds_refuses_alone() {
        let long = format!("order.grand_total > {}", "0".repeat(1_000));
        for text in [
            long.as_str(),
            "\u{1}",
            "size(order.lines + order.lines) > 0",
        ] {
            for place in PLACES {
                let graph = stored(text, place);
                assert_eq!(graph.problems().count(), 1, "{} {text}", place.0);
                assert_eq!(graph.unusable(), None, "{} {text}", place.0);
            }
        }
        // Nothing is asked of an action that is switched off.
        let mut workflow = sample::workflow();
        let mut off = conditional(Expression::of_stored("order.(("));
        off.active = false;
        workflow.on_create.push(off);
        assert_eq!(Graph::of_stored(workflow, 1).unusable(), None);
        assert_eq!(sample::graph().unusable(), None);
    }

    #[test]
    fn every_fault_of_an_expression_is_one_or_the_other() {
        let text = || String::from("x");
        for (fault, is_uncompilable) in [
            (GuardError::Text(Invalid::Empty), false),
            (GuardError::Syntax { message: text() }, true),
            (
                GuardError::Unknown {
                    name: text(),
                    meant: None,
                    hint: "",
                },
                true,
            ),
            (GuardError::NotAllowed("must not"), false),
            (GuardError::TooCostly { cost: 2, max: 1 }, false),
            (GuardError::Type { message: text() }, true),
        ] {
            assert_eq!(fault.is_uncompilable(), is_uncompilable, "{fault:?}");
        }
    }

    #[test]
    fn one_that_is_not_compiled_still_says_what_parts_there_are() {
        let workflow = sample::workflow();
        let graph = Graph::uncompiled(workflow.clone(), 7);
        let compiled = Graph::of_stored(workflow, 7);
        assert_eq!(graph.workflow(), compiled.workflow());
        assert_eq!(graph.version(), 7);
        for transition in &compiled.workflow().transitions {
            assert_eq!(graph.leads_to(transition), compiled.leads_to(transition));
        }
        assert!(graph.is_without_actions() && graph.problems().next().is_none());
    }
}

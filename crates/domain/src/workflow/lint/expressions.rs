//! The guards, entry guards and conditions of a workflow, each with the places where it is asked.

use std::{collections::BTreeMap, rc::Rc};

use super::{Finding, Places, Rule, Ways};
use crate::{
    guard::{Expression, Guard, GuardError, Names},
    value::StateCode,
    workflow::{Action, Category, Operation, State, Transition, TriggerPoint},
};

/// An expression that compiles.
#[derive(Debug)]
pub(super) struct Spoken<'a> {
    pub(super) by: Speaker<'a>,
    /// The places of orders that it is asked about; none where they are not known.
    pub(super) places: Option<Places>,
    compiled: Rc<CompiledGuard>,
}

/// The part that an expression belongs to.
#[derive(Debug)]
pub(super) enum Speaker<'a> {
    /// A transition that has it as its guard.
    Transition(&'a Transition),
    /// A state that has it as its entry guard.
    State(&'a State),
    /// An operation that has it as its guard.
    Operation(&'a Operation),
    /// An action that has it as its condition.
    Action(TriggerPoint, &'a Action),
}

/// The same text is compiled and read once.
#[derive(Debug)]
struct CompiledGuard {
    guard: Guard,
    names: Names,
}

impl Spoken<'_> {
    pub(super) fn guard(&self) -> &Guard {
        &self.compiled.guard
    }

    pub(super) fn names(&self) -> &Names {
        &self.compiled.names
    }

    /// A finding about the expression; the message follows `has a guard that`.
    pub(super) fn finding(&self, rule: Rule, message: &str) -> Finding {
        let (subject, what) = match &self.by {
            Speaker::Transition(transition) => (transition.subject(), "a guard".to_owned()),
            Speaker::Operation(operation) => (operation.subject(), "a guard".to_owned()),
            Speaker::State(state) => (state.subject(), "an entry guard".to_owned()),
            Speaker::Action(point, action) => (
                point.subject(),
                format!("the action {} with a condition", action.code),
            ),
        };
        Finding::new(rule, subject, format!("has {what} that {message}"))
    }
}

/// All expressions of a workflow that compile; the others have findings of their own.
pub(super) fn all<'a>(ways: &Ways<'a>) -> Vec<Spoken<'a>> {
    let workflow = ways.workflow;
    let mut guards = Compiler::new(Guard::compile);
    let mut conditions = Compiler::new(Guard::compile_condition);
    let mut spoken = Vec::new();
    for way in &ways.list {
        let places = Some(way.sources.clone());
        let by = Speaker::Transition(way.transition);
        spoken.extend(guards.spoken(way.transition.guard.as_ref(), by, places));
    }
    let entered = entered(ways);
    for state in &workflow.states {
        let places = entered.get(&state.code).cloned();
        spoken.extend(guards.spoken(state.entry_guard.as_ref(), Speaker::State(state), places));
    }
    for operation in workflow.operations.iter().filter(|it| it.guard.is_some()) {
        let places = Some(recorded(ways, operation));
        let by = Speaker::Operation(operation);
        spoken.extend(guards.spoken(operation.guard.as_ref(), by, places));
    }
    for (point, action) in workflow.actions() {
        // Others may have moved the order on before, so its place is not known.
        let by = Speaker::Action(point, action);
        spoken.extend(conditions.spoken(action.condition.as_ref(), by, None));
    }
    spoken
}

/// The expressions of one sort that were compiled.
struct Compiler<'a> {
    compile: fn(&Expression) -> Result<Guard, GuardError>,
    compiled: BTreeMap<&'a Expression, Option<Rc<CompiledGuard>>>,
}

impl<'a> Compiler<'a> {
    fn new(compile: fn(&Expression) -> Result<Guard, GuardError>) -> Self {
        let compiled = BTreeMap::new();
        Self { compile, compiled }
    }

    fn spoken(
        &mut self,
        expression: Option<&'a Expression>,
        by: Speaker<'a>,
        places: Option<Places>,
    ) -> Option<Spoken<'a>> {
        let expression = expression?;
        let compile = || (self.compile)(expression).ok().map(read);
        let compiled = self.compiled.entry(expression).or_insert_with(compile);
        let compiled = Rc::clone(compiled.as_ref()?);
        Some(Spoken {
            by,
            places,
            compiled,
        })
    }
}

fn read(guard: Guard) -> Rc<CompiledGuard> {
    let names = guard.names();
    Rc::new(CompiledGuard { guard, names })
}

/// The places of orders that enter a state: where ways into it begin, where an order may be
/// created, and where a hold may be placed.
fn entered<'a>(ways: &Ways<'a>) -> BTreeMap<&'a StateCode, Places> {
    let mut entered: BTreeMap<&StateCode, Places> = BTreeMap::new();
    let states = ways.workflow.states.iter();
    for state in states.filter(|state| state.entry_guard.is_some()) {
        let mut places = ways.no_places();
        for (index, place) in ways.places.iter().enumerate() {
            let is_created = state.can_start && place.state.code == state.code;
            let is_held = state.category == Category::Held && place.state.holdable;
            if is_created || is_held {
                places.add(index);
            }
        }
        entered.insert(&state.code, places);
    }
    for way in &ways.list {
        if let Some(places) = entered.get_mut(&way.transition.to_state) {
            places.add_all(&way.sources);
        }
    }
    entered
}

/// The places where an operation is recorded: where it is allowed, and where transitions begin that
/// record it.
fn recorded(ways: &Ways<'_>, operation: &Operation) -> Places {
    let mut places = ways.no_places();
    let states = ways.workflow.states.iter();
    for state in states.filter(|state| state.operations.contains(&operation.code)) {
        places.add_all(&ways.all_of(&state.code));
    }
    let code = Some(&operation.code);
    let recording = ways.list.iter();
    for way in recording.filter(|way| way.transition.operation.as_ref() == code) {
        places.add_all(&way.sources);
    }
    places
}

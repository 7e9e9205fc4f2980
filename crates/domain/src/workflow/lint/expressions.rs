//! The guards, entry guards and conditions of a workflow, each with the places where it is asked.

use std::{collections::BTreeMap, rc::Rc};

use super::{Finding, Places, Rule, Ways};
use crate::{
    guard::{Expression, Guard, Names},
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
    let mut compiler = Compiler::default();
    let mut spoken = Vec::new();
    for way in &ways.list {
        if let Some(compiled) = compiler.guard(way.transition.guard.as_ref()) {
            spoken.push(Spoken {
                by: Speaker::Transition(way.transition),
                places: Some(way.sources.clone()),
                compiled,
            });
        }
    }
    let entered = entered(ways);
    for state in &workflow.states {
        if let Some(compiled) = compiler.guard(state.entry_guard.as_ref()) {
            spoken.push(Spoken {
                by: Speaker::State(state),
                places: entered.get(&state.code).cloned(),
                compiled,
            });
        }
    }
    for operation in &workflow.operations {
        if let Some(compiled) = compiler.guard(operation.guard.as_ref()) {
            spoken.push(Spoken {
                by: Speaker::Operation(operation),
                places: Some(recorded(ways, operation)),
                compiled,
            });
        }
    }
    for (point, action) in workflow.actions() {
        if let Some(compiled) = compiler.condition(action.condition.as_ref()) {
            spoken.push(Spoken {
                by: Speaker::Action(point, action),
                // Others may have moved the order on before.
                places: None,
                compiled,
            });
        }
    }
    spoken
}

#[derive(Default)]
struct Compiler<'a> {
    guards: BTreeMap<&'a Expression, Option<Rc<CompiledGuard>>>,
    conditions: BTreeMap<&'a Expression, Option<Rc<CompiledGuard>>>,
}

impl<'a> Compiler<'a> {
    fn guard(&mut self, expression: Option<&'a Expression>) -> Option<Rc<CompiledGuard>> {
        let expression = expression?;
        let compile = || Guard::compile(expression).ok().map(read);
        let compiled = self.guards.entry(expression).or_insert_with(compile);
        compiled.clone()
    }

    fn condition(&mut self, expression: Option<&'a Expression>) -> Option<Rc<CompiledGuard>> {
        let expression = expression?;
        let compile = || Guard::compile_condition(expression).ok().map(read);
        let compiled = self.conditions.entry(expression).or_insert_with(compile);
        compiled.clone()
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
        for place in ways.of_state(&state.code) {
            places.add(*place);
        }
    }
    let recording = ways
        .list
        .iter()
        .filter(|way| way.transition.operation.as_ref() == Some(&operation.code));
    for way in recording {
        places.add_all(&way.sources);
    }
    places
}

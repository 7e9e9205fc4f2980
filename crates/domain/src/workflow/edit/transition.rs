//! Creating, changing and deleting transitions.

use super::finish::{finish, set};
use crate::{
    guard::{Expression, Guard, Instant},
    value::{Description, Label, OperationCode, Role, StateCode, StatusCode, TransitionCode},
    workflow::{Action, Refusal, Transition, Trigger, Work, Workflow, Writing},
};

/// Changes of a transition; parts that are none stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransitionPatch {
    /// The label.
    pub label: Option<Label>,
    /// The description.
    pub description: Option<Description>,
    /// The statuses it leaves.
    pub from_statuses: Option<Vec<StatusCode>>,
    /// The states it leaves.
    pub from_states: Option<Vec<StateCode>>,
    /// The state it enters.
    pub to_state: Option<StateCode>,
    /// The status it enters; `Some(None)` for the default of the state.
    pub to_status: Option<Option<StatusCode>>,
    /// The guard; `Some(None)` for none.
    pub guard: Option<Option<Expression>>,
    /// Its trigger.
    pub trigger: Option<Trigger>,
    /// The operation that it records; `Some(None)` for none.
    pub operation: Option<Option<OperationCode>>,
    /// Whether it takes back what was recorded of the operation.
    pub reverse: Option<bool>,
    /// Whether the customer may read the entry of a step that no call makes.
    pub visible_to_customer: Option<bool>,
    /// Whether a step that no call makes asks to tell the customer.
    pub notify_customer: Option<bool>,
    /// The roles of which the actor needs one.
    pub roles: Option<Vec<Role>>,
    /// The actions of an order that takes it.
    pub actions: Option<Vec<Action>>,
    /// The place among several that match.
    pub position: Option<i32>,
}

/// Adds a transition.
///
/// # Errors
/// Returns [`Refusal`] for a code that is taken, parts that do not exist, a guard or date that
/// does not compile, and where the workflow would break a rule.
pub fn create_transition(workflow: &Workflow, transition: Transition) -> Result<Workflow, Refusal> {
    if workflow.transition(&transition.code).is_some() {
        let transition = transition.code;
        return Err(Refusal::TransitionExists { transition });
    }
    check(workflow, None, &transition)?;
    let mut after = workflow.clone();
    after.transitions.push(transition);
    finish(Some(workflow), after)
}

/// Changes a transition. Its code cannot change.
///
/// # Errors
/// As [`create_transition`], and [`Refusal::TransitionNotFound`] for an unknown one.
pub fn update_transition(
    workflow: &Workflow,
    code: &TransitionCode,
    patch: TransitionPatch,
) -> Result<Workflow, Refusal> {
    let mut after = workflow.clone();
    let mut transitions = after.transitions.iter_mut();
    let Some(transition) = transitions.find(|transition| transition.code == *code) else {
        let transition = code.clone();
        return Err(Refusal::TransitionNotFound { transition });
    };
    patch.change(transition);
    check(workflow, workflow.transition(code), transition)?;
    finish(Some(workflow), after)
}

/// Removes a transition. Orders stay where they are.
///
/// # Errors
/// Returns [`Refusal::TransitionNotFound`] for an unknown one.
pub fn delete_transition(workflow: &Workflow, code: &TransitionCode) -> Result<Workflow, Refusal> {
    if workflow.transition(code).is_none() {
        let transition = code.clone();
        return Err(Refusal::TransitionNotFound { transition });
    }
    let mut after = workflow.clone();
    after.transitions.retain(|it| it.code != *code);
    finish(Some(workflow), after)
}

/// Names the first part that does not exist, so that a caller learns more than that the
/// workflow would be invalid. Guards, dates and conditions that were there `before` are no part of
/// what the caller asks for: one that can no longer be used does not stand in its way.
fn check(
    workflow: &Workflow,
    before: Option<&Transition>,
    transition: &Transition,
) -> Result<(), Refusal> {
    let mut states = transition.from_states.iter().chain([&transition.to_state]);
    if let Some(state) = states.find(|state| workflow.state(state).is_none()) {
        return Err(Refusal::StateNotFound {
            state: state.clone(),
        });
    }
    let mut statuses = transition.from_statuses.iter().chain(&transition.to_status);
    if let Some(status) = statuses.find(|status| workflow.status(status).is_none()) {
        return Err(Refusal::StatusNotFound {
            status: status.clone(),
        });
    }
    let setting_off = transition.trigger.operations().iter();
    let mut operations = setting_off.chain(&transition.operation);
    if let Some(operation) = operations.find(|operation| workflow.operation(operation).is_none()) {
        let operation = operation.clone();
        return Err(Refusal::OperationNotFound { operation });
    }
    if let Some(status) = &transition.to_status
        && workflow.assignment(&transition.to_state, status).is_none()
    {
        return Err(Refusal::StatusNotInState {
            state: transition.to_state.clone(),
            status: status.clone(),
        });
    }
    check_expressions(before, transition)?;
    let kept = |action: &Action| {
        let before = before.map_or(&[][..], |before| &before.actions);
        before.iter().any(|old| old.condition == action.condition)
    };
    transition.actions.iter().try_for_each(|action| {
        let condition = action.condition.as_ref().filter(|_| !kept(action));
        check_action(workflow, transition, action, condition)
    })
}

/// Refuses a new guard, or a new date to wait for, that cannot be used.
fn check_expressions(before: Option<&Transition>, transition: &Transition) -> Result<(), Refusal> {
    let code = || transition.code.clone();
    let kept = before.and_then(|before| before.guard.as_ref());
    let guard = transition.guard.as_ref().filter(|new| Some(*new) != kept);
    if let Some(Err(problem)) = guard.map(Guard::compile) {
        return Err(Refusal::GuardInvalid {
            transition: code(),
            problem,
        });
    }
    let kept = before.and_then(|before| before.trigger.date());
    let date = transition.trigger.date().filter(|new| Some(*new) != kept);
    if let Some(Err(problem)) = date.map(Instant::compile) {
        return Err(Refusal::DateInvalid {
            transition: code(),
            problem,
        });
    }
    Ok(())
}

fn check_action(
    workflow: &Workflow,
    transition: &Transition,
    action: &Action,
    condition: Option<&Expression>,
) -> Result<(), Refusal> {
    if let Some(Err(problem)) = condition.map(Guard::compile_condition) {
        return Err(Refusal::ConditionInvalid {
            transition: transition.code.clone(),
            action: action.code.clone(),
            problem,
        });
    }
    match &action.work {
        Work::Write(Writing::Transition(code))
            if *code != transition.code && workflow.transition(code).is_none() =>
        {
            Err(Refusal::TransitionNotFound {
                transition: code.clone(),
            })
        }
        Work::Write(_) | Work::Send(..) => Ok(()),
    }
}

impl TransitionPatch {
    fn change(self, transition: &mut Transition) {
        let Self {
            label,
            description,
            from_statuses,
            from_states,
            to_state,
            to_status,
            guard,
            trigger,
            operation,
            reverse,
            visible_to_customer,
            notify_customer,
            roles,
            actions,
            position,
        } = self;
        set(&mut transition.label, label);
        set(&mut transition.description, description);
        set(&mut transition.from_statuses, from_statuses);
        set(&mut transition.from_states, from_states);
        set(&mut transition.to_state, to_state);
        set(&mut transition.to_status, to_status);
        set(&mut transition.guard, guard);
        set(&mut transition.trigger, trigger);
        set(&mut transition.operation, operation);
        set(&mut transition.reverse, reverse);
        set(&mut transition.visible_to_customer, visible_to_customer);
        set(&mut transition.notify_customer, notify_customer);
        set(&mut transition.roles, roles);
        set(&mut transition.actions, actions);
        set(&mut transition.position, position);
    }
}

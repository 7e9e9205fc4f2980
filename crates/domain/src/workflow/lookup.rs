//! Looking up the parts of a workflow by their codes.

use super::{
    Action, ActionPath, Assignment, Category, Operation, State, Status, Transition, TriggerPoint,
    Workflow,
};
use crate::value::{Label, OperationCode, StateCode, StatusCode, StoreView, TransitionCode};

impl Workflow {
    /// The state with this code.
    pub fn state(&self, code: &StateCode) -> Option<&State> {
        self.states.iter().find(|state| state.code == *code)
    }

    /// The status with this code, retired or not.
    pub fn status(&self, code: &StatusCode) -> Option<&Status> {
        self.statuses.iter().find(|status| status.code == *code)
    }

    /// The transition with this code.
    pub fn transition(&self, code: &TransitionCode) -> Option<&Transition> {
        self.transitions.iter().find(|it| it.code == *code)
    }

    /// The operation with this code.
    pub fn operation(&self, code: &OperationCode) -> Option<&Operation> {
        self.operations.iter().find(|it| it.code == *code)
    }

    /// The one state for orders on hold.
    pub fn held_state(&self) -> Option<&State> {
        let mut states = self.states.iter();
        states.find(|state| state.category == Category::Held)
    }

    /// The assignment of this status to this state.
    pub fn assignment(&self, state: &StateCode, status: &StatusCode) -> Option<&Assignment> {
        self.assignments_of(state).find(|it| it.status == *status)
    }

    /// The assignments of this state: the default first, then by position and code of the status.
    pub fn assignments_of(&self, state: &StateCode) -> impl Iterator<Item = &Assignment> {
        let all = self.assignments.iter();
        all.filter(move |assignment| assignment.state == *state)
    }

    /// The states that this status is assigned to.
    pub fn states_of(&self, status: &StatusCode) -> impl Iterator<Item = &StateCode> {
        let all = self.assignments.iter();
        let of_status = all.filter(move |assignment| assignment.status == *status);
        of_status.map(|assignment| &assignment.state)
    }

    /// The status that this state lands on when no other is named.
    pub fn default_status(&self, state: &StateCode) -> Option<&StatusCode> {
        let default = self.assignments_of(state).find(|it| it.is_default);
        default.map(|assignment| &assignment.status)
    }

    /// Every action with the trigger point that it is declared for.
    pub fn actions(&self) -> impl Iterator<Item = (TriggerPoint, &Action)> {
        fn at(
            point: TriggerPoint,
            actions: &[Action],
        ) -> impl Iterator<Item = (TriggerPoint, &Action)> {
            actions.iter().map(move |action| (point.clone(), action))
        }
        let states = self.states.iter().flat_map(|state| {
            let leave = at(TriggerPoint::Leave(state.code.clone()), &state.on_leave);
            leave.chain(at(TriggerPoint::Enter(state.code.clone()), &state.on_enter))
        });
        let transitions = self.transitions.iter();
        let operations = self.operations.iter();
        let statuses = self.statuses.iter();
        states
            .chain(statuses.flat_map(|s| at(TriggerPoint::Status(s.code.clone()), &s.on_enter)))
            .chain(
                transitions.flat_map(|t| at(TriggerPoint::Transition(t.code.clone()), &t.actions)),
            )
            .chain(operations.flat_map(|o| at(TriggerPoint::Operation(o.code.clone()), &o.actions)))
            .chain(at(TriggerPoint::Create, &self.on_create))
            .chain(at(TriggerPoint::Comment, &self.on_comment))
    }

    /// The action with this name.
    pub fn action(&self, path: &ActionPath) -> Option<&Action> {
        let declared = match &path.point {
            TriggerPoint::Leave(code) => &self.state(code)?.on_leave,
            TriggerPoint::Enter(code) => &self.state(code)?.on_enter,
            TriggerPoint::Status(code) => &self.status(code)?.on_enter,
            TriggerPoint::Transition(code) => &self.transition(code)?.actions,
            TriggerPoint::Operation(code) => &self.operation(code)?.actions,
            TriggerPoint::Create => &self.on_create,
            TriggerPoint::Comment => &self.on_comment,
        };
        declared.iter().find(|action| action.code == path.code)
    }

    /// The label, for a reader in the store view `asked`, of a status of an order that was
    /// placed in the store view `order`: asked for, the order's, the workflow's default,
    /// the label itself, and the code where the workflow has no such status.
    pub fn status_label<'a>(
        &'a self,
        status: &'a StatusCode,
        asked: Option<&StoreView>,
        order: Option<&StoreView>,
    ) -> &'a str {
        let Some(status) = self.status(status) else {
            return status.as_str();
        };
        let views = [asked, order, self.default_store_view.as_ref()];
        let mut views = views.into_iter().flatten();
        let own = views.find_map(|view| status.store_view_labels.get(view));
        own.map_or(status.label.as_str(), Label::as_str)
    }
}

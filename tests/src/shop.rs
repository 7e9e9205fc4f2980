//! A workflow on a server with short words for what shops do with it. Each word is one call; tests that need another
//! field build the request themselves.

#![expect(
    clippy::missing_errors_doc,
    reason = "every word returns the status of its one call"
)]

use std::ops::Deref;

use tonic::{Response, Status};
use waymark_proto::v1::{self, transition_order_request::Target};

use crate::Clients;

/// The answer of a call.
pub type Answer<T> = Result<T, Status>;

/// A workflow; dereferences to clients.
#[derive(Debug, Clone)]
pub struct Shop {
    clients: Clients,
    workflow: String,
}

impl Deref for Shop {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

impl Shop {
    /// A shop that uses a workflow.
    pub fn new(clients: Clients, workflow: &str) -> Self {
        Self {
            clients,
            workflow: workflow.to_owned(),
        }
    }

    /// The code of its workflow.
    pub fn workflow(&self) -> String {
        self.workflow.clone()
    }

    /// The same workflow over other clients, such as those of a server that was started again.
    #[must_use]
    pub fn over(&self, clients: Clients) -> Self {
        Self {
            clients,
            workflow: self.workflow.clone(),
        }
    }

    /// An order to place, with lines of an id and a quantity, and 100.00 EUR to pay.
    pub fn draft(&self, id: &str, lines: &[(&str, &str)]) -> v1::Order {
        v1::Order {
            workflow: self.workflow(),
            id: id.to_owned(),
            lines: lines
                .iter()
                .map(|(id, quantity)| line(id, quantity))
                .collect(),
            currency: "EUR".to_owned(),
            grand_total: 10_000,
            ..Default::default()
        }
    }

    /// Places an order.
    pub async fn place(&self, id: &str, lines: &[(&str, &str)]) -> v1::Order {
        self.create(self.draft(id, lines))
            .await
            .expect("the order is placed")
            .order
            .expect("an order")
    }

    /// Places an order that is given whole.
    pub async fn create(&self, order: v1::Order) -> Answer<v1::CreateOrderResponse> {
        let request = v1::CreateOrderRequest {
            order: Some(order),
            ..Default::default()
        };
        self.orders()
            .create_order(request)
            .await
            .map(Response::into_inner)
    }

    /// Reads an order.
    pub async fn find(&self, id: &str) -> Answer<v1::Order> {
        let request = v1::GetOrderRequest {
            workflow: self.workflow(),
            order_id: id.to_owned(),
            ..Default::default()
        };
        self.orders()
            .get_order(request)
            .await
            .map(|answer| answer.into_inner().order.expect("an order"))
    }

    /// Reads an order that exists.
    pub async fn get(&self, id: &str) -> v1::Order {
        self.find(id).await.expect("the order exists")
    }

    /// A request to record an operation.
    pub fn operation(
        &self,
        id: &str,
        operation: &str,
        lines: &[(&str, &str)],
    ) -> v1::RecordOperationRequest {
        v1::RecordOperationRequest {
            workflow: self.workflow(),
            order_id: id.to_owned(),
            operation: operation.to_owned(),
            lines: lines
                .iter()
                .map(|(line, quantity)| moved(line, quantity))
                .collect(),
            ..Default::default()
        }
    }

    /// Records an operation, for all that is left where no lines are given.
    pub async fn record(
        &self,
        id: &str,
        operation: &str,
        lines: &[(&str, &str)],
    ) -> Answer<v1::RecordOperationResponse> {
        let request = self.operation(id, operation, lines);
        self.orders()
            .record_operation(request)
            .await
            .map(Response::into_inner)
    }

    /// Records an operation that moves money only.
    pub async fn record_amount(
        &self,
        id: &str,
        operation: &str,
        amount: i64,
    ) -> Answer<v1::RecordOperationResponse> {
        let request = v1::RecordOperationRequest {
            amount_only: true,
            amount: Some(amount),
            ..self.operation(id, operation, &[])
        };
        self.orders()
            .record_operation(request)
            .await
            .map(Response::into_inner)
    }

    /// A request to take back what was recorded of an operation, all of it where no lines are given.
    pub fn reversal(
        &self,
        id: &str,
        operation: &str,
        lines: &[(&str, &str)],
    ) -> v1::RecordOperationRequest {
        v1::RecordOperationRequest {
            reverse: true,
            ..self.operation(id, operation, lines)
        }
    }

    /// Sends a request to record an operation.
    pub async fn send(
        &self,
        request: v1::RecordOperationRequest,
    ) -> Answer<v1::RecordOperationResponse> {
        self.orders()
            .record_operation(request)
            .await
            .map(Response::into_inner)
    }

    /// A request to take a transition.
    pub fn step(&self, id: &str, target: Target) -> v1::TransitionOrderRequest {
        v1::TransitionOrderRequest {
            workflow: self.workflow(),
            order_id: id.to_owned(),
            target: Some(target),
            ..Default::default()
        }
    }

    /// Takes a transition to a target.
    pub async fn go(&self, id: &str, target: Target) -> Answer<v1::TransitionOrderResponse> {
        self.orders()
            .transition_order(self.step(id, target))
            .await
            .map(Response::into_inner)
    }

    /// Takes a transition by its code.
    pub async fn take(&self, id: &str, transition: &str) -> Answer<v1::TransitionOrderResponse> {
        self.go(id, Target::Transition(transition.to_owned())).await
    }

    /// Puts an order on hold.
    pub async fn hold(&self, id: &str, reason: &str) -> Answer<v1::HoldOrderResponse> {
        let request = v1::HoldOrderRequest {
            workflow: self.workflow(),
            order_id: id.to_owned(),
            reason: reason.to_owned(),
            ..Default::default()
        };
        self.orders()
            .hold_order(request)
            .await
            .map(Response::into_inner)
    }

    /// Releases a hold, or all where the id is empty.
    pub async fn release(&self, id: &str, hold: &str) -> Answer<v1::ReleaseOrderResponse> {
        let request = v1::ReleaseOrderRequest {
            workflow: self.workflow(),
            order_id: id.to_owned(),
            hold_id: hold.to_owned(),
            ..Default::default()
        };
        self.orders()
            .release_order(request)
            .await
            .map(Response::into_inner)
    }

    /// A request to comment on an order.
    pub fn remark(&self, id: &str, comment: &str) -> v1::AddCommentRequest {
        v1::AddCommentRequest {
            workflow: self.workflow(),
            order_id: id.to_owned(),
            comment: comment.to_owned(),
            ..Default::default()
        }
    }

    /// Comments on an order, perhaps with another status of its state.
    pub async fn comment(
        &self,
        id: &str,
        comment: &str,
        status: &str,
    ) -> Answer<v1::AddCommentResponse> {
        let request = v1::AddCommentRequest {
            status: status.to_owned(),
            ..self.remark(id, comment)
        };
        self.orders()
            .add_comment(request)
            .await
            .map(Response::into_inner)
    }

    /// Writes so many comments of 4 KB each, spread over the orders `o0` to `o7`.
    pub async fn comment_at_length(&self, comments: usize) {
        let step = |number: usize| v1::Step {
            command: Some(v1::step::Command::AddComment(
                self.remark(&format!("o{}", number % 8), &"x".repeat(4_000)),
            )),
        };
        for from in (0..comments).step_by(200) {
            let request = v1::ExecuteStepsRequest {
                steps: (from..comments.min(from + 200)).map(step).collect(),
                ..Default::default()
            };
            let answer = self.orders().execute_steps(request).await;
            let results = answer.expect("comments are written").into_inner().results;
            assert!(results.iter().all(|result| result.error.is_none()));
        }
    }

    /// All entries of an order, oldest first.
    pub async fn entries(&self, id: &str) -> Vec<v1::HistoryEntry> {
        let mut entries = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListHistoryRequest {
                workflow: self.workflow(),
                order_id: id.to_owned(),
                page_token,
                ..Default::default()
            };
            let page = self
                .history()
                .list_history(request)
                .await
                .expect("history is listed")
                .into_inner();
            entries.extend(page.entries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return entries;
            }
        }
    }

    /// The codes of the transitions that may be taken now.
    pub async fn available(&self, id: &str) -> Vec<String> {
        let request = v1::ListAvailableTransitionsRequest {
            workflow: self.workflow(),
            order_id: id.to_owned(),
            ..Default::default()
        };
        let answer = self
            .orders()
            .list_available_transitions(request)
            .await
            .expect("they are listed");
        let transitions = answer.into_inner().transitions.into_iter();
        transitions
            .map(|available| available.transition.expect("a transition").code)
            .collect()
    }
}

/// Words for the definition of the workflow.
impl Shop {
    /// The workflow as it is.
    pub async fn definition(&self) -> v1::Workflow {
        let request = v1::GetWorkflowRequest {
            workflow: self.workflow(),
        };
        let answer = self
            .workflows()
            .get_workflow(request)
            .await
            .expect("the workflow exists");
        answer.into_inner().workflow.expect("a workflow")
    }

    /// Creates a status that has its code as label.
    pub async fn add_status(&self, code: &str) -> v1::OrderStatus {
        let status = v1::OrderStatus {
            code: code.to_owned(),
            label: code.to_owned(),
            ..Default::default()
        };
        self.create_status(status)
            .await
            .expect("the status is created")
    }

    /// Creates a status.
    pub async fn create_status(&self, status: v1::OrderStatus) -> Answer<v1::OrderStatus> {
        let request = v1::CreateStatusRequest {
            workflow: self.workflow(),
            status: Some(status),
            ..Default::default()
        };
        self.statuses()
            .create_status(request)
            .await
            .map(|answer| answer.into_inner().status.expect("a status"))
    }

    /// Reads a status.
    pub async fn status(&self, code: &str) -> Answer<v1::OrderStatus> {
        let request = v1::GetStatusRequest {
            workflow: self.workflow(),
            code: code.to_owned(),
        };
        self.statuses()
            .get_status(request)
            .await
            .map(|answer| answer.into_inner().status.expect("a status"))
    }

    /// Reads a state.
    pub async fn state(&self, code: &str) -> v1::OrderState {
        let request = v1::GetStateRequest {
            workflow: self.workflow(),
            code: code.to_owned(),
        };
        self.states()
            .get_state(request)
            .await
            .expect("the state exists")
            .into_inner()
            .state
            .expect("a state")
    }

    /// Assigns a status to a state.
    pub async fn assign(
        &self,
        state: &str,
        status: &str,
        is_default: Option<bool>,
    ) -> Answer<v1::StatusAssignment> {
        let request = v1::AssignStatusRequest {
            workflow: self.workflow(),
            state: state.to_owned(),
            status: status.to_owned(),
            is_default,
            ..Default::default()
        };
        self.states()
            .assign_status(request)
            .await
            .map(|answer| answer.into_inner().assignment.expect("an assignment"))
    }

    /// Takes a status out of a state; gives the one that became the default, if any.
    pub async fn unassign(&self, state: &str, status: &str) -> Answer<String> {
        let request = v1::UnassignStatusRequest {
            workflow: self.workflow(),
            state: state.to_owned(),
            status: status.to_owned(),
            ..Default::default()
        };
        self.states()
            .unassign_status(request)
            .await
            .map(|answer| answer.into_inner().promoted_default)
    }

    /// Creates a transition.
    pub async fn create_transition(&self, transition: v1::Transition) -> Answer<v1::Transition> {
        let request = v1::CreateTransitionRequest {
            workflow: self.workflow(),
            transition: Some(transition),
            ..Default::default()
        };
        let answer = self.transitions().create_transition(request).await;
        answer.map(|answer| answer.into_inner().transition.expect("a transition"))
    }

    /// Changes fields of a transition.
    pub async fn change_transition(
        &self,
        transition: v1::Transition,
        paths: &[&str],
    ) -> Answer<v1::Transition> {
        let request = v1::UpdateTransitionRequest {
            workflow: self.workflow(),
            transition: Some(transition),
            update_mask: Some(mask(paths)),
            ..Default::default()
        };
        let answer = self.transitions().update_transition(request).await;
        answer.map(|answer| answer.into_inner().transition.expect("a transition"))
    }

    /// The workflow as a document.
    pub async fn export(&self, format: v1::WorkflowFormat) -> String {
        let request = v1::ExportWorkflowRequest {
            workflow: self.workflow(),
            format: format.into(),
            ..Default::default()
        };
        self.workflows()
            .export_workflow(request)
            .await
            .expect("the workflow is exported")
            .into_inner()
            .document
    }

    /// A request to apply a document to this workflow.
    pub fn document(&self, document: &str, format: v1::WorkflowFormat) -> v1::ApplyWorkflowRequest {
        v1::ApplyWorkflowRequest {
            workflow: self.workflow(),
            document: document.to_owned(),
            format: format.into(),
            ..Default::default()
        }
    }
}

/// A transition that starts from anywhere in some states.
pub fn transition(code: &str, from_states: &[&str], to_state: &str) -> v1::Transition {
    v1::Transition {
        code: code.to_owned(),
        label: code.to_owned(),
        from_states: from_states.iter().map(ToString::to_string).collect(),
        to_state: to_state.to_owned(),
        ..Default::default()
    }
}

/// A line to order.
pub fn line(id: &str, quantity: &str) -> v1::OrderLine {
    v1::OrderLine {
        id: id.to_owned(),
        quantity_ordered: quantity.to_owned(),
        ..Default::default()
    }
}

/// A quantity of a line.
pub fn moved(line: &str, quantity: &str) -> v1::OperationLine {
    v1::OperationLine {
        line_id: line.to_owned(),
        quantity: quantity.to_owned(),
        returned: String::new(),
    }
}

/// A field mask.
pub fn mask(paths: &[&str]) -> prost_types::FieldMask {
    prost_types::FieldMask {
        paths: paths.iter().map(ToString::to_string).collect(),
    }
}

/// A target by state and perhaps status.
pub fn to(state: &str, status: &str) -> Target {
    Target::To(v1::TransitionTarget {
        state: state.to_owned(),
        status: status.to_owned(),
        keep_status: false,
    })
}

/// A person with roles.
pub fn person(id: &str, roles: &[&str]) -> v1::Actor {
    v1::Actor {
        kind: v1::ActorKind::User.into(),
        id: id.to_owned(),
        roles: roles.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

/// Where an order stands.
pub fn standing(order: &v1::Order) -> (&str, &str) {
    (&order.state, &order.status)
}

//! The layout of YAML and JSON documents. Everything is optional here: what a part
//! needs depends on whether it exists already.

use serde::{Deserialize, Serialize};

use super::{
    access::{CODES, STORE_VIEWS, TEXTS},
    budget,
    forms::{AssignmentPart, TextPart, TriggerPart},
    keyed::{Codes, Key, Keyed, ListItem, MapValue},
    put::{PartField, fields, part, unless_usual},
};
use crate::{
    guard::Expression,
    value::{
        ActionCode, Color, Description, EmailAddress, EndpointCode, Label, OperationCode, Period,
        Role, StateCode, StatusCode, StoreView, TemplateName, TransitionCode, WorkflowCode,
    },
    workflow::{
        Action, Category, CommentStatus, CopyMethod, Effect, Email, Identity, Notify, Operation,
        Overpayment, RefundedUnits, State, Status, StatusSharing, Transition, Workflow,
    },
};

/// The actions of a place.
pub(super) type Actions = Keyed<ActionCode, ActionPart>;

part! {
    /// The whole document.
    WorkflowPart {
        workflow: WorkflowCode,
        label: Label,
        description: Description,
        initial_state: StateCode,
        default_store_view: StoreView,
        comment_status: CommentStatus,
        status_sharing: StatusSharing,
        refunded_units: RefundedUnits,
        overpayment: Overpayment,
        max_cascade: u32,
    }
    maps {
        operations: Keyed<OperationCode, OperationPart>,
        statuses: Keyed<StatusCode, StatusPart>,
        states: Keyed<StateCode, StatePart>,
        transitions: Keyed<TransitionCode, TransitionPart>,
        on_create: Actions,
        on_comment: Actions,
    }
}

part! {
    /// An operation.
    OperationPart {
        label: Label,
        effect: Effect,
        roles: Codes<Role>,
        guard: Expression,
    }
    maps { actions: Actions }
}

part! {
    /// A status.
    StatusPart {
        label: Label,
        description: Description,
        color: Color,
        position: i32,
        retired: bool,
    }
    maps {
        store_view_labels: Keyed<StoreView, Label>,
        on_enter: Actions,
    }
}

part! {
    /// A state with its assignments.
    StatePart {
        label: Label,
        category: Category,
        can_start: bool,
        holdable: bool,
        terminal: bool,
        entry_guard: Expression,
        operations: Codes<OperationCode>,
        statuses: Codes<AssignmentPart>,
        position: i32,
    }
    maps {
        on_enter: Actions,
        on_leave: Actions,
    }
}

part! {
    /// A transition.
    TransitionPart {
        label: Label,
        description: Description,
        from_states: Codes<StateCode>,
        from_statuses: Codes<StatusCode>,
        to_state: StateCode,
        to_status: StatusCode,
        guard: Expression,
        trigger: TriggerPart,
        operation: OperationCode,
        reverse: bool,
        visible_to_customer: bool,
        notify_customer: bool,
        roles: Codes<Role>,
        position: i32,
    }
    maps { actions: Actions }
}

part! {
    /// An action: exactly one of the six things that can be done, and when.
    ActionPart {
        description: Description,
        webhook: WebhookPart,
        email: EmailPart,
        publish: PublishPart,
        comment: CommentPart,
        transition: TransitionCode,
        condition: Expression,
        attempts: u32,
        backoff: Period,
        timeout: Period,
        position: i32,
        active: bool,
    }
    maps { set_attributes: Keyed<String, TextPart> }
}

part! {
    /// A webhook.
    WebhookPart { endpoint: EndpointCode }
    maps {}
}

part! {
    /// A mail.
    EmailPart {
        template: TemplateName,
        guest_template: TemplateName,
        identity: Identity,
        customer: Notify,
        copy_to: Codes<EmailAddress>,
        copy_method: CopyMethod,
    }
    maps {}
}

part! {
    /// An event.
    PublishPart { subject: TextPart }
    maps {}
}

part! {
    /// A comment.
    CommentPart {
        text: TextPart,
        visible_to_customer: bool,
    }
    maps {}
}

fields!(WorkflowPart of Workflow:
    always { label, initial_state, comment_status, status_sharing, refunded_units }
    else { description, default_store_view, overpayment, max_cascade }
    but { code, operations, states, statuses, assignments, transitions, on_create, on_comment });
fields!(OperationPart of Operation:
    always { label, effect }
    else { roles, guard }
    but { code, actions });
fields!(StatusPart of Status:
    always { label }
    else { description, color, position, retired }
    but { code, store_view_labels, on_enter });
fields!(StatePart of State:
    always { label, category }
    else { can_start, holdable, terminal, entry_guard, operations, position }
    but { code, on_enter, on_leave });
fields!(TransitionPart of Transition:
    always { label, to_state }
    else {
        description, from_states, from_statuses, to_status, guard, trigger, operation, reverse,
        visible_to_customer, notify_customer, roles, position
    }
    but { code, actions });
fields!(ActionPart of Action:
    always { }
    else { description, condition, position, active }
    but { code, work });
fields!(EmailPart of Email:
    always { template }
    else { guest_template, identity, customer, copy_to, copy_method }
    but { });

macro_rules! keys {
    ($($name:ident: $keys:expr),+ $(,)?) => {
        $(impl Key for $name {
            const KEYS: &'static str = $keys;
        })+
    };
}

keys! {
    OperationCode: CODES,
    StatusCode: CODES,
    StateCode: CODES,
    TransitionCode: CODES,
    ActionCode: CODES,
    StoreView: STORE_VIEWS,
    String: TEXTS,
}

macro_rules! named {
    ($($name:ident),+) => {
        $(impl MapValue for $name {
            fn stand_in() -> Option<Self> {
                Some(Self::default())
            }
        })+
    };
}

named!(OperationPart, StatusPart, StatePart, TransitionPart);

impl MapValue for Label {
    fn heap_bytes(&self) -> usize {
        budget::text_bytes(self.as_str().len())
    }
}

impl MapValue for ActionPart {
    fn heap_bytes(&self) -> usize {
        let subject = self.publish.as_ref().and_then(|part| part.subject.as_ref());
        let text = self.comment.as_ref().and_then(|part| part.text.as_ref());
        subject
            .into_iter()
            .chain(text)
            .map(MapValue::heap_bytes)
            .sum()
    }

    fn stand_in() -> Option<Self> {
        Some(Self::default())
    }
}

macro_rules! items {
    ($($name:ident),+) => {
        $(impl ListItem for $name {
            fn as_text(&self) -> &str {
                self.as_str()
            }
        })+
    };
}

items!(StateCode, StatusCode, OperationCode, Role, EmailAddress);

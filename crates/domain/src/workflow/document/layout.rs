//! The layout of YAML and JSON documents. Everything is optional here: what a part
//! needs depends on whether it exists already.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    action::ActionPart,
    budget,
    keyed::{Codes, Item, Keyed, Part},
};
use crate::{
    guard::Expression,
    value::{
        ActionCode, Color, Description, EmailAddress, Label, OperationCode, Period, Role,
        StateCode, StatusCode, StoreView, TransitionCode, WorkflowCode,
    },
    workflow::{Category, CommentStatus, Effect, Overpayment, RefundedUnits, StatusSharing},
};

/// Reads a field that may be left out but not be null: a colour without quotes is a
/// comment in YAML, and must not pass for no colour. What is as large as a text counts as one.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    if size_of::<T>() >= size_of::<Label>() {
        budget::take(budget::text_bytes(1)).map_err(D::Error::custom)?;
    }
    T::deserialize(deserializer).map(Some)
}

macro_rules! part {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? } maps { $($map:ident: $map_type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $(
                #[serde(default, deserialize_with = "crate::workflow::document::layout::given", skip_serializing_if = "Option::is_none")]
                pub(super) $field: Option<$type>,
            )+
            $(
                #[serde(default, skip_serializing_if = "Keyed::is_empty")]
                pub(super) $map: $map_type,
            )*
        }
    };
}
pub(super) use part;

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

impl Part for OperationPart {}
impl Part for StatusPart {}
impl Part for StatePart {}
impl Part for TransitionPart {}

impl Part for Label {
    fn heap_bytes(&self) -> usize {
        budget::text_bytes(self.as_str().len())
    }
}

macro_rules! items {
    ($($name:ident),+) => {
        $(impl Item for $name {
            fn as_text(&self) -> &str {
                self.as_str()
            }
        })+
    };
}

items!(StateCode, StatusCode, OperationCode, Role, EmailAddress);

impl Item for AssignmentPart {
    fn as_text(&self) -> &str {
        match self {
            Self::Code(status) => status.as_str(),
            Self::Flags(flags) => flags.status.as_str(),
        }
    }
}

/// What starts a transition: a word, or a map with one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TriggerPart {
    /// A call.
    Manual,
    /// Any step.
    Automatic,
    /// One of these operations.
    OnOperations(Codes<OperationCode>),
    /// So much time in the status that it leaves.
    After(Period),
    /// The instant that this reckons from the order.
    At(Expression),
}

/// A status of a state: its code alone, or a map that says more.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum AssignmentPart {
    /// Nothing but the code.
    Code(StatusCode),
    /// More than the code.
    Flags(AssignmentFlags),
}

/// A status of a state with what a list of codes cannot say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignmentFlags {
    pub(super) status: StatusCode,
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) default: Option<bool>,
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) visible_on_storefront: Option<bool>,
}

impl AssignmentPart {
    pub(super) fn into_flags(self) -> AssignmentFlags {
        match self {
            Self::Code(status) => AssignmentFlags {
                status,
                default: None,
                visible_on_storefront: None,
            },
            Self::Flags(flags) => flags,
        }
    }
}

/// Written out, since a derived untagged enum would hide which key is wrong.
impl<'de> Deserialize<'de> for AssignmentPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeOrMap;

        impl<'de> Visitor<'de> for CodeOrMap {
            type Value = AssignmentPart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "the code of a status, or a map with status, default and visible_on_storefront",
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                StatusCode::new(text)
                    .map(AssignmentPart::Code)
                    .map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                AssignmentFlags::deserialize(MapAccessDeserializer::new(map))
                    .map(AssignmentPart::Flags)
            }
        }

        deserializer.deserialize_any(CodeOrMap)
    }
}

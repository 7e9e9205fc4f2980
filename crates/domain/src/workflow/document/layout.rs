//! The layout of YAML and JSON documents. Everything is optional here: what a part
//! needs depends on whether it exists already.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    access::{CODES, STORE_VIEWS, TEXTS},
    action::ActionPart,
    budget,
    keyed::{Codes, Item, Key, Keyed, Part},
    reader::TEXT_OR_FIELDS,
};
use crate::{
    guard::Expression,
    value::{
        ActionCode, Color, Description, EmailAddress, Invalid, Label, OperationCode, Period, Role,
        StateCode, StatusCode, StoreView, TransitionCode, WorkflowCode,
    },
    workflow::{Category, CommentStatus, Effect, Overpayment, RefundedUnits, StatusSharing},
};

macro_rules! part {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? } maps { $($map:ident: $map_type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $(
                #[serde(default, deserialize_with = "crate::workflow::document::sound::given", skip_serializing_if = "Option::is_none")]
                pub(super) $field: Option<$type>,
            )+
            $(
                #[serde(default, deserialize_with = "crate::workflow::document::sound::entries", skip_serializing_if = "Keyed::is_empty")]
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
        $(impl Part for $name {
            fn stand_in() -> Option<Self> {
                Some(Self::default())
            }
        })+
    };
}

named!(OperationPart, StatusPart, StatePart, TransitionPart);

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
        self.0.status.as_ref().map_or("", StatusCode::as_str)
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
    After(PeriodPart),
    /// The instant that this reckons from the order.
    At(Expression),
}

/// A period, and how it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct PeriodPart {
    pub(super) period: Period,
    /// Whether with `M`, which means months.
    pub(super) in_months: bool,
}

impl From<Period> for PeriodPart {
    fn from(period: Period) -> Self {
        Self {
            period,
            in_months: false,
        }
    }
}

impl TryFrom<String> for PeriodPart {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Ok(Self {
            period: text.parse()?,
            in_months: text.contains('M'),
        })
    }
}

impl From<PeriodPart> for String {
    fn from(part: PeriodPart) -> Self {
        part.period.to_string()
    }
}

part! {
    /// A status of a state with what a list of codes cannot say.
    AssignmentFlags {
        status: StatusCode,
        default: bool,
        visible_on_storefront: bool,
    }
    maps {}
}

/// A status of a state: its code alone, or a map that says more.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AssignmentPart(pub(super) AssignmentFlags);

impl From<StatusCode> for AssignmentPart {
    fn from(status: StatusCode) -> Self {
        Self(AssignmentFlags {
            status: Some(status),
            ..AssignmentFlags::default()
        })
    }
}

impl Serialize for AssignmentPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            AssignmentFlags {
                status: Some(status),
                default: None,
                visible_on_storefront: None,
            } => status.serialize(serializer),
            flags => flags.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AssignmentPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FIELDS: &[&str] = &["status", "default", "visible_on_storefront"];

        struct CodeOrFlags;

        impl<'de> Visitor<'de> for CodeOrFlags {
            type Value = AssignmentPart;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "the code of a status, or a map with status, default and visible_on_storefront",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let status = StatusCode::new(text).map_err(E::custom)?;
                Ok(AssignmentPart::from(status))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let map = MapAccessDeserializer::new(map);
                AssignmentFlags::deserialize(map).map(AssignmentPart)
            }
        }

        deserializer.deserialize_struct(TEXT_OR_FIELDS, FIELDS, CodeOrFlags)
    }
}

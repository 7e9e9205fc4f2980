//! Values that documents write in forms of their own: triggers, periods, texts with placeholders
//! and the statuses of states.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    keyed::{Codes, ListItem, MapValue},
    put::{PartField, part},
    reader::TEXT_OR_FIELDS,
};
use crate::{
    guard::Expression,
    template::Template,
    value::{Invalid, OperationCode, Period, StatusCode},
    workflow::Trigger,
};

/// A text with placeholders, which a document must have right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TextPart(pub(super) Template);

impl TryFrom<String> for TextPart {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Template::new(&text).map(Self)
    }
}

impl MapValue for TextPart {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

/// The trigger of a transition: a word, or a map with one key.
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

impl PartField<TriggerPart> for Trigger {
    fn put(&mut self, given: Option<&TriggerPart>) {
        let Some(given) = given else {
            return;
        };
        *self = match given {
            TriggerPart::Manual => Self::Manual,
            TriggerPart::Automatic => Self::Automatic,
            TriggerPart::OnOperations(operations) => Self::OnOperations(operations.0.clone()),
            TriggerPart::After(part) => Self::After(part.period),
            TriggerPart::At(expression) => Self::At(expression.clone()),
        };
    }

    fn written(&self) -> Option<TriggerPart> {
        Some(match self {
            Self::Manual => TriggerPart::Manual,
            Self::Automatic => TriggerPart::Automatic,
            Self::OnOperations(operations) => TriggerPart::OnOperations(Codes(operations.clone())),
            Self::After(period) => TriggerPart::After(PeriodPart::from(*period)),
            Self::At(expression) => TriggerPart::At(expression.clone()),
        })
    }
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

impl ListItem for AssignmentPart {
    fn as_text(&self) -> &str {
        self.0.status.as_ref().map_or("", StatusCode::as_str)
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

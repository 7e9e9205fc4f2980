//! Values with a rule: each is checked once, where it is made, and trusted from
//! then on. Limits come from the contract, section "Conventions".

mod character;
mod code;
mod email;
mod identifier;
mod invalid;
mod limits;
mod map;
mod money;
mod nearest;
mod period;
mod quantity;
mod text;
mod text_types;

pub(crate) use character::no_controls_in_lines;
pub use character::{is_hidden, legible, no_controls};
pub use code::{
    ActionCode, EndpointCode, OperationCode, StateCode, StatusCode, TemplateName, TransitionCode,
    WorkflowCode,
};
pub(crate) use code::{CODE, legal_code};
pub use email::EmailAddress;
pub use identifier::{Color, Currency, HoldId, LineId, OrderId, RequestId, Role, StoreView};
pub use invalid::{Fault, Invalid, sentence};
pub(crate) use invalid::{characters_at_most, formed};
pub use limits::{HOLDS_MAX, LINES_MAX};
pub use map::{Attributes, Metadata};
pub use money::Money;
pub use nearest::nearest;
pub use period::{Period, Timestamp};
pub use quantity::Quantity;
pub use text::{ActorId, Comment, Description, Label, ProductName, Reason, Sku, Text};
pub(crate) use text_types::{stored_as_text, text_type};

/// Whether a value is what stands where nothing is stored.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

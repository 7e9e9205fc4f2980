//! Workflows as documents: YAML or JSON to write and read a whole workflow or a part
//! of one, and the `config.xml` of Magento 1 to take statuses from.
//!
//! [`decode`] makes a text of the bytes of a file, [`parse`] reads a document, [`apply`] makes a
//! workflow of it, [`check`] says everything that is wrong with both, [`export`] writes one.
//! In a YAML or JSON document parts are keyed by their codes:
//!
//! ```yaml
//! workflow: order
//! label: Order
//! initial_state: new
//! operations:
//!   pay: {label: Pay, effect: pay}
//! statuses:
//!   pending: {label: Pending, color: "#3697cd"}
//!   packing: {label: Packing}
//! states:
//!   new: {label: New, category: initial, can_start: true, operations: [pay], statuses: [pending]}
//!   processing: {label: Processing, category: active, statuses: [packing]}
//! transitions:
//!   start: {label: Start, from_states: [new], to_state: processing, trigger: {on_operations: [pay]}}
//! ```
//!
//! Actions are keyed by their codes as well, under `actions` of a transition or operation,
//! `on_enter` and `on_leave` of a state, `on_create` and `on_comment` of the workflow:
//!
//! ```yaml
//! actions:
//!   tell_erp: {webhook: {endpoint: erp}, attempts: 5, condition: order.grand_total > 0}
//!   mail: {email: {template: shipped, customer: always}}
//! ```
//!
//! `overpayment: refuse` beside `label` refuses what is paid beyond what is due. A transition with
//! `{operation: cancel, reverse: true}` takes back what was cancelled; `visible_to_customer` and
//! `notify_customer` say what one that no call makes tells the customer.
//!
//! The statuses of a state are listed default first; one that customers shall not see
//! is written `{status: packing, visible_on_storefront: false}`. Parts come in the order
//! of the document, each ten positions after the one before, unless they give a `position`.

mod access;
mod action;
mod apply;
mod budget;
mod check;
mod defaults;
mod deserialize;
mod encoding;
mod events;
mod export;
mod format;
mod forms;
mod json;
mod keyed;
mod layout;
mod locate;
mod magento;
mod missing;
mod parse;
mod put;
mod reader;
mod remark;
mod yaml;

pub use apply::{Mode, apply, draft, judge};
pub use check::{Checked, Proposal, check, located};
pub use encoding::decode;
pub use export::export;
pub use format::{DOCUMENT_BYTES_MAX, Format, UnknownStates};
pub use parse::{Document, parse};
pub use remark::{DocumentError, Place, Remark};

#[cfg(test)]
pub(super) mod tests;

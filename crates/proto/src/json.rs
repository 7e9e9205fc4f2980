//! Messages as protobuf's JSON, for those who read no protobuf: receivers of webhooks and
//! events, templates of mails, people.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::v1;

static POOL: LazyLock<Result<DescriptorPool, String>> = LazyLock::new(|| {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).map_err(|error| error.to_string())
});

/// The names of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// As the canonical mapping has them, in lowerCamelCase, with 64-bit numbers as text and
    /// fields left out that have their default.
    Canonical,
    /// As the contract has them, in `snake_case`, with 64-bit numbers as numbers and every field
    /// there, so that templates find what they name.
    Contract,
}

/// A message that cannot be written, since the contract does not have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be written as JSON: {problem}")]
pub struct JsonError {
    /// The problem in words.
    pub problem: String,
}

/// Writes an order.
///
/// # Errors
/// Returns [`JsonError`] when the descriptors that were compiled in cannot be read.
pub fn order(order: &v1::Order, names: Names) -> Result<Value, JsonError> {
    to_value("waymark.v1.Order", order, names)
}

/// Writes an entry of history.
///
/// # Errors
/// Returns [`JsonError`] when the descriptors that were compiled in cannot be read.
pub fn entry(entry: &v1::HistoryEntry, names: Names) -> Result<Value, JsonError> {
    to_value("waymark.v1.HistoryEntry", entry, names)
}

/// Writes a message of the contract, which it calls by a name such as `waymark.v1.HistoryEntry`, as
/// one line of canonical JSON, its fields in the order of the contract.
///
/// # Errors
/// Returns [`JsonError`] when the contract has no message of that name.
pub fn line(name: &str, message: &impl Message) -> Result<String, JsonError> {
    serde_json::to_string(&dynamic(name, message)?).map_err(|error| failed(&error))
}

fn to_value(name: &str, message: &impl Message, names: Names) -> Result<Value, JsonError> {
    let options = match names {
        Names::Canonical => SerializeOptions::new(),
        Names::Contract => SerializeOptions::new()
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false)
            .skip_default_fields(false),
    };
    dynamic(name, message)?
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| failed(&error))
}

fn dynamic(name: &str, message: &impl Message) -> Result<DynamicMessage, JsonError> {
    let pool = POOL.as_ref().map_err(failed)?;
    let descriptor = pool
        .get_message_by_name(name)
        .ok_or_else(|| failed(&format_args!("{name} is not among the descriptors")))?;
    let encoded = message.encode_to_vec();
    DynamicMessage::decode(descriptor, encoded.as_slice()).map_err(|error| failed(&error))
}

fn failed(problem: &impl ToString) -> JsonError {
    JsonError {
        problem: problem.to_string(),
    }
}

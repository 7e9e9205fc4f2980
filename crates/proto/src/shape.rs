//! The size of messages in memory. Two bytes on the wire may be a struct of hundreds of bytes in memory, so what a message
//! takes is reckoned from its bytes before it is decoded: entries are counted, nothing is allocated.

use std::iter;

use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use waymark_domain::{
    value::{Invalid, LINES_MAX},
    workflow::ACTIONS_MAX,
};

use crate::invalid::{InvalidRequest, Problem};

/// The most steps of one batch.
pub(crate) const STEPS_MAX: usize = 1_000;
/// The memory that a decoded message may take for each of its bytes, besides these bytes themselves.
const BYTES_PER_BYTE: usize = 4;
/// The memory that any decoded message may take; the largest list that the contract allows fits, however short its entries.
const BYTES_FREE: usize = 512 * 1024;

/// A list doubles when it is full, and is there twice while it moves; it begins with room for four.
const LIST_ENTRY_FACTOR: usize = 3;
const LIST_FACTOR: usize = 4;
/// A map has room for eleven entries in a node, and leaves half of it empty at worst.
const MAP_ENTRY_FACTOR: usize = 3;
const MAP_FACTOR: usize = 12;
/// The memory of an allocation besides its bytes.
const ALLOCATION_BYTES: usize = 16;

/// Lists whose limit a refusal names, by how their paths end. Of others it names the number of entries alone, since no
/// honest request comes near what is refused here.
const LIMITS: &[(&str, usize)] = &[
    ("steps", STEPS_MAX),
    ("lines", LINES_MAX),
    ("transition.actions", ACTIONS_MAX),
];

/// A message whose size in memory is known.
pub trait Shaped {
    /// Its shape.
    fn shape() -> &'static Shape;
}

/// The facts about a message by which it is weighed.
#[derive(Debug)]
pub struct Shape {
    /// The size of its struct.
    pub(crate) bytes: usize,
    /// Its fields, by number; at most 64.
    pub(crate) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
}

/// The content of a field.
#[derive(Debug)]
pub enum Kind {
    /// Numbers of any length on the wire, and of so many bytes in memory.
    Varint(usize),
    /// Numbers of so many bytes.
    Fixed(usize),
    /// Text or bytes, which are copied.
    Text,
    /// Bytes that stay where they came.
    Slice,
    /// A message.
    Message(&'static Shape),
    /// A map, whose key and value have so many bytes together.
    Map {
        /// The entries.
        entry: &'static Shape,
        /// Their size.
        bytes: usize,
    },
}

/// The reason why a message is not decoded.
#[derive(Debug)]
pub enum Unfit {
    /// It is no message of this kind.
    Malformed,
    /// It would take too much memory; the violation names the field.
    Dense(InvalidRequest),
}

/// Reckons what a message takes once it is decoded: at most four times its bytes and 512 KiB.
///
/// # Errors
/// Returns [`Unfit`] for bytes that take more, or are no message.
pub fn weigh(shape: &Shape, message: &[u8]) -> Result<(), Unfit> {
    let mut scale = Scale {
        left: BYTES_FREE.saturating_add(message.len().saturating_mul(BYTES_PER_BYTE)),
    };
    let weighed = scale.take(shape.bytes).map_err(|Full| Stop::dense(0));
    let weighed = weighed.and_then(|()| scale.message(shape, message));
    weighed.map_err(Unfit::from)
}

/// The place where weighing ended.
#[derive(Debug)]
enum Stop {
    Malformed,
    /// The path to the field, innermost first, and how much of it there is.
    Dense(Vec<String>, Amount),
}

impl From<DecodeError> for Stop {
    fn from(_: DecodeError) -> Self {
        Self::Malformed
    }
}

/// The amount of a field that there is.
#[derive(Debug, Clone, Copy)]
enum Amount {
    /// So many entries of a list or a map.
    Entries(usize),
    /// A field that is no list, so many times.
    Times(usize),
}

impl Amount {
    fn count(self) -> usize {
        match self {
            Self::Entries(count) | Self::Times(count) => count,
        }
    }
}

/// The mark that nothing more fits.
#[derive(Debug)]
struct Full;

/// The rest of the memory that the message may take.
struct Scale {
    left: usize,
}

impl Scale {
    fn take(&mut self, bytes: usize) -> Result<(), Full> {
        self.left = self.left.checked_sub(bytes).ok_or(Full)?;
        Ok(())
    }

    /// Weighs the fields of a message, but for its struct. The contract is not recursive, so neither is this but for
    /// a few levels.
    fn message(&mut self, shape: &Shape, message: &[u8]) -> Result<(), Stop> {
        let mut rest = message;
        let mut seen = 0_u64;
        while !rest.is_empty() {
            let begin = message.len() - rest.len();
            let (number, wire) = decode_key(&mut rest)?;
            let Some((place, field)) = shape.field(number) else {
                skip_field(wire, number, &mut rest, DecodeContext::default())?;
                continue;
            };
            let mark = 1 << place;
            let is_first = seen & mark == 0;
            seen |= mark;
            let content = value(wire, number, &mut rest)?;
            self.field(field, is_first, &content)
                .map_err(|stop| stop.within(field, message, begin))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, is_first: bool, content: &Content<'_>) -> Result<(), Stop> {
        let full = |Full| Stop::dense(content.count(&field.kind));
        let list = |bytes: usize, count: usize| {
            let entries = bytes * LIST_ENTRY_FACTOR * count;
            let begun = if is_first { bytes * LIST_FACTOR } else { 0 };
            if field.repeated { entries + begun } else { 0 }
        };
        match (&field.kind, &content) {
            (Kind::Varint(bytes) | Kind::Fixed(bytes), content) => self
                .take(list(*bytes, content.count(&field.kind)))
                .map_err(full),
            (Kind::Text, Content::Bytes(text)) => {
                let heap = if text.is_empty() { 0 } else { ALLOCATION_BYTES };
                let bytes = list(size_of::<String>(), 1) + text.len() + heap;
                self.take(bytes).map_err(full)
            }
            (Kind::Slice, Content::Bytes(_)) => {
                let bytes = list(size_of::<bytes::Bytes>(), 1);
                self.take(bytes).map_err(full)
            }
            (Kind::Message(shape), Content::Bytes(message)) => {
                // A message that is no list entry may be boxed, or given again and again.
                let bytes = list(shape.bytes, 1).max(shape.bytes);
                self.take(bytes).map_err(full)?;
                self.message(shape, message)
            }
            (Kind::Map { entry, bytes }, Content::Bytes(message)) => {
                let begun = if is_first { MAP_FACTOR } else { 0 };
                self.take(bytes * (MAP_ENTRY_FACTOR + begun))
                    .map_err(full)?;
                self.message(entry, message)
            }
            // A number where something with a length belongs: decoding refuses it at once.
            (_, Content::Number) => Ok(()),
        }
    }
}

/// The value behind a key.
enum Content<'a> {
    Number,
    Bytes(&'a [u8]),
}

impl Content<'_> {
    /// The number of entries of a list that it holds: many, where numbers are packed.
    fn count(&self, kind: &Kind) -> usize {
        match (self, kind) {
            (Self::Bytes(packed), Kind::Varint(_)) => {
                // The last byte of each has its first bit unset.
                packed.iter().filter(|byte| **byte < 0x80).count()
            }
            (Self::Bytes(packed), Kind::Fixed(bytes)) => packed.len() / bytes,
            _ => 1,
        }
    }
}

/// Takes what stands behind a key from the bytes.
fn value<'a>(wire: WireType, number: u32, rest: &mut &'a [u8]) -> Result<Content<'a>, Stop> {
    if wire != WireType::LengthDelimited {
        skip_field(wire, number, rest, DecodeContext::default())?;
        return Ok(Content::Number);
    }
    let length = decode_varint(rest)?;
    let all: &'a [u8] = rest;
    let split = usize::try_from(length)
        .ok()
        .and_then(|length| all.split_at_checked(length));
    let (content, behind) = split.ok_or(Stop::Malformed)?;
    *rest = behind;
    Ok(Content::Bytes(content))
}

impl Shape {
    fn field(&self, number: u32) -> Option<(usize, &'static Field)> {
        let found = |(_, field): &(usize, &Field)| field.number == number;
        self.fields.iter().enumerate().find(found)
    }
}

impl Stop {
    fn dense(count: usize) -> Self {
        Self::Dense(Vec::new(), Amount::Entries(count))
    }

    /// Adds the field in which it ended, which begins there in its message.
    fn within(self, field: &Field, message: &[u8], begin: usize) -> Self {
        let (mut path, amount) = match self {
            Self::Dense(path, amount) => (path, amount),
            Self::Malformed => return Self::Malformed,
        };
        let all = || contents(message).filter(|(number, _)| *number == field.number);
        let is_list = field.repeated || matches!(field.kind, Kind::Map { .. });
        if !is_list {
            // Where it is given again and again, its parts are counted in each of them alone.
            let times = all().count();
            if path.is_empty() || times > amount.count() {
                return Self::Dense(vec![field.name.to_owned()], Amount::Times(times));
            }
        }
        if path.is_empty() {
            // The field itself: how many entries it has altogether.
            path.push(field.name.to_owned());
            let count = all().map(|(_, content)| content.count(&field.kind)).sum();
            return Self::Dense(path, Amount::Entries(count));
        }
        let before = contents(message.get(..begin).unwrap_or_default());
        let index = before.filter(|(number, _)| *number == field.number).count();
        path.push(if field.repeated {
            format!("{}[{index}]", field.name)
        } else {
            field.name.to_owned()
        });
        Self::Dense(path, amount)
    }
}

/// The fields of a message, as far as it can be read.
fn contents(message: &[u8]) -> impl Iterator<Item = (u32, Content<'_>)> {
    let mut rest = message;
    iter::from_fn(move || {
        let (number, wire) = decode_key(&mut rest).ok()?;
        Some((number, value(wire, number, &mut rest).ok()?))
    })
}

impl From<Stop> for Unfit {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Malformed => Self::Malformed,
            Stop::Dense(path, amount) => {
                let path: Vec<_> = path.into_iter().rev().collect();
                let path = path.join(".");
                let limit = LIMITS.iter().find(|(end, _)| path.ends_with(*end));
                let problem = match (amount, limit) {
                    (Amount::Entries(actual), Some(&(_, max))) if actual > max => {
                        Problem::Value(Invalid::TooMany { max, actual })
                    }
                    (Amount::Entries(count), _) => Problem::Dense { count },
                    (Amount::Times(count), _) => Problem::Given { count },
                };
                Self::Dense(InvalidRequest::new(path, problem))
            }
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::CreateOrderRequest;

    /// A field with a length, below 128 bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn said(message: &[u8]) -> String {
        match weigh(CreateOrderRequest::shape(), message) {
            Err(Unfit::Dense(invalid)) => {
                let [violation] = invalid.violations() else {
                    panic!("{invalid}");
                };
                format!("{} {}", violation.field, violation.problem)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_given_again_and_again_is_named() {
        let number = |shape: &Shape, name: &str| {
            let found = shape.fields.iter().find(|field| field.name == name);
            let field = found.unwrap();
            (u8::try_from(field.number).unwrap(), &field.kind)
        };
        let (order, kind) = number(CreateOrderRequest::shape(), "order");
        let Kind::Message(shape) = kind else {
            panic!("{kind:?}");
        };
        let (lines, _) = number(shape, "lines");
        assert!(order < 16 && lines < 16, "a key has one byte");

        let expected = "order is given 1000000 times; with that the message takes more memory than one of its size may";
        let with_line = field(order, &field(lines, &[])).repeat(1_000_000);
        assert_eq!(said(&with_line), expected);
        assert_eq!(said(&field(order, &[]).repeat(1_000_000)), expected);
    }
}

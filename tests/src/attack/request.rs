//! Requests as bytes: of every method of the contract, by its descriptors, in the shapes that cost a reader most.

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use waymark_proto::FILE_DESCRIPTOR_SET;

use crate::load::Dice;

/// One method.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its name, such as `OrderService/GetOrder`.
    pub name: String,
    /// Whether it answers with a stream.
    pub streams_answers: bool,
    input: MessageDescriptor,
}

/// Every method of the contract.
///
/// # Panics
/// Panics where the descriptors that were compiled in cannot be read.
pub fn methods() -> Vec<Method> {
    let pool =
        DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptors are well-formed");
    let services: Vec<_> = pool
        .services()
        .filter(|service| service.package_name() == "waymark.v1")
        .collect();
    let methods = services
        .iter()
        .flat_map(prost_reflect::ServiceDescriptor::methods);
    methods
        .map(|method| Method {
            name: format!("{}/{}", method.parent_service().name(), method.name()),
            streams_answers: method.is_server_streaming(),
            input: method.input(),
        })
        .collect()
}

impl Method {
    /// A message for it, of at most some hundred kilobytes unless `size` says more: how often something is repeated.
    pub fn message(&self, dice: &mut Dice, size: usize) -> Vec<u8> {
        let mut bytes = match dice.below(5) {
            0 => bomb(&self.input, dice, size),
            1 => groups(dice),
            2 => scalars(dice),
            _ => likely(&self.input, dice, 4),
        };
        if dice.chance(15) && !bytes.is_empty() {
            for _ in 0..=dice.below(4) {
                let place = dice.below(bytes.len());
                bytes[place] = u8::try_from(dice.below(256)).unwrap_or(0);
            }
        }
        bytes
    }
}

/// The same element again and again, in one of the repeated fields that can be reached.
pub fn bomb(message: &MessageDescriptor, dice: &mut Dice, count: usize) -> Vec<u8> {
    let paths = repeated(message, 4);
    if paths.is_empty() {
        return likely(message, dice, 3);
    }
    let path = dice.pick(&paths).clone();
    let Some((last, outer)) = path.split_last() else {
        return Vec::new();
    };
    let messages: [&[u8]; 3] = [&[0], &[2, 8, 1], &[2, 10, 0]];
    let texts: [&[u8]; 2] = [&[0], &[1, b'a']];
    let element = match last.kind() {
        Kind::Message(_) => *dice.pick(&messages),
        Kind::String | Kind::Bytes => *dice.pick(&texts),
        _ => &[1, 0],
    };
    let mut bytes = Vec::with_capacity(count * (element.len() + 2));
    for _ in 0..count {
        tag(&mut bytes, last.number(), 2);
        bytes.extend_from_slice(element);
    }
    for field in outer.iter().rev() {
        let inner = std::mem::take(&mut bytes);
        // A field that is not repeated is given in pieces, which a reader has to put together.
        let pieces = if dice.chance(30) { 3 } else { 1 };
        for _ in 0..pieces {
            length_delimited(&mut bytes, field.number(), &inner);
        }
        bytes.truncate(8 * 1024 * 1024);
    }
    bytes
}

/// The ways to repeated fields.
fn repeated(message: &MessageDescriptor, depth: usize) -> Vec<Vec<FieldDescriptor>> {
    let mut found = Vec::new();
    for field in message.fields() {
        if field.is_list() || field.is_map() {
            found.push(vec![field.clone()]);
        }
        if let (Kind::Message(inner), true) = (field.kind(), depth > 0) {
            for path in repeated(&inner, depth - 1) {
                found.push([vec![field.clone()], path].concat());
            }
        }
    }
    found
}

/// Groups in groups, which no field has.
fn groups(dice: &mut Dice) -> Vec<u8> {
    let times = *dice.pick(&[10, 99, 200, 5_000, 100_000]);
    let number = 1 + u32::try_from(dice.below(30)).unwrap_or(1);
    let mut bytes = Vec::new();
    for _ in 0..times {
        tag(&mut bytes, number, 3);
    }
    if dice.chance(50) {
        for _ in 0..times {
            tag(&mut bytes, number, 4);
        }
    }
    bytes
}

/// Unknown numbers of every wire type, and lengths that lie.
fn scalars(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..dice.below(2_000) {
        let number = 1 + u32::try_from(dice.below(40_000)).unwrap_or(1);
        match dice.below(5) {
            0 => {
                tag(&mut bytes, number, 0);
                bytes.extend([0xff; 9]);
                bytes.push(1);
            }
            1 => {
                tag(&mut bytes, number, 1);
                bytes.extend([7; 8]);
            }
            2 => {
                tag(&mut bytes, number, 5);
                bytes.extend([7; 4]);
            }
            3 => length_delimited(&mut bytes, number, &[b'x'; 9]),
            _ => {
                tag(&mut bytes, number, 2);
                varint(&mut bytes, dice.number() >> dice.below(64));
            }
        }
    }
    bytes
}

/// A message as a caller might send it, with values at the edges.
fn likely(message: &MessageDescriptor, dice: &mut Dice, depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in message.fields() {
        if dice.chance(35) {
            continue;
        }
        let times = if field.is_list() || field.is_map() {
            dice.below(4)
        } else {
            1
        };
        for _ in 0..times {
            value(&mut bytes, &field, dice, depth);
        }
    }
    bytes
}

fn value(bytes: &mut Vec<u8>, field: &FieldDescriptor, dice: &mut Dice, depth: usize) {
    const TEXTS: [&str; 14] = [
        "",
        "a",
        "order",
        "attacked",
        "open",
        "here",
        "go",
        "1",
        "-1",
        "true",
        "\u{202e}",
        "a\u{0}b",
        "9999999999999999999",
        "*",
    ];
    match field.kind() {
        Kind::Message(inner) => {
            let inside = if depth == 0 {
                Vec::new()
            } else {
                likely(&inner, dice, depth - 1)
            };
            length_delimited(bytes, field.number(), &inside);
        }
        Kind::String | Kind::Bytes => {
            let text = if dice.chance(4) {
                "x".repeat(dice.below(100_000))
            } else {
                (*dice.pick(&TEXTS)).to_owned()
            };
            length_delimited(bytes, field.number(), text.as_bytes());
        }
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
            tag(bytes, field.number(), 1);
            bytes.extend(dice.number().to_le_bytes());
        }
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
            tag(bytes, field.number(), 5);
            bytes.extend([0xff; 4]);
        }
        _ => {
            let edges = [0, 1, 2, 50, 1_000, 1_001, i64::MAX.unsigned_abs(), u64::MAX];
            tag(bytes, field.number(), 0);
            varint(bytes, *dice.pick(&edges));
        }
    }
}

fn tag(bytes: &mut Vec<u8>, number: u32, wire_type: u32) {
    varint(bytes, u64::from(number << 3 | wire_type));
}

fn length_delimited(bytes: &mut Vec<u8>, number: u32, inside: &[u8]) {
    tag(bytes, number, 2);
    varint(bytes, inside.len() as u64);
    bytes.extend_from_slice(inside);
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_gets_messages_of_every_shape() {
        let methods = methods();
        assert!(methods.len() > 50, "{} methods", methods.len());
        let mut dice = Dice::new(1);
        for method in &methods {
            assert!(
                (0..40).any(|_| !method.message(&mut dice, 100).is_empty()),
                "{}",
                method.name
            );
        }
    }

    #[test]
    fn a_bomb_is_what_it_says() {
        let method = methods()
            .into_iter()
            .find(|method| method.name == "OrderService/ExecuteSteps")
            .expect("it exists");
        let bytes = (0..50)
            .map(|seed| bomb(&method.input, &mut Dice::new(seed), 10))
            .find(|bytes| *bytes == [10, 0].repeat(10));
        assert!(
            bytes.is_some(),
            "steps without anything in them are among the shapes"
        );
    }
}

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
        let mut bytes = match dice.below(10) {
            0 | 1 => bomb(&self.input, dice, size),
            2 => groups(dice),
            3 => scalars(dice),
            4 => mixture(&self.input, dice, size),
            5 => nested(&self.input, dice),
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

/// A message of so many bytes: one repeated field, given by its path, again and again with nothing in it.
///
/// # Panics
/// Panics where the contract has no such method or field.
pub fn dense(method: &str, path: &str, bytes: usize) -> Vec<u8> {
    let method = methods().into_iter().find(|known| known.name == method);
    let mut fields = Vec::new();
    let mut message = Some(method.expect("a method of the contract").input);
    for name in path.split('.') {
        let outer = message.take().expect("a message has the field");
        let field = outer.get_field_by_name(name).expect("a field of it");
        if let Kind::Message(inner) = field.kind() {
            message = Some(inner);
        }
        fields.push(field);
    }
    let last = fields.pop().expect("a path");
    let mut one = Vec::new();
    length_delimited(&mut one, last.number(), &[]);
    // Room for the heads of the outer fields.
    let mut dense = one.repeat((bytes - 8 * fields.len()) / one.len());
    for field in fields.iter().rev() {
        let inside = std::mem::take(&mut dense);
        length_delimited(&mut dense, field.number(), &inside);
    }
    dense
}

/// Small elements of several repeated fields by turns, so that none of them comes twice in a row.
fn mixture(message: &MessageDescriptor, dice: &mut Dice, count: usize) -> Vec<u8> {
    let fields: Vec<_> = message.fields().collect();
    let mut bytes = Vec::new();
    if fields.is_empty() {
        return bytes;
    }
    for _ in 0..count.min(200_000) {
        let field = dice.pick(&fields);
        match field.kind() {
            Kind::Message(_) | Kind::String | Kind::Bytes => {
                length_delimited(&mut bytes, field.number(), &[]);
            }
            _ => {
                tag(&mut bytes, field.number(), 0);
                bytes.push(1);
            }
        }
    }
    bytes
}

/// One field in itself again and again, whether or not it may be.
fn nested(message: &MessageDescriptor, dice: &mut Dice) -> Vec<u8> {
    let times = *dice.pick(&[5, 50, 99, 101, 1_000, 20_000]);
    let numbers: Vec<u32> = message.fields().map(|field| field.number()).collect();
    let number = if numbers.is_empty() || dice.chance(20) {
        9_999
    } else {
        *dice.pick(&numbers)
    };
    // From the inside; the bytes are turned around at the end.
    let mut turned = Vec::new();
    for _ in 0..times {
        let mut head = Vec::new();
        tag(&mut head, number, 2);
        varint(&mut head, turned.len() as u64);
        turned.extend(head.iter().rev());
    }
    turned.reverse();
    turned
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

/// Texts that a request may have in any place.
const TEXTS: [&str; 25] = [
    "",
    "a",
    "order",
    "attacked",
    "attacked0",
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
    "large",
    "order.lines.0.sku",
    "a.b.c.d.e.f.g.h",
    ".",
    "lines,lines",
    "transition.go.a0",
    "https://user@[::1]:0/%00?#",
    "\u{1f469}\u{200d}\u{1f469}",
    "a\r\nb: c",
    "%s%n{}\'--",
];
/// No text, and text that is cut in a letter.
const BROKEN: [&[u8]; 4] = [
    &[0xff],
    &[0xc3],
    &[0xed, 0xa0, 0x80],
    &[0xf4, 0x90, 0x80, 0x80],
];

fn value(bytes: &mut Vec<u8>, field: &FieldDescriptor, dice: &mut Dice, depth: usize) {
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
            let text = match dice.below(100) {
                0..=3 => b"x".repeat(dice.below(100_000)),
                4 | 5 => "\u{fdfa}".repeat(dice.below(2_000)).into_bytes(),
                6..=8 => dice.pick(&BROKEN).to_vec(),
                _ => dice.pick(&TEXTS).as_bytes().to_vec(),
            };
            length_delimited(bytes, field.number(), &text);
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
            let edges = [
                0,
                1,
                2,
                50,
                1_000,
                1_001,
                253_402_300_800,
                i64::MAX.unsigned_abs(),
                i64::MIN.unsigned_abs(),
                u64::MAX,
            ];
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
    use prost::Message;

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
    fn dense_messages_are_of_the_field_that_is_named() {
        let steps = dense("OrderService/ExecuteSteps", "steps", 10);
        assert_eq!(steps, [10, 0].repeat(5));
        let lines = dense("OrderService/CreateOrder", "order.lines", 4_096);
        let request = waymark_proto::v1::CreateOrderRequest::decode(&*lines).unwrap();
        assert!(request.order.unwrap().lines.len() > 2_000);
        let actions = dense(
            "TransitionService/CreateTransition",
            "transition.actions",
            4_096,
        );
        let request = waymark_proto::v1::CreateTransitionRequest::decode(&*actions).unwrap();
        assert!(request.transition.unwrap().actions.len() > 2_000);
    }

    #[test]
    fn nested_fields_are_well_formed() {
        let method = methods().remove(0);
        for seed in 0..20 {
            let bytes = nested(&method.input, &mut Dice::new(seed));
            let mut rest = &*bytes;
            let mut depth = 0;
            while !rest.is_empty() {
                let (_, kind) = prost::encoding::decode_key(&mut rest).unwrap();
                assert_eq!(kind, prost::encoding::WireType::LengthDelimited);
                let length = prost::encoding::decode_varint(&mut rest).unwrap();
                assert_eq!(length, rest.len() as u64, "seed {seed}");
                depth += 1;
            }
            assert!([5, 50, 99, 101, 1_000, 20_000].contains(&depth));
        }
    }

    #[test]
    fn a_bomb_is_what_it_says() {
        let method = methods()
            .into_iter()
            .find(|method| method.name == "OrderService/ExecuteSteps")
            .expect("it exists");
        let bytes = (0..500)
            .map(|seed| bomb(&method.input, &mut Dice::new(seed), 10))
            .find(|bytes| *bytes == [10, 0].repeat(10));
        assert!(
            bytes.is_some(),
            "steps without anything in them are among the shapes"
        );
    }
}

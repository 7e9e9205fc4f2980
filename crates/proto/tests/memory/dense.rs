//! Messages that are as dense as they can be, made from the descriptors: whatever the contract gets later is among them.

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use waymark_proto::FILE_DESCRIPTOR_SET;

use super::requests::REQUESTS;

/// A number that no message of the contract uses.
const UNKNOWN: u32 = 2_047;

/// The messages of the contract.
pub(crate) struct Shapes(Vec<(String, DescriptorProto)>);

/// Numbers that look random, and are the same each time.
pub(crate) struct Mixture(u64);

/// A way down to a field: the numbers of the messages around it, and what it may hold.
struct Way {
    names: Vec<String>,
    above: Vec<u32>,
    leaves: Vec<(&'static str, Vec<u8>)>,
}

impl Shapes {
    pub(crate) fn new() -> Self {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services = set.file.iter().flat_map(|file| &file.service);
        for method in services.flat_map(|service| &service.method) {
            let name = method.input_type().rsplit('.').next().unwrap();
            assert!(
                REQUESTS.iter().any(|request| request.name == name),
                "{name} is not tried"
            );
        }
        let mut all = Vec::new();
        for file in set.file {
            for message in &file.message_type {
                for nested in &message.nested_type {
                    let name = format!(".{}.{}.{}", file.package(), message.name(), nested.name());
                    all.push((name, nested.clone()));
                }
                all.push((
                    format!(".{}.{}", file.package(), message.name()),
                    message.clone(),
                ));
            }
        }
        Self(all)
    }

    /// Messages of at most so many bytes, each of one field repeated at one level.
    pub(crate) fn of(
        &self,
        request: &str,
        bytes: usize,
    ) -> impl Iterator<Item = (String, Vec<u8>)> {
        let ways = self.ways(request);
        ways.into_iter().flat_map(move |way| {
            let leaves = way.leaves.iter();
            let messages = leaves.flat_map(|(kind, leaf)| {
                let way = &way;
                (0..=way.above.len()).map(move |level| {
                    let inner = wrap(&way.above[level..], leaf.clone());
                    let repeated = inner.repeat(room(bytes, level).div_ceil(inner.len()));
                    let what = format!("{} {kind}, repeated at {level}", way.names.join("."));
                    (what, wrap(&way.above[..level], repeated))
                })
            });
            messages.collect::<Vec<_>>()
        })
    }

    fn ways(&self, request: &str) -> Vec<Way> {
        let mut ways = Vec::new();
        let name = format!(".waymark.v1.{request}");
        self.descend(&name, &[], &[], &mut ways);
        ways
    }

    fn descend(&self, name: &str, names: &[String], above: &[u32], ways: &mut Vec<Way>) {
        let (_, message) = self.0.iter().find(|(found, _)| found == name).unwrap();
        let unknown = [
            ("unknown number", number(UNKNOWN, 0)),
            ("unknown bytes", wrap(&[UNKNOWN], Vec::new())),
            ("unknown group", group(50)),
        ];
        ways.push(Way {
            names: names.to_vec(),
            above: above.to_vec(),
            leaves: unknown.into(),
        });
        for field in &message.field {
            let mut names = names.to_vec();
            names.push(field.name().to_owned());
            let number = field.number().unsigned_abs();
            ways.push(Way {
                names: names.clone(),
                above: above.to_vec(),
                leaves: leaves(field, number),
            });
            if field.r#type() == Type::Message {
                let above: Vec<_> = above.iter().copied().chain([number]).collect();
                self.descend(field.type_name(), &names, &above, ways);
            }
        }
    }
}

/// What a field may hold in few bytes.
fn leaves(field: &FieldDescriptorProto, at: u32) -> Vec<(&'static str, Vec<u8>)> {
    let is_list = field.label() == Label::Repeated;
    match field.r#type() {
        Type::String | Type::Bytes => vec![
            ("empty", wrap(&[at], Vec::new())),
            ("short", wrap(&[at], b"a".to_vec())),
            (
                "twenty bytes",
                wrap(&[at], b"a2345678901234567890".to_vec()),
            ),
        ],
        // Distinct keys, should it be a map.
        Type::Message => {
            let entry = |key: u32| {
                let key = wrap(&[1], format!("{key:x}").into_bytes());
                wrap(&[at], key)
            };
            vec![
                ("empty", wrap(&[at], Vec::new())),
                ("entries", (0..2_000).flat_map(entry).collect()),
            ]
        }
        _ if is_list => vec![
            ("number", number(at, 1)),
            ("packed", wrap(&[at], vec![1; 500])),
            (
                "long",
                wrap(&[at], [0xff, 0xff, 0xff, 0xff, 0x0f].repeat(50)),
            ),
        ],
        _ => vec![("number", number(at, 1))],
    }
}

fn number(at: u32, value: u64) -> Vec<u8> {
    let mut field = Vec::new();
    encode_key(at, WireType::Varint, &mut field);
    encode_varint(value, &mut field);
    field
}

fn group(depth: usize) -> Vec<u8> {
    let mut field = Vec::new();
    for wire in [WireType::StartGroup, WireType::EndGroup] {
        for _ in 0..depth {
            encode_key(UNKNOWN, wire, &mut field);
        }
    }
    field
}

/// Puts bytes into fields within fields, the outermost first.
fn wrap(numbers: &[u32], mut inner: Vec<u8>) -> Vec<u8> {
    for at in numbers.iter().rev() {
        let mut outer = Vec::with_capacity(inner.len() + 8);
        encode_key(*at, WireType::LengthDelimited, &mut outer);
        encode_varint(inner.len() as u64, &mut outer);
        outer.append(&mut inner);
        inner = outer;
    }
    inner
}

/// What is left for fields below so many levels of messages.
fn room(bytes: usize, levels: usize) -> usize {
    bytes.saturating_sub(8 * levels).max(1)
}

impl Mixture {
    pub(crate) fn new(name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    /// A message of some so many bytes, of fields and lists one after the other.
    pub(crate) fn next(&mut self, shapes: &Shapes, request: &str, bytes: usize) -> Vec<u8> {
        let ways = shapes.ways(request);
        let mut message = Vec::new();
        while message.len() < bytes {
            let way = &ways[self.below(ways.len())];
            let (_, leaf) = &way.leaves[self.below(way.leaves.len())];
            let level = self.below(way.above.len() + 1);
            let inner = wrap(&way.above[level..], leaf.clone());
            let left = bytes - message.len();
            let share = 1 + self.below(left);
            let repeated = inner.repeat((share / inner.len()).max(1));
            message.extend(wrap(&way.above[..level], repeated));
        }
        message
    }
}

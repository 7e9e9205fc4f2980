//! Writes what `src/shape.rs` needs to know of every message: its fields and the size of its struct.

use std::{collections::BTreeMap, error::Error, fmt::Write};

use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// Writes a static `Shape` for every message, and `Shaped` for every message of the contract.
///
/// # Errors
/// Returns an error for what the contract does not use and `src/shape.rs` does not know: groups, fields of
/// 64 bits in wrong places, nested messages that are no maps.
pub(crate) fn write(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            let name = format!(".{}.{}", file.package(), message.name());
            let Some(path) = rust_path(&name) else {
                continue;
            };
            let entries = entries(&name, message)?;
            for (entry, fields) in &entries {
                write_shape(&mut code, entry, "0", fields, &BTreeMap::new())?;
            }
            write_shape(
                &mut code,
                &name,
                &format!("size_of::<{path}>()"),
                &message.field,
                &entries,
            )?;
            if name.starts_with(".waymark.") {
                writeln!(
                    code,
                    "impl Shaped for {path} {{ fn shape() -> &'static Shape {{ &{} }} }}",
                    constant(&name)
                )?;
            }
        }
    }
    Ok(code)
}

/// The entries of the maps of a message, by name.
fn entries(
    name: &str,
    message: &DescriptorProto,
) -> Result<BTreeMap<String, Vec<FieldDescriptorProto>>, Box<dyn Error>> {
    let entry = |nested: &DescriptorProto| {
        let is_entry = nested
            .options
            .as_ref()
            .is_some_and(prost_types::MessageOptions::map_entry);
        let nested_name = format!("{name}.{}", nested.name());
        is_entry
            .then(|| (nested_name.clone(), nested.field.clone()))
            .ok_or_else(|| format!("{nested_name} is nested").into())
    };
    message.nested_type.iter().map(entry).collect()
}

fn write_shape(
    code: &mut String,
    name: &str,
    bytes: &str,
    fields: &[FieldDescriptorProto],
    entries: &BTreeMap<String, Vec<FieldDescriptorProto>>,
) -> Result<(), Box<dyn Error>> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|field| field.number());
    writeln!(
        code,
        "static {}: Shape = Shape {{ bytes: {bytes}, fields: &[",
        constant(name)
    )?;
    for field in fields {
        let kind = match field.r#type() {
            Type::Message if entries.contains_key(field.type_name()) => {
                let entry = constant(field.type_name());
                let sizes = entries[field.type_name()].iter().map(size);
                let sizes = sizes.collect::<Result<Vec<_>, _>>()?.join(" + ");
                format!("Kind::Map {{ entry: &{entry}, bytes: {sizes} }}")
            }
            Type::Message => {
                rust_path(field.type_name())
                    .ok_or_else(|| format!("{} is not known", field.type_name()))?;
                format!("Kind::Message(&{})", constant(field.type_name()))
            }
            Type::String | Type::Bytes => "Kind::Text".to_owned(),
            Type::Group => return Err(format!("{name} has a group").into()),
            Type::Fixed32 | Type::Sfixed32 | Type::Float => "Kind::Fixed(4)".to_owned(),
            Type::Fixed64 | Type::Sfixed64 | Type::Double => "Kind::Fixed(8)".to_owned(),
            _ => format!("Kind::Varint({})", size(field)?),
        };
        writeln!(
            code,
            "Field {{ number: {}, name: {:?}, kind: {kind}, repeated: {} }},",
            field.number(),
            field.name(),
            field.label() == Label::Repeated,
        )?;
    }
    writeln!(code, "] }};")?;
    Ok(())
}

/// The size of a value in the struct of its message, as Rust code.
fn size(field: &FieldDescriptorProto) -> Result<String, Box<dyn Error>> {
    Ok(match field.r#type() {
        Type::Bool => "1".to_owned(),
        Type::String | Type::Bytes => "size_of::<String>()".to_owned(),
        Type::Message => {
            let path = rust_path(field.type_name())
                .ok_or_else(|| format!("{} is not known", field.type_name()))?;
            format!("size_of::<{path}>()")
        }
        Type::Enum
        | Type::Int32
        | Type::Uint32
        | Type::Sint32
        | Type::Fixed32
        | Type::Sfixed32
        | Type::Float => "4".to_owned(),
        Type::Group => return Err("groups have no size".into()),
        _ => "8".to_owned(),
    })
}

fn constant(name: &str) -> String {
    name.trim_start_matches('.')
        .replace('.', "_")
        .to_ascii_uppercase()
}

/// The path of a message in Rust; none for those of descriptors themselves, which no request holds.
fn rust_path(name: &str) -> Option<String> {
    name.strip_prefix(".waymark.v1.")
        .map(|own| format!("crate::v1::{own}"))
        .or_else(|| {
            let known = name.strip_prefix(".google.protobuf.")?;
            ["Timestamp", "Duration", "FieldMask"]
                .contains(&known)
                .then(|| format!("::prost_types::{known}"))
        })
}

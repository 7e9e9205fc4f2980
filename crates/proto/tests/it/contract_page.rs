//! `docs/contract.md`: services, messages and enums with the comments of the contract.
//! `UPDATE=1 cargo test -p waymark-proto --test it contract_page` writes it anew.

use std::{collections::BTreeSet, env, fmt::Write, fs, path::Path};

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};
use waymark_proto::FILE_DESCRIPTOR_SET;

const PACKAGE: &str = "waymark.v1";
const HEADER: &str = "\
# The contract

Package `waymark.v1`, as the comments in `proto/waymark/v1` describe it.
`cargo test -p waymark-proto --test it contract_page` compares; with `UPDATE=1` before it, it writes this page.

In JSON, 64-bit numbers are strings, instants are RFC 3339, and enum values carry their prefix.
A type in brackets is a list. Reasons of errors are in [errors](errors.md).
";

/// The lines of the comment on what stands at a path of a file, without the space before each.
fn comment(file: &FileDescriptor, path: &[i32]) -> Vec<String> {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let mut places = info.into_iter().flat_map(|info| &info.location);
    let place = places.find(|place| place.path == path);
    let text = place.map_or("", |place| place.leading_comments());
    let lines = text.trim_end().lines();
    lines.map(|line| line.trim().to_owned()).collect()
}

/// A comment as paragraphs of Markdown.
fn paragraphs(file: &FileDescriptor, path: &[i32]) -> String {
    escaped(&comment(file, path).join("\n"))
}

/// A comment as one cell of a table.
fn cell(file: &FileDescriptor, path: &[i32]) -> String {
    let lines = comment(file, path);
    let paragraphs = lines.split(String::is_empty);
    let paragraphs: Vec<_> = paragraphs.map(|lines| lines.join(" ")).collect();
    escaped(&paragraphs.join("<br><br>")).replace('|', "\\|")
}

/// A text whose angle brackets outside of code are no HTML, but for the line breaks of cells.
fn escaped(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => part.replace('<', "&lt;").replace("&lt;br>", "<br>"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

/// A link to the section of a message or enum; requests, answers and what is not of the package have none.
fn link(package: &str, name: &str, full_name: &str) -> String {
    let is_shown_with_method = name.ends_with("Request") || name.ends_with("Response");
    if package == PACKAGE && !is_shown_with_method {
        format!("[{name}](#{})", name.to_lowercase())
    } else {
        format!("`{}`", full_name.trim_start_matches("waymark.v1."))
    }
}

/// The type of one value.
fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(it) => link(it.package_name(), it.name(), it.full_name()),
        Kind::Enum(it) => link(it.package_name(), it.name(), it.full_name()),
        scalar => format!("{scalar:?}"),
    }
}

/// The type of a field.
fn field_type(field: &FieldDescriptor) -> String {
    let single = kind(&field.kind());
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let key = kind(&entry.map_entry_key_field().kind());
            format!(
                "map of {key} to {}",
                kind(&entry.map_entry_value_field().kind())
            )
        }
        _ if field.is_list() => format!("[{single}]"),
        _ if field.field_descriptor_proto().proto3_optional() => format!("optional {single}"),
        _ => single,
    }
}

/// Adds the table of the fields of a message.
fn add_fields(page: &mut String, message: &MessageDescriptor) -> std::fmt::Result {
    if message.fields().next().is_none() {
        return writeln!(page, "No fields.\n");
    }
    page.push_str("| Field | Type | Meaning |\n|---|---|---|\n");
    for field in message.fields() {
        let choice = field
            .containing_oneof()
            .filter(|choice| !choice.is_synthetic());
        let choice = choice.map_or(String::new(), |choice| format!("One `{}`. ", choice.name()));
        let meaning = cell(&message.parent_file(), field.path());
        let (name, of_type) = (field.name(), field_type(&field));
        writeln!(page, "| `{name}` | {of_type} | {choice}{meaning} |")?;
    }
    writeln!(page)
}

/// Adds a method with its request and its answer.
fn add_method(page: &mut String, method: &MethodDescriptor) -> std::fmt::Result {
    let file = method.parent_service().parent_file();
    writeln!(
        page,
        "### {}\n\n{}\n",
        method.name(),
        paragraphs(&file, method.path())
    )?;
    let stream = |is_stream: bool| if is_stream { "a stream of " } else { "" };
    for (what, streams, message) in [
        ("Request", method.is_client_streaming(), method.input()),
        ("Answer", method.is_server_streaming(), method.output()),
    ] {
        writeln!(
            page,
            "**{what}**: {}`{}`\n",
            stream(streams),
            message.name()
        )?;
        add_fields(page, &message)?;
    }
    Ok(())
}

fn add_service(page: &mut String, service: &ServiceDescriptor) -> std::fmt::Result {
    let text = paragraphs(&service.parent_file(), service.path());
    writeln!(page, "\n## {}\n\n{text}\n", service.name())?;
    service
        .methods()
        .try_for_each(|method| add_method(page, &method))
}

fn add_message(page: &mut String, message: &MessageDescriptor) -> std::fmt::Result {
    let text = paragraphs(&message.parent_file(), message.path());
    writeln!(page, "### {}\n\n{text}\n", message.name())?;
    add_fields(page, message)
}

fn add_enum(page: &mut String, values: &EnumDescriptor) -> std::fmt::Result {
    let file = values.parent_file();
    let text = paragraphs(&file, values.path());
    writeln!(
        page,
        "### {}\n\n{text}\n\n| Value | Meaning |\n|---|---|",
        values.name()
    )?;
    for value in values.values() {
        writeln!(
            page,
            "| `{}` | {} |",
            value.name(),
            cell(&file, value.path())
        )?;
    }
    writeln!(page)
}

/// The page, with services, messages and enums by name.
fn page() -> Result<String, std::fmt::Error> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let is_ours = |file: &FileDescriptor| file.package_name() == PACKAGE;
    let mut page = HEADER.to_owned();
    let mut services: Vec<_> = pool
        .services()
        .filter(|it| is_ours(&it.parent_file()))
        .collect();
    services.sort_by(|one, other| one.name().cmp(other.name()));
    let mut shown = BTreeSet::new();
    for service in &services {
        add_service(&mut page, service)?;
        let messages = service.methods().flat_map(|it| [it.input(), it.output()]);
        shown.extend(messages.map(|message| message.full_name().to_owned()));
    }
    page.push_str("## Messages\n\n");
    let mut messages: Vec<_> = pool
        .all_messages()
        .filter(|it| is_ours(&it.parent_file()))
        .collect();
    messages.retain(|it| !it.is_map_entry() && !shown.contains(it.full_name()));
    messages.sort_by(|one, other| one.name().cmp(other.name()));
    for message in &messages {
        add_message(&mut page, message)?;
    }
    page.push_str("## Enums\n\n");
    let mut enums: Vec<_> = pool
        .all_enums()
        .filter(|it| is_ours(&it.parent_file()))
        .collect();
    enums.sort_by(|one, other| one.name().cmp(other.name()));
    for values in &enums {
        add_enum(&mut page, values)?;
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(page)
}

#[test]
fn the_page_is_what_the_contract_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let page = page().expect("a string takes everything");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap();
    assert!(
        stored == page,
        "docs/contract.md is out of date: run this test with UPDATE=1"
    );
    assert!(!page.contains("|  |"), "something has no comment");
}

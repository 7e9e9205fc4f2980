//! Reading YAML.

use granit_parser::{Event, Parser};
use serde::Deserialize;
use serde_saphyr::{Error, budget::BudgetBreach};

use super::{
    DocumentError,
    layout::WorkflowPart,
    parse::{TEXT_BYTES_MAX, refused_at, wide},
};

/// How deep a document may be nested; the layout needs eight levels.
const DEPTH_MAX: usize = 24;
/// How far the reader looks for the colon behind what may be a key, and keeps what it finds.
const KEY_CHARACTERS_MAX: usize = 256;

pub(super) fn yaml(text: &str) -> Result<WorkflowPart, DocumentError> {
    look_over(text)?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_aliases: 0,
            max_anchors: 0,
            simple_key_max_lookahead: KEY_CHARACTERS_MAX,
        },
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    let mut path = String::new();
    let read =
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            let mut track = serde_path_to_error::Track::new();
            let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
            let part = WorkflowPart::deserialize(tracked);
            if part.is_err() {
                path = track.path().to_string();
            }
            part
        });
    read.map_err(|error| yaml_error(&error, &path))
}

fn yaml_error(error: &Error, path: &str) -> DocumentError {
    let location = error.location();
    let (line, column) = location.map_or((0, 0), |location| (location.line(), location.column()));
    let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let text = text
        .strip_suffix(&format!(" at line {line}, column {column}"))
        .unwrap_or(&text);
    let problem = match error.without_snippet() {
        Error::Budget {
            breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. },
            ..
        } => "anchors and aliases are not allowed",
        Error::Budget {
            breach: BudgetBreach::Documents { .. },
            ..
        } => "only one document is allowed",
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => "is nested too deeply",
        _ => text,
    };
    DocumentError::text(line, column, path, &problem)
}

/// What the events are in that are read.
enum Around {
    List,
    Map { is_key_next: bool },
}

/// Refuses what the reader would keep as a whole before a part is made of it: declarations of tags, keys that are lists
/// or maps, and long texts. It stops, without a word, at what the reader refuses with a better one.
fn look_over(text: &str) -> Result<(), DocumentError> {
    if let Some(index) = tag_directive(text) {
        return Err(refused_at(text, index, &"%TAG is not allowed"));
    }
    let mut options = granit_parser::options! { simple_key_max_lookahead: KEY_CHARACTERS_MAX };
    options.set_emit_comments(false);
    let mut around: Vec<Around> = Vec::new();
    let mut documents = 0;
    for read in Parser::new_from_str_with_options(text, options) {
        let Ok((event, span)) = read else {
            return Ok(());
        };
        if event.anchor_id().is_some() || event.is_alias() || around.len() > DEPTH_MAX {
            return Ok(());
        }
        let is_key = match around.last_mut() {
            Some(Around::Map { is_key_next }) if event.is_node() => {
                let is_key = *is_key_next;
                *is_key_next = !is_key;
                is_key
            }
            _ => false,
        };
        let problem = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if is_key => {
                "a key must be a text".to_owned()
            }
            Event::Scalar(value, ..) if value.len() > TEXT_BYTES_MAX => {
                format!("a text has more than {TEXT_BYTES_MAX} bytes")
            }
            Event::SequenceStart(..) => {
                around.push(Around::List);
                continue;
            }
            Event::MappingStart(..) => {
                around.push(Around::Map { is_key_next: true });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                around.pop();
                continue;
            }
            Event::DocumentStart(..) if documents > 0 => return Ok(()),
            Event::DocumentStart(..) => {
                documents += 1;
                continue;
            }
            _ => continue,
        };
        let (line, column) = (span.start.line(), span.start.col() + 1);
        return Err(DocumentError::text(wide(line), wide(column), "", &problem));
    }
    Ok(())
}

/// Where a line declares a tag, which the parser would keep to the end.
fn tag_directive(text: &str) -> Option<usize> {
    let begins_line = |index: usize| {
        let before = text.get(..index).unwrap_or_default();
        before.is_empty() || before.ends_with(['\n', '\r', '\u{feff}'])
    };
    let mut found = text.match_indices("%TAG").map(|(index, _)| index);
    found.find(|index| begins_line(*index))
}

//! The parts of a YAML document.

use granit_parser::{ErrorKind, Event as Read, Parser, ScalarStyle, StrInput};

use super::{
    events::{Event, Piece, Scalar, Stop, Style},
    remark::Place,
};

/// The characters among which the parser looks for the colon behind what may be a key, and that it
/// keeps.
const KEY_CHARACTERS_MAX: usize = 256;

/// The answer to tags: the layout says what everything is.
const TAGS: &str = "tags such as !!binary are not allowed";
/// The answer to anchors and aliases: nothing stands for something else.
const ANCHORS: &str = "anchors and aliases are not allowed";

/// A YAML document that is being read.
pub(super) struct Yaml<'t> {
    parser: Parser<'t, StrInput<'t>>,
    documents: usize,
}

impl<'t> Yaml<'t> {
    /// Begins to read. What declares tags is refused at once, since the parser would keep all of
    /// it.
    pub(super) fn new(text: &'t str) -> Result<Self, Stop> {
        if let Some(index) = tag_directive(text) {
            return Err(Stop {
                place: Place::of_byte(text, index),
                message: "%TAG is not allowed".to_owned(),
            });
        }
        let mut options = granit_parser::options! {
            simple_key_max_lookahead: KEY_CHARACTERS_MAX,
            emit_unresolved_aliases: true,
        };
        options.set_emit_comments(false);
        Ok(Self {
            parser: Parser::new_from_str_with_options(text, options),
            documents: 0,
        })
    }

    /// Reads the next part; none at the end.
    pub(super) fn read(&mut self) -> Result<Option<Piece<'t>>, Stop> {
        for read in self.parser.by_ref() {
            let (read, span) = read.map_err(|error| Stop {
                place: Place::new(error.marker().line(), error.marker().col() + 1),
                message: match error.kind() {
                    ErrorKind::UndeclaredTagHandle => TAGS.to_owned(),
                    _ => error.info(),
                },
            })?;
            let at = span.tag_start().unwrap_or(span.start);
            let place = Place::new(at.line(), at.col() + 1);
            let fault = if read.is_alias() || read.anchor_id().is_some() {
                Some(ANCHORS)
            } else {
                read.tag().map(|_| TAGS)
            };
            let event = match read {
                Read::Scalar(text, ScalarStyle::Plain, ..) => Event::Scalar(Scalar {
                    text,
                    style: Style::Plain,
                }),
                Read::Scalar(text, ..) => Event::Scalar(Scalar {
                    text,
                    style: Style::Quoted,
                }),
                Read::MappingStart(..) => Event::Map,
                Read::SequenceStart(..) => Event::List,
                Read::MappingEnd | Read::SequenceEnd => Event::End,
                Read::Alias(_) | Read::UnresolvedAlias(_) => Event::Alias,
                Read::DocumentStart(..) if self.documents > 0 => {
                    return Err(Stop {
                        place,
                        message: "only one document is allowed".to_owned(),
                    });
                }
                Read::DocumentStart(..) => {
                    self.documents += 1;
                    continue;
                }
                _ => continue,
            };
            return Ok(Some(Piece {
                event,
                place,
                fault,
            }));
        }
        Ok(None)
    }
}

/// The byte at which a line declares a tag.
fn tag_directive(text: &str) -> Option<usize> {
    let begins_line = |index: usize| {
        let before = text.get(..index).unwrap_or_default();
        before.is_empty() || before.ends_with(['\n', '\r', '\u{feff}'])
    };
    let mut found = text.match_indices("%TAG").map(|(index, _)| index);
    found.find(|index| begins_line(*index))
}

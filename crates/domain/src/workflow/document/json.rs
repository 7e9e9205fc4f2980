//! The parts of a JSON document. `serde_json` judges whether it is well-formed, so what is read
//! here is up to where it found a fault.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::{
    events::{Event, Piece, Scalar, Stop, Style},
    format::TEXT_BYTES_MAX,
    remark::Place,
};

/// A JSON document that is being read.
#[derive(Debug)]
pub(super) struct Json<'t> {
    text: &'t str,
    /// The bytes that were read.
    at: usize,
    /// The place of what comes next.
    place: Place,
    /// The first byte that is not well-formed, and what is wrong.
    fault: Option<(usize, String)>,
}

impl<'t> Json<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            place: Place { line: 1, column: 1 },
            fault: fault(text),
        }
    }

    /// Reads the next part; none at the end.
    pub(super) fn read(&mut self) -> Result<Option<Piece<'t>>, Stop> {
        let between = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | ':');
        let rest = self.rest().trim_start_matches(between);
        self.pass(self.rest().len() - rest.len());
        let place = self.place;
        let token = token(rest);
        let ends = self.at + token.len();
        // A number or word that ends at the fault is a part of it.
        let is_open = !token.ends_with(['{', '}', '[', ']', '"']);
        if let Some((index, message)) = &self.fault
            && (ends > *index || token.is_empty() || (is_open && ends == *index))
        {
            return Err(Stop {
                place: Place::of_byte(self.text, *index),
                message: message.clone(),
            });
        }
        self.pass(token.len());
        let event = match token {
            "" => return Ok(None),
            "{" => Event::Map,
            "[" => Event::List,
            "}" | "]" => Event::End,
            token => Event::Scalar(scalar(token).map_err(|message| Stop { place, message })?),
        };
        Ok(Some(Piece {
            event,
            place,
            fault: None,
        }))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes on by so many bytes.
    fn pass(&mut self, bytes: usize) {
        let passed = self.rest().get(..bytes).unwrap_or_default();
        for character in passed.chars() {
            if character == '\n' {
                self.place.line += 1;
                self.place.column = 1;
            } else {
                self.place.column += 1;
            }
        }
        self.at += bytes;
    }
}

/// The first byte at which a document is not well-formed, and what is wrong there.
fn fault(text: &str) -> Option<(usize, String)> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = <IgnoredAny as serde::Deserialize>::deserialize(&mut reader);
    let error = read.and_then(|_| reader.end()).err()?;
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let message = message
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&message);
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let begin: usize = before.map(str::len).sum();
    let index = text.floor_char_boundary(begin + column.saturating_sub(1));
    Some((index, plain_words(message)))
}

/// A message of the library, in the words of those who write documents.
fn plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 9] = [
        (
            "EOF while parsing",
            "the document ends before all that it opens is closed",
        ),
        (
            "key must be a string",
            "a key must stand here, a text in double quotes; a comma before } must go",
        ),
        (
            "expected ident",
            "must be true, false, null, or a text in double quotes",
        ),
        (
            "expected value",
            "a value must stand here; a text has double quotes",
        ),
        (
            "trailing comma",
            "the comma before must go, since nothing follows it",
        ),
        (
            "trailing characters",
            "something stands behind the end of the document",
        ),
        (
            "control character",
            "a text must not have a line break or tab: write \\n or \\t",
        ),
        ("invalid escape", "a \\ must be written twice, as \\\\"),
        ("recursion limit", "is nested too deeply"),
    ];
    let known = WORDS.iter().find(|(begin, _)| message.starts_with(begin));
    known.map_or(message, |(_, words)| *words).to_owned()
}

/// The beginning of a text: a sign, a text in quotes, a number or a word; nothing at its end.
fn token(text: &str) -> &str {
    let length = match text.as_bytes().first() {
        None => 0,
        Some(b'{' | b'}' | b'[' | b']') => 1,
        Some(b'"') => quoted(text),
        Some(_) => text
            .find(|c: char| c.is_ascii_whitespace() || ",:{}[]\"".contains(c))
            .unwrap_or(text.len()),
    };
    text.get(..length).unwrap_or(text)
}

/// The length of the text in quotes that a text begins with, with them.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn scalar(token: &str) -> Result<Scalar<'_>, String> {
    let Some(inner) = token.strip_prefix('"') else {
        return Ok(Scalar {
            text: Cow::Borrowed(token),
            style: Style::Literal,
        });
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    // What is too long is refused as it stands, before anybody copies it.
    let text = if inner.contains('\\') && inner.len() <= TEXT_BYTES_MAX {
        let read = serde_json::from_str::<String>(token);
        Cow::Owned(read.map_err(|_| "has half of a surrogate pair".to_owned())?)
    } else {
        Cow::Borrowed(inner)
    };
    Ok(Scalar {
        text,
        style: Style::Text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts, one after the other, and why reading ended.
    fn parts(text: &str) -> (Vec<String>, Option<String>) {
        let mut json = Json::new(text);
        let mut parts = Vec::new();
        loop {
            let piece = match json.read() {
                Ok(Some(piece)) => piece,
                Ok(None) => return (parts, None),
                Err(Stop { place, message }) => {
                    return (parts, Some(format!("{place}: {message}")));
                }
            };
            let Place { line, column } = piece.place;
            let what = match piece.event {
                Event::Map => "map".to_owned(),
                Event::List => "list".to_owned(),
                Event::End => "end".to_owned(),
                Event::Scalar(scalar) => format!("{:?} {}", scalar.style, scalar.text),
                Event::Alias => "alias".to_owned(),
            };
            parts.push(format!("{line}:{column} {what}"));
        }
    }

    #[test]
    fn parts_come_with_their_places() {
        let text = "{\"a\\n\\ud83d\\ude00\": [1,\n\t-2.5e3, \"ü\", null],\"b\":{}}\n";
        let expected = [
            "1:1 map",
            "1:2 Text a\n\u{1f600}",
            "1:21 list",
            "1:22 Literal 1",
            "2:2 Literal -2.5e3",
            "2:10 Text ü",
            "2:15 Literal null",
            "2:19 end",
            "2:21 Text b",
            "2:25 map",
            "2:26 end",
            "2:27 end",
        ];
        assert_eq!(parts(text), (expected.map(str::to_owned).into(), None));
    }

    #[test]
    fn what_is_not_well_formed_ends_it() {
        let rows = [
            (
                "{\"a\": 1,}",
                3,
                "line 1, column 9: a key must stand here, a text in double quotes; a comma before } must go",
            ),
            ("{\"a\" 1}", 2, "line 1, column 6: expected `:`"),
            (
                "{\"a\": [1",
                4,
                "line 1, column 8: the document ends before all that it opens is closed",
            ),
            (
                "{} x",
                2,
                "line 1, column 4: something stands behind the end of the document",
            ),
            (
                "{\"ä\":\n  tru}",
                2,
                "line 2, column 6: must be true, false, null, or a text in double quotes",
            ),
            (
                "{\"\\ud800\": 1}",
                1,
                "line 1, column 2: has half of a surrogate pair",
            ),
        ];
        for (text, count, expected) in rows {
            let (parts, stop) = parts(text);
            assert_eq!(stop.as_deref(), Some(expected), "{text}");
            assert!(parts.len() <= count, "{text}: {parts:?}");
        }
    }
}

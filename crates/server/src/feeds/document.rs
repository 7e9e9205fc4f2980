//! A feed as a document, in RSS 2.0 and in Atom. It has no words of its own,
//! which would be in one language: only those of the shop.

use atom_syndication as atom;
use chrono::{DateTime, FixedOffset};
use uuid::Uuid;
use waymark_domain::{
    tracking::Remark,
    value::{OrderId, Timestamp, WorkflowCode},
};

use super::freshness::second;
use crate::tracking::{Links, Seal, Shown};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// RSS 2.0.
    Rss,
    /// Atom 1.0, RFC 4287.
    Atom,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Atom => "application/atom+xml; charset=utf-8",
        }
    }
}

/// The content of a feed, in no format yet.
pub(super) struct Document<'d> {
    shown: &'d Shown,
    seal: &'d Seal,
    links: &'d Links,
    /// The token with which it was asked for.
    token: &'d str,
}

impl<'d> Document<'d> {
    pub(super) fn new(shown: &'d Shown, seal: &'d Seal, links: &'d Links, token: &'d str) -> Self {
        Self {
            shown,
            seal,
            links,
            token,
        }
    }

    /// Writes the feed.
    ///
    /// # Errors
    /// Returns the error of the writer of XML; memory that takes every byte gives it no reason to.
    pub(super) fn write(&self, format: Format) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        match format {
            Format::Rss => Ok(self.rss().write_to(Vec::new())?),
            Format::Atom => Ok(self.atom().write_to(Vec::new())?),
        }
    }

    fn rss(&self) -> rss::Channel {
        let remarks = self.shown.tracking.entries.iter();
        let items = remarks.map(|remark| rss::Item {
            title: Some(self.title_of(remark)),
            link: Some(self.link()),
            description: Some(content(remark)),
            guid: Some(rss::Guid {
                value: self.name(remark.sequence),
                permalink: false,
            }),
            pub_date: Some(httpdate::fmt_http_date(second(remark.create_time))),
            ..rss::Item::default()
        });
        rss::Channel {
            title: self.title(),
            link: self.link(),
            description: self.title(),
            last_build_date: Some(httpdate::fmt_http_date(second(self.shown.change_time))),
            items: items.collect(),
            ..rss::Channel::default()
        }
    }

    fn atom(&self) -> atom::Feed {
        let remarks = self.shown.tracking.entries.iter();
        let entries = remarks.map(|remark| atom::Entry {
            title: atom::Text::plain(self.title_of(remark)),
            id: self.name(remark.sequence),
            updated: date(remark.create_time),
            published: Some(date(remark.create_time)),
            links: vec![link("alternate", self.link())],
            content: Some(atom::Content {
                value: Some(content(remark)),
                content_type: Some("html".to_owned()),
                ..atom::Content::default()
            }),
            ..atom::Entry::default()
        });
        atom::Feed {
            title: atom::Text::plain(self.title()),
            // No entry has the sequence 0, so this is the order itself.
            id: self.name(0),
            updated: date(self.shown.change_time),
            authors: vec![atom::Person {
                name: self.links.site().to_owned(),
                ..atom::Person::default()
            }],
            links: vec![
                atom::Link {
                    mime_type: Some("application/atom+xml".to_owned()),
                    ..link("self", format!("{}.atom", self.link()))
                },
                link("alternate", self.link()),
            ],
            entries: entries.collect(),
            ..atom::Feed::default()
        }
    }

    fn title(&self) -> String {
        let tracking = &self.shown.tracking;
        sound(&format!("{}: {}", tracking.order_id, tracking.status_label))
    }

    fn title_of(&self, remark: &Remark) -> String {
        match &remark.label {
            Some(label) => sound(label),
            None => sound(self.order().as_str()),
        }
    }

    fn link(&self) -> String {
        self.links.of_token(self.token)
    }

    /// A name that lasts, whatever token the feed was asked for with.
    fn name(&self, sequence: i64) -> String {
        let name: Uuid = self.seal.name(self.workflow(), self.order(), sequence);
        name.urn().to_string()
    }

    fn workflow(&self) -> &WorkflowCode {
        &self.shown.workflow
    }

    fn order(&self) -> &OrderId {
        &self.shown.tracking.order_id
    }
}

fn link(rel: &str, href: String) -> atom::Link {
    atom::Link {
        href,
        rel: rel.to_owned(),
        ..atom::Link::default()
    }
}

fn date(instant: Timestamp) -> DateTime<FixedOffset> {
    DateTime::<chrono::Utc>::from(second(instant)).fixed_offset()
}

/// An entry as HTML, which is how readers take descriptions: a paragraph for the label
/// and one for the comment, both as text.
fn content(remark: &Remark) -> String {
    let label = remark.label.as_deref().unwrap_or_default();
    let paragraphs = [label, &remark.comment].into_iter();
    let paragraphs = paragraphs.filter(|text| !text.is_empty());
    paragraphs
        .flat_map(|text| ["<p>".to_owned(), html(text), "</p>".to_owned()])
        .collect()
}

fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in sound(text).replace("\r\n", "\n").chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' | '\r' => html.push_str("<br/>"),
            other => html.push(other),
        }
    }
    html
}

/// The text with a mark in place of characters that no XML may have.
fn sound(text: &str) -> String {
    let is_sound = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\0'..' ' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    };
    text.chars()
        .map(|c| {
            if is_sound(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;

//! A subscriber of feeds: feedparser, the library that Python's feed readers are made of.

use std::process::Command;

use serde_json::Value;
use waymark_testkit::python;

/// What reads a feed and prints what it understood.
const SCRIPT: &str = include_str!("feed_reader.py");

/// What a subscriber understood of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The status of HTTP; 0 where there was no answer.
    pub status: u64,
    /// The tag to ask with again.
    pub etag: String,
    /// The time to ask with again.
    pub modified: String,
    /// Whether there was nothing to mend.
    pub well_formed: bool,
    /// The format, such as `rss20`.
    pub version: String,
    /// The title.
    pub title: String,
    /// The entries, in their order.
    pub entries: Vec<Item>,
}

/// What a subscriber understood of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its lasting name.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where it leads.
    pub link: String,
    /// When it came, as written.
    pub published: String,
    /// Its content, made harmless.
    pub html: String,
}

/// Reads a feed over HTTP, unless it is the one with this tag and time already; empty for neither.
///
/// # Panics
/// Panics where the reader is not there and cannot be installed, or fails.
pub fn read(url: &str, etag: &str, modified: &str) -> Feed {
    let output = Command::new(python::with("feedparser"))
        .args(["-c", SCRIPT, url, etag, modified])
        // A proxy of the person who runs the tests does not see this machine's own ports.
        .env("NO_PROXY", "*")
        .env("no_proxy", "*")
        .output()
        .expect("Python runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read: Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    let entries = read["entries"].as_array().expect("a list of entries");
    Feed {
        status: read["status"].as_u64().expect("a status"),
        etag: text(&read["etag"]),
        modified: text(&read["modified"]),
        well_formed: read["well_formed"].as_bool().expect("yes or no"),
        version: text(&read["version"]),
        title: text(&read["title"]),
        entries: entries.iter().map(item).collect(),
    }
}

fn item(entry: &Value) -> Item {
    Item {
        id: text(&entry["id"]),
        title: text(&entry["title"]),
        link: text(&entry["link"]),
        published: text(&entry["published"]),
        html: text(&entry["html"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

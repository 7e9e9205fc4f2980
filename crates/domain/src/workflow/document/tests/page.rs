//! Holds the page of documents against the layout: every key and every word is in its tables, and its documents work.

use std::collections::BTreeSet;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};

use crate::workflow::{
    Category, CommentStatus, CopyMethod, Effect, Identity, Notify, Overpayment, RefundedUnits,
    Severity, StatusSharing, Workflow,
    document::{
        Format, Mode, apply, draft,
        forms::{AssignmentPart, TriggerPart},
        layout::{
            ActionPart, CommentPart, EmailPart, OperationPart, PublishPart, StatePart, StatusPart,
            TransitionPart, WebhookPart, WorkflowPart,
        },
        parse,
    },
    lint,
};

const PAGE: &str = include_str!("../../../../../../docs/workflows.md");

/// Takes down the fields or words for which a part asks.
struct Asked<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing is there"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(words);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The fields of a part, or the words of a vocabulary.
fn names<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut names = Vec::new();
    assert!(<T as Deserialize<'_>>::deserialize(Asked(&mut names)).is_err());
    assert!(!names.is_empty());
    names
}

/// The rows of the table under a heading, each with its keys.
fn rows(heading: &str) -> Vec<(Vec<&'static str>, &'static str)> {
    let mut lines = PAGE.lines().skip_while(|line| {
        let title = line.trim_start_matches('#');
        title == *line || title.trim() != heading
    });
    assert!(lines.next().is_some(), "there is no heading {heading}");
    let rows = lines
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (keys, rest) = line.strip_prefix("| `")?.split_once('|')?;
            let keys = keys.split(',').map(|key| key.trim().trim_matches('`'));
            let keys: Vec<_> = keys.collect();
            Some((keys, rest))
        });
    rows.collect()
}

#[test]
fn every_key_has_a_row_in_the_table_of_its_part() {
    let parts = [
        ("Workflow", names::<WorkflowPart>()),
        ("Operation", names::<OperationPart>()),
        ("Status", names::<StatusPart>()),
        ("State", names::<StatePart>()),
        ("Status of a state", names::<AssignmentPart>()),
        ("Transition", names::<TransitionPart>()),
        ("Trigger", names::<TriggerPart>()),
        ("Action", names::<ActionPart>()),
        ("Webhook", names::<WebhookPart>()),
        ("Email", names::<EmailPart>()),
        ("Publish", names::<PublishPart>()),
        ("Comment", names::<CommentPart>()),
        ("Delivery policy", vec!["attempts", "backoff", "timeout"]),
    ];
    for (heading, keys) in parts {
        let rows = rows(heading);
        let told: BTreeSet<_> = rows.iter().flat_map(|(keys, _)| keys).copied().collect();
        let keys: BTreeSet<_> = keys.into_iter().collect();
        assert_eq!(told, keys, "{heading}");
    }
}

#[test]
fn every_word_stands_in_the_row_of_its_key() {
    let vocabularies = [
        ("Workflow", "comment_status", names::<CommentStatus>()),
        ("Workflow", "status_sharing", names::<StatusSharing>()),
        ("Workflow", "refunded_units", names::<RefundedUnits>()),
        ("Workflow", "overpayment", names::<Overpayment>()),
        ("Operation", "effect", names::<Effect>()),
        ("State", "category", names::<Category>()),
        ("Email", "identity", names::<Identity>()),
        ("Email", "customer", names::<Notify>()),
        ("Email", "copy_method", names::<CopyMethod>()),
    ];
    for (heading, key, words) in vocabularies {
        let rows = rows(heading);
        let row = rows.iter().find(|(keys, _)| keys.contains(&key));
        let (_, row) = row.unwrap_or_else(|| panic!("{heading} has no row of {key}"));
        for word in words {
            assert!(row.contains(&format!("`{word}`")), "{key}: {word}");
        }
    }
}

/// The documents of the page, in its order.
fn documents() -> Vec<String> {
    let mut documents = Vec::new();
    let mut open: Option<String> = None;
    for line in PAGE.lines() {
        if line == "```" {
            documents.extend(open.take());
        } else if let Some(text) = &mut open {
            text.push_str(line);
            text.push('\n');
        } else if line.starts_with("```yaml") {
            open = Some(String::new());
        }
    }
    documents
}

fn assert_right(workflow: &Workflow, text: &str) {
    let mut findings = lint(workflow);
    findings.retain(|finding| finding.severity() == Severity::Error);
    assert_eq!(findings, [], "{text}");
}

/// What names its workflow is whole; all else is merged onto the first document.
#[test]
fn the_documents_of_the_page_work() {
    let documents = documents();
    assert!(documents.len() >= 4);
    let mut first: Option<Workflow> = None;
    for text in &documents {
        let document = parse(text, Format::Yaml).unwrap_or_else(|error| panic!("{error}\n{text}"));
        if text.contains("workflow: ") {
            let workflow = apply(None, &document, Mode::Replace, None);
            let workflow = workflow.unwrap_or_else(|refusal| panic!("{refusal}\n{text}"));
            assert_right(&workflow, text);
            first = first.or(Some(workflow));
        } else {
            let base = first.as_ref().expect("a whole workflow comes first");
            let merged = draft(Some(base), &document, Mode::Merge, None);
            let merged = merged.unwrap_or_else(|refusal| panic!("{refusal}\n{text}"));
            assert_right(&merged, text);
            assert_ne!(&merged, base, "{text}");
        }
    }
}

//! Everything that is to be said about a document and the workflow that it makes, at once: what
//! cannot be read, what is left out, and what lint says of the rest.

use super::{
    action::WORKS,
    apply::{Mode, draft, drafted, other_workflow, unmergeable},
    deserialize::EMPTY,
    format::{Format, UnknownStates},
    locate::locate,
    missing::Missing,
    parse::{Content, ReadDocument, read},
    remark::{REMARKS_MAX, Remark},
};
use crate::{
    value::WorkflowCode,
    workflow::{Finding, Refusal, Rule, Severity, Workflow, lint},
};

/// The fields that every whole document has and no fragment needs.
const BEGINNING: [&str; 2] = ["label", "initial_state"];
/// The remark where both of these are missing.
const PARTS_ONLY: &str = "must be given; a document that names only some parts is applied with mode MERGE (--mode merge)";

/// A document that shall make or change a workflow.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The document.
    pub text: &'a str,
    /// Its language.
    pub format: Format,
    /// The fate of parts that it does not name.
    pub mode: Mode,
    /// The fate of states of a `config.xml` that the workflow does not have.
    pub unknown_states: UnknownStates,
    /// The workflow as it is; none for none.
    pub base: Option<&'a Workflow>,
    /// The code that was asked for; it wins over the one in the document.
    pub code: Option<&'a WorkflowCode>,
    /// The code for a document that names none where none was asked for; else that of the base.
    pub fallback: Option<&'a WorkflowCode>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The workflow, whatever lint says of it; none where the document cannot be read or leaves
    /// something out.
    pub workflow: Option<Workflow>,
    /// The remarks, the gravest first, then by place.
    pub remarks: Vec<Remark>,
}

/// Checks a document as a whole. What is wrong is said once: not what follows from something else
/// that is wrong.
///
/// # Errors
/// Returns [`Refusal`] for a Magento configuration that shall replace a workflow, or cannot be
/// merged into it.
pub fn check(proposal: &Proposal<'_>) -> Result<Checked, Refusal> {
    let Proposal {
        text,
        format,
        mode,
        unknown_states,
        base,
        code: asked,
        fallback,
    } = *proposal;
    let ReadDocument {
        document,
        mut remarks,
        lost,
        is_whole,
        mut has_more,
    } = read(text, format);
    if mode == Mode::Merge {
        explain_empty(&mut remarks);
    }
    let document = document.with_unknown_states(unknown_states);
    let code = asked.or(document.workflow()).or(fallback);
    let workflow = match &document.0 {
        Content::Workflow { .. } | Content::MagentoConfig(_) if !is_whole => None,
        Content::MagentoConfig(_) => Some(draft(base, &document, mode, code)?),
        Content::Workflow { part, .. } => {
            if lost.is_empty()
                && let Some(refusal) = unmergeable(base, part, mode, code)
            {
                return Err(refusal);
            }
            let (workflow, missing) = drafted(base, part, mode, code);
            let Missing {
                paths,
                wrong,
                has_more: lacks_more,
            } = missing;
            has_more |= lacks_more;
            remarks.extend(all_needed(&paths, &lost, mode));
            remarks.extend(wrong.into_iter().map(Remark::from));
            workflow
        }
    };
    let is_right = remarks.is_empty();
    let found = workflow.iter().flat_map(lint);
    let found = found.filter(|finding| is_right || stands_alone(finding, &lost));
    remarks.extend(found.map(Remark::from));
    let own = document.findings().iter().cloned();
    remarks.extend(own.map(Remark::from));
    remarks.extend(other_workflow(&document, asked).map(Remark::from));
    locate(text, format, &mut remarks);
    sort(&mut remarks);
    remarks.dedup();
    if has_more {
        let is_error = |remark: &&Remark| remark.severity() == Severity::Error;
        let errors = remarks.iter().take_while(is_error).count();
        remarks.insert(errors, Remark::unreadable(None, "", &there_are_more()));
    }
    Ok(Checked {
        workflow: workflow.filter(|_| is_right),
        remarks,
    })
}

/// Gives findings about a workflow the places where their subjects stand in the document that makes
/// it; the gravest come first, then by place.
pub fn located(text: &str, format: Format, findings: Vec<Finding>) -> Vec<Remark> {
    let mut remarks: Vec<_> = findings.into_iter().map(Remark::from).collect();
    locate(text, format, &mut remarks);
    sort(&mut remarks);
    remarks
}

/// A remark that something must be given.
fn needed(path: &str) -> Remark {
    let work = path.strip_suffix(WORKS).and_then(|at| at.strip_suffix('.'));
    match work {
        Some(at) => Remark::unreadable(None, at, &format!("must say what is done: {WORKS}")),
        None => Remark::unreadable(None, path, "must be given"),
    }
}

/// Remarks about what is missing, but for what stands there and cannot be read.
fn all_needed(paths: &[String], lost: &[String], mode: Mode) -> Vec<Remark> {
    let lacks = |key: &&str| paths.iter().any(|path| path == key);
    let is_part = mode == Mode::Replace && BEGINNING.iter().all(lacks);
    let told = paths.iter().filter(|path| !is_lost(path, lost));
    let told = told.map(|path| {
        if is_part && BEGINNING.contains(&path.as_str()) {
            Remark::unreadable(None, path, PARTS_ONLY)
        } else {
            needed(path)
        }
    });
    told.collect()
}

/// The remark that there are more mistakes than are told.
fn there_are_more() -> String {
    format!("there are more mistakes: only the first {REMARKS_MAX} are told")
}

/// Adds to remarks about empty values how these are kept and cleared where a document is merged.
fn explain_empty(remarks: &mut [Remark]) {
    const KEPT: &str = "must not be empty: leave the key out to keep what is there; to clear it, REPLACE the workflow by a document without it";
    for remark in remarks {
        let message = &mut remark.finding.message;
        if let Some(rest) = message.strip_prefix(EMPTY) {
            *message = format!("{KEPT}{rest}");
        }
    }
}

fn sort(remarks: &mut [Remark]) {
    remarks.sort_by(|a, b| {
        let [a, b] = [a, b].map(|r| (r.severity(), r.place.is_none(), r.place, &r.finding));
        a.cmp(&b)
    });
}

/// Whether what is missing stands there and cannot be read, or lies in what cannot be. The last
/// part of the path may be several keys, of which one is needed.
fn is_lost(path: &str, lost: &[String]) -> bool {
    let path = without_numbers(path);
    let (part, keys) = path.rsplit_once('.').unwrap_or(("", path.as_str()));
    lost.iter().map(|lost| without_numbers(lost)).any(|lost| {
        let around = path.strip_prefix(&lost);
        let holds = around.is_some_and(|rest| lost.is_empty() || rest.starts_with('.'));
        let key = lost.strip_prefix(part).unwrap_or_default();
        let key = key.strip_prefix('.').unwrap_or(key);
        let key = key.split('.').next().unwrap_or(key);
        let mut needed = keys.split([' ', ',']);
        holds || lost == path || (!key.is_empty() && needed.any(|needed| needed == key))
    })
}

/// A path without the numbers of entries of lists, which shift where one cannot be read.
fn without_numbers(path: &str) -> String {
    path.split('[')
        .map(|part| part.split_once(']').map_or(part, |(_, rest)| rest))
        .collect()
}

/// Whether a finding stands by itself where other things in the document are wrong.
fn stands_alone(finding: &Finding, lost: &[String]) -> bool {
    const KINDS: [(&str, &str); 4] = [
        ("operations", "operation "),
        ("statuses", "status "),
        ("states", "state "),
        ("transitions", "transition "),
    ];
    match finding.rule {
        Rule::InvalidGuard | Rule::InvalidTemplate | Rule::LimitExceeded | Rule::DuplicateCode => {
            true
        }
        // What is named may be among what could not be read.
        Rule::UnknownReference => KINDS.iter().all(|(all, one)| {
            !finding.message.contains(one) || !lost.iter().any(|lost| lost == all)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_missing_too() {
        let lost = |path: &str, lost: &str| is_lost(path, &[lost.to_owned()]);
        let works = "on_create.b.webhook, email, publish, comment, set_attributes or transition";
        for (path, wrong) in [
            ("label", ""),
            ("label", "label"),
            ("states.new.label", "states.new.label"),
            ("states.new.label", "states.new"),
            ("states.new.label", "states"),
            (works, "on_create.b.comment"),
            (works, "on_create.b.webhook"),
            (works, "on_create.b.set_attributes.box"),
            (works, "on_create.b"),
            ("states.a.statuses[0].status", "states.a.statuses[1].status"),
        ] {
            assert!(lost(path, wrong), "{path} {wrong}");
        }
        for (path, wrong) in [
            ("label", "states.new.label"),
            ("states.new.label", "states.new.category"),
            ("states.new.label", "states.newest"),
            ("states.newest.label", "states.new"),
            (works, "on_create.b.condition"),
            (works, "on_create.c.comment"),
        ] {
            assert!(!lost(path, wrong), "{path} {wrong}");
        }
    }
}

//! Holds the page of lint against lint: every rule has a section, and its examples are found or not
//! as the page says.

use super::{Finding, Rule, Severity, lint};
use crate::{
    preset,
    workflow::{
        Workflow,
        document::{Format, Mode, apply, draft, parse},
    },
};

const PAGE: &str = include_str!("../../../../../docs/lint.md");
/// Pages with documents that are merged into the preset `magento`.
const OTHER_PAGES: [&str; 2] = [
    include_str!("../../../../../docs/recipes.md"),
    include_str!("../../../../../docs/actions.md"),
];

/// Rules whose findings are not in a document: they need what is stored, what the server has, orders,
/// or the call. Other tests have them.
const ELSEWHERE: &[&str] = &[
    "invalid_template",
    "document",
    "unreadable",
    "months",
    "other_workflow",
    "orders_become_terminal",
    "orders_would_move",
    "deliveries_wait",
    "unknown_endpoint",
    "unknown_template",
    "unmatched_subject",
];

/// A fenced block.
struct Fence<'a> {
    /// The heading of the first level below the title that it stands under.
    part: &'a str,
    /// The heading of its section.
    section: &'a str,
    /// What stands behind the opening fence, such as `yaml triggers`.
    info: &'a str,
    text: String,
}

/// The headings of sections with the part that they stand in, and all fenced blocks.
fn read(page: &str) -> (Vec<(&str, &str)>, Vec<Fence<'_>>) {
    let mut sections = Vec::new();
    let mut fences = Vec::new();
    let (mut part, mut section) = ("", "");
    let mut open: Option<Fence<'_>> = None;
    for line in page.lines() {
        if line == "```" && open.is_some() {
            fences.extend(open.take());
        } else if let Some(fence) = &mut open {
            fence.text.push_str(line);
            fence.text.push('\n');
        } else if let Some(info) = line.strip_prefix("```") {
            open = Some(Fence {
                part,
                section,
                info,
                text: String::new(),
            });
        } else if let Some(heading) = line.strip_prefix("## ") {
            (part, section) = (heading, "");
        } else if let Some(heading) = line.strip_prefix("### ") {
            section = heading;
            sections.push((part, section));
        }
    }
    (sections, fences)
}

fn base(fences: &[Fence<'_>]) -> Workflow {
    let base = fences.iter().find(|fence| fence.info == "yaml base");
    let document = parse(&base.unwrap().text, Format::Yaml).unwrap();
    apply(None, &document, Mode::Replace, None).unwrap()
}

/// Everything that is said of a part that is merged into a workflow.
fn findings(base: &Workflow, fence: &Fence<'_>) -> Vec<Finding> {
    let found = try_findings(base, fence);
    found.unwrap_or_else(|problem| panic!("{}: {problem}\n{}", fence.section, fence.text))
}

/// The same, of what may be no part that can be merged.
fn try_findings(base: &Workflow, fence: &Fence<'_>) -> Result<Vec<Finding>, String> {
    let format = match fence.info.split(' ').next() {
        Some("xml") => Format::MagentoConfigXml,
        _ => Format::Yaml,
    };
    let document = parse(&fence.text, format).map_err(|problem| problem.to_string())?;
    let merged = draft(Some(base), &document, Mode::Merge, None);
    let mut findings = lint(&merged.map_err(|refusal| refusal.to_string())?);
    findings.extend_from_slice(document.findings());
    Ok(findings)
}

#[test]
fn every_rule_has_a_section_under_its_severity() {
    let (sections, _) = read(PAGE);
    for rule in Rule::ALL {
        let part = match rule.severity() {
            Severity::Error => "Errors",
            Severity::Warning => "Warnings",
            Severity::Info => "Information",
        };
        let of_rule = sections.iter().filter(|(_, code)| *code == rule.code());
        let parts: Vec<_> = of_rule.map(|(part, _)| *part).collect();
        assert_eq!(parts, [part], "{rule}");
    }
    let is_known = |code: &str| Rule::ALL.iter().any(|rule| rule.code() == code);
    for (_, code) in &sections {
        assert!(is_known(code) || ELSEWHERE.contains(code), "{code}");
    }
}

#[test]
fn the_first_example_is_found_by_its_rule_and_the_second_is_not() {
    let (_, fences) = read(PAGE);
    let base = base(&fences);
    assert_eq!(lint(&base), []);
    for rule in Rule::ALL {
        let examples = fences.iter().filter(|fence| {
            let is_example = fence.info.ends_with(" triggers") || fence.info.ends_with(" fine");
            fence.section == rule.code() && is_example
        });
        let examples: Vec<_> = examples.collect();
        if ELSEWHERE.contains(&rule.code()) {
            assert!(examples.is_empty(), "{rule}");
            continue;
        }
        let [triggers, fine] = examples.as_slice() else {
            panic!("{rule} has {} examples", examples.len());
        };
        assert!(triggers.info.ends_with("triggers") && fine.info.ends_with("fine"));
        for (fence, expected) in [(triggers, true), (fine, false)] {
            let findings = findings(&base, fence);
            let is_found = findings.iter().any(|finding| finding.rule == *rule);
            assert_eq!(is_found, expected, "{rule}\n{}{findings:#?}", fence.text);
        }
    }
}

/// What the examples that are fine say is not the worse for something else.
#[test]
fn what_is_fine_has_no_errors() {
    let (_, fences) = read(PAGE);
    let base = base(&fences);
    for fence in fences.iter().filter(|fence| fence.info.ends_with(" fine")) {
        let mut findings = findings(&base, fence);
        findings.retain(|finding| finding.severity() == Severity::Error);
        assert_eq!(findings, [], "{} {}", fence.part, fence.section);
    }
}

/// Whatever else is said of the documents of other pages, their guards mean something.
#[test]
fn guards_of_other_pages_are_not_called_constant() {
    let magento = preset::find("magento").unwrap().workflow().unwrap();
    let mut count = 0;
    for page in OTHER_PAGES {
        let (_, fences) = read(page);
        for fence in fences.iter().filter(|fence| fence.info.starts_with("yaml")) {
            let Ok(findings) = try_findings(&magento, fence) else {
                continue;
            };
            count += 1;
            let wrong = [Rule::ConstantGuard, Rule::FailingGuard, Rule::UnknownCode];
            let mut wrong = findings.iter().filter(|f| wrong.contains(&f.rule));
            assert_eq!(wrong.next(), None, "{}", fence.text);
        }
    }
    assert!(count >= 4, "the pages have documents");
}

//! The content of a configuration: statuses with labels, and which of them belong to which state,
//! below `config/global/sales/order`.

use std::collections::BTreeMap;

use roxmltree::{Document as Xml, Node, ParsingOptions, TextPos};

use crate::{
    value::{Label, StateCode, StatusCode},
    workflow::{
        Finding, Rule, Subject,
        document::{
            budget,
            format::UnknownStates,
            remark::{Place, Remark},
        },
    },
};

/// The bytes of a node. The tree begins with room for as many as there are opening brackets, may
/// come to have twice as many, and is there twice while it grows; so is the list of elements that
/// are open. A text may be one of its own.
const BRACKET_BYTES: usize = 3 * (80 + 20) + 24;
/// The bytes of an attribute: in the tree, which begins with room for as many as there are equal
/// signs, while its element is read, and as a text of its own.
const EQUAL_SIGN_BYTES: usize = 72 + 3 * 90 + 24;
/// An entry of a list that grows, and what is looked up by it.
const ENTRY_FACTOR: usize = 5;
/// The bytes of a finding, with its text.
const FINDING_BYTES: usize = 512;
/// The most elements that are not known and are named one by one.
const UNKNOWN_NAMED_MAX: usize = 20;
/// The most characters that are shown of the name of such an element.
const NAME_CHARACTERS_MAX: usize = 64;
/// The most namespaces. An element gets those of the elements around it, and no configuration has
/// any.
const NAMESPACES_MAX: usize = 16;

/// A configuration, in the order of the document: what comes later counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::workflow::document) struct Config {
    pub(super) statuses: Vec<StatusConfig>,
    /// One for each time that a state comes up.
    pub(super) states: Vec<StateConfig>,
    /// The fate of states that the workflow does not have.
    pub(in crate::workflow::document) unknown_states: UnknownStates,
    /// The findings about the document itself.
    pub(in crate::workflow::document) findings: Vec<Finding>,
}

type StatusConfig = (StatusCode, Option<Label>);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct StateConfig {
    pub(super) state: StateCode,
    pub(super) label: Option<Label>,
    /// The statuses and whether each is marked as the default.
    pub(super) statuses: Vec<(StatusCode, bool)>,
    pub(super) visible_on_front: Option<bool>,
}

/// Reads a configuration. Declarations of document types are refused, and with them
/// entities of the document's own; keys that belong to other modules are passed over.
pub(in crate::workflow::document) fn parse(text: &str) -> Result<Config, Remark> {
    weigh(text)?;
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    let xml = Xml::parse_with_options(text, options)
        .map_err(|error| Remark::unreadable(Some(place(error.pos())), "", &error.to_string()))?;
    let root = xml.root_element();
    if !root.has_tag_name("config") {
        let problem = format!(
            "the outermost element is <{}>, but <config> is expected",
            name(root)
        );
        return Err(told(root, "", &problem));
    }
    let mut sections = vec![root];
    for name in ["global", "sales", "order"] {
        let within = sections.into_iter().flat_map(children);
        sections = within.filter(|node| node.has_tag_name(name)).collect();
    }
    let mut config = Config::default();
    let mut unknown = Unknown::default();
    for section in sections {
        for group in children(section) {
            match group.tag_name().name() {
                "statuses" => {
                    for node in children(group) {
                        config.statuses.push(status(node, &mut unknown)?);
                    }
                }
                "states" => {
                    for node in children(group) {
                        config.states.push(state(node, &mut unknown)?);
                    }
                }
                _ => unknown.note(group, "<statuses> and <states> are"),
            }
        }
    }
    config.findings = unknown.findings();
    if config.statuses.is_empty() && config.states.is_empty() {
        let found = config.findings.first();
        let found = found.map_or_else(String::new, |found| format!("; the {found}"));
        let problem = format!("must have statuses or states{found}");
        return Err(refused(root, "config.global.sales.order", &problem));
    }
    for finding in several_defaults(&config.states) {
        budget::take(FINDING_BYTES).map_err(|dense| refused(root, "states", &dense))?;
        config.findings.push(finding);
    }
    Ok(config)
}

/// Elements that are passed over where something else was probably meant.
#[derive(Default)]
struct Unknown {
    named: Vec<String>,
    more: usize,
}

impl Unknown {
    /// Notes one; `known` says what its parent may have.
    fn note(&mut self, node: Node<'_, '_>, known: &str) {
        // A line is found by counting from the first one, so there must not be many.
        if self.named.len() == UNKNOWN_NAMED_MAX {
            self.more += 1;
            return;
        }
        let line = node.document().text_pos_at(node.range().start).row;
        let parent = node.parent_element().map(name).unwrap_or_default();
        self.named.push(format!(
            "takes nothing from <{}> in line {line} of the document: only {known} known in <{parent}>",
            name(node),
        ));
    }

    fn findings(self) -> Vec<Finding> {
        let more = match self.more {
            0 => None,
            1 => Some("takes nothing from 1 more element that is not known".to_owned()),
            more => Some(format!(
                "takes nothing from {more} more elements that are not known"
            )),
        };
        let messages = self.named.into_iter().chain(more);
        let finding =
            |message: String| Finding::new(Rule::UnknownElement, Subject::Workflow, message);
        messages.map(finding).collect()
    }
}

/// The status of each state that is marked as its default, the last one, and whether others are
/// marked as well.
pub(super) fn marked(states: &[StateConfig]) -> BTreeMap<&StateCode, (&StatusCode, bool)> {
    let mut marks = BTreeMap::new();
    for config in states {
        for (status, _) in config.statuses.iter().filter(|(_, is_marked)| *is_marked) {
            let (last, is_several) = marks.entry(&config.state).or_insert((status, false));
            *is_several |= *last != status;
            *last = status;
        }
    }
    marks
}

/// Findings about states that mark several statuses, with the one that is taken.
fn several_defaults(states: &[StateConfig]) -> impl Iterator<Item = Finding> {
    let marks = marked(states).into_iter();
    let several = marks.filter(|(_, (_, is_several))| *is_several);
    several.map(|(state, (last, _))| Finding {
        rule: Rule::SeveralMarkedDefaults,
        subject: Subject::State(state.clone()),
        message: format!(
            "has several statuses that the document marks as default: {last}, the last one, is taken"
        ),
    })
}

/// Takes what the tree of a text may take, which makes room for it before it has read anything.
fn weigh(text: &str) -> Result<(), Remark> {
    let mut namespaces = text.match_indices("xmlns");
    if let Some((index, _)) = namespaces.nth(NAMESPACES_MAX) {
        let problem = format!("has more than {NAMESPACES_MAX} namespaces");
        return Err(Remark::at_byte(text, index, &problem));
    }
    for (sign, bytes) in [('<', BRACKET_BYTES), ('=', EQUAL_SIGN_BYTES)] {
        for (index, _) in text.match_indices(sign) {
            budget::take(bytes).map_err(|dense| Remark::at_byte(text, index, &dense))?;
        }
    }
    Ok(())
}

/// Takes what an entry of a list takes, with its two texts.
fn take<T>(node: Node<'_, '_>, path: &str) -> Result<(), Remark> {
    let bytes = ENTRY_FACTOR * size_of::<T>() + 2 * budget::text_bytes(1);
    budget::take(bytes).map_err(|dense| refused(node, path, &dense))
}

fn status(node: Node<'_, '_>, unknown: &mut Unknown) -> Result<StatusConfig, Remark> {
    take::<StatusConfig>(node, "statuses")?;
    let code = StatusCode::new(node.tag_name().name());
    let code = code.map_err(|problem| refused(node, "statuses", &problem))?;
    let mut text = None;
    for child in children(node) {
        match child.tag_name().name() {
            "label" => text = Some(label(child, unknown)?),
            _ => unknown.note(child, "<label> is"),
        }
    }
    Ok((code, text))
}

fn state(node: Node<'_, '_>, unknown: &mut Unknown) -> Result<StateConfig, Remark> {
    take::<StateConfig>(node, "states")?;
    let state = StateCode::new(node.tag_name().name());
    let mut config = StateConfig {
        state: state.map_err(|problem| refused(node, "states", &problem))?,
        label: None,
        statuses: Vec::new(),
        visible_on_front: None,
    };
    for child in children(node) {
        match child.tag_name().name() {
            "label" => config.label = Some(label(child, unknown)?),
            "statuses" => {
                for node in children(child) {
                    config.statuses.push(link(node, &config.state, unknown)?);
                }
            }
            // An empty one counts: core files marked visible states so.
            "visible_on_front" => {
                config.visible_on_front = Some(content(child, unknown) != "0");
            }
            _ => unknown.note(child, "<label>, <statuses> and <visible_on_front> are"),
        }
    }
    Ok(config)
}

/// A status of a state. That the attribute is there marks it, whatever its value.
fn link(
    node: Node<'_, '_>,
    state: &StateCode,
    unknown: &mut Unknown,
) -> Result<(StatusCode, bool), Remark> {
    let path = format!("states.{state}.statuses");
    take::<(StatusCode, bool)>(node, &path)?;
    let code = StatusCode::new(node.tag_name().name());
    let code = code.map_err(|problem| refused(node, &path, &problem))?;
    nothing_in(node, "the attribute `default` is", unknown);
    Ok((code, node.has_attribute("default")))
}

fn label(node: Node<'_, '_>, unknown: &mut Unknown) -> Result<Label, Remark> {
    Label::new(&content(node, unknown)).map_err(|problem| refused(node, "label", &problem))
}

fn children<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(Node::is_element)
}

/// Notes the elements in one that has none, but what is known.
fn nothing_in(node: Node<'_, '_>, known: &str, unknown: &mut Unknown) {
    for child in children(node) {
        unknown.note(child, known);
    }
}

/// The text of an element, also where comments or CDATA cut it.
fn content(node: Node<'_, '_>, unknown: &mut Unknown) -> String {
    nothing_in(node, "text is", unknown);
    let texts = node.children().filter(Node::is_text);
    let texts = texts.filter_map(|child| child.text());
    texts.collect::<String>().trim().to_owned()
}

/// The name of an element, cut: it may be as long as the document.
fn name(node: Node<'_, '_>) -> String {
    let name = node.tag_name().name().chars();
    name.take(NAME_CHARACTERS_MAX).collect()
}

/// Refuses an element, which the text begins with.
fn refused(node: Node<'_, '_>, path: &str, problem: &dyn std::fmt::Display) -> Remark {
    let problem = format!("<{}> {problem}", name(node));
    told(node, path, &problem)
}

fn told(node: Node<'_, '_>, path: &str, problem: &str) -> Remark {
    let begin = node.document().text_pos_at(node.range().start);
    Remark::unreadable(Some(place(begin)), path, problem)
}

fn place(position: TextPos) -> Place {
    Place {
        line: position.row.into(),
        column: position.col.into(),
    }
}

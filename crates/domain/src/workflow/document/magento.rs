//! The `config.xml` of a Magento 1 module: statuses with labels, and which of them belong
//! to which state, below `config/global/sales/order`.

use roxmltree::{Document as Xml, Node, ParsingOptions};

use super::{DocumentError, budget, parse::refused_at};
use crate::{
    value::{Description, Label, StateCode, StatusCode},
    workflow::{Assignment, Refusal, Status, Workflow, edit},
};

/// What a node takes. The tree begins with room for as many as there are opening brackets, may come to have twice as
/// many, and is there twice while it grows; so is the list of elements that are open. A text may be one of its own.
const BRACKET_BYTES: usize = 3 * (80 + 20) + 24;
/// What an attribute takes: in the tree, which begins with room for as many as there are equal signs, while its element
/// is read, and as a text of its own.
const EQUAL_SIGN_BYTES: usize = 72 + 3 * 90 + 24;
/// An entry of a list that grows, and is copied to one that grows.
const ENTRY_FACTOR: usize = 5;
/// The most namespaces. An element gets those of the elements around it, and no configuration has any.
const NAMESPACES_MAX: usize = 16;

/// What a configuration says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Config {
    statuses: Vec<(StatusCode, Option<Label>)>,
    states: Vec<StateConfig>,
}

#[derive(Debug, Clone, PartialEq)]
struct StateConfig {
    state: StateCode,
    label: Option<Label>,
    /// The statuses and whether each is marked as the default.
    statuses: Vec<(StatusCode, bool)>,
    visible_on_front: Option<bool>,
}

/// Reads a configuration. Declarations of document types are refused, and with them
/// entities of the document's own; keys that belong to other modules are passed over.
pub(super) fn parse(text: &str) -> Result<Config, DocumentError> {
    weigh(text)?;
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    let xml = Xml::parse_with_options(text, options).map_err(|error| {
        let position = error.pos();
        DocumentError::text(position.row.into(), position.col.into(), "", &error)
    })?;
    let root = xml.root_element();
    if !root.has_tag_name("config") {
        return Err(refused(root, "config", &"must be the outermost element"));
    }
    let sections = ["global", "sales", "order"]
        .iter()
        .fold(vec![root], |nodes, name| {
            nodes
                .into_iter()
                .flat_map(|node| children(node).filter(|child| child.has_tag_name(*name)))
                .collect()
        });
    let mut config = Config::default();
    for section in sections {
        for group in children(section) {
            match group.tag_name().name() {
                "statuses" => config.statuses.extend(statuses(group)?),
                "states" => config.states.extend(states(group)?),
                _ => {}
            }
        }
    }
    if config == Config::default() {
        return Err(refused(
            root,
            "config.global.sales.order",
            &"must have statuses or states",
        ));
    }
    Ok(config)
}

/// Takes what the tree of a text may take, which makes room for it before it has read anything.
fn weigh(text: &str) -> Result<(), DocumentError> {
    let mut namespaces = text.match_indices("xmlns");
    if let Some((index, _)) = namespaces.nth(NAMESPACES_MAX) {
        let problem = format!("has more than {NAMESPACES_MAX} namespaces");
        return Err(refused_at(text, index, &problem));
    }
    for (sign, bytes) in [('<', BRACKET_BYTES), ('=', EQUAL_SIGN_BYTES)] {
        for (index, _) in text.match_indices(sign) {
            budget::take(bytes).map_err(|dense| refused_at(text, index, &dense))?;
        }
    }
    Ok(())
}

/// Takes what an entry of a list takes, with its two texts.
fn take<T>(node: Node<'_, '_>, path: &str) -> Result<(), DocumentError> {
    let bytes = ENTRY_FACTOR * size_of::<T>() + 2 * budget::text_bytes(1);
    budget::take(bytes).map_err(|dense| refused(node, path, &dense))
}

fn statuses(group: Node<'_, '_>) -> Result<Vec<(StatusCode, Option<Label>)>, DocumentError> {
    let read = |node: Node<'_, '_>| {
        take::<(StatusCode, Option<Label>)>(node, "statuses")?;
        let code = StatusCode::new(node.tag_name().name())
            .map_err(|problem| refused(node, "statuses", &problem))?;
        Ok((code, label(node)?))
    };
    children(group).map(read).collect()
}

fn states(group: Node<'_, '_>) -> Result<Vec<StateConfig>, DocumentError> {
    children(group).map(state).collect()
}

fn state(node: Node<'_, '_>) -> Result<StateConfig, DocumentError> {
    take::<StateConfig>(node, "states")?;
    let state = StateCode::new(node.tag_name().name())
        .map_err(|problem| refused(node, "states", &problem))?;
    let links = children(node)
        .filter(|child| child.has_tag_name("statuses"))
        .flat_map(children);
    let link = |link: Node<'_, '_>| {
        let path = format!("states.{state}.statuses");
        take::<(StatusCode, bool)>(link, &path)?;
        let code = StatusCode::new(link.tag_name().name());
        let code = code.map_err(|problem| refused(link, &path, &problem))?;
        Ok((code, link.attribute("default") == Some("1")))
    };
    let statuses = links.map(link).collect::<Result<_, _>>()?;
    let visible = children(node).find(|child| child.has_tag_name("visible_on_front"));
    Ok(StateConfig {
        label: label(node)?,
        statuses,
        visible_on_front: visible.map(|node| content(node) == "1"),
        state,
    })
}

fn label(node: Node<'_, '_>) -> Result<Option<Label>, DocumentError> {
    let Some(node) = children(node).find(|child| child.has_tag_name("label")) else {
        return Ok(None);
    };
    let label = Label::new(&content(node)).map_err(|problem| refused(node, "label", &problem))?;
    Ok(Some(label))
}

fn children<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(Node::is_element)
}

/// The text of an element, also where comments or CDATA cut it.
fn content(node: Node<'_, '_>) -> String {
    let texts = node
        .children()
        .filter(Node::is_text)
        .filter_map(|child| child.text());
    texts.collect::<String>().trim().to_owned()
}

fn refused(node: Node<'_, '_>, path: &str, problem: &dyn std::fmt::Display) -> DocumentError {
    let position = node.document().text_pos_at(node.range().start);
    let problem = format!("<{}> {problem}", node.tag_name().name());
    DocumentError::text(position.row.into(), position.col.into(), path, &problem)
}

/// Adds and relabels the statuses, assigns them to states that exist, removes nothing.
pub(super) fn merge(base: &Workflow, config: &Config) -> Result<Workflow, Refusal> {
    let mut workflow = base.clone();
    for (code, label) in &config.statuses {
        put_status(&mut workflow, code, label.as_ref())?;
    }
    for config in &config.states {
        let Some(state) = workflow
            .states
            .iter_mut()
            .find(|state| state.code == config.state)
        else {
            return Err(Refusal::StateNotFound {
                state: config.state.clone(),
            });
        };
        if let Some(label) = &config.label {
            state.label = label.clone();
        }
        link(&mut workflow, config)?;
    }
    Ok(workflow)
}

fn put_status(
    workflow: &mut Workflow,
    code: &StatusCode,
    label: Option<&Label>,
) -> Result<(), Refusal> {
    let last = workflow
        .statuses
        .iter()
        .map(|status| status.position)
        .max()
        .unwrap_or(0);
    let present = workflow
        .statuses
        .iter_mut()
        .find(|status| status.code == *code);
    match (present, label) {
        (Some(present), Some(label)) => present.label = label.clone(),
        (Some(_), None) => {}
        (None, Some(label)) => workflow.statuses.push(Status {
            code: code.clone(),
            label: label.clone(),
            store_view_labels: std::collections::BTreeMap::new(),
            description: Description::default(),
            color: None,
            position: last.saturating_add(super::export::POSITION_STEP),
            retired: false,
        }),
        (None, None) => {
            return Err(Refusal::FieldRequired {
                path: format!("statuses.{code}.label"),
            });
        }
    }
    Ok(())
}

/// Magento 1 knows visibility of states only, so a new status is seen where the state's
/// default is, unless the configuration says otherwise.
fn link(workflow: &mut Workflow, config: &StateConfig) -> Result<(), Refusal> {
    let default = workflow
        .assignments_of(&config.state)
        .find(|assignment| assignment.is_default);
    let usual = default.is_some_and(|assignment| assignment.visible_on_storefront);
    if let Some(visible) = config.visible_on_front {
        for assignment in workflow
            .assignments
            .iter_mut()
            .filter(|a| a.state == config.state)
        {
            assignment.visible_on_storefront = visible;
        }
    }
    for (status, is_default) in &config.statuses {
        let Some(known) = workflow.status(status) else {
            return Err(Refusal::StatusNotFound {
                status: status.clone(),
            });
        };
        if known.retired {
            return Err(Refusal::StatusRetired {
                status: status.clone(),
            });
        }
        edit::check_sharing(workflow, &config.state, status)?;
        let old = workflow.assignment(&config.state, status);
        let was_default = old.is_some_and(|old| old.is_default);
        let is_first = workflow.assignments_of(&config.state).next().is_none();
        let visible = config
            .visible_on_front
            .or(old.map(|old| old.visible_on_storefront))
            .unwrap_or(usual);
        let assignment = Assignment {
            state: config.state.clone(),
            status: status.clone(),
            is_default: *is_default || was_default || is_first,
            visible_on_storefront: visible,
        };
        edit::put(workflow, assignment);
    }
    Ok(())
}

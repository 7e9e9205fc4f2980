//! The places of remarks in a document: one pass over it finds those of all.

use std::collections::BTreeMap;

use super::{
    events::{Event, Piece},
    format::{BYTE_ORDER_MARK, DOCUMENT_BYTES_MAX, Format},
    json::Json,
    reader::{Path, Source},
    remark::{Place, Remark},
    yaml::Yaml,
};
use crate::workflow::{ActionPath, Finding, Rule, Subject, TriggerPoint};

/// Gives each remark that has no place the one where its subject stands, if it stands anywhere.
pub(super) fn locate(text: &str, format: Format, remarks: &mut [Remark]) {
    let mut nowhere: Vec<_> = remarks.iter_mut().filter(|r| r.place.is_none()).collect();
    if nowhere.is_empty() || text.len() > DOCUMENT_BYTES_MAX {
        return;
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let source = match format {
        Format::Yaml => match Yaml::new(text) {
            Ok(yaml) => Source::Yaml(Box::new(yaml)),
            Err(_) => return,
        },
        Format::Json => Source::Json(Json::new(text)),
        // Its findings name their lines themselves.
        Format::MagentoConfigXml => return,
    };
    let targets = nowhere.iter().map(|r| SearchTarget::of(&r.finding));
    let targets: Vec<_> = targets.collect();
    let places = Search::new(&targets).through(source);
    for (remark, place) in nowhere.iter_mut().zip(places) {
        remark.place = place;
    }
}

/// The target of a search.
#[derive(Debug)]
struct SearchTarget {
    /// Paths of parts, each of them or none: the place of what stands deepest is taken.
    parts: Vec<String>,
    /// A value in one of these parts, whose place is better still.
    value: Option<Wanted>,
}

/// A value in a part.
#[derive(Debug)]
enum Wanted {
    /// The value of this key.
    Key(&'static str),
    /// The value that is this text.
    Text(String),
}

impl SearchTarget {
    fn of(finding: &Finding) -> Self {
        let part = match &finding.subject {
            Subject::Workflow => own_field(finding).to_owned(),
            Subject::Operation(code) => format!("operations.{code}"),
            Subject::Status(code) => format!("statuses.{code}"),
            Subject::State(code) | Subject::Assignment(code, _) => format!("states.{code}"),
            Subject::Transition(code) => format!("transitions.{code}"),
            Subject::Action(path) => place_of(path),
            Subject::Document(path) => path.clone(),
        };
        let value = match (&finding.subject, finding.rule) {
            (Subject::Assignment(_, status), _) => Some(Wanted::Text(status.to_string())),
            (_, Rule::UnknownReference) => unknown(&finding.message).map(Wanted::Text),
            (
                _,
                Rule::InvalidGuard
                | Rule::ConstantGuard
                | Rule::FailingGuard
                | Rule::UnknownCode
                | Rule::NowInGuard,
            ) => Some(Wanted::Key(expression(&finding.message))),
            (_, Rule::RolesWithoutCaller) => Some(Wanted::Key("roles")),
            (_, Rule::Months) => Some(Wanted::Key("after")),
            _ => None,
        };
        let mut parts = actions(&part, &finding.message);
        if parts.is_empty() {
            parts.push(part);
        }
        Self { parts, value }
    }
}

/// The path of an action in a document.
fn place_of(path: &ActionPath) -> String {
    let code = &path.code;
    match &path.point {
        TriggerPoint::Leave(state) => format!("states.{state}.on_leave.{code}"),
        TriggerPoint::Enter(state) => format!("states.{state}.on_enter.{code}"),
        TriggerPoint::Status(status) => format!("statuses.{status}.on_enter.{code}"),
        TriggerPoint::Transition(transition) => format!("transitions.{transition}.actions.{code}"),
        TriggerPoint::Operation(operation) => format!("operations.{operation}.actions.{code}"),
        TriggerPoint::Create => format!("on_create.{code}"),
        TriggerPoint::Comment => format!("on_comment.{code}"),
    }
}

/// The field of the workflow itself that a finding is about; empty for none.
fn own_field(finding: &Finding) -> &'static str {
    match finding.rule {
        Rule::OtherWorkflow => "workflow",
        Rule::UnknownReference | Rule::InitialState if action(&finding.message).is_none() => {
            "initial_state"
        }
        Rule::LimitExceeded if finding.message.contains("max_cascade") => "max_cascade",
        _ => "",
    }
}

/// The code that a message says does not exist.
fn unknown(message: &str) -> Option<String> {
    let (before, _) = message.split_once(", which does not exist")?;
    before.rsplit(' ').next().map(str::to_owned)
}

/// The key of the expression that a message is about.
fn expression(message: &str) -> &'static str {
    if message.contains("an entry guard") {
        "entry_guard"
    } else if message.contains("a condition") {
        "condition"
    } else if message.contains("a date") {
        "at"
    } else {
        "guard"
    }
}

/// The code of the action that a message is about.
fn action(message: &str) -> Option<&str> {
    let code = message.strip_prefix("has the action ")?;
    code.split(' ').next()
}

/// The paths at which the action may stand that a message is about; none where it is about none.
fn actions(part: &str, message: &str) -> Vec<String> {
    let Some(code) = action(message) else {
        return Vec::new();
    };
    if part.is_empty() {
        let places = ["on_create", "on_comment"];
        return places.map(|place| format!("{place}.{code}")).into();
    }
    let places = ["actions", "on_enter", "on_leave"];
    places.map(|place| format!("{part}.{place}.{code}")).into()
}

/// The parts that a path lies in, and itself: `states.new` and `states.new.label`, but not
/// `states`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices(['.', '[']).map(|(end, _)| end);
    let ends = ends.skip(1).chain([path.len()]);
    ends.filter_map(move |end| path.get(..end))
}

/// The places of targets, as far as they were found.
struct Search<'t> {
    /// The targets that a path is of, or would be if they stood there.
    targets: BTreeMap<&'t str, Vec<usize>>,
    values: Vec<Option<&'t Wanted>>,
    exact: BTreeMap<&'t str, Vec<usize>>,
    found: Vec<Found>,
    path: Path,
    around: Vec<Around>,
    /// The targets in whose parts the search is, and how deep it was when it came there.
    open: Vec<(usize, usize)>,
}

/// The places that were found of a target.
#[derive(Debug, Clone, Default)]
struct Found {
    part: Option<(usize, Place)>,
    value: Option<Place>,
}

/// A map or list around the present place.
struct Around {
    path: usize,
    inside: Inside,
}

enum Inside {
    List { count: usize },
    Map { key: Option<Place> },
}

impl<'t> Search<'t> {
    fn new(targets: &'t [SearchTarget]) -> Self {
        let mut search = Self {
            targets: BTreeMap::new(),
            exact: BTreeMap::new(),
            values: targets.iter().map(|target| target.value.as_ref()).collect(),
            found: vec![Found::default(); targets.len()],
            path: Path::default(),
            around: Vec::new(),
            open: Vec::new(),
        };
        for (index, target) in targets.iter().enumerate() {
            for part in target.parts.iter().filter(|part| !part.is_empty()) {
                search.exact.entry(part.as_str()).or_default().push(index);
                for path in ancestors(part) {
                    search.targets.entry(path).or_default().push(index);
                }
            }
        }
        search
    }

    /// Searches a document, up to where it cannot be read.
    fn through(mut self, mut source: Source<'_>) -> Vec<Option<Place>> {
        while let Ok(Some(piece)) = source.read() {
            if !self.visit(&piece) {
                break;
            }
        }
        let found = self.found.into_iter();
        let places = found.map(|it| it.value.or(it.part.map(|(_, place)| place)));
        places.collect()
    }

    /// Goes on by one part of the document; says no where there is no way on.
    fn visit(&mut self, piece: &Piece<'_>) -> bool {
        if matches!(piece.event, Event::End) {
            let Some(around) = self.around.pop() else {
                return false;
            };
            self.close();
            self.path.back_to(around.path);
            return true;
        }
        let mut place = piece.place;
        match self.around.last_mut() {
            Some(Around {
                path,
                inside: Inside::Map { key },
            }) => {
                let Some(begin) = key.take() else {
                    let Event::Scalar(scalar) = &piece.event else {
                        return false;
                    };
                    *key = Some(piece.place);
                    self.path.back_to(*path);
                    self.path.enter(&scalar.text);
                    return true;
                };
                place = begin;
            }
            Some(Around {
                path,
                inside: Inside::List { count },
            }) => {
                self.path.back_to(*path);
                self.path.index(*count);
                *count += 1;
            }
            None => {}
        }
        self.meet(place);
        let inside = match &piece.event {
            Event::Map => Some(Inside::Map { key: None }),
            Event::List => {
                // It has a key, but is no text.
                self.compare("", place);
                Some(Inside::List { count: 0 })
            }
            Event::Scalar(scalar) => {
                self.compare(&scalar.text, piece.place);
                None
            }
            Event::Alias | Event::End => None,
        };
        let path = self.path.len();
        match inside {
            Some(inside) => self.around.push(Around { path, inside }),
            None => self.close(),
        }
        true
    }

    /// Notes what stands at a place.
    fn meet(&mut self, place: Place) {
        let (path, depth) = (self.path.as_str(), self.around.len());
        for index in self.targets.get(path).into_iter().flatten() {
            if let Some(found) = self.found.get_mut(*index)
                && found.part.is_none_or(|(length, _)| length < path.len())
            {
                found.part = Some((path.len(), place));
            }
        }
        for index in self.exact.get(path).into_iter().flatten() {
            self.open.push((*index, depth));
        }
    }

    /// Compares a value with what is looked for around it.
    fn compare(&mut self, text: &str, place: Place) {
        let path = self.path.as_str();
        let key = path.rsplit('.').next().unwrap_or_default();
        for (index, _) in &self.open {
            let wanted = self.values.get(*index).copied().flatten();
            let is_it = match wanted {
                Some(Wanted::Key(wanted)) => key == *wanted,
                Some(Wanted::Text(wanted)) => text == wanted && !is_prose(key),
                None => false,
            };
            if let Some(found) = self.found.get_mut(*index)
                && is_it
                && found.value.is_none()
            {
                found.value = Some(place);
            }
        }
    }

    /// Leaves a value.
    fn close(&mut self) {
        let depth = self.around.len();
        self.open.retain(|(_, opened)| *opened < depth);
    }
}

/// Whether a key has a text for people, which names nothing.
fn is_prose(key: &str) -> bool {
    matches!(key, "label" | "description" | "text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{StateCode, StatusCode, TransitionCode};

    const YAML: &str = "\
label: nowhere
initial_state: nowhere
states:
  on-hold: {label: a, statuses: [b, c]}
transitions:
  go:
    label: lost
    from_states: [on_hold]
    to_state: lost
    actions:
      tell: {condition: order.x, transition: gone}
    roles: [a]
";

    fn finding(rule: Rule, subject: Subject, message: &str) -> Remark {
        Remark::from(Finding {
            rule,
            subject,
            message: message.to_owned(),
        })
    }

    #[test]
    fn what_is_said_gets_the_place_where_it_stands() {
        let go = || Subject::Transition(TransitionCode::new("go").unwrap());
        let hold = || StateCode::new("on_hold").unwrap();
        let of = |path: &str| Subject::Document(path.to_owned());
        let lost = "enters state lost, which does not exist; did you mean on_hold?";
        let constant = "has the action tell with a condition that holds for no order";
        let guard = "has the action tell that has a condition that cannot be used: it knows no x";
        let gone = "has the action tell that takes transition gone, which does not exist";
        let nowhere = "starts in state nowhere, which does not exist";
        let status = StatusCode::new("c").unwrap();
        let rows = [
            (Rule::UnknownReference, Subject::Workflow, nowhere, "2:16"),
            (Rule::UnknownReference, go(), lost, "9:15"),
            (Rule::InvalidGuard, go(), guard, "11:25"),
            (Rule::ConstantGuard, go(), constant, "11:25"),
            (Rule::RolesWithoutCaller, go(), "has roles (a)", "12:5"),
            (Rule::UnknownReference, go(), gone, "11:46"),
            (Rule::InvalidGuard, go(), "has a guard", "6:3"),
            (Rule::DeadEnd, Subject::State(hold()), "is one", "4:3"),
            (
                Rule::DuplicateCode,
                Subject::Assignment(hold(), status),
                "is defined twice",
                "4:37",
            ),
            (Rule::Document, of("states.on_hold.category"), "", "4:3"),
            (Rule::Document, of("states.new.category"), "", "none"),
            (Rule::Document, of("states.on_hold.statuses[1]"), "", "4:37"),
            (Rule::Document, of("transitions.go.to_state"), "", "9:5"),
        ];
        for (rule, subject, message, expected) in rows {
            let mut remarks = [finding(rule, subject, message)];
            locate(YAML, Format::Yaml, &mut remarks);
            let [Remark { place, finding }] = &remarks;
            let place = place.map_or("none".to_owned(), |Place { line, column }| {
                format!("{line}:{column}")
            });
            assert_eq!(place, expected, "{finding:?}");
        }
    }

    #[test]
    fn json_has_places_too() {
        let json = "{\"transitions\": {\"go\":\n {\"to_state\": \"lost\"}}}";
        let go = Subject::Transition(TransitionCode::new("go").unwrap());
        let lost = "enters state lost, which does not exist";
        let mut remarks = [finding(Rule::UnknownReference, go, lost)];
        locate(json, Format::Json, &mut remarks);
        let place = remarks[0].place.unwrap();
        assert_eq!((place.line, place.column), (2, 15));
    }
}

//! Steps that nobody asks for: they neither move the status inside a state nor may they
//! run in circles.

use super::{Finding, Rule, Ways, ways::Way};
use crate::workflow::{Subject, Transition, Trigger};

pub(super) fn find(ways: &Ways<'_>) -> Vec<Finding> {
    let mut findings = inside_state(ways);
    let automatic: Vec<&Way<'_>> = ways
        .list
        .iter()
        .filter(|way| way.transition.trigger == Trigger::Automatic)
        .collect();
    let unguarded: Vec<&Way<'_>> = automatic
        .iter()
        .copied()
        .filter(|way| !is_guarded(ways, way.transition))
        .collect();
    let endless = circle(ways, &unguarded);
    if endless.is_empty() {
        let message = "belongs to a circle of automatic transitions, which only guards stop";
        findings.extend(cycle(
            Rule::GuardedAutomaticCycle,
            &circle(ways, &automatic),
            message,
        ));
    } else {
        let message = "belongs to a circle of automatic transitions, which nothing stops";
        findings.extend(cycle(Rule::AutomaticCycle, &endless, message));
    }
    findings
}

fn inside_state(ways: &Ways<'_>) -> Vec<Finding> {
    let unasked = ways
        .workflow
        .transitions
        .iter()
        .filter(|transition| transition.trigger.is_automatic());
    let inside = unasked.filter(|transition| {
        let by_state = transition.from_states.contains(&transition.to_state);
        let by_status = transition.from_states.is_empty()
            && transition
                .from_statuses
                .iter()
                .any(|status| ways.states_of(status) == [&transition.to_state]);
        by_state || by_status
    });
    let findings = inside.map(|transition| {
        let message = format!(
            "would move the status inside state {}, which only calls may do",
            transition.to_state
        );
        Finding::new(
            Rule::AutomaticInsideState,
            Subject::Transition(transition.code.clone()),
            message,
        )
    });
    findings.collect()
}

fn is_guarded(ways: &Ways<'_>, transition: &Transition) -> bool {
    let entry_guard = ways
        .workflow
        .state(&transition.to_state)
        .and_then(|state| state.entry_guard.as_ref());
    transition.guard.is_some() || entry_guard.is_some()
}

fn cycle(rule: Rule, circle: &[&Transition], message: &str) -> Option<Finding> {
    let first = circle.first()?;
    let codes: Vec<_> = circle
        .iter()
        .take(8)
        .map(|transition| transition.code.as_str())
        .collect();
    let message = format!("{message}: {}", codes.join(", "));
    Some(Finding::new(
        rule,
        Subject::Transition(first.code.clone()),
        message,
    ))
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Unseen,
    OnPath,
    Done,
}

/// The first circle that is found by walking from each transition to those that may follow it.
fn circle<'a>(all: &Ways<'a>, ways: &[&Way<'a>]) -> Vec<&'a Transition> {
    let mut marks = vec![Mark::Unseen; ways.len()];
    for root in 0..ways.len() {
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.last_mut() {
            let (from, candidate) = (*node, *next);
            *next += 1;
            let (Some(way), Some(other)) = (ways.get(from), ways.get(candidate)) else {
                mark(&mut marks, from, Mark::Done);
                path.pop();
                continue;
            };
            mark(&mut marks, from, Mark::OnPath);
            match marks.get(candidate) {
                Some(Mark::OnPath) if follows(all, way, other) => {
                    let circle = path.iter().skip_while(|(node, _)| *node != candidate);
                    return circle
                        .filter_map(|(node, _)| Some(ways.get(*node)?.transition))
                        .collect();
                }
                Some(Mark::Unseen) if follows(all, way, other) => path.push((candidate, 0)),
                Some(Mark::Unseen | Mark::OnPath | Mark::Done) | None => {}
            }
        }
    }
    Vec::new()
}

fn mark(marks: &mut [Mark], node: usize, mark: Mark) {
    if let Some(slot) = marks.get_mut(node) {
        *slot = mark;
    }
}

fn follows(ways: &Ways<'_>, way: &Way<'_>, next: &Way<'_>) -> bool {
    let meets = way.targets.iter().any(|place| next.sources.has(*place));
    meets && !is_stopped(ways, way.transition, next.transition)
}

/// What of an order no step changes that records nothing, whatever state it enters.
const STEADY: &[&str] = &[
    "order",
    "fully_canceled",
    "fully_invoiced",
    "fully_paid",
    "fully_refunded",
    "fully_shipped",
    "is_virtual",
    "overpaid",
];

/// Whether a transition cannot be taken in the step that has just entered a state: it asks that
/// what let the order in does not hold, as in `!(order.fully_shipped)`, alone or after `&&`.
fn is_stopped(ways: &Ways<'_>, way: &Transition, next: &Transition) -> bool {
    let entered = ways.workflow.state(&way.to_state);
    let entry_guard = entered.and_then(|state| state.entry_guard.as_ref());
    let (Some(known), Some(asked)) = (entry_guard, next.guard.as_ref()) else {
        return false;
    };
    let mut words = known
        .as_str()
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty());
    if !words.all(|word| STEADY.contains(&word)) {
        return false;
    }
    let before = asked.as_str().strip_suffix(&format!("!({known})"));
    before.map(str::trim_end).is_some_and(|before| {
        let is_last = before.is_empty() || before.ends_with("&&");
        is_last && !before.contains("||") && !before.contains('?')
    })
}

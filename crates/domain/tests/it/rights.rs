//! Whatever sets a transition off, nobody takes it who has none of its roles; nobody records an
//! operation who has none of its roles; and no comment, target or creation goes round a declared
//! transition. Shown for workflows at random, with people at random.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{prelude::*, test_runner::TestRunner};
use waymark_domain::{
    actor::{Actor, ActorKind},
    guard::Expression,
    history::{self, Detail, Entry},
    judge::{self, Graph},
    order::{
        Action, AttributesPatch, Command, Context, Customer, NewOrder, OperationLines, Order,
        Patch, Target,
    },
    value::{
        ActionCode, Attributes, Comment, Description, Label, Metadata, Money, OrderId, Reason,
        Role, StateCode, StatusCode, Timestamp, TransitionCode,
    },
    workflow::{
        Action as Declared, CommentStatus, Standing, Transition, Trigger, Work, Workflow, Writing,
        document::{Format, Mode, apply, parse},
    },
};

const STATES: usize = 3;
const STATUSES: usize = 6;
const OPERATIONS: usize = 3;
const WAYS_MAX: usize = 9;

/// Three states with two statuses each, and a held one.
const DOCUMENT: &str = "
workflow: order
label: Order
initial_state: s0
operations: {o0: {label: O, effect: none}, o1: {label: O, effect: pay}, o2: {label: O, effect: none}}
statuses: {p0: {label: P}, p1: {label: P}, p2: {label: P}, p3: {label: P}, p4: {label: P}, p5: {label: P}, held: {label: H}}
states:
  s0: {label: S, category: initial, can_start: true, holdable: true, operations: [o0, o1, o2], statuses: [p0, p1]}
  s1: {label: S, category: active, can_start: true, holdable: true, operations: [o0, o1, o2], statuses: [p2, p3]}
  s2: {label: S, category: active, can_start: true, holdable: true, operations: [o0, o1, o2], statuses: [p4, p5]}
  held: {label: H, category: held, statuses: [held]}
";

const GUARDS: &[&str] = &[
    "order.total_paid > 0",
    "'r0' in actor.roles",
    "request.operation == 'o0'",
    "actor.kind == 'user'",
];

/// A transition, by numbers.
#[derive(Debug, Clone)]
struct Way {
    from_states: u8,
    from_statuses: u8,
    to_state: usize,
    to_status: Option<usize>,
    trigger: u8,
    roles: u8,
    guard: Option<usize>,
    operation: Option<usize>,
    then: Option<usize>,
}

/// What a workflow is made of; actions are the numbers of the transitions that they take.
#[derive(Debug, Clone)]
struct Parts {
    ways: Vec<Way>,
    operations: [(u8, Option<usize>); OPERATIONS],
    on_comment: Option<usize>,
    on_enter: [Option<usize>; STATES],
    on_status: [Option<usize>; STATUSES],
    never: bool,
}

/// A call, by numbers, and the roles of who makes it.
#[derive(Debug, Clone)]
enum Deed {
    Take(usize, Option<usize>),
    GoTo(usize),
    GoToPair(usize),
    Say(Option<usize>),
    Record(usize),
    Hold,
    Release,
    Note,
    Settle,
    Time,
}

fn code<T: std::str::FromStr>(letter: char, number: usize) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{letter}{number}").parse().unwrap()
}

fn chosen<T: std::str::FromStr>(letter: char, bits: u8, count: usize) -> Vec<T>
where
    T::Err: std::fmt::Debug,
{
    let chosen = (0..count).filter(|number| bits >> number & 1 == 1);
    chosen.map(|number| code(letter, number)).collect()
}

fn roles(bits: u8) -> Vec<Role> {
    chosen('r', bits, 3)
}

/// Seldom something, mostly nothing.
fn some(count: usize) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![3 => Just(None), 1 => (0..count).prop_map(Some)]
}

fn role_bits() -> impl Strategy<Value = u8> {
    prop_oneof![2 => Just(0_u8), 3 => 1_u8..8]
}

fn way() -> impl Strategy<Value = Way> {
    let status = prop::option::of(0_usize..2);
    let from_statuses = prop_oneof![3 => Just(0_u8), 1 => 1_u8..64];
    (
        0_u8..8,
        from_statuses,
        0..STATES,
        status,
        0_u8..6,
        role_bits(),
        some(GUARDS.len()),
        some(OPERATIONS),
        some(WAYS_MAX),
    )
        .prop_map(
            |(
                from_states,
                from_statuses,
                to_state,
                status,
                trigger,
                roles,
                guard,
                operation,
                then,
            )| Way {
                from_states,
                from_statuses,
                to_state,
                to_status: status.map(|status| 2 * to_state + status),
                trigger,
                roles,
                guard,
                operation,
                then,
            },
        )
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        prop::collection::vec(way(), 3..=WAYS_MAX),
        prop::array::uniform3((role_bits(), some(WAYS_MAX))),
        some(WAYS_MAX),
        prop::array::uniform3(some(WAYS_MAX)),
        prop::array::uniform6(some(WAYS_MAX)),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(ways, operations, on_comment, on_enter, on_status, never)| Parts {
                ways,
                operations,
                on_comment,
                on_enter,
                on_status,
                never,
            },
        )
}

fn deeds() -> impl Strategy<Value = Vec<(u8, Deed)>> {
    let status = || prop::option::of(0..STATUSES);
    let deed = prop_oneof![
        4 => (0..WAYS_MAX, status()).prop_map(|(way, land_on)| Deed::Take(way, land_on)),
        2 => (0..STATUSES).prop_map(Deed::GoTo),
        2 => (0..STATUSES).prop_map(Deed::GoToPair),
        4 => status().prop_map(Deed::Say),
        4 => (0..OPERATIONS).prop_map(Deed::Record),
        1 => Just(Deed::Hold),
        1 => Just(Deed::Release),
        1 => Just(Deed::Note),
        1 => Just(Deed::Settle),
        2 => Just(Deed::Time),
    ];
    prop::collection::vec((0_u8..8, deed), 1..25)
}

fn actions(then: Option<usize>, ways: usize) -> Vec<Declared> {
    let then = then.filter(|then| *then < ways);
    let actions = then.map(|then| Declared {
        code: ActionCode::new("go").unwrap(),
        description: Description::default(),
        work: Work::Write(Writing::Transition(code('t', then))),
        condition: None,
        position: 0,
        active: true,
    });
    actions.into_iter().collect()
}

fn trigger(number: u8) -> Trigger {
    match number {
        0 | 1 => Trigger::Manual,
        2 => Trigger::OnOperations(vec![code('o', 0), code('o', 1)]),
        3 => Trigger::Automatic,
        4 => Trigger::After("1s".parse().unwrap()),
        _ => Trigger::At(Expression::new("order.status_time").unwrap()),
    }
}

/// As it may be stored, whatever lint has to say of it.
fn graph(parts: &Parts) -> Graph {
    let document = parse(DOCUMENT, Format::Yaml).unwrap();
    let mut workflow = apply(None, &document, Mode::Replace, None).unwrap();
    let count = parts.ways.len();
    let ways = parts.ways.iter().enumerate();
    workflow.transitions = ways
        .map(|(number, way)| Transition {
            code: code('t', number),
            label: Label::new("T").unwrap(),
            description: Description::default(),
            from_statuses: chosen('p', way.from_statuses, STATUSES),
            from_states: chosen('s', way.from_states, STATES),
            to_state: code('s', way.to_state),
            to_status: way.to_status.map(|status| code('p', status)),
            guard: way
                .guard
                .map(|guard| Expression::new(GUARDS[guard]).unwrap()),
            trigger: trigger(way.trigger),
            operation: way.operation.map(|operation| code('o', operation)),
            reverse: false,
            visible_to_customer: false,
            notify_customer: false,
            roles: roles(way.roles),
            actions: actions(way.then, count),
            position: 0,
        })
        .collect();
    for (operation, (bits, then)) in workflow.operations.iter_mut().zip(parts.operations) {
        operation.roles = roles(bits);
        operation.actions = actions(then, count);
    }
    for (state, then) in workflow.states.iter_mut().zip(parts.on_enter) {
        state.on_enter = actions(then, count);
    }
    for (status, then) in workflow.statuses.iter_mut().zip(parts.on_status) {
        status.on_enter = actions(then, count);
    }
    workflow.on_comment = actions(parts.on_comment, count);
    if parts.never {
        workflow.comment_status = CommentStatus::Never;
    }
    Graph::of_stored(workflow, 1)
}

fn action(deed: &Deed) -> Action {
    let status = |number: usize| -> StatusCode { code('p', number) };
    match deed {
        Deed::Take(way, land_on) => Action::Transition(Target::Transition {
            code: code('t', *way),
            land_on: land_on.map(status),
        }),
        Deed::GoTo(number) => Action::Transition(Target::Status(status(*number))),
        Deed::GoToPair(number) => {
            let state: StateCode = code('s', number / 2);
            Action::Transition(Target::Standing(state, status(*number)))
        }
        Deed::Say(number) => Action::Comment {
            status: number.map(status),
        },
        Deed::Record(number) => Action::RecordOperation {
            operation: code('o', *number),
            lines: OperationLines::AmountOnly,
            amount: Some(Money::new(5).unwrap()),
            reverse: false,
        },
        Deed::Hold => Action::Hold {
            reason: Reason::default(),
            status: None,
            expire_time: None,
        },
        Deed::Release => Action::Release { hold: None },
        Deed::Note => {
            let merged = [("noted".to_owned(), Some("1".to_owned()))];
            Action::Update(Patch {
                attributes: Some(AttributesPatch::Merge(merged.into())),
                ..Patch::default()
            })
        }
        Deed::Settle => Action::Settle,
        Deed::Time => Action::TimeUp,
    }
}

fn context(actor: Actor) -> Context {
    Context {
        actor,
        comment: Comment::new("said").unwrap(),
        notify_customer: false,
        visible_to_customer: false,
        metadata: Metadata::default(),
        request_id: None,
    }
}

fn person(bits: u8) -> Actor {
    Actor {
        kind: ActorKind::User,
        roles: roles(bits),
        ..Actor::unstated()
    }
}

fn may(actor: &Actor, roles: &[Role]) -> bool {
    roles.is_empty() || roles.iter().any(|role| actor.roles.contains(role))
}

/// How often something was seen, so that nothing is shown of nothing.
type Seen = RefCell<BTreeMap<&'static str, usize>>;

fn count(seen: &Seen, what: &'static str) {
    *seen.borrow_mut().entry(what).or_default() += 1;
}

/// Checks what one step wrote that `actor` has made.
fn rights_hold(graph: &Graph, actor: &Actor, step: &[Entry], seen: &Seen) {
    let workflow = graph.workflow();
    let by_time = actor.kind == ActorKind::System;
    for entry in step {
        let taken = entry.transition.as_ref();
        let taken = taken.map(|code: &TransitionCode| workflow.transition(code).unwrap());
        let is_timed = taken.is_some_and(|taken| taken.trigger.is_timed());
        if let Some(taken) = taken.filter(|taken| !taken.trigger.is_timed()) {
            assert!(may(actor, &taken.roles), "{actor:?} took {taken:?}");
            if !taken.roles.is_empty() {
                let is_call = entry.caused_by == 0;
                count(seen, if is_call { "called" } else { "set off" });
            }
        }
        if let Some(recorded) = entry.detail.recorded() {
            let by_time = by_time && is_timed && entry.caused_by == 0;
            let operation = workflow.operation(&recorded.operation).unwrap();
            assert!(
                by_time || may(actor, &operation.roles),
                "{actor:?} recorded {operation:?}"
            );
            if !operation.roles.is_empty() {
                count(seen, "recorded");
            }
        }
        for key in ["waymark.role_refused", "waymark.action_failed"] {
            let note = entry.metadata.as_map().get(key);
            if note.is_some_and(|note| note.contains("needs one of the roles")) {
                count(seen, key);
            }
        }
    }
    way_is_declared(workflow, actor, step, seen);
}

/// The transitions that lead from one place to another by their own status or by the default.
fn leading<'w>(
    workflow: &'w Workflow,
    from: Option<&'w Standing>,
    to: &'w Standing,
) -> impl Iterator<Item = &'w Transition> {
    let transitions = workflow.transitions.iter().filter(move |it| {
        let default = workflow.default_status(&it.to_state);
        let lands_on = it.to_status.as_ref().or(default);
        it.to_state == to.state && lands_on == Some(&to.status)
    });
    transitions.filter(move |it| {
        from.is_none_or(|from| {
            (it.from_states.is_empty() || it.from_states.contains(&from.state))
                && (it.from_statuses.is_empty() || it.from_statuses.contains(&from.status))
        })
    })
}

/// Checks that the call itself went the way that is declared to where it went.
fn way_is_declared(workflow: &Workflow, actor: &Actor, step: &[Entry], seen: &Seen) {
    let Some(entry) = step.first() else { return };
    let is_manual = |it: &&Transition| it.trigger == Trigger::Manual;
    let passes = |it: &&Transition| it.trigger.is_timed() || may(actor, &it.roles);
    match (&entry.detail, &entry.from) {
        (Detail::Created(_), _) => {
            let start = &workflow.initial_state;
            let is_usual = entry.to.state == *start
                && workflow.default_status(start) == Some(&entry.to.status);
            let ways = leading(workflow, None, &entry.to);
            let asked: Vec<_> = ways.filter(|it| !it.trigger.is_timed()).collect();
            let passes = asked.is_empty() || asked.iter().any(|it| may(actor, &it.roles));
            assert!(is_usual || passes, "{actor:?} created at {:?}", entry.to);
        }
        (Detail::Commented, Some(from)) if *from != entry.to && workflow_moves(from) => {
            let ways: Vec<_> = leading(workflow, Some(from), &entry.to).collect();
            assert!(
                !ways.iter().any(is_manual),
                "{from:?} to {:?}: {ways:?}",
                entry.to
            );
            assert!(ways.is_empty() || ways.iter().any(passes), "{ways:?}");
            count(seen, "set by comments");
        }
        (Detail::Transitioned(_), Some(from)) => {
            let taken = entry.transition.as_ref().unwrap();
            let taken = workflow.transition(taken).unwrap();
            let ways: Vec<_> = leading(workflow, Some(from), &entry.to).collect();
            if taken.trigger == Trigger::Manual && !ways.contains(&taken) {
                assert!(!ways.iter().any(is_manual), "{taken:?} from {from:?}");
                assert!(ways.is_empty() || ways.iter().any(passes), "{ways:?}");
                count(seen, "landed");
            }
        }
        _ => {}
    }
}

/// Whether transitions start there at all: none does on hold.
fn workflow_moves(from: &Standing) -> bool {
    from.state.as_str() != "held"
}

fn created(graph: &Graph, actor: &Actor, place: Option<usize>) -> Option<Vec<Entry>> {
    let new = NewOrder {
        workflow: graph.workflow().code.clone(),
        id: OrderId::new("1").unwrap(),
        state: place.map(|number| code('s', number / 2)),
        status: place.map(|number| code('p', number)),
        lines: Vec::new(),
        currency: None,
        grand_total: Money::new(10_000).unwrap(),
        store_view: None,
        customer: Customer::default(),
        attributes: Attributes::default(),
        expected_version: None,
    };
    let now = Timestamp::from_micros(1);
    judge::create(graph, &new, &context(actor.clone()), now).ok()
}

fn walk(parts: &Parts, place: Option<usize>, deeds: &[(u8, Deed)], seen: &Seen) {
    let graph = graph(parts);
    let creator = person(1);
    if let Some(step) = created(&graph, &creator, place) {
        rights_hold(&graph, &creator, &step, seen);
    }
    let Some(step) = created(&graph, &creator, None) else {
        return;
    };
    let mut order: Order = history::replay(&step).unwrap();
    for (index, (bits, deed)) in deeds.iter().enumerate() {
        let actor = match deed {
            Deed::Time => Actor::system(),
            _ => person(*bits),
        };
        let command = Command {
            context: context(actor.clone()),
            expected_version: None,
            action: action(deed),
        };
        let now = Timestamp::from_micros(10_000_000 * (1 + i64::try_from(index).unwrap()));
        match judge::decide(&graph, &order, &command, now) {
            Ok(step) => {
                rights_hold(&graph, &actor, &step, seen);
                order = step.iter().fold(order, history::evolve);
            }
            Err(refusal) => count(seen, refusal.reason()),
        }
    }
}

#[test]
fn nobody_takes_a_transition_without_its_role_whatever_sets_it_off() {
    let seen = Seen::default();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let place = prop::option::of(0..STATUSES);
    let outcome = runner.run(&(parts(), place, deeds()), |(parts, place, deeds)| {
        walk(&parts, place, &deeds, &seen);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let seen = seen.into_inner();
    for what in [
        "called",
        "set off",
        "recorded",
        "set by comments",
        "landed",
        "waymark.role_refused",
        "waymark.action_failed",
        "ROLE_REQUIRED",
        "GUARD_REFUSED",
        "TRANSITION_AMBIGUOUS",
    ] {
        let times = seen.get(what).copied().unwrap_or_default();
        // How often each comes depends on the dice; the rarest some twenty times.
        assert!(times > 0, "{what}: never of {seen:?}");
    }
}

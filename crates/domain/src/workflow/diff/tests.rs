use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{
    template::Template,
    value::{Description, EndpointCode},
    workflow::{
        Action, Channel, Policy, Trigger, Webhook, Work, Writing,
        document::tests::sample::workflows, sample,
    },
};

fn told_of(differences: &[Difference]) -> Vec<String> {
    let told = differences.iter();
    told.map(|d| format!("{:?} {} | {} | {}", d.kind, d.subject, d.before, d.after))
        .collect()
}

/// What differs, in whole values, which are the same as shortened ones where they are short.
fn told_alike(before: &Workflow, after: &Workflow) -> Vec<String> {
    let whole = told_of(&diff(before, after));
    assert_eq!(told_of(&diff_shortened(before, after)), whole);
    whole
}

#[test]
fn equal_workflows_do_not_differ_whatever_the_order_of_their_parts() {
    let workflow = sample::workflow();
    let mut other = workflow.clone();
    other.states.reverse();
    other.assignments.reverse();
    assert_eq!(diff(&workflow, &other), []);
}

#[test]
fn names_what_came_changed_and_went() {
    let before = sample::workflow();
    let mut after = before.clone();
    after.max_cascade = 8;
    after
        .assignments
        .retain(|assignment| assignment.status != sample::status("received"));
    for transition in after
        .transitions
        .iter_mut()
        .filter(|t| t.code.as_str() == "close")
    {
        transition.guard = Some(sample::expression("order.total_due == 0"));
    }
    after.transitions.push(sample::transition(
        "cancel",
        &["new"],
        "closed",
        Trigger::Manual,
    ));
    assert_eq!(
        told_alike(&before, &after),
        [
            "Changed workflow | max_cascade: 16 | max_cascade: 8",
            "Removed assignment new/received | is_default: false; visible_on_storefront: true | ",
            "Added transition cancel |  | label: cancel; from_states: [new]; to_state: closed; trigger: manual; position: 0",
            "Changed transition close | guard: none | guard: order.total_due == 0",
        ]
    );
}

fn webhook(code: &str, endpoint: &str) -> Action {
    let endpoint = EndpointCode::new(endpoint).unwrap();
    let channel = Channel::Webhook(Webhook { endpoint });
    sample::action(code, Work::Send(channel, Policy::default()))
}

fn text(code: &str, text: &str) -> Action {
    let writing = Writing::Comment {
        text: Template::new(text).unwrap(),
        visible_to_customer: false,
    };
    sample::action(code, Work::Write(writing))
}

#[test]
fn each_action_is_a_change_of_its_own() {
    let with = |actions: Vec<Action>| Workflow {
        on_create: actions,
        ..sample::workflow()
    };
    let before = with(vec![webhook("books", "books"), webhook("erp", "erp")]);
    let check = |after: Vec<Action>, told: &[&str]| {
        assert_eq!(told_alike(&before, &with(after)), told);
    };
    check(
        vec![webhook("books", "books"), webhook("erp", "evil")],
        &["Changed action create.erp | webhook.endpoint: erp | webhook.endpoint: evil"],
    );
    check(
        vec![
            webhook("books", "books"),
            Action {
                active: false,
                ..webhook("erp", "erp")
            },
        ],
        &["Changed action create.erp | active: true | active: false"],
    );
    check(
        vec![webhook("books", "books"), webhook("tell", "erp")],
        &[
            "Removed action create.erp | webhook.endpoint: erp; attempts: 10; backoff: 5s; timeout: 15s; position: 0; active: true | ",
            "Added action create.tell |  | webhook.endpoint: erp; attempts: 10; backoff: 5s; timeout: 15s; position: 0; active: true",
        ],
    );
    check(
        vec![webhook("books", "books"), text("erp", "a\nb")],
        &[
            "Changed action create.erp | webhook.endpoint: erp; attempts: 10; backoff: 5s; timeout: 15s; \
             comment.text: none; comment.visible_to_customer: none | webhook.endpoint: none; attempts: none; \
             backoff: none; timeout: none; comment.text: a\\nb; comment.visible_to_customer: false",
        ],
    );
}

#[test]
fn each_attribute_and_label_is_a_field_of_its_own() {
    let attributes = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(key, text)| ((*key).to_owned(), Template::new(text).unwrap()));
        let writing = Writing::SetAttributes(pairs.collect());
        Workflow {
            on_comment: vec![sample::action("note", Work::Write(writing))],
            ..sample::workflow()
        }
    };
    let told = told_alike(
        &attributes(&[("a", "x"), ("b", "y")]),
        &attributes(&[("a", "x, b: y")]),
    );
    let expected = "Changed action comment.note | set_attributes.a: x; set_attributes.b: y \
                    | set_attributes.a: x, b: y; set_attributes.b: none";
    assert_eq!(told, [expected]);

    let labels = |labels: &[(&str, &str)]| {
        let mut workflow = sample::workflow();
        let labels = labels.iter();
        let labels = labels.map(|(view, label)| (view.parse().unwrap(), label.parse().unwrap()));
        workflow.statuses[0].store_view_labels = labels.collect::<BTreeMap<_, _>>();
        workflow
    };
    let told = told_alike(
        &labels(&[("de", "A, fr: B")]),
        &labels(&[("de", "A"), ("fr", "B")]),
    );
    let expected = "Changed status closed | store_view_labels.de: A, fr: B; store_view_labels.fr: none \
                    | store_view_labels.de: A; store_view_labels.fr: B";
    assert_eq!(told, [expected]);
}

#[test]
fn what_differs_never_reads_the_same() {
    let described = |text: &str| Workflow {
        description: Description::new(text).unwrap(),
        ..sample::workflow()
    };
    for (before, after, told) in [
        ("", "none", "description: none | description: \"none\""),
        (
            "a\nb",
            "a\\nb",
            "description: \"a\\nb\" | description: \"a\\\\nb\"",
        ),
    ] {
        let expected = format!("Changed workflow | {told}");
        assert_eq!(
            told_alike(&described(before), &described(after)),
            [expected]
        );
    }
}

#[test]
fn long_values_are_whole_or_cut_around_what_differs() {
    let terms = "order.attributes['a'] == 'b' && ".repeat(9);
    let guarded = |last: &str| {
        let mut workflow = sample::workflow();
        workflow.transitions[0].guard = Some(sample::expression(&format!("{terms}{last}")));
        workflow
    };
    let (before, after) = (
        guarded("order.grand_total > 1"),
        guarded("order.grand_total > 100000"),
    );
    let whole = format!(
        "Changed transition close | guard: {terms}order.grand_total > 1 \
         | guard: {terms}order.grand_total > 100000"
    );
    assert_eq!(told_of(&diff(&before, &after)), [whole]);
    assert_eq!(
        told_of(&diff_shortened(&before, &after)),
        [
            "Changed transition close | guard: …tes['a'] == 'b' && order.grand_total > 1 \
             | guard: …tes['a'] == 'b' && order.grand_total > 100000"
        ]
    );
}

#[test]
fn what_older_versions_kept_is_read() {
    let kept = r#"{"kind":"changed","subject":{"transition":"ship"},"before":"actions: none","after":"actions: [a {}]"}"#;
    let read: Difference = serde_json::from_str(kept).unwrap();
    assert_eq!(read.subject.to_string(), "transition ship");
    let own = diff(
        &sample::workflow(),
        &Workflow {
            on_create: vec![webhook("erp", "erp")],
            ..sample::workflow()
        },
    );
    let kept = serde_json::to_string(&own).unwrap();
    assert!(kept.contains(r#""subject":{"action":"create.erp"}"#));
    assert_eq!(serde_json::from_str::<Vec<Difference>>(&kept).unwrap(), own);
}

/// Takes over one thing that another workflow says.
type Change = fn(&mut Workflow, &Workflow);

/// Takes over a field of the first part of a sort.
macro_rules! of_first {
    ($parts:ident: $($field:ident),+) => {
        [$({
            let change: Change = |workflow, other| {
                if let (Some(own), Some(other)) =
                    (workflow.$parts.first_mut(), other.$parts.first())
                {
                    own.$field = other.$field.clone();
                }
            };
            change
        }),+]
    };
}

fn changes() -> Vec<Change> {
    let of_workflow: [Change; 16] = [
        |workflow, other| workflow.label = other.label.clone(),
        |workflow, other| workflow.description = other.description.clone(),
        |workflow, other| workflow.initial_state = other.initial_state.clone(),
        |workflow, other| workflow.default_store_view = other.default_store_view.clone(),
        |workflow, other| workflow.comment_status = other.comment_status,
        |workflow, other| workflow.status_sharing = other.status_sharing,
        |workflow, other| workflow.refunded_units = other.refunded_units,
        |workflow, other| workflow.overpayment = other.overpayment,
        |workflow, other| workflow.max_cascade = other.max_cascade,
        |workflow, other| workflow.operations = other.operations.clone(),
        |workflow, other| workflow.states = other.states.clone(),
        |workflow, other| workflow.statuses = other.statuses.clone(),
        |workflow, other| workflow.assignments = other.assignments.clone(),
        |workflow, other| workflow.transitions = other.transitions.clone(),
        |workflow, other| workflow.on_create = other.on_create.clone(),
        |workflow, other| workflow.on_comment = other.on_comment.clone(),
    ];
    let mut all = of_workflow.to_vec();
    all.extend(of_first!(operations: label, effect, roles, guard, actions));
    all.extend(of_first!(
        statuses: label, store_view_labels, description, color, position, retired, on_enter
    ));
    all.extend(of_first!(
        states: label, category, can_start, operations, holdable, terminal, entry_guard, position,
        on_enter, on_leave
    ));
    all.extend(of_first!(assignments: is_default, visible_on_storefront));
    all.extend(of_first!(
        transitions: label, description, from_statuses, from_states, to_state, to_status, guard,
        trigger, operation, reverse, visible_to_customer, notify_customer, roles, actions, position
    ));
    all.extend(of_first!(on_create: description, work, condition, position, active));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn workflows_that_differ_have_a_change_that_shows_it(
        workflow in workflows(),
        other in workflows(),
        which in any::<Index>(),
    ) {
        let before = workflow.normalized();
        let mut after = before.clone();
        which.get(&changes())(&mut after, &other);
        let after = after.normalized();
        for differences in [diff(&before, &after), diff_shortened(&before, &after)] {
            prop_assert_eq!(differences.is_empty(), before == after, "{:?}", after);
            for difference in differences {
                prop_assert_ne!(difference.before, difference.after);
            }
        }
    }
}

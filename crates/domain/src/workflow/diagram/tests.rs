use super::*;
use crate::{
    preset,
    value::{Label, StateCode, StatusCode},
    workflow::{State, Trigger, sample},
};

fn standing(state: &str, status: &str) -> Standing {
    Standing {
        state: StateCode::new(state).unwrap(),
        status: StatusCode::new(status).unwrap(),
    }
}

fn workflow() -> Workflow {
    sample::workflow().normalized()
}

fn marks() -> Marks {
    Marks {
        standing: Some(standing("processing", "packing")),
        visited: [
            standing("new", "pending"),
            standing("processing", "packing"),
        ]
        .into(),
        counts: [
            (standing("new", "pending"), 3),
            (standing("complete", "complete"), 0),
        ]
        .into(),
    }
}

#[test]
fn mermaid_has_a_node_for_each_state_and_an_arrow_for_each_way() {
    assert_eq!(
        render(&workflow(), Format::Mermaid, &marks()),
        "\
stateDiagram-v2
    direction TB
    state \"<b>closed</b><br/>closed\" as s_closed
    state \"<b>complete</b><br/>complete\" as s_complete
    state \"<b>holded</b><br/>holded\" as s_holded
    state \"<b>new</b><br/>✓ pending#58; 3<br/>received\" as s_new
    state \"<b>processing</b><br/>processing<br/>➤ <b>packing</b>\" as s_processing
    [*] --> s_new
    s_complete --> s_closed: close
    s_processing --> s_complete: complete (automatic)
    s_new --> s_processing: start (on invoice, ship)
    s_closed --> s_holded: hold
    s_holded --> s_closed: release
    s_complete --> s_holded: hold
    s_holded --> s_complete: release
    s_new --> s_holded: hold
    s_holded --> s_new: release
    s_processing --> s_holded: hold
    s_holded --> s_processing: release
    s_closed --> [*]
    classDef current fill:#fff3bf,stroke:#e67700,stroke-width:3px
    class s_processing current
    classDef visited fill:#e6fcf5,stroke:#099268
    class s_new visited
"
    );
}

#[test]
fn dot_has_a_cluster_for_each_state_and_a_node_for_each_status() {
    let mut workflow = workflow();
    workflow
        .states
        .retain(|state| matches!(state.code.as_str(), "new" | "processing"));
    workflow.transitions.push(sample::transition(
        "pack",
        &["processing"],
        "processing",
        Trigger::Manual,
    ));
    for transition in workflow
        .transitions
        .iter_mut()
        .filter(|t| t.code.as_str() == "pack")
    {
        transition.from_statuses = vec![StatusCode::new("processing").unwrap()];
        transition.to_status = Some(StatusCode::new("packing").unwrap());
    }
    assert_eq!(render(&workflow, Format::Dot, &marks()), "\
digraph workflow {
    label=\"Order\"
    compound=true
    fontname=\"Helvetica\"
    node [shape=box, style=\"rounded,filled\", fillcolor=\"white\", fontname=\"Helvetica\"]
    edge [fontname=\"Helvetica\", fontsize=10]
    subgraph \"cluster_new\" {
        label=\"new\"; style=\"rounded,filled\"; fillcolor=\"#e7f5ff\"; penwidth=1
        \"new/pending\" [label=\"pending: 3\", fillcolor=\"#c3fae8\"]
        \"new/received\" [label=\"received\"]
    }
    subgraph \"cluster_processing\" {
        label=\"processing\"; style=\"rounded,filled\"; fillcolor=\"#fff9db\"; penwidth=1
        \"processing/processing\" [label=\"processing\"]
        \"processing/packing\" [label=\"packing\", fillcolor=\"#ffd43b\", penwidth=3]
    }
    start [shape=circle, label=\"\", width=0.2, fillcolor=\"black\"]
    start -> \"new/pending\" [lhead=\"cluster_new\", style=bold]
    \"new/pending\" -> \"processing/processing\" [label=\"start (on invoice, ship)\", ltail=\"cluster_new\", lhead=\"cluster_processing\", style=dashed]
    \"processing/processing\" -> \"processing/packing\" [label=\"pack\"]
}
");
}

/// Texts that could break out of each language.
#[test]
fn labels_are_only_text() {
    let nasty = "a\"b<script>&'c\\ ; } ]]> --> #35; : {%";
    let mut workflow = workflow();
    workflow.label = Label::new(nasty).unwrap();
    for state in &mut workflow.states {
        state.label = Label::new(nasty).unwrap();
    }
    for status in &mut workflow.statuses {
        status.label = Label::new(nasty).unwrap();
    }
    for transition in &mut workflow.transitions {
        transition.label = Label::new(nasty).unwrap();
    }
    let svg = render(&workflow, Format::Svg, &Marks::default());
    let picture = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<_> = picture
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text())
        .collect();
    assert!(
        texts.iter().filter(|text| **text == nasty).count() > 10,
        "{texts:?}"
    );
    assert!(
        !picture
            .descendants()
            .any(|node| node.has_tag_name("script"))
    );

    let dot = render(&workflow, Format::Dot, &Marks::default());
    assert!(
        dot.contains("label=\"a\\\"b<script>&amp;'c\\\\ ; } ]]> --> #35; : {%\""),
        "{dot}"
    );
    let unescaped = dot.replace("\\\\", "").replace("\\\"", "");
    assert!(
        unescaped
            .lines()
            .all(|line| line.matches('"').count() % 2 == 0),
        "{dot}"
    );

    let mermaid = render(&workflow, Format::Mermaid, &Marks::default());
    let escaped = "a#34;b#60;script#62;#38;'c#92; #59; #125; #93;#93;#62; #45;#45;#62; #35;35#59; #58; #123;#37;";
    assert!(mermaid.contains(escaped), "{mermaid}");
    assert!(!mermaid.contains("script>"));
}

#[test]
fn the_picture_shows_every_part_and_nothing_overlaps() {
    for preset in preset::all() {
        let workflow = preset.workflow().unwrap();
        let svg = render(&workflow, Format::Svg, &Marks::default());
        let picture = roxmltree::Document::parse(&svg).unwrap();
        let texts: Vec<_> = picture
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .filter_map(|node| node.text())
            .collect();
        for state in &workflow.states {
            assert!(
                texts.contains(&state.label.as_str()),
                "{}: {}",
                preset.name,
                state.label
            );
        }
        for transition in &workflow.transitions {
            let label = transition.label.as_str();
            assert!(
                texts.iter().any(|text| text.starts_with(label)),
                "{}: {label}",
                preset.name
            );
        }
        let boxes: Vec<_> = picture
            .descendants()
            .filter(|node| node.has_tag_name("rect"))
            .filter(|node| matches!(node.attribute("rx"), Some("7" | "9")))
            .map(rectangle)
            .collect();
        assert_eq!(
            boxes.len(),
            workflow.states.len() + workflow.transitions.len()
        );
        for (index, a) in boxes.iter().enumerate() {
            for b in boxes.iter().skip(index + 1) {
                let apart = a[0] + a[2] <= b[0]
                    || b[0] + b[2] <= a[0]
                    || a[1] + a[3] <= b[1]
                    || b[1] + b[3] <= a[1];
                assert!(apart, "{}: {a:?} and {b:?}", preset.name);
            }
        }
    }
}

fn rectangle(node: roxmltree::Node<'_, '_>) -> [f64; 4] {
    ["x", "y", "width", "height"].map(|name| node.attribute(name).unwrap().parse().unwrap())
}

#[test]
fn workflows_without_states_or_with_circles_are_drawn() {
    let mut workflow = workflow();
    workflow.transitions.push(sample::transition(
        "back",
        &["complete", "processing"],
        "new",
        Trigger::Manual,
    ));
    workflow.transitions.push(sample::transition(
        "again",
        &["new"],
        "new",
        Trigger::Manual,
    ));
    workflow.transitions.push(sample::transition(
        "anywhere",
        &[],
        "complete",
        Trigger::Manual,
    ));
    for format in [Format::Mermaid, Format::Dot, Format::Svg] {
        assert!(render(&workflow, format, &Marks::default()).contains("anywhere"));
    }
    workflow.states.clear();
    for format in [Format::Mermaid, Format::Dot, Format::Svg] {
        assert!(!render(&workflow, format, &Marks::default()).is_empty());
    }
}

/// As large as a few hundred kilobytes of document make it.
fn large() -> Workflow {
    let mut workflow = workflow();
    let state = workflow.states[0].clone();
    for n in 0..150 {
        workflow.states.push(State {
            code: StateCode::new(&format!("s{n}")).unwrap(),
            ..state.clone()
        });
    }
    for n in 0..1_500 {
        let (from, to) = (format!("s{}", n % 150), format!("s{}", (n * 7 + 3) % 150));
        workflow.transitions.push(sample::transition(
            &format!("t{n}"),
            &[from.as_str()],
            &to,
            Trigger::Manual,
        ));
    }
    workflow
}

/// The largest workflow must not take long enough to be an attack.
#[test]
fn a_large_workflow_is_drawn_quickly() {
    let workflow = large();
    for format in [Format::Mermaid, Format::Dot, Format::Svg] {
        assert!(render(&workflow, format, &Marks::default()).len() > 10_000);
    }
}

#[test]
fn what_is_too_large_is_not_drawn() {
    let workflow = large();
    for format in [Format::Mermaid, Format::Dot, Format::Svg] {
        let whole = render(&workflow, format, &Marks::default());
        let within = |max| render_within(max, &workflow, format, &Marks::default());
        let exact = whole.len();
        assert_eq!(within(exact), Ok(whole), "{format:?}");
        for max in [exact - 1, exact / 2, 100, 0] {
            assert_eq!(within(max), Err(TooLarge { max }), "{format:?}");
        }
    }
}

/// What is estimated before a picture is laid out must never be more than it takes.
#[test]
fn no_picture_that_would_fit_is_refused_before_it_is_laid_out() {
    let mut bare = workflow();
    for state in &mut bare.states {
        state.code = StateCode::new("a").unwrap();
    }
    let presets = preset::all().map(|preset| preset.workflow().unwrap());
    for workflow in presets.chain([workflow(), bare, large()]) {
        let whole = render(&workflow, Format::Svg, &Marks::default());
        let within = render_within(whole.len(), &workflow, Format::Svg, &Marks::default());
        assert_eq!(within, Ok(whole));
    }
}

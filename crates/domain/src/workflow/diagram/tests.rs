use super::*;
use crate::{
    preset,
    value::{Label, StateCode, StatusCode},
    workflow::{Standing, State, Trigger, sample},
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
    state \"<b>closed</b> (holdable)<br/>closed\" as s_closed
    state \"<b>complete</b> (holdable)<br/>complete\" as s_complete
    state \"<b>holded</b><br/>holded\" as s_holded
    state \"<b>new</b> (holdable)<br/>✓ pending#58; 3<br/>received\" as s_new
    state \"<b>processing</b> (holdable)<br/>processing<br/>➤ <b>packing</b>\" as s_processing
    [*] --> s_new
    s_complete --> s_closed: close
    s_processing --> s_complete: complete (automatic)
    s_new --> s_processing: start (on invoice, ship)
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
        label=\"new (holdable)\"; style=\"rounded,filled\"; fillcolor=\"#e7f5ff\"; penwidth=1
        \"new/pending\" [label=\"pending: 3\", fillcolor=\"#c3fae8\"]
        \"new/received\" [label=\"received\"]
    }
    subgraph \"cluster_processing\" {
        label=\"processing (holdable)\"; style=\"rounded,filled\"; fillcolor=\"#fff9db\"; penwidth=1
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
    let workflow = labelled(nasty);
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

#[test]
fn the_picture_says_in_words_what_it_shows() {
    let svg = render(&workflow(), Format::Svg, &marks());
    let picture = roxmltree::Document::parse(&svg).unwrap();
    let root = picture.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let text = |id: &str| {
        let mut nodes = picture.descendants();
        let named = nodes.find(|node| node.attribute("id") == Some(id));
        named.and_then(|node| node.text()).unwrap().to_owned()
    };
    let ids = root.attribute("aria-labelledby").unwrap().split(' ');
    assert_eq!(
        ids.map(text).collect::<Vec<_>>(),
        [
            "Order",
            "State closed, terminal, holdable: closed. State complete, holdable: complete. \
             State holded: holded. State new, initial, holdable: pending: 3 (visited), received. \
             State processing, holdable: processing, packing (the order stands here). \
             Transition close: from complete to closed. \
             Transition complete (automatic): from processing to complete. \
             Transition start (on invoice, ship): from new to processing.",
        ]
    );
    let svg = render(&large(), Format::Svg, &Marks::default());
    let picture = roxmltree::Document::parse(&svg).unwrap();
    let words = picture.descendants().find(|node| node.has_tag_name("desc"));
    let words = words.and_then(|node| node.text()).unwrap();
    assert!(words.len() < 5_000 && words.ends_with(". There is more."));
}

/// A workflow of which every label is this one.
fn labelled(label: &str) -> Workflow {
    let label = Label::new(label).unwrap();
    let mut workflow = workflow();
    workflow.label = label.clone();
    for state in &mut workflow.states {
        state.label = label.clone();
    }
    for status in &mut workflow.statuses {
        status.label = label.clone();
    }
    for transition in &mut workflow.transitions {
        transition.label = label.clone();
    }
    workflow
}

#[test]
fn what_is_cut_is_whole_where_the_mouse_rests() {
    let mut workflow = labelled("abcdefgh ".repeat(14).trim_end());
    let guard = "order.grand_total > 1000 && order.attributes['warehouse'] == 'a long name'";
    workflow.transitions[0].guard = Some(sample::expression(guard));
    let svg = render(&workflow, Format::Svg, &Marks::default());
    let picture = roxmltree::Document::parse(&svg).unwrap();
    let mut count = 0;
    for node in picture.descendants() {
        let begin = node.text().and_then(|text| text.strip_suffix('…'));
        let Some(begin) = begin.filter(|_| node.has_tag_name("text")) else {
            continue;
        };
        let mut around = node.parent().unwrap().children();
        let title = around.find(|node| node.has_tag_name("title")).unwrap();
        assert!(title.text().unwrap().contains(begin), "{begin}");
        count += 1;
    }
    let parts = workflow.states.len() + workflow.assignments.len() + workflow.transitions.len();
    assert_eq!(count, parts + 1);
}

#[test]
fn labels_from_right_to_left_begin_on_the_right() {
    for label in [
        "\u{5d4}\u{5d6}\u{5de}\u{5e0}\u{5d4} (1)",
        "1. \u{637}\u{644}\u{628}",
    ] {
        let svg = render(&labelled(label), Format::Svg, &Marks::default());
        let picture = roxmltree::Document::parse(&svg).unwrap();
        let number = |node: roxmltree::Node<'_, '_>, name: &str| -> f64 {
            node.attribute(name).unwrap().parse().unwrap()
        };
        let mut count = 0;
        for node in picture.descendants() {
            if node.attribute("class") != Some("state first") {
                continue;
            }
            assert_eq!(node.attribute("direction"), Some("rtl"));
            let mut around = node.parent().unwrap().children();
            let rect = around.find(|node| node.has_tag_name("rect")).unwrap();
            let right = number(rect, "x") + number(rect, "width");
            assert!((right - 10.0 - number(node, "x")).abs() < 0.2);
            count += 1;
        }
        assert_eq!(count, 1);
    }
    assert!(!render(&workflow(), Format::Svg, &marks()).contains("rtl"));
}

/// So they follow whether the reader prefers dark colours.
#[test]
fn only_statuses_bring_their_colours() {
    let workflow = preset::all().next().unwrap().workflow().unwrap();
    let svg = render(&workflow, Format::Svg, &Marks::default());
    assert!(svg.contains("@media (prefers-color-scheme: dark)"));
    let picture = roxmltree::Document::parse(&svg).unwrap();
    let mut coloured = picture.descendants().filter(|node| {
        node.attribute("fill")
            .or(node.attribute("stroke"))
            .is_some()
    });
    assert!(coloured.all(|node| node.has_tag_name("circle")));
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

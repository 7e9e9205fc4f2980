//! Magento 1's `config.xml`: every rule as a row of what is there, what the document says, and what
//! becomes of it.

use super::*;
use crate::{
    value::{StateCode, StatusCode},
    workflow::{Category, Severity, State},
};

const CONFIG_XML: &str = "\
<?xml version=\"1.0\"?>
<config>
  <modules><My_Module><version>1.0</version></My_Module></modules>
  <global>
    <sales>
      <order>
        <!-- Statuses declaration -->
        <statuses>
          <my_processing translate=\"label\"><label>My <![CDATA[& yours]]></label></my_processing>
          <packing translate=\"label\"><label>Packaging</label></packing>
        </statuses>
        <states>
          <processing translate=\"label\">
            <label>In work</label>
            <statuses><my_processing default=\"1\"/></statuses>
            <visible_on_front>1</visible_on_front>
          </processing>
          <new><statuses><pending/></statuses></new>
        </states>
      </order>
    </sales>
  </global>
</config>";

/// A configuration with this below `order`.
fn order(inner: &str) -> String {
    format!("<config><global><sales><order>{inner}</order></sales></global></config>")
}

/// A configuration with these states, and labels for the statuses `a`, `b` and `c`.
fn states(inner: &str) -> String {
    let labels = ["a", "b", "c"].map(|code| format!("<{code}><label>Same</label></{code}>"));
    let labels = labels.concat();
    order(&format!(
        "<statuses>{labels}</statuses><states>{inner}</states>"
    ))
}

/// The configuration that links one status to a state.
fn link(state: &str, status: &str) -> String {
    order(&format!(
        "<states><{state}><statuses><{status}/></statuses></{state}></states>"
    ))
}

fn read(text: &str) -> Document {
    parse(text, Format::MagentoConfigXml).unwrap()
}

fn creating(text: &str) -> Document {
    read(text).with_unknown_states(UnknownStates::Create)
}

fn merge(base: &Workflow, document: &Document) -> Result<Workflow, Refusal> {
    apply(Some(base), document, Mode::Merge, None)
}

/// What differs, a line each.
fn told(before: &Workflow, after: &Workflow) -> Vec<String> {
    diff(before, after)
        .into_iter()
        .map(|d| format!("{} | {} | {}", d.subject, d.before, d.after))
        .collect()
}

/// The statuses of a state: `*` marks the default, `-` what customers do not see.
fn assigned(workflow: &Workflow, state: &str) -> String {
    let state = StateCode::new(state).unwrap();
    let told = workflow.assignments_of(&state).map(|assignment| {
        let default = if assignment.is_default { "*" } else { "" };
        let hidden = if assignment.visible_on_storefront {
            ""
        } else {
            "-"
        };
        format!("{default}{hidden}{}", assignment.status)
    });
    told.collect::<Vec<_>>().join(" ")
}

fn findings(document: &Document) -> Vec<String> {
    let told = document.findings().iter();
    told.map(|finding| format!("{} {finding}", finding.rule))
        .collect()
}

#[test]
fn takes_statuses_and_links() {
    let after = merge(&small(), &read(CONFIG_XML)).unwrap();
    assert_eq!(
        told(&small(), &after),
        [
            "status my_processing |  | label: My & yours; position: 40",
            "status packing | label: Packing | label: Packaging",
            "state processing | label: Processing | label: In work",
            "assignment processing/my_processing |  | is_default: true; visible_on_storefront: true",
            "assignment processing/packed | visible_on_storefront: false | visible_on_storefront: true",
            "assignment processing/packing | is_default: true | is_default: false",
        ]
    );
    assert_eq!(findings(&read(CONFIG_XML)), [""; 0]);
    let replaced = apply(Some(&small()), &read(CONFIG_XML), Mode::Replace, None);
    assert_eq!(replaced, Err(Refusal::ModeRefused));
}

#[test]
fn a_state_is_visible_where_the_tag_is_there_and_is_not_0() {
    let rows = [
        ("<visible_on_front/>", true),
        ("<visible_on_front></visible_on_front>", true),
        ("<visible_on_front>1</visible_on_front>", true),
        ("<visible_on_front> 1 </visible_on_front>", true),
        ("<visible_on_front>true</visible_on_front>", true),
        ("<visible_on_front><![CDATA[1]]></visible_on_front>", true),
        ("<visible_on_front>0</visible_on_front>", false),
        ("<visible_on_front>\n  0\n</visible_on_front>", false),
        (
            "<visible_on_front>0</visible_on_front><visible_on_front/>",
            true,
        ),
    ];
    let seen = |base: &Workflow, state: &str, tag: &str| {
        let text = states(&format!(
            "<{state}>{tag}<statuses><a/></statuses></{state}>"
        ));
        assigned(&merge(base, &creating(&text)).unwrap(), state)
    };
    for (tag, is_visible) in rows {
        let (processing, own) = if is_visible {
            ("*packing packed a", "*a")
        } else {
            ("*-packing -packed -a", "*-a")
        };
        assert_eq!(seen(&small(), "processing", tag), processing, "{tag}");
        assert_eq!(seen(&small(), "own", tag), own, "{tag}");
    }
    // Without the tag a state stays as it was, and a new one is hidden.
    assert_eq!(seen(&small(), "processing", ""), "*packing -packed a");
    assert_eq!(seen(&small(), "own", ""), "*-a");
    let hidden = SMALL.replace(
        "[packing,",
        "[{status: packing, visible_on_storefront: false},",
    );
    let hidden = parse(&hidden, Format::Yaml).unwrap();
    let hidden = apply(None, &hidden, Mode::Replace, None).unwrap();
    assert_eq!(seen(&hidden, "processing", ""), "*-packing -packed -a");
}

#[test]
fn the_last_status_that_is_marked_is_the_default() {
    let rows = [
        ("<a/><b/>", "*pending a b", None),
        ("<a default=\"1\"/>", "*a pending", None),
        ("<a default=\"true\"/>", "*a pending", None),
        ("<a default=\"0\"/>", "*a pending", None),
        ("<a default=\"\"/><b/>", "*a pending b", None),
        ("<a default=\"1\"/><a/>", "*a pending", None),
        ("<pending default=\"1\"/><b/>", "*pending b", None),
        (
            "<a default=\"1\"/><b default=\"1\"/><c/>",
            "*b pending a c",
            Some("b"),
        ),
        (
            "<b default=\"1\"/><a default=\"0\"/>",
            "*a pending b",
            Some("a"),
        ),
        (
            "<a default=\"1\"/></statuses></new><new><statuses><b default=\"1\"/>",
            "*b pending a",
            Some("b"),
        ),
    ];
    for (links, expected, taken) in rows {
        let document = read(&states(&format!("<new><statuses>{links}</statuses></new>")));
        let after = merge(&small(), &document).unwrap();
        assert_eq!(assigned(&after, "new"), expected, "{links}");
        let said = taken.map(|taken| {
            format!(
                "several_marked_defaults state new has several statuses that the document marks as default: {taken}, the last one, is taken"
            )
        });
        assert_eq!(findings(&document), Vec::from_iter(said), "{links}");
        assert_eq!(merge(&after, &document).unwrap(), after, "{links}");
    }
    // Where none is marked, a state that had none takes the first.
    let after = merge(
        &small(),
        &creating(&states("<own><statuses><b/><a/></statuses></own>")),
    );
    assert_eq!(assigned(&after.unwrap(), "own"), "*-b -a");
}

#[test]
fn a_state_that_comes_twice_is_merged_and_the_later_value_counts() {
    let text = order(
        "<statuses><a><label>First</label></a><a><label>Second</label></a></statuses>\
         <states><new><label>One</label><visible_on_front/><statuses><a/></statuses></new></states>\
         <statuses><b><label>B</label></b></statuses>\
         <states><new><visible_on_front>0</visible_on_front><label>Two</label></new>\
         <new><statuses><b default=\"1\"/></statuses></new></states>",
    );
    let twice = text.replace(
        "</order>",
        "</order><order><states><new><label>Three</label></new></states></order>",
    );
    for (text, label) in [(text, "Two"), (twice, "Three")] {
        let after = merge(&small(), &read(&text)).unwrap();
        assert_eq!(assigned(&after, "new"), "*-b -pending -a");
        let state = after.state(&StateCode::new("new").unwrap()).unwrap();
        assert_eq!(state.label.as_str(), label);
        let status = after.status(&StatusCode::new("a").unwrap()).unwrap();
        assert_eq!(status.label.as_str(), "Second");
        assert_eq!(merge(&after, &read(&text)).unwrap(), after);
    }
}

#[test]
fn only_the_statuses_and_states_of_orders_count() {
    let elsewhere = "\
<config>
  <global>
    <sales>
      <old_fields_map><order><statuses><x/></statuses></order></old_fields_map>
      <quote><statuses><x/></statuses></quote>
      <order><statuses><a><label>A</label></a></statuses></order>
    </sales>
    <order><states><x/></states></order>
  </global>
  <default><payment><x><order_status>processing</order_status></x></payment></default>
  <sales><order><states><x/></states></order></sales>
</config>";
    let document = read(elsewhere);
    let after = merge(&small(), &document).unwrap();
    assert_eq!(
        told(&small(), &after),
        ["status a |  | label: A; position: 40"]
    );
    assert_eq!(findings(&document), [""; 0]);
}

#[test]
fn what_is_there_already_changes_nothing() {
    let text = order(
        "<statuses><packing><label>Packing</label></packing><packed/></statuses>\
         <states><processing><label>Processing</label>\
         <statuses><packing default=\"1\"/><packed/></statuses></processing>\
         <new><statuses><pending/></statuses></new></states>",
    );
    assert_eq!(merge(&small(), &read(&text)).unwrap(), small());
    for name in ["magento", "magento_2_4"] {
        let preset = preset::find(name).unwrap().workflow().unwrap();
        for text in [
            CONFIG_XML.replace("packing", "own_packing"),
            states("<own/>"),
        ] {
            let document = creating(&text);
            let once = merge(&preset, &document).unwrap();
            assert_eq!(merge(&once, &document).unwrap(), once, "{name}: {text}");
        }
    }
}

#[test]
fn everything_that_is_not_known_is_named_in_one_answer() {
    let own = |code: &str| format!("<{code}><statuses><{code}/></statuses></{code}>");
    let three = states(&["a", "b", "c"].map(own).concat());
    let rows = [
        (three, "STATE_NOT_FOUND", "a, b, c", ""),
        (link("lost", "pending"), "STATE_NOT_FOUND", "lost", ""),
        (link("new", "gone"), "STATUS_NOT_FOUND", "", "gone"),
        (link("lost", "gone"), "STATE_NOT_FOUND", "lost", "gone"),
        (
            order("<statuses><gone/></statuses>"),
            "STATUS_NOT_FOUND",
            "",
            "gone",
        ),
        (
            order("<states><y/><x><statuses><gone/><lost/><gone/></statuses></x><y/></states>"),
            "STATE_NOT_FOUND",
            "x, y",
            "gone, lost",
        ),
    ];
    for (text, reason, states, statuses) in rows {
        let refusal = merge(&small(), &read(&text)).unwrap_err();
        assert_eq!(refusal.reason(), reason, "{text}");
        let message = refusal.to_string();
        let advice = [
            ("create_states", states),
            ("give each a label below", statuses),
        ];
        for (advice, codes) in advice {
            assert_eq!(message.contains(advice), !codes.is_empty(), "{message}");
            assert!(message.contains(codes), "{message}");
        }
    }
}

#[test]
fn what_cannot_be_assigned_is_refused() {
    let marked = order(
        "<states><processing><statuses><packed default=\"1\"/></statuses></processing></states>",
    );
    let thrice = ["new", "processing", "own"]
        .map(|state| format!("<{state}><statuses><a/></statuses></{state}>"))
        .concat();
    let elsewhere = |status: &str, state: &str| Refusal::StatusAssignedElsewhere {
        status: StatusCode::new(status).unwrap(),
        state: StateCode::new(state).unwrap(),
    };
    let retired = Refusal::StatusRetired {
        status: StatusCode::new("packed").unwrap(),
    };
    let rows = [
        (link("new", "packing"), elsewhere("packing", "processing")),
        (states(&thrice), elsewhere("a", "new")),
        (marked, retired),
    ];
    for (text, expected) in rows {
        assert_eq!(merge(&small(), &creating(&text)), Err(expected), "{text}");
    }
}

#[test]
fn states_are_made_where_it_is_asked_for() {
    let text = order(
        "<statuses><a><label>Labelled</label></a><b><label>B</label></b></statuses>\
         <states>\
         <own><label>Own</label><visible_on_front/><statuses><own/><b/></statuses></own>\
         <a><statuses><a/></statuses></a>\
         <bare/>\
         <later/><later><label>Later</label></later>\
         </states>",
    );
    let preset = preset::find("magento").unwrap().workflow().unwrap();
    let document = creating(&text);
    let after = merge(&preset, &document).unwrap();
    let state = |code: &str| after.state(&StateCode::new(code).unwrap()).unwrap().clone();
    for (code, label) in [
        ("own", "Own"),
        ("a", "Labelled"),
        ("bare", "bare"),
        ("later", "Later"),
    ] {
        let model = state("processing");
        let State {
            label: given,
            category,
            can_start,
            operations,
            holdable,
            terminal,
            entry_guard,
            on_enter,
            on_leave,
            ..
        } = state(code);
        assert_eq!(given.as_str(), label);
        assert_eq!(category, Category::Active);
        assert_eq!((can_start, holdable, terminal), (false, true, false));
        assert_eq!((operations, entry_guard), (model.operations, None));
        assert!(on_enter.is_empty() && on_leave.is_empty());
    }
    // The status of a state's own code comes with the state's label, unless it has one.
    let label = |code: &str| {
        after
            .status(&StatusCode::new(code).unwrap())
            .unwrap()
            .label
            .clone()
    };
    assert_eq!(
        (label("own").as_str(), label("a").as_str()),
        ("Own", "Labelled")
    );
    assert_eq!(assigned(&after, "own"), "*own b");
    assert_eq!(merge(&after, &document).unwrap(), after);

    // Without `processing` there is nothing to take operations from; statuses are never guessed.
    let other = parse(&SMALL.replace("processing", "working"), Format::Yaml).unwrap();
    let other = apply(None, &other, Mode::Replace, None).unwrap();
    let other = merge(&other, &creating(&states("<own/>"))).unwrap();
    let own = other.state(&StateCode::new("own").unwrap()).unwrap();
    assert!(own.operations.is_empty());
    let refused = merge(&preset, &creating(&link("own", "other"))).unwrap_err();
    assert_eq!(refused.reason(), "STATUS_NOT_FOUND");
}

#[test]
fn elements_that_are_not_known_are_found_with_their_lines() {
    let text = "\
<config><global><sales><order>
  <statues><x><label>X</label></x></statues>
  <statuses>
    <a><label>A</label><colour>red</colour></a>
  </statuses>
  <states>
    <new><status><a/></status></new>
  </states>
</order></sales></global></config>";
    let document = read(text);
    let expected = [
        "unknown_element workflow takes nothing from <statues> in line 2 of the document: only <statuses> and <states> are known in <order>",
        "unknown_element workflow takes nothing from <colour> in line 4 of the document: only <label> is known in <a>",
        "unknown_element workflow takes nothing from <status> in line 7 of the document: only <label>, <statuses> and <visible_on_front> are known in <new>",
    ];
    assert_eq!(findings(&document), expected);
    let (_, all) = judge(Some(&small()), &document, Mode::Merge, None).unwrap();
    for finding in document.findings() {
        assert_eq!(finding.severity(), Severity::Warning);
        assert!(all.contains(finding), "{finding}");
    }

    // Below those that take no other elements as well.
    let deep = order(
        "<statuses><a><label>A<b>B</b></label></a></statuses><states><new><statuses><a><c/></a></statuses>\
         <visible_on_front><d/></visible_on_front></new></states>",
    );
    let deep = findings(&read(&deep));
    for (finding, expected) in deep.iter().zip([
        "<b> in line 1 of the document: only text is known in <label>",
        "<c> in line 1 of the document: only the attribute `default` is known in <a>",
        "<d> in line 1 of the document: only text is known in <visible_on_front>",
    ]) {
        assert!(finding.ends_with(expected), "{finding}");
    }
    assert_eq!(deep.len(), 3);

    let many = order(&format!("{}<states><new/></states>", "<x/>".repeat(30)));
    let many = findings(&read(&many));
    assert_eq!(many.len(), 21);
    assert!(
        many[20].ends_with("takes nothing from 10 more elements that are not known"),
        "{many:?}"
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let rows = [
        (
            "<config/>".to_owned(),
            "line 1, column 1, config.global.sales.order: <config> must have statuses or states",
        ),
        (
            order("<statues/>"),
            "line 1, column 1, config.global.sales.order: <config> must have statuses or states; the workflow takes nothing from <statues> in line 1",
        ),
        (
            "<?xml version=\"1.0\"?>\n<conf/>".to_owned(),
            "line 2, column 1: the outermost element is <conf>, but <config> is expected",
        ),
        (
            order("<statuses><Big/></statuses>"),
            "line 1, column 41, statuses: <Big> must be a code",
        ),
        (
            order("<statuses><a><label> </label></a></statuses>"),
            "line 1, column 44, label: <label> must not be empty",
        ),
        ("<config>".to_owned(), "line 1, column "),
    ];
    for (text, expected) in rows {
        let error = parse(&text, Format::MagentoConfigXml)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(expected),
            "{text}\n  gives    {error}\n  expected {expected}"
        );
    }
}

//! Rows and tables for what is accepted, works, and is not what was meant.

use super::*;
use crate::workflow::Action;

fn hour() -> Trigger {
    Trigger::After("1h".parse().unwrap())
}

fn guard(workflow: &mut Workflow, code: &str, text: &str) {
    transition_mut(workflow, code).guard = Some(expression(text));
}

/// A way inside the state of work.
fn add_approve(workflow: &mut Workflow, from: &[&str]) {
    add(workflow, "approve", from, "work", Trigger::Manual);
    transition_mut(workflow, "approve").to_status = Some(status("resting"));
}

fn operation(workflow: &mut Workflow, code: &str, effect: Effect) -> OperationCode {
    let mut operation = workflow.operations[0].clone();
    operation.code = OperationCode::new(code).unwrap();
    operation.effect = effect;
    let code = operation.code.clone();
    workflow.operations.push(operation);
    code
}

fn pay() -> OperationCode {
    OperationCode::new("pay").unwrap()
}

fn take(code: &str) -> Action {
    let code = TransitionCode::new(code).unwrap();
    sample::action("take", Work::Write(Writing::Transition(code)))
}

/// One change of the sound workflow for every rule, and all that lint says of it.
pub(super) const ROWS: &[(Rule, Change, &[&str])] = &[
    (
        Rule::RolesWithoutCaller,
        |w| {
            add(w, "skip", &["new"], "done", Trigger::Automatic);
            guard(w, "skip", "order.fully_paid");
            transition_mut(w, "skip").roles = vec!["boss".parse().unwrap()];
        },
        &["transition skip has roles (boss), but starts by itself"],
    ),
    (
        Rule::RolesWithoutCaller,
        |w| {
            add(w, "later", &["new"], "done", hour());
            transition_mut(w, "later").roles = vec!["boss".parse().unwrap()];
        },
        &["transition later has roles (boss), but starts by time"],
    ),
    (
        Rule::GoneRound,
        |w| {
            add_approve(w, &["new"]);
            transition_mut(w, "approve").roles = vec!["boss".parse().unwrap()];
        },
        &[
            "transition approve can be gone round by a comment that sets status resting where no transition leads from work/working to work/resting",
        ],
    ),
    (
        Rule::GoneRound,
        |w| {
            w.comment_status = CommentStatus::Never;
            add_approve(w, &["work"]);
            transition_mut(w, "approve").roles = vec!["boss".parse().unwrap()];
            add(w, "rest", &["work"], "work", Trigger::Manual);
            transition_mut(w, "rest").to_status = Some(status("resting"));
        },
        &[
            "transition approve and transition rest both lead from work/working",
            "transition approve can be gone round by transition rest, which leads from work/working to work/resting as well and asks for no roles",
        ],
    ),
    (
        Rule::GoneRound,
        |w| {
            add_approve(w, &["work"]);
            guard(w, "approve", "order.fully_paid");
            add(w, "enter", &["new"], "work", Trigger::Manual);
        },
        &[
            "transition approve can be gone round by transition enter, which may land on work/resting from new/pending",
        ],
    ),
    (
        Rule::GoneRound,
        |w| {
            state_mut(w, "work").can_start = true;
            assign(w, "new", "odd");
            w.statuses.push(Status {
                code: status("odd"),
                ..w.statuses[0].clone()
            });
            add(w, "approve", &["new"], "work", Trigger::Manual);
            let approve = transition_mut(w, "approve");
            approve.roles = vec!["boss".parse().unwrap()];
            approve.from_statuses = vec![status("pending")];
            let start = transition_mut(w, "start");
            start.trigger = Trigger::Manual;
            start.from_states.clear();
            start.from_statuses = vec![status("odd")];
        },
        &[
            "transition approve can be gone round by creating an order at work/working: nobody is asked for a role there, since transition start leads there too",
        ],
    ),
    (
        Rule::ActorOfTime,
        |w| {
            add(w, "later", &["new"], "done", hour());
            guard(w, "later", "'boss' in actor.roles || request.reverse");
        },
        &["transition later starts by time, but its guard names actor.roles, request: nobody"],
    ),
    (
        Rule::ActorOfTime,
        |w| {
            add(w, "later", &["new"], "done", hour());
            let mut note = take("finish");
            note.condition = Some(expression("actor.id == 'ada'"));
            transition_mut(w, "later").actions = vec![note];
            state_mut(w, "done").entry_guard = Some(expression("actor.kind == 'user'"));
        },
        &[
            "transition later starts by time, but the condition of its action take names actor.id",
            "transition later starts by time, but the entry guard of state done names actor.kind",
        ],
    ),
    (
        Rule::NeverByTime,
        |w| {
            add(w, "later", &["new"], "work", hour());
            transition_mut(w, "later").actions = vec![take("finish")];
            transition_mut(w, "finish").roles = vec!["boss".parse().unwrap()];
        },
        &[
            "transition later starts by time, which has no roles, so its action take never takes transition finish: that asks for boss",
        ],
    ),
    (
        Rule::ActorOfTime,
        |w| {
            add(w, "later", &["new"], "done", hour());
            transition_mut(w, "later").operation = Some(pay());
            let text = "'boss' in actor.roles && request.amount > 0";
            w.operations[0].guard = Some(expression(text));
        },
        &[
            "transition later starts by time, but the guard of its operation pay names actor.roles: nobody",
        ],
    ),
    (
        Rule::NeverByTime,
        |w| {
            add(w, "later", &["new"], "work", hour());
            transition_mut(w, "later").actions = vec![take("finish")];
            transition_mut(w, "finish").operation = Some(pay());
            w.operations[0].roles = vec!["boss".parse().unwrap()];
        },
        &[
            "transition later starts by time, which has no roles, so its action take never takes transition finish: that records pay, which asks for boss",
        ],
    ),
    (
        Rule::NeverByTime,
        |w| {
            add(w, "later", &["new"], "work", hour());
            transition_mut(w, "finish").roles = vec!["boss".parse().unwrap()];
            state_mut(w, "work").on_enter = vec![take("finish")];
            part(&mut w.statuses, |s| s.code.as_str() == "working").on_enter = vec![take("finish")];
        },
        &[
            "transition later starts by time, which has no roles, so the action take of state work never takes transition finish: that asks for boss",
            "transition later starts by time, which has no roles, so the action take of status working never takes transition finish: that asks for boss",
        ],
    ),
    (
        Rule::NeverByTime,
        |w| {
            add(w, "later", &["new"], "work", hour());
            transition_mut(w, "later").operation = Some(pay());
            let paid = Trigger::OnOperations(vec![pay()]);
            add(w, "paid", &["work"], "done", paid);
            transition_mut(w, "paid").roles = vec!["boss".parse().unwrap()];
            state_mut(w, "work").operations = vec![pay()];
        },
        &[
            "transition later starts by time, which has no roles, so transition paid never follows from it: that asks for boss",
        ],
    ),
    (
        Rule::RolesByChance,
        |w| {
            add(w, "skip", &["work"], "done", Trigger::Automatic);
            guard(w, "skip", "order.fully_shipped");
            transition_mut(w, "skip").operation = Some(pay());
            w.operations[0].roles = vec!["boss".parse().unwrap()];
        },
        &[
            "transition skip records pay, which needs a role (boss): whoever makes the step by which it is taken must have one",
        ],
    ),
    (
        Rule::NowInGuard,
        |w| {
            add(w, "skip", &["new"], "done", Trigger::Automatic);
            guard(w, "skip", "order.create_time < now");
        },
        &["transition skip has a guard that names now, but it is asked only when something"],
    ),
    (
        Rule::ConstantGuard,
        |w| guard(w, "finish", "order.grand_total < 0"),
        &["transition finish has a guard that holds for no order where it is asked"],
    ),
    (
        Rule::ConstantGuard,
        |w| {
            state_mut(w, "done").entry_guard = Some(expression("order.state == 'work'"));
            let mut note = take("finish");
            note.condition = Some(expression("false"));
            w.on_comment = vec![note];
            w.operations[0].guard = Some(expression("true"));
        },
        &[
            "workflow has the action take with a condition that holds for no order",
            "operation pay has a guard that holds for every order",
            "state done has an entry guard that holds for every order",
        ],
    ),
    (
        Rule::FailingGuard,
        |w| guard(w, "finish", "1 / 0 == 1"),
        &["transition finish has a guard that fails on every order, so it is never taken"],
    ),
    (
        Rule::FailingGuard,
        |w| guard(w, "finish", "5 < order.attributes['weight']"),
        &[
            "transition finish has a guard that compares order.attributes[\"weight\"], which is a text, with a number, which always fails: write int(order.attributes[\"weight\"]) > 5",
        ],
    ),
    (
        Rule::ConstantGuard,
        |w| {
            let text = "has(order.attributes.ok) && order.attributes.ok == true || request.metadata['n'] != 1.5";
            guard(w, "finish", text);
        },
        &[
            "transition finish has a guard that compares order.attributes[\"ok\"], which is a text, with true or false, which is never true: write order.attributes[\"ok\"] == \"true\"",
            "transition finish has a guard that compares request.metadata[\"n\"], which is a text, with a number, which is always true: write double(request.metadata[\"n\"]) != 1.5",
        ],
    ),
    (
        Rule::UnknownCode,
        |w| guard(w, "finish", "order.status == 'wroking'"),
        &[
            "transition finish has a guard that compares order.status with \"wroking\", but there is no such status; did you mean working?",
        ],
    ),
    (
        Rule::LeavesStartAtOnce,
        |w| add(w, "skip", &["new"], "done", Trigger::Automatic),
        &["transition skip leaves the initial state new as soon as an order is created"],
    ),
    (
        Rule::OperationNeverAllowed,
        |w| {
            operation(w, "ship", Effect::Ship);
        },
        &["operation ship is allowed in no state and recorded by no transition"],
    ),
    (
        Rule::RefundNeverPossible,
        |w| {
            w.operations[0].effect = Effect::None;
            let refund = operation(w, "refund", Effect::Refund);
            state_mut(w, "work").operations.push(refund);
        },
        &[
            "operation refund can refund nothing: nothing records an operation of effect pay or ship",
        ],
    ),
    (
        Rule::RefundNeverPossible,
        |w| {
            operation(w, "invoice", Effect::Invoice);
            let refund = operation(w, "refund", Effect::Refund);
            state_mut(w, "work").operations.push(refund);
        },
        &[
            "operation invoice is allowed in no state",
            "operation refund can refund only amounts without lines: with operations of effect invoice (invoice)",
        ],
    ),
    (
        Rule::AttributeNeverSet,
        |w| {
            let keys = ["", "a\u{0}", "box", "waymark.box"];
            let attributes = keys.map(|key| (key.to_owned(), "x".parse().unwrap()));
            let set = Writing::SetAttributes(attributes.into());
            transition_mut(w, "finish").actions = vec![sample::action("set", Work::Write(set))];
        },
        &[
            "transition finish has the action set that sets the attribute \"\": a key must not be empty",
            "transition finish has the action set that sets the attribute \"a\\0\": of its key, U+0000 at character 2",
            "transition finish has the action set that sets the attribute \"waymark.box\": keys that begin",
        ],
    ),
    (
        Rule::AttributeNeverSet,
        |w| {
            let attributes = (0..65).map(|n| (format!("a{n}"), "x".parse().unwrap()));
            let set = Writing::SetAttributes(attributes.collect());
            transition_mut(w, "finish").actions = vec![sample::action("set", Work::Write(set))];
        },
        &[
            "transition finish has the action set that sets attributes that no order has room for: they must have at most 64 entries, has 65",
        ],
    ),
    (
        Rule::TimerCircle,
        |w| {
            add(w, "there", &["new"], "work", hour());
            add(w, "back", &["work"], "new", hour());
        },
        &[
            "transition there belongs to a circle that time leads orders round every 2h, which nothing stops: there, back",
        ],
    ),
    (
        Rule::TimerCircle,
        |w| {
            let at = Trigger::At(expression("order.create_time"));
            add(w, "there", &["work"], "new", at);
            transition_mut(w, "start").trigger = Trigger::Automatic;
            guard(w, "there", "order.fully_paid");
        },
        &[
            "transition start leaves the initial state new as soon as an order is created",
            "transition there belongs to a circle that time leads orders round at once, when its dates have passed, which only guards stop: start, there",
        ],
    ),
    (
        Rule::Shadowed,
        |w| {
            add(w, "first", &["work"], "done", Trigger::Automatic);
            add(w, "second", &["work"], "done", Trigger::Automatic);
        },
        &[
            "transition second is never taken: transition first leaves all of its places by itself, without a guard, and goes first",
        ],
    ),
    (
        Rule::Shadowed,
        |w| {
            add(w, "first", &["new"], "work", hour());
            add(
                w,
                "second",
                &["new"],
                "done",
                Trigger::After("2h".parse().unwrap()),
            );
        },
        &[
            "transition second is never taken: transition first leaves all of its places by time, no later",
        ],
    ),
];

/// Whether lint tells a rule of the sound workflow after a change.
fn told(rule: Rule, change: impl FnOnce(&mut Workflow)) -> bool {
    let mut workflow = sound();
    change(&mut workflow);
    lint(&workflow).iter().any(|finding| finding.rule == rule)
}

#[test]
fn inside_a_state_automatic_steps_need_a_guard_and_name_their_place() {
    type Row = (
        &'static [&'static str],
        &'static [&'static str],
        Option<&'static str>,
        &'static [Rule],
    );
    let rows: &[Row] = &[
        (&["work"], &[], Some("order.fully_paid"), &[]),
        (&[], &["working"], Some("order.fully_paid"), &[]),
        (&["work"], &[], None, &[Rule::AutomaticInsideState]),
        (&[], &["working"], None, &[Rule::AutomaticInsideState]),
        // One from anywhere leaves the status inside its state alone.
        (&[], &[], Some("order.fully_paid"), &[Rule::FromAnywhere]),
        (
            &["work"],
            &["resting"],
            Some("order.fully_paid"),
            &[Rule::TransitionNeverTaken],
        ),
    ];
    for (states, statuses, guard, expected) in rows {
        let mut workflow = sound();
        add(&mut workflow, "rest", states, "work", Trigger::Automatic);
        let rest = transition_mut(&mut workflow, "rest");
        rest.from_statuses = statuses.iter().map(|code| status(code)).collect();
        rest.to_status = Some(status("resting"));
        rest.guard = guard.map(expression);
        let rules: Vec<_> = lint(&workflow).iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, *expected, "{states:?} {statuses:?} {guard:?}");
    }
}

#[test]
fn circles_inside_a_state_are_seen_and_opposites_are_none() {
    let circle = |there: &str, back: &str, operation: bool| {
        told(Rule::GuardedAutomaticCycle, |w| {
            add(w, "there", &[], "work", Trigger::Automatic);
            add(w, "back", &[], "work", Trigger::Automatic);
            for (code, from, to, text) in [
                ("there", "working", "resting", there),
                ("back", "resting", "working", back),
            ] {
                guard(w, code, text);
                let transition = transition_mut(w, code);
                transition.from_statuses = vec![status(from)];
                transition.to_status = Some(status(to));
                transition.operation = operation.then(|| OperationCode::new("pay").unwrap());
            }
        })
    };
    assert!(circle("order.fully_paid", "order.overpaid", false));
    assert!(!circle("order.fully_paid", "!order.fully_paid", false));
    assert!(!circle(
        "order.units_shipped > 0.0",
        "!(order.units_shipped > 0.0)",
        false
    ));
    assert!(circle("order.fully_paid", "!order.fully_paid", true));
    assert!(circle("order.can_ship", "!order.can_ship", false));
}

#[test]
fn what_is_judged_everywhere_cannot_be_gone_round() {
    type Part = fn(&mut Workflow);
    let rows: &[(Part, bool)] = &[
        (|_| {}, false),
        // Comments set nothing, or come to the default alone.
        (|w| w.comment_status = CommentStatus::Never, false),
        (|w| transition_mut(w, "approve").roles.clear(), false),
        (
            |w| transition_mut(w, "approve").from_states = vec![state("new")],
            true,
        ),
        // Another one asks for as much, or for something else.
        (
            |w| {
                add(w, "other", &["work"], "work", Trigger::Manual);
                let other = transition_mut(w, "other");
                other.to_status = Some(status("resting"));
                other.roles = vec!["boss".parse().unwrap(), "clerk".parse().unwrap()];
            },
            false,
        ),
        (
            |w| {
                add(w, "other", &["work"], "work", Trigger::Manual);
                let other = transition_mut(w, "other");
                other.to_status = Some(status("resting"));
                other.guard = Some(expression("order.grand_total < 100"));
            },
            false,
        ),
        (
            |w| {
                add(w, "other", &["work"], "work", Trigger::Manual);
                transition_mut(w, "other").to_status = Some(status("resting"));
            },
            true,
        ),
        // One into the state with a status of its own lands nowhere else.
        (
            |w| {
                add(w, "enter", &["new"], "work", Trigger::Manual);
                transition_mut(w, "enter").to_status = Some(status("working"));
            },
            false,
        ),
        (|w| add(w, "enter", &["new"], "work", Trigger::Manual), true),
    ];
    for (index, (change, expected)) in rows.iter().enumerate() {
        let is_told = told(Rule::GoneRound, |w| {
            add_approve(w, &["work"]);
            transition_mut(w, "approve").roles = vec!["boss".parse().unwrap()];
            change(w);
        });
        assert_eq!(is_told, *expected, "row {index}");
    }
    // Actions are relied on as well.
    let acts = |active: bool| {
        told(Rule::GoneRound, |w| {
            add_approve(w, &["new"]);
            let mut action = take("finish");
            action.active = active;
            transition_mut(w, "approve").actions = vec![action];
        })
    };
    assert!(acts(true) && !acts(false));
}

#[test]
fn creation_goes_round_roles_only_where_nobody_comes_by_calls() {
    type Part = fn(&mut Workflow);
    let rows: &[(Part, bool)] = &[
        (|_| {}, true),
        (|w| state_mut(w, "work").can_start = false, false),
        (|w| guard(w, "free", "order.fully_paid"), false),
        (|w| transition_mut(w, "free").trigger = hour(), false),
        // From where orders usually start, everybody comes there anyway.
        (
            |w| transition_mut(w, "free").from_states = vec![state("new")],
            false,
        ),
        (
            |w| transition_mut(w, "approve").to_status = Some(status("resting")),
            false,
        ),
    ];
    for (index, (change, expected)) in rows.iter().enumerate() {
        let mut workflow = sound();
        state_mut(&mut workflow, "work").can_start = true;
        transition_mut(&mut workflow, "start").guard = Some(expression("order.fully_paid"));
        add(&mut workflow, "approve", &["new"], "work", Trigger::Manual);
        transition_mut(&mut workflow, "approve").roles = vec!["boss".parse().unwrap()];
        let mut late = state_mut(&mut workflow, "work").clone();
        late.code = state("late");
        late.can_start = false;
        workflow.states.push(late);
        add(&mut workflow, "free", &["late"], "work", Trigger::Manual);
        assign(&mut workflow, "late", "late");
        workflow.assignments.last_mut().unwrap().is_default = true;
        let mut code = workflow.statuses[0].clone();
        code.code = status("late");
        workflow.statuses.push(code);
        change(&mut workflow);
        let findings = lint(&workflow);
        let mut told = findings.iter().filter(|f| f.rule == Rule::GoneRound);
        let is_told = told.any(|f| f.message.contains("by creating an order"));
        assert_eq!(is_told, *expected, "row {index}");
    }
}

#[test]
fn time_may_ask_whether_it_is_the_system() {
    for (text, expected) in [
        ("actor.kind == 'system'", false),
        ("actor.kind != 'system'", false),
        ("actor.kind == 'customer'", true),
        ("request.comment == ''", true),
        ("order.total_paid == 0", false),
    ] {
        let is_told = told(Rule::ActorOfTime, |w| {
            add(w, "later", &["new"], "done", hour());
            guard(w, "later", text);
        });
        assert_eq!(is_told, expected, "{text}");
    }
    assert!(!told(Rule::ActorOfTime, |w| guard(
        w,
        "finish",
        "actor.id == 'ada'"
    )));
}

#[test]
fn now_is_for_calls_and_time() {
    let text = "order.create_time < now";
    let by = |trigger: Trigger| {
        told(Rule::NowInGuard, |w| {
            add(w, "skip", &["new"], "done", trigger);
            guard(w, "skip", text);
        })
    };
    let pay = OperationCode::new("pay").unwrap();
    assert!(by(Trigger::Automatic) && by(Trigger::OnOperations(vec![pay])));
    assert!(!by(Trigger::Manual) && !by(hour()));
    let entered = |trigger: Trigger| {
        told(Rule::NowInGuard, |w| {
            state_mut(w, "done").entry_guard = Some(expression(text));
            transition_mut(w, "finish").trigger = trigger;
        })
    };
    assert!(entered(Trigger::Automatic) && !entered(Trigger::Manual));
}

#[test]
fn codes_are_of_their_sort() {
    for (text, expected) in [
        ("order.state == 'work'", None),
        ("order.return_state == ''", None),
        (
            "order.state == ''",
            Some("\"\", but there is no such state"),
        ),
        (
            "order.state != 'wrok'",
            Some("no such state; did you mean work?"),
        ),
        (
            "order.state == 'resting'",
            Some("; there is the status resting"),
        ),
        (
            "order.status in ['working', 'reseting']",
            Some("did you mean resting?"),
        ),
        (
            "'paye' in order.allowed_operations",
            Some("did you mean pay?"),
        ),
        ("actor.kind == 'USER'", Some("no such kind of actor")),
        ("order.currency == 'eur'", None),
        ("order.attributes.state == 'nowhere'", None),
    ] {
        let mut workflow = sound();
        guard(&mut workflow, "finish", text);
        let findings = lint(&workflow);
        let mut unknown = findings.iter().filter(|f| f.rule == Rule::UnknownCode);
        let message = unknown.next().map(|finding| finding.message.as_str());
        match (message, expected) {
            (Some(message), Some(part)) => assert!(message.contains(part), "{message}"),
            (message, expected) => assert_eq!(message, expected, "{text}"),
        }
        // That it never holds is but the consequence.
        let is_constant = findings.iter().any(|f| f.rule == Rule::ConstantGuard);
        assert!(message.is_none() || !is_constant, "{text}");
    }
    for (text, expected) in [
        ("entry.kind == 'comented'", "did you mean commented?"),
        ("entry.transition == 'star'", "did you mean start?"),
        ("entry.to_status == 'work'", "there is the state work"),
        ("entry.operation == 'pya'", "did you mean pay?"),
    ] {
        let mut workflow = sound();
        let mut note = take("finish");
        note.condition = Some(expression(text));
        workflow.on_comment = vec![note];
        let findings = lint(&workflow);
        assert!(
            findings[0].message.contains(expected) && findings[0].rule == Rule::UnknownCode,
            "{findings:#?}"
        );
    }
}

#[test]
fn nobody_is_shadowed_who_may_have_a_turn() {
    type Part = fn(&mut Workflow);
    let rows: &[(Part, bool)] = &[
        (|_| {}, true),
        (|w| guard(w, "first", "order.fully_paid"), false),
        (
            |w| state_mut(w, "done").entry_guard = Some(expression("order.fully_paid")),
            false,
        ),
        (
            |w| transition_mut(w, "first").from_statuses = vec![status("working")],
            false,
        ),
        (|w| transition_mut(w, "first").trigger = hour(), false),
        (
            |w| {
                let pay = OperationCode::new("pay").unwrap();
                transition_mut(w, "first").operation = Some(pay);
            },
            false,
        ),
    ];
    for (index, (change, expected)) in rows.iter().enumerate() {
        let is_told = told(Rule::Shadowed, |w| {
            add(w, "first", &["work"], "done", Trigger::Automatic);
            add(w, "second", &["work"], "done", Trigger::Automatic);
            change(w);
        });
        assert_eq!(is_told, *expected, "row {index}");
    }
}

/// Actions of a status count as those of its state do.
#[test]
fn a_circle_may_lead_over_a_status() {
    assert!(told(Rule::ActionCircle, |w| {
        add(w, "again", &["done"], "work", Trigger::Manual);
        state_mut(w, "done").terminal = false;
        transition_mut(w, "again").actions = vec![take("finish")];
        let done = part(&mut w.statuses, |s| s.code.as_str() == "done");
        done.on_enter = vec![take("again")];
    }));
}

/// Whatever a workflow is full of, judging it must not take long enough to be an attack.
#[test]
fn the_largest_workflow_of_guards_and_timers_is_judged_quickly() {
    let mut workflow = sound();
    let template = workflow.statuses[0].clone();
    for number in 0..STATUSES_MAX - 5 {
        let code = format!("s{number}");
        workflow.statuses.push(Status {
            code: status(&code),
            ..template.clone()
        });
        assign(&mut workflow, "work", &code);
    }
    for number in 0..TRANSITIONS_MAX - 2 {
        let trigger = match number % 4 {
            0 => Trigger::Automatic,
            1 => Trigger::After("1h".parse().unwrap()),
            _ => Trigger::Manual,
        };
        let code = format!("t{number}");
        add(&mut workflow, &code, &["work"], "work", trigger);
        let transition = transition_mut(&mut workflow, &code);
        transition.to_status = Some(status(&format!("s{}", number % 900)));
        transition.guard = Some(expression(&format!(
            "order.grand_total + {number} >= 0 && order.status == 's{number}'"
        )));
    }
    assert!(lint(&workflow).len() > 1_000);
}

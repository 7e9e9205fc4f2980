//! A workflow made for tests: everything that a preset has too little of, in few words.

use waymark_tests::{Shop, World, world};

/// Two labels per status, a loop, an ambiguous pair, roles, guards, a cascade and operations without rules of a trade.
pub(crate) const DOCUMENT: &str = r#"
workflow: bench
label: Bench
initial_state: start
default_store_view: house
comment_status: any_in_state
status_sharing: shared
max_cascade: 4
operations:
  edit: {label: Edit, effect: none}
  note: {label: Note, effect: none}
  pay: {label: Pay, effect: pay}
  invoice: {label: Invoice, effect: invoice}
  ship: {label: Ship, effect: ship}
  refund: {label: Refund, effect: refund}
  cancel: {label: Cancel, effect: cancel}
statuses:
  fresh: {label: Fresh, store_view_labels: {house: Fresh at home, german: Neu}}
  flagged: {label: Flagged}
  busy: {label: Busy, store_view_labels: {german: In Arbeit}}
  waiting: {label: Waiting}
  done: {label: Done}
  old: {label: Old}
  parked: {label: Parked}
  inspected: {label: Inspected}
  lost: {label: Lost}
states:
  start:
    label: Start
    category: initial
    can_start: true
    holdable: true
    operations: [edit, note, pay, invoice, ship, refund, cancel]
    statuses: [fresh, flagged]
  work:
    label: Work
    category: active
    holdable: true
    operations: [note, pay, invoice, ship, refund]
    statuses: [busy, flagged, {status: waiting, visible_on_storefront: false}]
  paused: {label: Paused, category: active, statuses: [waiting]}
  finish:
    label: Finish
    category: completed
    terminal: true
    entry_guard: order.total_due == 0
    statuses: [done, old]
  held: {label: Held, category: held, statuses: [parked, inspected]}
  a: {label: A, category: active, statuses: [lost]}
  b: {label: B, category: active, statuses: [lost]}
transitions:
  begin: {label: Begin, from_states: [start], to_state: work}
  pause: {label: Pause, from_states: [work], to_state: paused}
  resume: {label: Resume, from_states: [paused], to_state: work, to_status: busy}
  resume_later: {label: Resume later, from_states: [paused], to_state: work, to_status: busy}
  loop: {label: Loop, from_statuses: [busy], to_state: work, to_status: busy}
  approve: {label: Approve, from_states: [work], to_state: work, to_status: flagged, roles: [boss, auditor]}
  wait: {label: Wait, from_states: [work], to_state: work, to_status: waiting, guard: request.comment != ""}
  finish: {label: Finish, from_states: [work, start], to_state: finish}
  spin: {label: Spin, from_states: [start], to_state: a}
  a_to_b: {label: A to B, from_states: [a], to_state: b, trigger: automatic, guard: order.version < 1000}
  b_to_a: {label: B to A, from_states: [b], to_state: a, trigger: automatic, guard: order.version < 1000}
"#;

/// A shop that uses it under a code of its own.
pub(crate) async fn shop(world: &World) -> Shop {
    world::apply(world, &world::fresh_code(), DOCUMENT).await
}

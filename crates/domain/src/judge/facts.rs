//! Facts: what guards and templates see, as values of CEL.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cel::{
    Value,
    common::{
        types::{CelList, CelMap, CelMapKey, CelString},
        value::Val,
    },
};

use super::borrowed::{Borrowed, line_field};
use crate::{
    actor::Actor,
    guard::{
        Length, QUANTITY_MOVING, Ready, Uses, Variables,
        values::{actor, evaluated, instant, list, map, money, text, texts},
    },
    history::{Entry, Recorded},
    order::{Customer, Hold, Line, LineQuantity, Order, Progress, Units},
    value::{Comment, LineId, Metadata, Money, Quantity, Timestamp},
    workflow::Workflow,
};

/// The facts that guards and templates see.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The workflow of the order.
    pub workflow: &'a Workflow,
    /// The order.
    pub order: &'a Order,
    /// Who made the call; of what time does, the system.
    pub actor: &'a Actor,
    /// The comment of the call.
    pub comment: &'a Comment,
    /// The notes of the call.
    pub metadata: &'a Metadata,
    /// The instant of the step.
    pub now: Timestamp,
    /// The operation that the call has recorded; for an operation's own guard, the one that is
    /// about to be recorded. None for nothing.
    pub recorded: Option<&'a Recorded>,
    /// The entry that sets an action off; none for guards.
    pub entry: Option<&'a Entry>,
}

/// The variables that the expression names, and of each the fields that it names.
pub(crate) fn bind(facts: &Facts<'_>, uses: &Uses) -> Vec<(&'static str, Value)> {
    let mut variables = Vec::with_capacity(5);
    if !uses.order.is_empty() {
        let progress = Progress::new(facts.workflow, facts.order);
        variables.push((
            "order",
            map(&uses.order, |field| order(facts, &progress, field, uses)),
        ));
    }
    if !uses.actor.is_empty() {
        variables.push(("actor", map(&uses.actor, |field| actor(facts.actor, field))));
    }
    if !uses.request.is_empty() {
        variables.push(("request", map(&uses.request, |field| request(facts, field))));
    }
    if let Some(written) = facts.entry.filter(|_| !uses.entry.is_empty()) {
        variables.push(("entry", map(&uses.entry, |field| entry(written, field))));
    }
    if uses.now {
        variables.push(("now", instant(facts.now)));
    }
    variables
}

/// The same for the evaluator: what may be large is borrowed, and what is in it is found when
/// it is asked for.
pub(crate) fn variables<'a>(facts: &Facts<'a>, uses: &Uses) -> Variables<'a> {
    let mut variables: Variables<'a> = Vec::with_capacity(5);
    if !uses.order.is_empty() {
        let found = facts.order;
        let progress = Progress::new(facts.workflow, found);
        let fields = with_fields(&uses.order, |field| match field {
            "lines" => {
                let moving = moving(facts, uses);
                let lines = found.lines.iter().map(|line| {
                    let fields = Borrowed::Line(line, moved(&moving, line));
                    Box::new(fields) as Box<dyn Val + 'a>
                });
                Box::new(CelList::from(lines.collect::<Vec<_>>()))
            }
            "attributes" => Box::new(Borrowed::Texts(found.attributes.as_map())),
            _ => evaluated(order(facts, &progress, field, uses)),
        });
        variables.push(("order", fields));
    }
    if !uses.actor.is_empty() {
        let fields = with_fields(&uses.actor, |field| evaluated(actor(facts.actor, field)));
        variables.push(("actor", fields));
    }
    if !uses.request.is_empty() {
        let (comment, metadata) = (facts.comment.as_str(), facts.metadata.as_map());
        let fields = with_fields(&uses.request, |field| match field {
            "metadata" => Box::new(Borrowed::Texts(metadata)),
            "comment" => Box::new(CelString::from(comment)),
            _ => evaluated(request(facts, field)),
        });
        variables.push(("request", fields));
    }
    if let Some(written) = facts.entry.filter(|_| !uses.entry.is_empty()) {
        let fields = with_fields(&uses.entry, |field| match field {
            "metadata" => Box::new(Borrowed::Texts(written.metadata.as_map())),
            "comment" => Box::new(CelString::from(written.comment.as_str())),
            _ => evaluated(entry(written, field)),
        });
        variables.push(("entry", fields));
    }
    if uses.now {
        variables.push(("now", evaluated(instant(facts.now))));
    }
    variables
}

fn with_fields<'a>(
    fields: &BTreeSet<&'static str>,
    value: impl Fn(&str) -> Box<dyn Val + 'a>,
) -> Box<dyn Val + 'a> {
    let fields = fields.iter();
    let fields = fields.map(|field| (CelMapKey::from(*field), value(field)));
    Box::new(CelMap::from(fields.collect::<HashMap<_, _>>()))
}

pub(crate) fn cost(facts: &Facts<'_>, ready: &Ready) -> u64 {
    ready.steps(facts.order.lines.len(), |of| length(facts, of))
}

/// The size of something that costs more when it is larger.
fn length(facts: &Facts<'_>, length: Length) -> u64 {
    let bytes = |map: &BTreeMap<String, String>| -> usize {
        map.iter().map(|(key, value)| key.len() + value.len()).sum()
    };
    let entry = facts.entry;
    let found = match length {
        Length::Comment => facts.comment.as_str().len(),
        Length::Metadata => bytes(facts.metadata.as_map()),
        Length::Attributes => bytes(facts.order.attributes.as_map()),
        Length::EntryComment => entry.map_or(0, |entry| entry.comment.as_str().len()),
        Length::EntryMetadata => entry.map_or(0, |entry| bytes(entry.metadata.as_map())),
        Length::Roles => facts.actor.roles.len(),
        Length::Operations => facts.workflow.operations.len(),
        Length::Statuses => facts.workflow.statuses.len() + facts.workflow.assignments.len(),
    };
    u64::try_from(found).unwrap_or(u64::MAX)
}

fn order(facts: &Facts<'_>, progress: &Progress<'_>, field: &str, uses: &Uses) -> Value {
    let order = facts.order;
    let assignment = || {
        facts
            .workflow
            .assignment(&order.standing.state, &order.standing.status)
    };
    let returns = order.return_to.as_ref();
    match field {
        "workflow" => text(order.workflow.as_str()),
        "id" => text(order.id.as_str()),
        "state" => text(order.standing.state.as_str()),
        "status" => text(order.standing.status.as_str()),
        "status_label" => text(facts.workflow.status_label(
            &order.standing.status,
            None,
            order.store_view.as_ref(),
        )),
        "visible_on_storefront" => {
            Value::Bool(assignment().is_some_and(|a| a.visible_on_storefront))
        }
        "version" => Value::Int(order.version),
        "lines" => {
            let moving = moving(facts, uses);
            list(&order.lines, |found| {
                let moved = moved(&moving, found);
                map(&uses.line, |field| line(found, moved, field))
            })
        }
        "currency" => text(order.currency.as_ref().map_or("", |c| c.as_str())),
        "grand_total" => money(order.grand_total),
        "total_paid" => money(order.total_paid),
        "total_refunded" => money(order.total_refunded),
        "total_canceled" => money(order.total_canceled),
        "total_invoiced" => money(order.total_invoiced),
        "total_due" => money(progress.total_due()),
        "total_overpaid" => money(progress.total_overpaid()),
        "store_view" => text(order.store_view.as_ref().map_or("", |s| s.as_str())),
        "customer" => customer(&order.customer),
        "attributes" => texts(order.attributes.as_map()),
        "holds" => list(&order.holds, hold),
        "return_state" => text(returns.map_or("", |to| to.state.as_str())),
        "return_status" => text(returns.map_or("", |to| to.status.as_str())),
        "allowed_operations" => list(&progress.allowed_operations(), |code| text(code.as_str())),
        "create_time" => instant(order.create_time),
        "update_time" => instant(order.update_time),
        "status_time" => instant(order.status_time),
        "can_invoice" => Value::Bool(progress.can_invoice()),
        "can_ship" => Value::Bool(progress.can_ship()),
        "can_refund" => Value::Bool(progress.can_refund()),
        "fully_invoiced" => Value::Bool(progress.fully_invoiced()),
        "fully_shipped" => Value::Bool(progress.fully_shipped()),
        "fully_refunded" => Value::Bool(progress.fully_refunded()),
        "fully_canceled" => Value::Bool(progress.fully_canceled()),
        "fully_paid" => Value::Bool(progress.fully_paid()),
        "overpaid" => Value::Bool(progress.overpaid()),
        "units_ordered" => units(progress, |units| units.ordered),
        "units_invoiced" => units(progress, |units| units.invoiced),
        "units_shipped" => units(progress, |units| units.shipped),
        "units_refunded" => units(progress, |units| units.refunded),
        "units_canceled" => units(progress, |units| units.canceled),
        "units_returned" => units(progress, |units| units.returned),
        "units_open" => Value::Float(progress.units_open().to_f64()),
        "is_virtual" => Value::Bool(progress.is_virtual()),
        // The check has refused every other name.
        _ => Value::Null,
    }
}

fn units(progress: &Progress<'_>, of: impl Fn(&Units) -> Quantity) -> Value {
    Value::Float(progress.sum(of).to_f64())
}

/// How much an operation moves of each line, where an expression asks for it: found once, since
/// it is looked up for every line.
fn moving<'a>(facts: &Facts<'a>, uses: &Uses) -> BTreeMap<&'a LineId, Quantity> {
    let is_asked = uses.line.contains(QUANTITY_MOVING);
    let recorded = facts.recorded.filter(|_| is_asked);
    let lines: &'a [LineQuantity] = recorded.map_or(&[], |recorded| recorded.lines.as_slice());
    let lines = lines.iter();
    lines
        .map(|moved| (&moved.line_id, moved.quantity))
        .collect()
}

fn moved(moving: &BTreeMap<&LineId, Quantity>, line: &Line) -> Quantity {
    moving.get(&line.id).copied().unwrap_or(Quantity::ZERO)
}

fn line(line: &Line, moved: Quantity, field: &str) -> Value {
    // The check has refused every other name.
    line_field(line, moved, field).map_or(Value::Null, Value::from)
}

fn request(facts: &Facts<'_>, field: &str) -> Value {
    let recorded = facts.recorded;
    match field {
        "comment" => text(facts.comment.as_str()),
        "metadata" => texts(facts.metadata.as_map()),
        "operation" => text(recorded.map_or("", |recorded| recorded.operation.as_str())),
        "amount" => money(recorded.map_or(Money::ZERO, |recorded| recorded.amount)),
        "reverse" => Value::Bool(recorded.is_some_and(|recorded| recorded.reverse)),
        // The check has refused every other name.
        _ => Value::Null,
    }
}

fn entry(entry: &Entry, field: &str) -> Value {
    let from = entry.from.as_ref();
    let recorded = entry.detail.recorded();
    match field {
        "sequence" => Value::Int(entry.sequence),
        "kind" => text(entry.kind().word()),
        "from_state" => text(from.map_or("", |from| from.state.as_str())),
        "from_status" => text(from.map_or("", |from| from.status.as_str())),
        "to_state" => text(entry.to.state.as_str()),
        "to_status" => text(entry.to.status.as_str()),
        "status_changed" => Value::Bool(entry.status_changed()),
        "transition" => text(entry.transition.as_ref().map_or("", |code| code.as_str())),
        "operation" => text(recorded.map_or("", |recorded| recorded.operation.as_str())),
        "amount" => money(recorded.map_or(Money::ZERO, |recorded| recorded.amount)),
        "comment" => text(entry.comment.as_str()),
        "notify_customer" => Value::Bool(entry.notify_customer),
        "visible_to_customer" => Value::Bool(entry.visible_to_customer),
        "metadata" => texts(entry.metadata.as_map()),
        "caused_by" => Value::Int(entry.caused_by),
        "create_time" => instant(entry.create_time),
        // The check has refused every other name.
        _ => Value::Null,
    }
}

fn customer(customer: &Customer) -> Value {
    Value::from(HashMap::from([
        ("id", text(customer.id.as_str())),
        ("email", text(customer.email.as_str())),
        ("name", text(customer.name.as_str())),
        ("guest", Value::Bool(customer.guest)),
    ]))
}

fn hold(hold: &Hold) -> Value {
    Value::from(HashMap::from([
        ("id", text(hold.id.as_str())),
        ("reason", text(hold.reason.as_str())),
        ("place_time", instant(hold.place_time)),
    ]))
}

//! Invented orders that differ in their amounts, their units and their lines, to find out what may
//! come of an expression. They are more than there can be: some have come further than any call
//! would let them, so what none of them shows is never seen.

use crate::{
    order::{Credits, Customer, Line, NewLine, Order},
    value::{Attributes, Currency, LineId, Money, OrderId, ProductName, Quantity, Sku, Timestamp},
    workflow::{Standing, Workflow},
};

/// The magnitudes that all samples come in: something, and more than any order costs.
const AMOUNTS: &[i64] = &[10_000, 400_000_000_000_000];
/// The quantities: a few, hardly anything, and more than any order has.
const QUANTITIES: &[&str] = &["4", "0.0001", "999999999999"];

/// How far units have come: nothing, half or all of them were invoiced, shipped, refunded, canceled
/// and returned.
type Levels = [usize; 5];

/// The orders that differ in their amounts and are tried whatever is asked.
pub(super) fn amounts(base: &Order) -> impl Iterator<Item = Order> {
    let scales = AMOUNTS.iter().filter_map(|units| Money::new(*units).ok());
    scales.flat_map(move |scale| amounts_of(base, scale))
}

/// Those that differ in how far their units have come.
pub(super) fn units(base: &Order) -> impl Iterator<Item = Order> {
    quantities().flat_map(move |scale| units_of(base, scale))
}

/// Those that differ in their lines.
pub(super) fn lines(base: &Order) -> impl Iterator<Item = Order> {
    quantities().flat_map(move |scale| lines_of(base, scale, Money::MAX))
}

fn quantities() -> impl Iterator<Item = Quantity> {
    let quantities = QUANTITIES.iter();
    quantities.filter_map(|text| text.parse::<Quantity>().ok())
}

/// A new order of one line; none where the initial state of the workflow has no status.
pub(super) fn base(workflow: &Workflow) -> Option<Order> {
    let state = workflow.initial_state.clone();
    let status = workflow.default_status(&state)?.clone();
    let line = Line::new(NewLine {
        id: LineId::new("1").ok()?,
        sku: Sku::default(),
        name: ProductName::default(),
        ordered: Quantity::ONE,
        is_virtual: false,
        total: None,
    });
    Some(Order {
        workflow: workflow.code.clone(),
        id: OrderId::new("1").ok()?,
        standing: Standing { state, status },
        version: 1,
        lines: vec![line],
        whole: None,
        currency: Currency::new("EUR").ok(),
        grand_total: Money::new(10_000).ok()?,
        total_paid: Money::ZERO,
        total_refunded: Money::ZERO,
        total_canceled: Money::ZERO,
        total_invoiced: Money::ZERO,
        credited: Money::ZERO,
        credits: Credits::default(),
        unreckoned: None,
        store_view: None,
        customer: Customer::default(),
        attributes: Attributes::default(),
        holds: Vec::new(),
        return_to: None,
        create_time: Timestamp::default(),
        update_time: Timestamp::default(),
        status_time: Timestamp::default(),
        wait: None,
    })
}

/// Orders that cost so much or nothing, of which nothing, half, all or twice as much was moved. The
/// first ones differ most.
pub(super) fn amounts_of(base: &Order, scale: Money) -> impl Iterator<Item = Order> {
    let half = Money::new(scale.minor_units() / 2).unwrap_or_default();
    let parts = [Money::ZERO, half, scale, scale.plus(scale)];
    let part = move |level: usize| parts.get(level).copied().unwrap_or_default();
    let order = move |[paid, refunded, canceled, invoiced, credited]: [usize; 5]| Order {
        grand_total: scale,
        total_paid: part(paid),
        total_refunded: part(refunded),
        total_canceled: part(canceled),
        total_invoiced: part(invoiced),
        credited: part(credited),
        ..base.clone()
    };
    let free = Order {
        grand_total: Money::ZERO,
        ..base.clone()
    };
    let first = [
        [0, 0, 0, 0, 0],
        [2, 0, 0, 2, 0],
        [3, 0, 0, 0, 0],
        [2, 2, 0, 0, 0],
        [0, 0, 2, 0, 0],
        [0, 0, 0, 0, 2],
    ];
    let numbers = 0..4 * 4 * 3 * 3;
    let levels = numbers.map(|it| [it / 36, it / 9 % 4, it / 3 % 3, it % 3, 0]);
    let orders = first.into_iter().chain(levels).map(order);
    orders.chain([free])
}

/// Orders of one line with so many units, of which nothing, half or all was moved, the same with a
/// line that is never shipped, and the same as one whole.
pub(super) fn units_of(base: &Order, scale: Quantity) -> impl Iterator<Item = Order> {
    let of_line = move |levels: Levels, is_virtual: bool| Order {
        lines: base
            .lines
            .iter()
            .map(|line| moved(line, scale, levels, is_virtual))
            .collect(),
        ..base.clone()
    };
    let whole = move |levels: Levels| Order {
        lines: Vec::new(),
        whole: base
            .lines
            .first()
            .map(|line| moved(line, Quantity::ONE, levels, false).units()),
        ..base.clone()
    };
    let first = [
        [0, 0, 0, 0, 0],
        [2, 2, 0, 0, 0],
        [2, 2, 2, 0, 2],
        [0, 0, 0, 2, 0],
        [2, 0, 0, 0, 0],
        [0, 2, 0, 0, 0],
        [1, 1, 0, 0, 0],
    ];
    let plain = first.into_iter().chain(levels(&[0, 1, 2]));
    let plain = plain.map(move |levels| of_line(levels, false));
    let never_shipped = levels(&[0, 2]).map(move |levels| of_line(levels, true));
    plain.chain(never_shipped).chain(levels(&[0, 2]).map(whole))
}

/// An order without lines, one with a few that differ, and one with all of which one order has
/// room.
pub(super) fn lines_of(base: &Order, scale: Quantity, total: Money) -> Vec<Order> {
    let of = |lines: Vec<Line>| Order {
        lines,
        ..base.clone()
    };
    let Some(line) = base.lines.first() else {
        return Vec::new();
    };
    let few = levels(&[0, 2]).filter(|[_, _, _, canceled, returned]| canceled + returned == 0);
    let few = few.map(|levels| moved(line, scale, levels, false));
    let plain = levels(&[0, 1, 2]).map(|levels| moved(line, scale, levels, false));
    let never_shipped = levels(&[0, 2]).map(|levels| moved(line, scale, levels, true));
    let totals = [Money::ZERO, total].map(|total| Line {
        total: Some(total),
        ..moved(line, scale, Levels::default(), false)
    });
    vec![
        of(Vec::new()),
        of(few.collect()),
        of(plain.chain(never_shipped).chain(totals).collect()),
    ]
}

fn levels(each: &'static [usize]) -> impl Iterator<Item = Levels> {
    let count = each.len();
    let level = move |number: usize| each.get(number % count).copied().unwrap_or_default();
    let numbers = 0..count.pow(5);
    numbers.map(move |number| {
        [1, count, count.pow(2), count.pow(3), count.pow(4)].map(|step| level(number / step))
    })
}

fn moved(line: &Line, ordered: Quantity, levels: Levels, is_virtual: bool) -> Line {
    let half = format!("{:.4}", ordered.to_f64() / 2.0);
    let half = half.parse().unwrap_or_default();
    let parts = [Quantity::ZERO, half, ordered];
    let [invoiced, shipped, refunded, canceled, returned] =
        levels.map(|level| parts.get(level).copied().unwrap_or_default());
    Line {
        ordered,
        invoiced,
        shipped,
        refunded,
        canceled,
        returned,
        is_virtual,
        ..line.clone()
    }
}

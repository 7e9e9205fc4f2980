//! Reading what an update says of fields that no update changes: an order may be read, changed and
//! sent back. Whether it is as it stands, only the order itself tells.

use std::mem;

use waymark_domain::{
    order::{Hold, NewLine, Patch, Stated, StatedLine},
    value::{HOLDS_MAX, LINES_MAX, Money, Quantity},
};

use super::{
    actor::read_recorded_actor,
    instant::lower_bound,
    mask::Mask,
    violations::{Path, Read},
};
use crate::v1;

/// The values that an update states of fields that it cannot change.
pub(super) struct Said {
    fields: Stated,
    /// The lines of which something is said to be done, by their places.
    done: Vec<(usize, Done)>,
}

/// The quantities invoiced, shipped, refunded, canceled and returned of a line, as far as stated.
type Done = [Option<Quantity>; 5];

impl Said {
    /// Reads it, and takes it out of the order. With a mask only quantities of lines count, and only
    /// where the mask names the lines.
    pub(super) fn read(at: Path<'_>, order: &mut v1::Order, mask: &Mask) -> Read<Self> {
        let fields = match mask {
            Mask::Set => fields(at, order),
            Mask::Named(_) => Ok(Stated::default()),
        };
        let has_lines = matches!(mask, Mask::Set) || mask.names("lines");
        let done = if has_lines {
            done(at.field("lines"), &mut order.lines)
        } else {
            Ok(Vec::new())
        };
        Ok(Self {
            fields: fields?,
            done: done?,
        })
    }

    /// Adds it to what shall change.
    pub(super) fn add_to(self, patch: Patch) -> Patch {
        let Self { mut fields, done } = self;
        let lines = patch.lines.as_deref().unwrap_or_default();
        let of_line =
            |(index, done): (usize, Done)| Some(stated_line(index, lines.get(index)?, done));
        fields.lines = done.into_iter().filter_map(of_line).collect();
        let is_silent = fields == Stated::default();
        Patch {
            stated: (!is_silent).then(|| Box::new(fields)),
            ..patch
        }
    }
}

/// The version that an order without a mask is said to have, which is the one that is expected.
pub(super) fn version(at: Path<'_>, order: &v1::Order, mask: &Mask) -> Read<Option<i64>> {
    match mask {
        Mask::Set => at.field("version").positive(order.version),
        Mask::Named(_) => Ok(None),
    }
}

/// Ignores what the server computes for each answer: labels, what is due, what is allowed, and the
/// times of the last entry and of the status.
fn fields(at: Path<'_>, order: &mut v1::Order) -> Read<Stated> {
    let state = at.field("state").optional(&order.state);
    let status = at.field("status").optional(&order.status);
    let currency = at.field("currency").optional(&order.currency);
    let total_paid = money(at.field("total_paid"), order.total_paid);
    let total_refunded = money(at.field("total_refunded"), order.total_refunded);
    let total_canceled = money(at.field("total_canceled"), order.total_canceled);
    let total_invoiced = money(at.field("total_invoiced"), order.total_invoiced);
    let holds = mem::take(&mut order.holds);
    let holds = at.field("holds").each(holds, HOLDS_MAX, hold);
    let return_state = at.field("return_state").optional(&order.return_state);
    let return_status = at.field("return_status").optional(&order.return_status);
    let create_time = lower_bound(at.field("create_time"), order.create_time.take());
    Ok(Stated {
        state: state?,
        status: status?,
        currency: currency?,
        total_paid: total_paid?,
        total_refunded: total_refunded?,
        total_canceled: total_canceled?,
        total_invoiced: total_invoiced?,
        holds: holds?,
        return_state: return_state?,
        return_status: return_status?,
        create_time: create_time?,
        lines: Vec::new(),
    })
}

/// Reads an amount where 0 says nothing.
fn money(at: Path<'_>, units: i64) -> Read<Option<Money>> {
    let amount = at.check(Money::new(units))?;
    Ok(Some(amount).filter(|amount| *amount != Money::ZERO))
}

reader! {
    fn hold(Hold) -> Hold {
        id: text(id),
        reason: text(reason),
        placed_by: by(placed_by; read_recorded_actor),
        place_time: with(place_time; |at| {
            let place_time = lower_bound(at.field("place_time"), place_time)?;
            Ok(place_time.unwrap_or_default())
        }),
        expire_time: by(expire_time; lower_bound),
        status: optional(status),
        // No order shows them.
        visible_to_customer: value(; false),
        notify_customer: value(; false),
    }
}

/// Takes out of lines what is said to be done with them. Lists that are too long are refused where
/// the lines themselves are read.
fn done(at: Path<'_>, lines: &mut [v1::OrderLine]) -> Read<Vec<(usize, Done)>> {
    let mut read = Vec::new();
    for (index, line) in lines.iter_mut().enumerate().take(LINES_MAX) {
        read.push(done_with(at.index(index), line).map(|done| (index, done)));
    }
    let read: Vec<(usize, Done)> = read.into_iter().collect::<Result<_, _>>()?;
    let says_something = |(_, done): &(usize, Done)| done.iter().any(Option::is_some);
    Ok(read.into_iter().filter(says_something).collect())
}

fn done_with(at: Path<'_>, line: &mut v1::OrderLine) -> Read<Done> {
    let take = |field, text: &mut String| quantity(at.field(field), &mem::take(text));
    let invoiced = take("quantity_invoiced", &mut line.quantity_invoiced);
    let shipped = take("quantity_shipped", &mut line.quantity_shipped);
    let refunded = take("quantity_refunded", &mut line.quantity_refunded);
    let canceled = take("quantity_canceled", &mut line.quantity_canceled);
    let returned = take("quantity_returned", &mut line.quantity_returned);
    Ok([invoiced?, shipped?, refunded?, canceled?, returned?])
}

/// Reads a quantity where nothing and 0 say nothing.
fn quantity(at: Path<'_>, text: &str) -> Read<Option<Quantity>> {
    let quantity: Option<Quantity> = at.optional(text)?;
    Ok(quantity.filter(|quantity| !quantity.is_zero()))
}

fn stated_line(index: usize, line: &NewLine, done: Done) -> StatedLine {
    let [invoiced, shipped, refunded, canceled, returned] = done;
    StatedLine {
        index,
        id: line.id.clone(),
        invoiced,
        shipped,
        refunded,
        canceled,
        returned,
    }
}

//! The words that a guard may use, with the kind of what they stand for and its length.

use super::cost::{Amount, Formula, Length};

/// The kinds of values, as far as the cost depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Null,
    Instant,
    Duration,
    /// Any of those above.
    Scalar,
    /// A list of scalars.
    Scalars,
    /// A list of lines.
    Lines,
    Line,
    /// A list of holds.
    Holds,
    Hold,
    Customer,
    /// A map of texts to texts.
    Texts,
}

impl Type {
    pub(super) fn is_container(self) -> bool {
        match self {
            Self::Bool
            | Self::Int
            | Self::Uint
            | Self::Double
            | Self::Text
            | Self::Bytes
            | Self::Null
            | Self::Instant
            | Self::Duration
            | Self::Scalar => false,
            Self::Scalars
            | Self::Lines
            | Self::Line
            | Self::Holds
            | Self::Hold
            | Self::Customer
            | Self::Texts => true,
        }
    }

    pub(super) fn may_be_instant(self) -> bool {
        matches!(self, Self::Instant | Self::Scalar)
    }
}

/// A value that an expression comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) kind: Type,
    /// The bytes of a text, or of all texts in a container, at most.
    pub(super) bytes: Amount,
    /// How many entries a list of scalars has, at most.
    pub(super) entries: Amount,
}

impl Shape {
    /// A value without texts.
    pub(super) const fn of(kind: Type) -> Self {
        Self {
            kind,
            bytes: Amount::bytes(0),
            entries: Amount::bytes(0),
        }
    }

    /// A text of at most so many bytes.
    pub(super) const fn text(bytes: Amount) -> Self {
        Self {
            bytes,
            ..Self::of(Type::Text)
        }
    }
}

/// A field of something that a guard sees.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// The work of binding it, besides that of its texts.
    pub(super) binding: Formula,
}

impl Field {
    const fn of(name: &'static str, kind: Type) -> Self {
        Self::shaped(name, Shape::of(kind))
    }

    const fn shaped(name: &'static str, shape: Shape) -> Self {
        let binding = Formula {
            once: Amount::steps(4),
            per_line: Amount::bytes(0),
        };
        Self {
            name,
            shape,
            binding,
        }
    }

    /// A text of at most so many bytes.
    const fn text(name: &'static str, bytes: u64) -> Self {
        Self::shaped(name, Shape::text(Amount::bytes(bytes)))
    }

    /// Says how much work it is to bind each of what this counts.
    const fn each(mut self, entries: Length, bytes: u64) -> Self {
        self.binding.once = Amount::of(entries).times(bytes);
        self
    }

    /// Says how much work it is to bind the whole.
    const fn whole(mut self, work: Amount) -> Self {
        self.binding.once = work;
        self
    }

    /// Says how much of every line is looked at to find it out.
    const fn per_line(mut self, work: Amount) -> Self {
        self.binding.per_line = work;
        self
    }
}

const CODE: u64 = 32;
/// The longest id that callers choose.
const ID: u64 = 128;
/// The longest label: 128 characters.
const LABEL: u64 = 512;
const ROLE: u64 = 64;
const HOLDS: u64 = crate::value::HOLDS_MAX as u64;

/// The quantities of a line, and those that are left of each line for each operation.
const LEFT: Amount = Amount::bytes(8);
const LEFT_BY_OPERATION: Amount = Amount::of(Length::Operations).times(3);

/// The work of binding an entry of a list of texts.
const ENTRY_BINDING: u64 = 3 * 64;

const fn texts(bytes: Length) -> Shape {
    Shape {
        bytes: Amount::of(bytes),
        ..Shape::of(Type::Texts)
    }
}

const fn list(entries: Length, longest: u64) -> Shape {
    Shape {
        kind: Type::Scalars,
        bytes: Amount::of(entries).times(longest),
        entries: Amount::of(entries),
    }
}

pub(super) const ORDER: &[Field] = &[
    Field::text("workflow", CODE),
    Field::text("id", ID),
    Field::text("state", CODE),
    Field::text("status", CODE),
    Field::text("status_label", LABEL).each(Length::Statuses, 6),
    Field::of("visible_on_storefront", Type::Bool).each(Length::Statuses, 6),
    Field::of("version", Type::Int),
    Field::of("lines", Type::Lines),
    Field::text("currency", CODE),
    Field::of("grand_total", Type::Int),
    Field::of("total_paid", Type::Int),
    Field::of("total_refunded", Type::Int),
    Field::of("total_canceled", Type::Int),
    Field::of("total_invoiced", Type::Int),
    Field::of("total_due", Type::Int),
    Field::of("total_overpaid", Type::Int),
    Field::text("store_view", CODE),
    Field::of("customer", Type::Customer).whole(Amount::steps(40)),
    Field::shaped("attributes", texts(Length::Attributes)),
    Field::of("holds", Type::Holds).whole(Amount::steps(HOLDS * 40)),
    Field::text("return_state", CODE),
    Field::text("return_status", CODE),
    Field::shaped("allowed_operations", list(Length::Operations, CODE))
        .each(Length::Operations, ENTRY_BINDING)
        .per_line(LEFT_BY_OPERATION),
    Field::of("create_time", Type::Instant),
    Field::of("update_time", Type::Instant),
    Field::of("status_time", Type::Instant),
    Field::of("can_invoice", Type::Bool).per_line(LEFT_BY_OPERATION),
    Field::of("can_ship", Type::Bool).per_line(LEFT_BY_OPERATION),
    Field::of("can_refund", Type::Bool).per_line(LEFT_BY_OPERATION),
    Field::of("fully_invoiced", Type::Bool).per_line(LEFT),
    Field::of("fully_shipped", Type::Bool).per_line(LEFT),
    Field::of("fully_refunded", Type::Bool).per_line(LEFT),
    Field::of("fully_canceled", Type::Bool).per_line(LEFT),
    Field::of("fully_paid", Type::Bool).whole(Amount::steps(8)),
    Field::of("overpaid", Type::Bool),
    Field::of("units_ordered", Type::Double).per_line(LEFT),
    Field::of("units_invoiced", Type::Double).per_line(LEFT),
    Field::of("units_shipped", Type::Double).per_line(LEFT),
    Field::of("units_refunded", Type::Double).per_line(LEFT),
    Field::of("units_canceled", Type::Double).per_line(LEFT),
    Field::of("units_returned", Type::Double).per_line(LEFT),
    Field::of("units_open", Type::Double).per_line(LEFT),
    Field::of("is_virtual", Type::Bool).per_line(LEFT),
];

pub(super) const LINE: &[Field] = &[
    Field::text("id", ID),
    Field::text("sku", 128),
    Field::text("name", 256),
    Field::of("quantity_ordered", Type::Double),
    Field::of("quantity_invoiced", Type::Double),
    Field::of("quantity_shipped", Type::Double),
    Field::of("quantity_refunded", Type::Double),
    Field::of("quantity_canceled", Type::Double),
    Field::of("quantity_returned", Type::Double),
    Field::of("total", Type::Int),
    Field::of("is_virtual", Type::Bool),
    Field::of(QUANTITY_MOVING, Type::Double),
];

pub(crate) const LINE_FIELDS: usize = LINE.len();

/// The field of a line that tells what an operation moves of it. It is found for all lines at
/// once, which is work for each.
pub(crate) const QUANTITY_MOVING: &str = "quantity_moving";
pub(super) const MOVING: Amount = Amount::steps(8);

pub(super) const CUSTOMER: &[Field] = &[
    Field::text("id", 128),
    Field::text("email", 320),
    Field::text("name", 256),
    Field::of("guest", Type::Bool),
];

pub(super) const HOLD: &[Field] = &[
    Field::text("id", ID),
    Field::text("reason", 512),
    Field::of("place_time", Type::Instant),
];

pub(super) const ACTOR: &[Field] = &[
    Field::text("kind", CODE),
    Field::text("id", 128),
    Field::text("on_behalf_of", 128),
    Field::shaped("roles", list(Length::Roles, ROLE)).each(Length::Roles, ENTRY_BINDING),
];

pub(super) const REQUEST: &[Field] = &[
    Field::shaped("comment", Shape::text(Amount::of(Length::Comment))),
    Field::shaped("metadata", texts(Length::Metadata)),
    Field::text("operation", CODE),
    Field::of("amount", Type::Int),
    Field::of("reverse", Type::Bool),
];

/// The fields of `entry`, of which only conditions and templates may speak.
pub(super) const ENTRY: &[Field] = &[
    Field::of("sequence", Type::Int),
    Field::text("kind", CODE),
    Field::text("from_state", CODE),
    Field::text("from_status", CODE),
    Field::text("to_state", CODE),
    Field::text("to_status", CODE),
    Field::of("status_changed", Type::Bool),
    Field::text("transition", CODE),
    Field::text("operation", CODE),
    Field::of("amount", Type::Int),
    Field::shaped("comment", Shape::text(Amount::of(Length::EntryComment))),
    Field::of("notify_customer", Type::Bool),
    Field::of("visible_to_customer", Type::Bool),
    Field::shaped("metadata", texts(Length::EntryMetadata)),
    Field::of("caused_by", Type::Int),
    Field::of("create_time", Type::Instant),
];

/// The operators and functions, as CEL names them inside.
pub(super) const FUNCTIONS: &[&str] = &[
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "_-_",
    "_+_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_>=_",
    "_<=_",
    "_>_",
    "_<_",
    "-_",
    "_[_]",
    "@in",
    "@not_strictly_false",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "double",
    "string",
    "bool",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
];

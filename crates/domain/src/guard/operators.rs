//! Results of operators and functions, and the work that they take. Only
//! what is named here takes lists and maps; nothing builds new ones of them.

use super::{
    cost::Amount,
    error::GuardError,
    vocabulary::{Shape, Type},
};

/// A call of a function: it is looked up by the types of its operands.
const FUNCTION: Amount = Amount::steps(3);
/// A comparison by order: the evaluator prepares the text of an error for each.
const ORDERING: Amount = Amount::steps(3);
/// How often a byte is touched by what parses a text, or seeks one in another.
const PARSING: u64 = 16;
const SEEKING: u64 = 2;
/// The longest text of a number or an instant.
const NUMBER_TEXT: u64 = 400;

/// The result of an operator or a function, with the work that it takes.
///
/// # Errors
/// Returns [`GuardError::NotAllowed`] where lists and maps are given to what would copy,
/// compare or print them.
pub(super) fn apply(name: &str, operands: &[Shape]) -> Result<(Shape, Amount), GuardError> {
    match (name, operands) {
        ("_?_:_", [condition, yes, no]) => {
            scalars(&[*condition], "a condition must be true or false")?;
            Ok((either(*yes, *no)?, Amount::default()))
        }
        ("_==_" | "_!=_", [left, right]) => equality(*left, *right),
        ("_[_]", [of, index]) => indexed(*of, *index),
        ("@in", [wanted, list]) => membership(*wanted, *list),
        ("size", [of]) => size(*of),
        _ => {
            let problem = match name {
                "_+_" => "must not join lists with +",
                "_<_" | "_<=_" | "_>_" | "_>=_" => "must not compare lists or maps",
                _ => "must not give a list, a map or a line to this operator or function",
            };
            scalars(operands, problem)?;
            Ok(of_scalars(name, operands))
        }
    }
}

fn scalars(operands: &[Shape], problem: &'static str) -> Result<(), GuardError> {
    if operands.iter().any(|operand| operand.kind.is_container()) {
        return Err(GuardError::NotAllowed(problem));
    }
    Ok(())
}

fn either(one: Shape, other: Shape) -> Result<Shape, GuardError> {
    let kind = if one.kind == other.kind {
        one.kind
    } else {
        scalars(
            &[one, other],
            "must not choose between a list or map and something else",
        )?;
        Type::Scalar
    };
    Ok(Shape {
        kind,
        bytes: one.bytes + other.bytes,
        entries: one.entries + other.entries,
    })
}

/// Whether something is null may be asked of everything: the types differ, nothing is compared.
fn equality(left: Shape, right: Shape) -> Result<(Shape, Amount), GuardError> {
    if left.kind != Type::Null && right.kind != Type::Null {
        scalars(
            &[left, right],
            "must not compare lists or maps with == or !=; size, in and all ask about what is in them",
        )?;
    }
    Ok((Shape::of(Type::Bool), left.bytes.smaller(right.bytes)))
}

fn indexed(of: Shape, index: Shape) -> Result<(Shape, Amount), GuardError> {
    let whole = matches!(index.kind, Type::Int | Type::Uint);
    let shape = match of.kind {
        Type::Lines if whole => Shape::of(Type::Line),
        Type::Holds if whole => Shape::of(Type::Hold),
        Type::Scalars if whole => Shape {
            kind: Type::Scalar,
            entries: Amount::default(),
            ..of
        },
        Type::Texts if index.kind == Type::Text => Shape::text(of.bytes),
        Type::Lines | Type::Holds | Type::Scalars => {
            return Err(GuardError::NotAllowed(
                "must name an entry of a list by a whole number",
            ));
        }
        Type::Texts => {
            return Err(GuardError::NotAllowed(
                "must name an entry of a map by a text",
            ));
        }
        _ => {
            return Err(GuardError::NotAllowed(
                "must name the fields of a line, a hold or a customer as they are, such as l.sku",
            ));
        }
    };
    // The key is compared some times, and copied where there is no such entry.
    Ok((shape, Amount::steps(2) + index.bytes.times(2)))
}

fn membership(wanted: Shape, list: Shape) -> Result<(Shape, Amount), GuardError> {
    scalars(&[wanted], "must not seek a list or a map with in")?;
    let work = match list.kind {
        // As many comparisons as there are entries, some bytes each besides their texts.
        Type::Scalars => list.entries.times(24) + list.bytes,
        Type::Texts => Amount::steps(1) + wanted.bytes.times(2),
        _ => {
            return Err(GuardError::NotAllowed(
                "may use in on lists and maps of texts and numbers only",
            ));
        }
    };
    Ok((Shape::of(Type::Bool), Amount::steps(1) + work))
}

fn size(of: Shape) -> Result<(Shape, Amount), GuardError> {
    let work = match of.kind {
        Type::Lines | Type::Holds | Type::Scalars | Type::Texts => Amount::default(),
        Type::Line | Type::Hold | Type::Customer => {
            return Err(GuardError::NotAllowed(
                "must not ask for the size of a line, a hold or a customer",
            ));
        }
        _ => of.bytes,
    };
    Ok((Shape::of(Type::Int), FUNCTION + work))
}

/// A function that takes scalars only. Where their types do not fit, the evaluator copies them into
/// the error, so all their bytes count at least once.
fn of_scalars(name: &str, operands: &[Shape]) -> (Shape, Amount) {
    let bytes = operands
        .iter()
        .fold(Amount::default(), |sum, operand| sum + operand.bytes);
    let first = operands.first().map_or(Type::Scalar, |first| first.kind);
    let alike = operands.iter().all(|operand| operand.kind == first);
    let kind = if alike { first } else { Type::Scalar };
    match name {
        "_+_" => {
            let shape = Shape {
                bytes,
                ..Shape::of(kind)
            };
            (shape, Amount::steps(1) + bytes.times(2))
        }
        "_-_" | "_*_" | "_/_" | "_%_" | "-_" => {
            (Shape::of(arithmetic(name, kind)), Amount::steps(2) + bytes)
        }
        "_<_" | "_<=_" | "_>_" | "_>=_" => (Shape::of(Type::Bool), ORDERING + bytes),
        "_&&_" | "_||_" | "@not_strictly_false" => (Shape::of(Type::Bool), bytes),
        "!_" => (Shape::of(Type::Bool), Amount::steps(2) + bytes),
        "contains" => (Shape::of(Type::Bool), FUNCTION + bytes.times(SEEKING)),
        "startsWith" | "endsWith" => (Shape::of(Type::Bool), FUNCTION + bytes),
        "string" => {
            let text = Shape::text(bytes + Amount::bytes(NUMBER_TEXT));
            (text, FUNCTION + text.bytes)
        }
        "bool" => (Shape::of(Type::Bool), FUNCTION + bytes.times(PARSING)),
        "double" => (Shape::of(Type::Double), FUNCTION + bytes.times(PARSING)),
        "timestamp" => (Shape::of(Type::Instant), FUNCTION + bytes.times(PARSING)),
        "duration" => (Shape::of(Type::Duration), FUNCTION + bytes.times(PARSING)),
        // `int` and the parts of an instant, which may name a time zone.
        _ => (Shape::of(Type::Int), FUNCTION + bytes.times(PARSING)),
    }
}

fn arithmetic(name: &str, kind: Type) -> Type {
    match (name, kind) {
        ("_-_", Type::Instant) => Type::Duration,
        (_, Type::Int | Type::Uint | Type::Double | Type::Duration) => kind,
        _ => Type::Scalar,
    }
}

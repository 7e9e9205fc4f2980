//! Lines and maps of texts as the evaluator sees them: borrowed, with fields that are made
//! when they are asked for. The evaluator copies a line for each turn of a loop, and a map of
//! its own would take longer to build than most guards to evaluate.

use std::collections::BTreeMap;

use cel::{
    ExecutionError, Value,
    common::{
        traits::{Container, Indexer, Sizer},
        types::{CelBool, CelDouble, CelInt, CelString, MAP_TYPE, Type},
        value::{CowVal, Val},
    },
};

use super::vocabulary::QUANTITY_MOVING;
use crate::{order::Line, value::Quantity};

/// Something with fields.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fields<'a> {
    /// A line, and how much an operation moves of it.
    Line(&'a Line, Quantity),
    Texts(&'a BTreeMap<String, String>),
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    Text(&'a str),
    Number(f64),
    Amount(i64),
    Flag(bool),
}

impl<'a> Fields<'a> {
    fn find(self, key: &dyn Val) -> Result<Option<Field<'a>>, ExecutionError> {
        let Some(key) = key.downcast_ref::<CelString<'_>>() else {
            return Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "string".to_owned(),
            });
        };
        Ok(match self {
            Self::Line(line, moving) => line_field(line, moving, key.inner()),
            Self::Texts(map) => map.get(key.inner()).map(|text| Field::Text(text)),
        })
    }
}

/// A field of a line; none where lines have no such field.
pub(super) fn line_field<'a>(line: &'a Line, moving: Quantity, field: &str) -> Option<Field<'a>> {
    Some(match field {
        "id" => Field::Text(line.id.as_str()),
        "sku" => Field::Text(line.sku.as_str()),
        "name" => Field::Text(line.name.as_str()),
        "quantity_ordered" => Field::Number(line.ordered.to_f64()),
        "quantity_invoiced" => Field::Number(line.invoiced.to_f64()),
        "quantity_shipped" => Field::Number(line.shipped.to_f64()),
        "quantity_refunded" => Field::Number(line.refunded.to_f64()),
        "quantity_canceled" => Field::Number(line.canceled.to_f64()),
        "quantity_returned" => Field::Number(line.returned.to_f64()),
        // Where it is not known, `has(line.total)` says so.
        "total" => Field::Amount(line.total?.minor_units()),
        "is_virtual" => Field::Flag(line.is_virtual),
        QUANTITY_MOVING => Field::Number(moving.to_f64()),
        _ => return None,
    })
}

impl From<Field<'_>> for Value {
    fn from(field: Field<'_>) -> Self {
        match field {
            Field::Text(text) => text.into(),
            Field::Number(number) => Self::Float(number),
            Field::Amount(amount) => Self::Int(amount),
            Field::Flag(flag) => Self::Bool(flag),
        }
    }
}

impl<'a> Field<'a> {
    fn value<'v>(self) -> Box<dyn Val + 'v>
    where
        'a: 'v,
    {
        match self {
            Self::Text(text) => Box::new(CelString::from(text)),
            Self::Number(number) => Box::new(CelDouble::from(number)),
            Self::Amount(amount) => Box::new(CelInt::from(amount)),
            Self::Flag(flag) => Box::new(CelBool::from(flag)),
        }
    }
}

impl Val for Fields<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Indexer for Fields<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(field) = self.find(key)? {
            return Ok(CowVal::Owned(field.value()));
        }
        let key = key.downcast_ref::<CelString<'_>>();
        let key = key.map(|key| key.inner().to_owned());
        Err(ExecutionError::NoSuchKey(key.unwrap_or_default().into()))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Container for Fields<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key)?.is_some())
    }
}

impl Sizer for Fields<'_> {
    fn size(&self) -> CelInt {
        let size = match self {
            Self::Line(..) => super::vocabulary::LINE.len(),
            Self::Texts(map) => map.len(),
        };
        CelInt::from(i64::try_from(size).unwrap_or(i64::MAX))
    }
}

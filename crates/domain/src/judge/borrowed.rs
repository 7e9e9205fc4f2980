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

use crate::{
    guard::{LINE_FIELDS, QUANTITY_MOVING},
    order::Line,
    value::Quantity,
};

#[derive(Debug, Clone, Copy)]
pub(super) enum Borrowed<'a> {
    /// A line, and how much an operation moves of it.
    Line(&'a Line, Quantity),
    Texts(&'a BTreeMap<String, String>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum FieldValue<'a> {
    Text(&'a str),
    Number(f64),
    Amount(i64),
    Flag(bool),
}

impl<'a> Borrowed<'a> {
    fn find(self, key: &dyn Val) -> Result<Option<FieldValue<'a>>, ExecutionError> {
        let Some(key) = key.downcast_ref::<CelString<'_>>() else {
            return Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "string".to_owned(),
            });
        };
        Ok(match self {
            Self::Line(line, moving) => line_field(line, moving, key.inner()),
            Self::Texts(map) => map.get(key.inner()).map(|text| FieldValue::Text(text)),
        })
    }
}

/// A field of a line; none where lines have no such field.
pub(super) fn line_field<'a>(
    line: &'a Line,
    moving: Quantity,
    field: &str,
) -> Option<FieldValue<'a>> {
    Some(match field {
        "id" => FieldValue::Text(line.id.as_str()),
        "sku" => FieldValue::Text(line.sku.as_str()),
        "name" => FieldValue::Text(line.name.as_str()),
        "quantity_ordered" => FieldValue::Number(line.ordered.to_f64()),
        "quantity_invoiced" => FieldValue::Number(line.invoiced.to_f64()),
        "quantity_shipped" => FieldValue::Number(line.shipped.to_f64()),
        "quantity_refunded" => FieldValue::Number(line.refunded.to_f64()),
        "quantity_canceled" => FieldValue::Number(line.canceled.to_f64()),
        "quantity_returned" => FieldValue::Number(line.returned.to_f64()),
        // Where it is not known, `has(line.total)` says so.
        "total" => FieldValue::Amount(line.total?.minor_units()),
        "is_virtual" => FieldValue::Flag(line.is_virtual),
        QUANTITY_MOVING => FieldValue::Number(moving.to_f64()),
        _ => return None,
    })
}

impl From<FieldValue<'_>> for Value {
    fn from(field: FieldValue<'_>) -> Self {
        match field {
            FieldValue::Text(text) => text.into(),
            FieldValue::Number(number) => Self::Float(number),
            FieldValue::Amount(amount) => Self::Int(amount),
            FieldValue::Flag(flag) => Self::Bool(flag),
        }
    }
}

impl<'a> FieldValue<'a> {
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

impl Val for Borrowed<'_> {
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

impl Indexer for Borrowed<'_> {
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

impl Container for Borrowed<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key)?.is_some())
    }
}

impl Sizer for Borrowed<'_> {
    fn size(&self) -> CelInt {
        let size = match self {
            Self::Line(..) => LINE_FIELDS,
            Self::Texts(map) => map.len(),
        };
        CelInt::from(i64::try_from(size).unwrap_or(i64::MAX))
    }
}

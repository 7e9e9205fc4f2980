//! Lists and maps as templates see them. The engine would compare them element by element
//! for one instruction; of these, one equals itself and no other.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use minijinja::{
    Value,
    value::{DynObject, Enumerator, Object, ObjectExt, ObjectRepr, ValueKind},
};

/// A list.
#[derive(Debug)]
pub(super) struct SealedList(pub(super) Vec<Value>);

/// A map with names as keys.
#[derive(Debug)]
pub(super) struct SealedMap(pub(super) BTreeMap<Arc<str>, Value>);

/// The same value with lists and maps that are compared at no cost. Whoever renders a
/// template seals what it sees.
pub fn sealed(value: &Value) -> Value {
    let elements = || value.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            SealedList(elements().map(|element| sealed(&element)).collect()).into()
        }
        ValueKind::Map => {
            let named = elements().map(|key| {
                let field = value.get_item(&key).unwrap_or_default();
                let name = key.to_str().unwrap_or_else(|| Arc::from(key.to_string()));
                (name, sealed(&field))
            });
            SealedMap(named.collect()).into()
        }
        _ => value.clone(),
    }
}

impl From<SealedList> for Value {
    fn from(items: SealedList) -> Self {
        Self::from_object(items)
    }
}

impl From<SealedMap> for Value {
    fn from(fields: SealedMap) -> Self {
        Self::from_object(fields)
    }
}

impl Object for SealedList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        // By place in memory: some order, and no equality but with itself.
        Some(Arc::as_ptr(self).cmp(&std::ptr::from_ref(other.downcast_ref::<Self>()?)))
    }
}

impl Object for SealedMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|this| {
            let names = this.0.keys();
            Box::new(names.map(|name| Value::from(Arc::clone(name))))
        })
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        // By place in memory: some order, and no equality but with itself.
        Some(Arc::as_ptr(self).cmp(&std::ptr::from_ref(other.downcast_ref::<Self>()?)))
    }
}

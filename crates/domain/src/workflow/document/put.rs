//! The fields of parts as documents have them, with the macros that declare such parts, and the
//! lists of parts that they change.

use super::{
    defaults::POSITION_STEP,
    keyed::{Codes, Keyed},
};

/// A field of a part of a workflow, which a document has as a `P`.
pub(super) trait PartField<P> {
    /// Takes over the value of a document, if it gives one.
    fn put(&mut self, given: Option<&P>);

    /// Gives the value for a document; none where it is left out.
    fn written(&self) -> Option<P>;
}

impl<T: Clone> PartField<T> for T {
    fn put(&mut self, given: Option<&T>) {
        if let Some(given) = given {
            self.clone_from(given);
        }
    }

    fn written(&self) -> Option<T> {
        Some(self.clone())
    }
}

impl<T: Clone> PartField<T> for Option<T> {
    fn put(&mut self, given: Option<&T>) {
        if given.is_some() {
            *self = given.cloned();
        }
    }

    fn written(&self) -> Option<T> {
        self.clone()
    }
}

impl<T: Clone> PartField<Codes<T>> for Vec<T> {
    fn put(&mut self, given: Option<&Codes<T>>) {
        if let Some(Codes(given)) = given {
            self.clone_from(given);
        }
    }

    fn written(&self) -> Option<Codes<T>> {
        Some(Codes(self.clone()))
    }
}

/// Gives the value of a field for a document; none where a reader assumes it anyway.
pub(super) fn unless_usual<P, F: PartField<P> + PartialEq>(field: &F, usual: &F) -> Option<P> {
    if field == usual {
        return None;
    }
    <F as PartField<P>>::written(field)
}

/// Changes the parts that exist and appends the others, each a step behind the last.
pub(super) fn put_all<K: PartialEq, P, T>(
    parts: &mut Vec<T>,
    named: &Keyed<K, P>,
    place: impl Fn(&T) -> (&K, i32),
    mut make: impl FnMut(&K, &P, Option<&T>, i32) -> Option<T>,
) {
    let mut last = parts.iter().map(|part| place(part).1).max().unwrap_or(0);
    // They are all there at once, so the list is made as long as it becomes.
    parts.reserve_exact(named.len());
    for (key, part) in named.iter() {
        let present = parts.iter().position(|present| place(present).0 == key);
        if let Some(present) = present.and_then(|index| parts.get_mut(index)) {
            if let Some(changed) = make(key, part, Some(present), last) {
                *present = changed;
            }
        } else if let Some(new) = make(key, part, None, last.saturating_add(POSITION_STEP)) {
            last = place(&new).1;
            parts.push(new);
        }
    }
}

/// The position of the last part that was written, to tell which need not be given.
#[derive(Default)]
pub(super) struct Positions(i32);

impl Positions {
    /// Gives the position that a reader assumes of the next part, which has this one.
    pub(super) fn usual(&mut self, position: i32) -> i32 {
        std::mem::replace(&mut self.0, position).saturating_add(POSITION_STEP)
    }
}

/// Declares a part of a document: fields that may be left out, then maps.
macro_rules! part {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? } maps { $($map:ident: $map_type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $(
                #[serde(default, deserialize_with = "crate::workflow::document::keyed::given", skip_serializing_if = "Option::is_none")]
                pub(super) $field: Option<$type>,
            )+
            $(
                #[serde(default, deserialize_with = "crate::workflow::document::keyed::entries", skip_serializing_if = "Keyed::is_empty")]
                pub(super) $map: $map_type,
            )*
        }
    };
}
pub(super) use part;

/// Declares the fields that a part of a document and one of a workflow have both: those that are
/// always written, those that are written where they are not as usual, and the other fields of the
/// part of the workflow, all of which are named, so that a new one fails to compile.
macro_rules! fields {
    ($part:ident of $whole:ident: always { $($always:ident),* } else { $($field:ident),* } but { $($other:ident),* }) => {
        impl $part {
            /// Changes a part of a workflow as the document says.
            pub(super) fn put_into(&self, whole: &mut $whole) {
                $(PartField::put(&mut whole.$always, self.$always.as_ref());)*
                $(PartField::put(&mut whole.$field, self.$field.as_ref());)*
            }

            /// Writes a part of a workflow; `usual` is as a reader assumes it.
            pub(super) fn of(whole: &$whole, usual: &$whole) -> Self {
                let $whole { $($always,)* $($field,)* $($other: _,)* } = whole;
                let mut part = Self::default();
                $(part.$always = PartField::written($always);)*
                $(part.$field = unless_usual($field, &usual.$field);)*
                part
            }
        }
    };
}
pub(super) use fields;

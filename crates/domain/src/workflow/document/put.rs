//! The fields of parts as documents have them, and the lists of parts that they change.

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

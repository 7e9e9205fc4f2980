//! Collecting everything that is wrong with a request while it is read.

use std::{cell::RefCell, fmt, str::FromStr};

use waymark_domain::value::{Invalid, WorkflowCode};

use super::enums::Numbered;
use crate::invalid::{FieldViolation, InvalidRequest, Problem, VIOLATIONS_MAX, quoted};

/// The violations of a request, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Violations(RefCell<Vec<FieldViolation>>);

/// The path of a field in its request, with the list where violations are noted. It becomes text
/// only when the field is wrong.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    found: &'a Violations,
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Request,
    Field(&'static str),
    Index(usize),
    Key(&'a str),
}

/// The mark that a violation was noted, in place of the value that could not be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted(());

/// A value that was read, or the mark that a violation was noted.
pub(crate) type Read<T> = Result<T, Noted>;

impl Violations {
    /// Reads one request with `read`, which notes what is wrong at its paths.
    pub(crate) fn collect<T>(read: impl FnOnce(Path<'_>) -> Read<T>) -> Result<T, InvalidRequest> {
        let found = Self::default();
        let result = read(found.request());
        let invalid = InvalidRequest::from_violations(found.0.into_inner());
        match (result, invalid) {
            (Ok(value), None) => Ok(value),
            (_, Some(invalid)) => Err(invalid),
            // Nothing but a noted violation makes a `Noted`.
            (Err(Noted(())), None) => Err(InvalidRequest::new("", Problem::Required)),
        }
    }

    /// The request itself.
    fn request(&self) -> Path<'_> {
        Path {
            found: self,
            parent: None,
            step: Step::Request,
        }
    }
}

impl<'a> Path<'a> {
    /// A field of this message.
    pub(crate) fn field(&'a self, name: &'static str) -> Self {
        self.then(Step::Field(name))
    }

    /// An element of this list.
    pub(crate) fn index(&'a self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// A value of this map.
    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        self.then(Step::Key(key))
    }

    fn then(&'a self, step: Step<'a>) -> Self {
        Path {
            found: self.found,
            parent: Some(self),
            step,
        }
    }
}

impl Path<'_> {
    /// Notes a violation, as long as there is room for it in an answer.
    pub(crate) fn note(self, problem: impl Into<Problem>) -> Noted {
        let mut found = self.found.0.borrow_mut();
        if found.len() < VIOLATIONS_MAX {
            let (field, problem) = (self.to_string(), problem.into());
            found.push(FieldViolation { field, problem });
        }
        Noted(())
    }

    /// Reads something that no other function of this type reads.
    pub(crate) fn with<T>(self, read: impl FnOnce(Self) -> Read<T>) -> Read<T> {
        read(self)
    }

    /// Notes why a value was refused.
    pub(crate) fn check<T>(self, value: Result<T, Invalid>) -> Read<T> {
        value.map_err(|problem| self.note(problem))
    }

    /// Reads a text that its type may refuse, also for being empty.
    pub(crate) fn text<T: FromStr<Err = Invalid>>(self, text: &str) -> Read<T> {
        self.check(text.parse())
    }

    /// Reads a text where empty means none.
    pub(crate) fn optional<T>(self, text: &str) -> Read<Option<T>>
    where
        T: FromStr<Err = Invalid>,
    {
        if text.is_empty() {
            return Ok(None);
        }
        self.text(text).map(Some)
    }

    /// Reads the code of a workflow where empty means the default one, as a field of this message.
    pub(crate) fn workflow(self, code: &str, default: &WorkflowCode) -> Read<WorkflowCode> {
        let code = self.field("workflow").optional(code)?;
        Ok(code.unwrap_or_else(|| default.clone()))
    }

    /// Reads a list of at most `max` texts.
    pub(crate) fn list<T, C>(self, texts: &[String], max: usize) -> Read<C>
    where
        T: FromStr<Err = Invalid>,
        C: FromIterator<T>,
    {
        self.each(texts, max, |at, text: &String| at.text::<T>(text))
    }

    /// Reads a list of at most `max` values, each with `read`.
    pub(crate) fn each<V, T, C: FromIterator<T>>(
        self,
        values: impl IntoIterator<Item = V, IntoIter: ExactSizeIterator>,
        max: usize,
        mut read: impl FnMut(Path<'_>, V) -> Read<T>,
    ) -> Read<C> {
        let values = values.into_iter();
        self.count(values.len(), max)?;
        // Each is read, whatever is wrong with those before it. Collected, they would stay in the
        // memory of the values, which are larger.
        let mut all = Vec::with_capacity(values.len());
        for (index, value) in values.enumerate() {
            all.push(read(self.index(index), value));
        }
        all.into_iter().collect()
    }

    /// Refuses a list of more than `max` elements before any of them is read.
    pub(crate) fn count(self, actual: usize, max: usize) -> Read<()> {
        if actual > max {
            return Err(self.note(Invalid::TooMany { max, actual }));
        }
        Ok(())
    }

    /// Reads a message that must be given.
    pub(crate) fn required<T>(self, message: Option<T>) -> Read<T> {
        message.ok_or_else(|| self.note(Problem::Required))
    }

    /// Reads a choice that must be there; a caller knows it by its fields alone.
    pub(crate) fn choice<T>(self, chosen: Option<T>, fields: &'static str) -> Read<T> {
        chosen.ok_or_else(|| self.note(Problem::Choice { fields }))
    }

    /// Reads the number of an enum.
    pub(crate) fn number<E: TryFrom<i32>>(self, number: i32) -> Read<E> {
        E::try_from(number).map_err(|_| self.note(Problem::UnknownNumber { number }))
    }

    /// Reads the number of an enum as the value of the domain that it stands for.
    pub(crate) fn numbered<T>(self, number: i32) -> Read<T>
    where
        T: Numbered + From<<T as Numbered>::Wire>,
        <T as Numbered>::Wire: TryFrom<i32>,
    {
        self.number::<<T as Numbered>::Wire>(number).map(T::from)
    }

    /// Reads a number that is 0 or more, where 0 means none.
    pub(crate) fn positive(self, number: i64) -> Read<Option<i64>> {
        let (min, max) = (0, i64::MAX);
        if number < min {
            return Err(self.note(Invalid::OutOfRange { min, max }));
        }
        Ok(Some(number).filter(|number| *number != 0))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        let is_nested = |path: &Path<'_>| !matches!(path.step, Step::Request);
        match self.step {
            Step::Request => Ok(()),
            Step::Field(name) if self.parent.is_some_and(is_nested) => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{}]", quoted(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_the_contract_writes_them() {
        let found = Violations::default();
        let request = found.request();
        let order = request.field("order");
        let lines = order.field("lines");
        let line = lines.index(2);
        assert_eq!(
            line.field("quantity_ordered").to_string(),
            "order.lines[2].quantity_ordered"
        );
        assert_eq!(request.field("comment").to_string(), "comment");
        assert_eq!(
            request.field("labels").key("de\n").to_string(),
            "labels[de ]"
        );
        assert_eq!(request.to_string(), "");
    }
}

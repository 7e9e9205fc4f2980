//! Collecting everything that is wrong with a request while it is read.

use std::{fmt, str::FromStr};

use waymark_domain::value::{Invalid, WorkflowCode};

use crate::invalid::{FieldViolation, InvalidRequest, Problem, VIOLATIONS_MAX, quoted};

/// Where a field stands in its request. It becomes text only when the field is wrong.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
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

impl<'a> Path<'a> {
    /// The request itself.
    pub(crate) const REQUEST: Path<'static> = Path {
        parent: None,
        step: Step::Request,
    };

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
            parent: Some(self),
            step,
        }
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

/// That a violation was noted, in place of the value that could not be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted(());

/// What is wrong with a request, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    found: Vec<FieldViolation>,
}

impl Violations {
    /// Reads one request with `read`, which notes what is wrong.
    pub(crate) fn collect<T>(
        read: impl FnOnce(&mut Self) -> Result<T, Noted>,
    ) -> Result<T, InvalidRequest> {
        let mut found = Self::default();
        let result = read(&mut found);
        match (result, InvalidRequest::from_violations(found.found)) {
            (Ok(value), None) => Ok(value),
            (_, Some(invalid)) => Err(invalid),
            // Nothing but a noted violation makes a `Noted`.
            (Err(Noted(())), None) => Err(InvalidRequest::new("", Problem::Required)),
        }
    }

    /// Notes a violation, as long as there is room for it in an answer.
    pub(crate) fn note(&mut self, at: Path<'_>, problem: impl Into<Problem>) -> Noted {
        if self.found.len() < VIOLATIONS_MAX {
            let (field, problem) = (at.to_string(), problem.into());
            self.found.push(FieldViolation { field, problem });
        }
        Noted(())
    }

    /// Notes why a value was refused.
    pub(crate) fn check<T>(&mut self, at: Path<'_>, value: Result<T, Invalid>) -> Result<T, Noted> {
        value.map_err(|problem| self.note(at, problem))
    }

    /// Reads a text that its type may refuse, also for being empty.
    pub(crate) fn text<T>(&mut self, at: Path<'_>, text: &str) -> Result<T, Noted>
    where
        T: FromStr<Err = Invalid>,
    {
        self.check(at, text.parse())
    }

    /// Reads a text where empty means none.
    pub(crate) fn optional<T>(&mut self, at: Path<'_>, text: &str) -> Result<Option<T>, Noted>
    where
        T: FromStr<Err = Invalid>,
    {
        if text.is_empty() {
            return Ok(None);
        }
        self.text(at, text).map(Some)
    }

    /// Reads the code of a workflow where empty means the default one.
    pub(crate) fn workflow(
        &mut self,
        at: Path<'_>,
        code: &str,
        default: &WorkflowCode,
    ) -> Result<WorkflowCode, Noted> {
        let code = self.optional(at.field("workflow"), code)?;
        Ok(code.unwrap_or_else(|| default.clone()))
    }

    /// Reads a list of at most `max` texts.
    pub(crate) fn list<T, C>(
        &mut self,
        at: Path<'_>,
        texts: &[String],
        max: usize,
    ) -> Result<C, Noted>
    where
        T: FromStr<Err = Invalid>,
        C: FromIterator<T>,
    {
        self.count(at, texts.len(), max)?;
        let read = texts.iter().enumerate();
        let read: Vec<_> = read
            .map(|(index, text)| self.text(at.index(index), text))
            .collect();
        read.into_iter().collect()
    }

    /// Refuses a list of more than `max` elements before any of them is read.
    pub(crate) fn count(&mut self, at: Path<'_>, actual: usize, max: usize) -> Result<(), Noted> {
        if actual > max {
            return Err(self.note(at, Invalid::TooMany { max, actual }));
        }
        Ok(())
    }

    /// Reads a message that must be given.
    pub(crate) fn required<T>(&mut self, at: Path<'_>, message: Option<T>) -> Result<T, Noted> {
        message.ok_or_else(|| self.note(at, Problem::Required))
    }

    /// Reads a choice that must be there; a caller knows it by its fields alone.
    pub(crate) fn choice<T>(
        &mut self,
        at: Path<'_>,
        chosen: Option<T>,
        fields: &'static str,
    ) -> Result<T, Noted> {
        chosen.ok_or_else(|| self.note(at, Problem::Choice { fields }))
    }

    /// Reads the number of an enum.
    pub(crate) fn number<E: TryFrom<i32>>(
        &mut self,
        at: Path<'_>,
        number: i32,
    ) -> Result<E, Noted> {
        E::try_from(number).map_err(|_| self.note(at, Problem::UnknownNumber { number }))
    }

    /// Reads a number that is 0 or more, where 0 means none.
    pub(crate) fn positive(&mut self, at: Path<'_>, number: i64) -> Result<Option<i64>, Noted> {
        let (min, max) = (0, i64::MAX);
        if number < min {
            return Err(self.note(at, Invalid::OutOfRange { min, max }));
        }
        Ok(Some(number).filter(|number| *number != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_the_contract_writes_them() {
        let request = Path::REQUEST;
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

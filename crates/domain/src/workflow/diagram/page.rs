//! The page that a diagram is written on: text that ends where it would be too large.

/// A diagram is larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the diagram has more than {max} bytes")]
pub struct TooLarge {
    /// The limit, in bytes.
    pub max: usize,
}

/// A text of bounded size.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    max: usize,
}

impl Page {
    pub(super) fn new(max: usize) -> Self {
        Self {
            text: String::new(),
            max,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Checks that so many bytes more would fit.
    pub(super) fn fits(&self, bytes: usize) -> Result<(), TooLarge> {
        if self.text.len().saturating_add(bytes) > self.max {
            return Err(TooLarge { max: self.max });
        }
        Ok(())
    }

    /// Adds a text as it is.
    pub(super) fn push(&mut self, text: &str) -> Result<(), TooLarge> {
        self.fits(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    /// Adds a line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), TooLarge> {
        self.push(line)?;
        self.push("\n")
    }
}

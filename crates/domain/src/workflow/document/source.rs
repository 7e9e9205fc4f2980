//! The text of a document as a stream of events, whatever its format.

use super::{
    events::{Piece, Stop},
    json::Json,
    yaml::Yaml,
};

/// The parts of a document, one after the other.
pub(super) enum Source<'t> {
    Yaml(Box<Yaml<'t>>),
    Json(Json<'t>),
}

impl<'t> Source<'t> {
    /// Reads the next part; none at the end.
    pub(super) fn read(&mut self) -> Result<Option<Piece<'t>>, Stop> {
        match self {
            Self::Yaml(yaml) => yaml.read(),
            Self::Json(json) => json.read(),
        }
    }
}

//! Settings: defaults, then a TOML file, then the environment, then flags; the
//! last one that says something wins. They are read once, at start, into types
//! that are valid; all that is not is refused at once, by its key and by where it
//! came from. Each concern declares its keys in a struct, from whose comments the
//! help and `docs/settings.md` are made.

mod addresses;
mod dispatch;
mod error;
mod key;
mod outbound;
mod server;
mod sources;
mod storage;
#[cfg(test)]
mod tests;
mod values;

pub use addresses::{BaseUrl, Origin};
pub use dispatch::{DispatchSettings, Keep};
pub use error::{SettingsError, Wrong};
use key::Concern;
pub use key::Key;
pub use outbound::MailSettings;
pub use server::{FeedSettings, LogFormat, LogSettings, ServerSettings};
pub use sources::Sources;
pub use storage::{CommitSettings, HistorySettings};
use values::{Noted, Values};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where and how the server listens and stops.
    pub server: ServerSettings,
    /// The database, and how long to wait for it.
    pub database: waymark_persistence::Settings,
    /// How writes are queued and grouped.
    pub commits: CommitSettings,
    /// How streams of history are fed.
    pub history: HistorySettings,
    /// How deliveries and timers are carried out.
    pub dispatch: DispatchSettings,
    /// The port for customers' feeds.
    pub feeds: FeedSettings,
    /// The log: what it has, and its form.
    pub log: LogSettings,
}

/// The keys of each concern.
static CONCERNS: [(&str, &[Key]); 9] = [
    ("Server", ServerSettings::KEYS),
    ("Database", storage::DatabaseKeys::KEYS),
    ("Commits", CommitSettings::KEYS),
    ("History", HistorySettings::KEYS),
    ("Feeds", FeedSettings::KEYS),
    ("Deliveries and timers", dispatch::DispatchKeys::KEYS),
    ("Mails", outbound::MailKeys::KEYS),
    ("Events", outbound::NatsKeys::KEYS),
    ("Log", LogSettings::KEYS),
];

/// All keys.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    CONCERNS.iter().flat_map(|(_, keys)| keys.iter())
}

impl Settings {
    /// Reads the settings from their sources. Those of a part that is off are read as well.
    ///
    /// # Errors
    /// Returns [`SettingsError`] for a file that cannot be read, and for keys that are not known and values that are not
    /// valid: all of them at once.
    pub fn read(sources: &Sources) -> Result<Self, SettingsError> {
        let mut values = Values::of(keys(), sources)?;
        let settings = Self::of(&mut values);
        values.end(settings)
    }

    fn of(values: &mut Values) -> Result<Self, Noted> {
        let server = server::server(values)?;
        let database = storage::database(values)?;
        Ok(Self {
            commits: storage::commits(values, &database)?,
            history: values.read()?,
            dispatch: dispatch::read(values)?,
            feeds: server::feeds(values, server.listen)?,
            log: values.read()?,
            server,
            database,
        })
    }
}

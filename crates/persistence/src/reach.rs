//! Causes for which a PostgreSQL server cannot be reached, in words of whoever has to put it right. Nothing of it repeats a password.

use std::{error::Error as StdError, io, net::IpAddr};

use tokio::time::timeout;
use tokio_postgres::{
    Config,
    config::Host,
    error::{DbError, SqlState},
};

use crate::{Error, Settings, address::Target, postgres, settings::Address, storage::opening, tls};

const PORT_DEFAULT: u16 = 5432;
/// The text of the standard library before the reason for which a name has no address.
const NO_ADDRESS: &str = "failed to lookup address";

#[derive(Debug, PartialEq, Eq)]
struct Cause {
    text: String,
    /// Whether it stays so until somebody changes something.
    lasts: bool,
}

/// Puts an error of opening a database into words that name it.
pub(crate) async fn explain(settings: &Settings, error: Error) -> Error {
    match (&settings.url.0, error) {
        (Address::Sqlite(path), error) => opening::explain(path, error),
        (Address::Postgres(target), error @ Error::Unavailable { .. }) => {
            match cause(settings, target).await {
                Some(Cause { text, lasts }) => Error::CannotReach {
                    server: server(&target.config),
                    cause: text,
                    lasts,
                },
                // It can be by now, so it was something else.
                None => error,
            }
        }
        (Address::Postgres(_), error) => error,
    }
}

/// Tries to connect once more, and finds out what stands in the way, if anything does.
async fn cause(settings: &Settings, target: &Target) -> Option<Cause> {
    let target = postgres::tuned(settings, target);
    let hosts = target.config.get_hosts().len().max(1);
    let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
    let patience = settings.connect_timeout.saturating_mul(hosts);
    match timeout(patience.saturating_mul(2), dial(&target)).await {
        Ok(dialled) => dialled.err(),
        Err(_elapsed) => Some(transient("no answer in time")),
    }
}

async fn dial(target: &Target) -> Result<(), Cause> {
    let connected = postgres::open(target).await.map(drop);
    connected.map_err(|error| of_error(&error, &target.config))
}

fn of_error(error: &tokio_postgres::Error, config: &Config) -> Cause {
    if let Some(said) = error.as_db_error() {
        return of_server(said, config);
    }
    let first = StdError::source(error);
    let causes = std::iter::successors(first, |cause: &&(dyn StdError + 'static)| {
        let cause: &(dyn StdError + 'static) = *cause;
        cause.source()
    });
    let mut system = causes
        .clone()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    match system.next() {
        Some(error) => of_system(error),
        None if error.is_closed() => transient("the server closed the connection"),
        // What the address lacks, and what the two sides do not agree about.
        None => lasting(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))),
    }
}

fn of_server(said: &DbError, config: &Config) -> Cause {
    let user = config.get_user().unwrap_or("(unnamed)");
    let code = said.code();
    if *code == SqlState::INVALID_PASSWORD {
        return lasting(format!("the password of user {user} was refused"));
    }
    if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return lasting(format!("user {user} was refused: {}", said.message()));
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        let database = config.get_dbname().unwrap_or(user);
        return lasting(format!("database \"{database}\" does not exist"));
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return lasting(said.message().to_owned());
    }
    transient(said.message())
}

fn of_system(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => transient("connection refused"),
        io::ErrorKind::TimedOut => transient("no answer in time"),
        io::ErrorKind::NotFound => transient("nobody listens there"),
        // Such as a certificate of nobody who is trusted.
        io::ErrorKind::InvalidData => {
            let of_tls = error
                .get_ref()
                .and_then(|error| error.downcast_ref::<rustls::Error>());
            let cause = of_tls.map_or_else(
                || error.to_string(),
                |error| tls::explain("the server's certificate", error),
            );
            lasting(format!("no connection over TLS: {cause}"))
        }
        _ => {
            let text = error.to_string();
            if text.starts_with(NO_ADDRESS) {
                transient("name not known")
            } else {
                transient(text)
            }
        }
    }
}

fn transient(text: impl Into<String>) -> Cause {
    Cause {
        text: text.into(),
        lasts: false,
    }
}

fn lasting(text: impl Into<String>) -> Cause {
    Cause {
        text: text.into(),
        lasts: true,
    }
}

fn server(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |index: usize| {
        let port = ports.get(index).or_else(|| ports.first());
        port.copied().unwrap_or(PORT_DEFAULT)
    };
    let hosts = config.get_hosts().iter().enumerate();
    let hosts = hosts.map(|(index, host)| match host {
        Host::Tcp(name) if name.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => {
            format!("[{name}]:{}", port(index))
        }
        Host::Tcp(name) => format!("{name}:{}", port(index)),
        Host::Unix(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{}", port(index)));
            socket.display().to_string()
        }
    });
    let mut places: Vec<String> = hosts.collect();
    if places.is_empty() {
        let addresses = config.get_hostaddrs().iter();
        places.extend(addresses.map(ToString::to_string));
    }
    places.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::DatabaseUrl;

    fn config(url: &str) -> Config {
        url.parse().unwrap()
    }

    #[test]
    fn the_server_is_named_with_its_port_and_without_secrets() {
        for (url, place) in [
            ("postgres://shop:s3cret@db/orders", "db:5432"),
            ("postgres://shop@db:6432/orders", "db:6432"),
            ("postgres://shop@one:1,two:2/orders", "one:1, two:2"),
            ("postgres://shop@[::1]:6432/orders", "[::1]:6432"),
            (
                "postgres://shop@%2Fvar%2Frun/orders",
                "/var/run/.s.PGSQL.5432",
            ),
        ] {
            assert_eq!(server(&config(url)), place, "{url}");
        }
    }

    #[test]
    fn what_the_system_says_is_told_in_a_few_words() {
        let lookup = "failed to lookup address information: Name or service not known";
        for (error, text) in [
            (
                io::Error::from(io::ErrorKind::ConnectionRefused),
                "connection refused",
            ),
            (
                io::Error::from(io::ErrorKind::TimedOut),
                "no answer in time",
            ),
            (io::Error::other(lookup), "name not known"),
            (io::Error::other("no route to host"), "no route to host"),
        ] {
            assert_eq!(of_system(&error), transient(text));
        }
        let untrusted = io::Error::new(io::ErrorKind::InvalidData, "UnknownIssuer");
        assert!(of_system(&untrusted).lasts);
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_refuses() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let url = format!("postgres://shop:s3cret@127.0.0.1:{port}/orders");
        let settings = Settings {
            connect_timeout: Duration::from_secs(10),
            ..Settings::new(DatabaseUrl::parse(&url).unwrap())
        };
        let error = explain(&settings, Error::unavailable("anything")).await;
        assert_eq!(
            error.to_string(),
            format!("cannot reach PostgreSQL at 127.0.0.1:{port}: connection refused")
        );
        assert!(error.is_transient());
        // Another error is none of reaching it.
        let other = explain(&settings, Error::Busy).await;
        assert!(matches!(other, Error::Busy));
    }
}

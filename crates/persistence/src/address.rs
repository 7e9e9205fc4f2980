//! The address of a PostgreSQL server as libpq writes it. What it says of TLS is read here, and
//! the rest by the driver, which knows fewer modes and no files.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use tokio_postgres::{
    Config,
    config::{Host, SslMode, SslNegotiation},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    Error,
    tls::{self, Identity, Roots, Trust},
};

/// A hint at what an address may lack, in words that repeat nothing of it.
const UNESCAPED: &str = "in a user, a password or another value, write @ as %40, ? as %3F, \
                         & as %26 and % as %25";

/// The place of PostgreSQL, and the way to speak to it. Whether TLS is needed, tried or not used stands
/// in the driver's mode.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) connector: MakeRustlsConnect,
}

/// The modes of libpq. `allow` is taken as `prefer`, and `require` as `verify-full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TlsMode {
    Disable,
    Prefer,
    VerifyCa,
    VerifyFull,
}

#[derive(Debug, Default)]
struct TlsParameters {
    mode: Option<TlsMode>,
    roots: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Target {
    /// Reads an address that begins with `postgres://` or `postgresql://`, and the files that it
    /// names.
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] for what cannot be read, without repeating a password.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (place, query) = split(text);
        let (asked, others) = TlsParameters::take_from(query)?;
        let rest = format!("{place}?{others}");
        let mut config = rest.parse::<Config>().map_err(|error| {
            if may_repeat_secrets(query) {
                return invalid(UNESCAPED);
            }
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            invalid(cause.unwrap_or_else(|| error.to_string()))
        })?;
        check_hosts(place, &config)?;
        name_addresses(&mut config);
        let mode = asked.mode(&config)?;
        config.ssl_mode(match mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        let is_direct = config.get_ssl_negotiation() == SslNegotiation::Direct;
        if is_direct && mode == TlsMode::Prefer {
            return Err(invalid(
                "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full",
            ));
        }
        let connector = tls::connector(asked.trust(mode)?, asked.identity()?, is_direct)?;
        Ok(Self { config, connector })
    }
}

impl TlsMode {
    fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "verify-ca" => Ok(Self::VerifyCa),
            "require" | "verify-full" => Ok(Self::VerifyFull),
            _ => Err(invalid(
                "sslmode is none of disable, allow, prefer, require, verify-ca and verify-full",
            )),
        }
    }
}

impl TlsParameters {
    /// Takes what is said of TLS out of a query, and returns the rest of it.
    fn take_from(query: &str) -> Result<(Self, String), Error> {
        let mut asked = Self::default();
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(invalid("a parameter of it has no value"));
            };
            let value = || decoded(value).map(Cow::into_owned);
            match &*decoded(key)? {
                "sslmode" => asked.mode = Some(TlsMode::parse(&value()?)?),
                "sslrootcert" => asked.roots = Some(file("sslrootcert", value()?)?),
                "sslcert" => asked.certificate = Some(file("sslcert", value()?)?),
                "sslkey" => asked.key = Some(file("sslkey", value()?)?),
                // The driver would take all before the first @ for user and password.
                _ => others.push(pair.replace('@', "%40")),
            }
        }
        Ok((asked, others.join("&")))
    }

    /// The mode that counts: who names whom to trust wants to know with whom it speaks. Sockets
    /// of the machine have no TLS, whatever is asked.
    fn mode(&self, config: &Config) -> Result<TlsMode, Error> {
        let mode = match (self.mode, &self.roots) {
            (Some(TlsMode::Disable | TlsMode::Prefer), Some(_)) => {
                return Err(invalid(
                    "sslrootcert needs sslmode=require, verify-ca or verify-full",
                ));
            }
            (Some(mode), _) => mode,
            (None, Some(_)) => TlsMode::VerifyFull,
            (None, None) => TlsMode::Prefer,
        };
        let hosts = config.get_hosts();
        let is_local = |host: &Host| match host {
            Host::Tcp(_) => false,
            Host::Unix(_) => true,
        };
        if !hosts.is_empty() && hosts.iter().all(is_local) && config.get_hostaddrs().is_empty() {
            return Ok(TlsMode::Disable);
        }
        Ok(mode)
    }

    fn trust(&self, mode: TlsMode) -> Result<Trust, Error> {
        let roots = || match self.roots.as_deref() {
            Some("system") | None => Roots::of_machine(),
            Some(file) => Roots::of_file(file),
        };
        match mode {
            TlsMode::Disable | TlsMode::Prefer => Ok(Trust::Anybody),
            TlsMode::VerifyCa => Ok(Trust::Chain(roots()?)),
            TlsMode::VerifyFull => Ok(Trust::ChainAndName(roots()?)),
        }
    }

    fn identity(&self) -> Result<Option<Identity>, Error> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Identity::of_files(certificate, key).map(Some),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                Err(invalid("sslcert and sslkey are given both or neither"))
            }
        }
    }
}

/// Parts an address before its query. User and password end at the first `@`, and may have
/// a `?`; an `@` that stands in a query is none of theirs.
fn split(text: &str) -> (&str, &str) {
    let is_query = |before: &str| {
        let (_scheme, before) = before.split_once("://").unwrap_or(("", before));
        let path = before.split_once('/').map(|(_, path)| path);
        path.is_some_and(|path| path.contains('?'))
    };
    let user = text.find('@').filter(|at| {
        let before = text.split_at_checked(*at).map(|(before, _)| before);
        !before.is_some_and(is_query)
    });
    let from = user.unwrap_or_default();
    let query = text.get(from..).and_then(|rest| rest.find('?'));
    let parts = query.and_then(|query| text.split_at_checked(from + query));
    let Some((place, query)) = parts else {
        return (text, "");
    };
    (place, query.strip_prefix('?').unwrap_or(query))
}

fn file(parameter: &str, name: String) -> Result<String, Error> {
    if name.is_empty() {
        return Err(invalid(format!(
            "{parameter} is empty: name a file, or leave it out"
        )));
    }
    Ok(name)
}

fn decoded(text: &str) -> Result<Cow<'_, str>, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map_err(|_| invalid("a parameter of it is not UTF-8"))
}

/// Whether what the driver does not know may be a piece of a password, one with a sign in it that
/// ends passwords.
fn may_repeat_secrets(query: &str) -> bool {
    let mut pairs = query.split('&');
    query.contains('@') || pairs.any(|pair| pair.starts_with("password="))
}

/// Makes sure that there is a host, and that it is none of a password, which ends at the first `@`.
fn check_hosts(place: &str, config: &Config) -> Result<(), Error> {
    let hosts = config.get_hosts();
    let has_at = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
    let is_empty = |host: &Host| matches!(host, Host::Tcp(name) if name.is_empty());
    if place.matches('@').count() > 1 || hosts.iter().any(has_at) {
        return Err(invalid(UNESCAPED));
    }
    if config.get_hostaddrs().is_empty() && hosts.iter().all(is_empty) {
        return Err(invalid(
            "it names no host: write postgres://user@host/database, or for a socket of this \
             machine postgres:///database?host=/var/run/postgresql",
        ));
    }
    Ok(())
}

/// Gives addresses without names their text as name, without which the driver tries no TLS.
fn name_addresses(config: &mut Config) {
    if config.get_hosts().is_empty() {
        for address in config.get_hostaddrs().to_vec() {
            config.host(address.to_string());
        }
    }
}

fn invalid(problem: impl std::fmt::Display) -> Error {
    Error::InvalidUrl {
        problem: format!("the PostgreSQL address cannot be read: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Config {
        Target::parse(url)
            .map(|target| target.config)
            .map_err(|error| format!("{url}: {error}"))
            .unwrap()
    }

    fn refused(url: &str) -> String {
        match Target::parse(url) {
            Ok(_) => panic!("{url} is taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn modes_are_those_of_libpq() {
        for (query, mode) in [
            ("", SslMode::Prefer),
            ("?", SslMode::Prefer),
            ("?sslmode=allow", SslMode::Prefer),
            ("?sslmode=prefer", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=require", SslMode::Require),
            ("?sslmode=verify-ca", SslMode::Require),
            ("?sslmode=verify-full", SslMode::Require),
            ("?ssl%6dode=verify%2Dfull&", SslMode::Require),
            // The last one counts.
            ("?sslmode=disable&sslmode=verify-full", SslMode::Require),
            ("?sslrootcert=system", SslMode::Require),
            ("?sslrootcert=system&sslmode=verify-ca", SslMode::Require),
        ] {
            let config = parsed(&format!("postgres://shop@db/orders{query}"));
            assert_eq!(config.get_ssl_mode(), mode, "{query}");
            assert_eq!(config.get_dbname(), Some("orders"), "{query}");
        }
    }

    #[test]
    fn passwords_stay_as_they_are() {
        for (user, password) in [
            ("shop:sslmode=verify-full", "sslmode=verify-full"),
            ("shop:a?sslmode=verify-full", "a?sslmode=verify-full"),
            ("shop:a%26sslmode=disable", "a&sslmode=disable"),
            ("shop:a%40b%2Fc%3Fd", "a@b/c?d"),
            ("shop:a/b", "a/b"),
            ("shop:a%20b+c", "a b+c"),
        ] {
            for (query, mode) in [
                ("", SslMode::Prefer),
                ("?sslmode=verify-full", SslMode::Require),
                ("?sslmode=disable&application_name=a%26b", SslMode::Disable),
            ] {
                let config = parsed(&format!("postgresql://{user}@db/orders{query}"));
                assert_eq!(config.get_password(), Some(password.as_bytes()), "{user}");
                assert_eq!(config.get_user(), Some("shop"), "{user}");
                assert_eq!(config.get_ssl_mode(), mode, "{user}{query}");
            }
        }
        let config = parsed("postgres://db/orders?user=shop&password=sslmode=a%26b@c");
        assert_eq!(config.get_password(), Some(b"sslmode=a&b@c".as_slice()));
        assert_eq!(config.get_hosts(), [Host::Tcp("db".to_owned())]);
    }

    #[test]
    fn the_rest_is_left_to_the_driver() {
        let config = parsed(
            "postgres://shop@one:1,two,[::1]:3/my%20orders?sslmode=disable\
             &application_name=a%20b&options=-c%20search_path%3Dshop&target_session_attrs=read-write",
        );
        let hosts = ["one", "two", "::1"].map(|name| Host::Tcp(name.to_owned()));
        assert_eq!(config.get_hosts(), hosts);
        assert_eq!(config.get_ports(), [1, 5432, 3]);
        assert_eq!(config.get_dbname(), Some("my orders"));
        assert_eq!(config.get_application_name(), Some("a b"));
        assert_eq!(config.get_options(), Some("-c search_path=shop"));
        let numbered = parsed("postgres:///orders?hostaddr=127.0.0.1,::1&user=shop");
        let hosts = ["127.0.0.1", "::1"].map(|name| Host::Tcp(name.to_owned()));
        assert_eq!(numbered.get_hosts(), hosts);
    }

    #[test]
    fn sockets_of_the_machine_have_no_tls() {
        for url in [
            "postgres://shop@%2Fvar%2Frun/orders",
            "postgres:///orders?host=/var/run&user=shop&sslmode=verify-full",
        ] {
            assert_eq!(parsed(url).get_ssl_mode(), SslMode::Disable, "{url}");
        }
        let both = parsed("postgres://shop@%2Fvar%2Frun,db/orders?sslmode=require");
        assert_eq!(both.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (query, named) in [
            ("sslmode=verify_full", "sslmode"),
            ("sslmode", "has no value"),
            ("sslcrl=/a", "sslcrl"),
            ("sslpassword=secret", "sslpassword"),
            ("gssencmode=disable", "gssencmode"),
            ("sslrootcert=system&sslmode=prefer", "sslrootcert needs"),
            ("sslrootcert=/no/such/file.pem", "/no/such/file.pem"),
            ("sslcert=/no/such/cert.pem", "sslkey"),
            (
                "sslcert=/no/such/cert.pem&sslkey=/no/such/key.pem",
                "/no/such/cert.pem",
            ),
            ("sslnegotiation=direct", "sslnegotiation"),
            ("application_name=%FF", "utf-8"),
            ("sslrootcert=", "sslrootcert is empty"),
            ("sslmode=prefer&sslcert=&sslkey=", "sslcert is empty"),
            ("hostaddr=there", "hostaddr"),
        ] {
            let said = refused(&format!("postgres://shop:s3cret@db/orders?{query}"));
            assert!(said.contains(named), "{query}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    /// Where a sign of a password is not escaped, what follows it is read as something else.
    #[test]
    fn nothing_of_a_password_is_repeated() {
        for url in [
            "postgres://shop:p@S3CRET@localhost/orders",
            "postgres://shop:p@S3C/RET@localhost/orders",
            "postgres://shop:p@S3C:RET@localhost/orders",
            "postgres://shop:p@S3C?RET@localhost/orders",
            "postgres://shop:p@S3C?RET=1@localhost/orders",
            "postgres://shop:p/a?S3CRET=1@localhost/orders",
            "postgres://shop:1/a?S3CRET=1@localhost/orders",
            "postgres://shop:p@S3C#RET@localhost/orders",
            "postgres://shop:S3CRET%FF@[localhost/orders",
            "postgres://localhost/orders?user=shop&password=p&S3CRET=1",
            "postgres://localhost/orders?user=shop&password=p&S3CRET",
            "postgres://localhost/orders?user=shop&host=S3CRET@localhost",
            "postgres://shop:S3CRET",
        ] {
            let said = refused(url);
            assert!(!said.contains("S3C") && !said.contains("RET"), "{said}");
        }
        let said = refused("postgres://shop:p@S3CRET@localhost/orders");
        assert!(said.contains("write @ as %40"), "{said}");
    }

    #[test]
    fn an_address_names_a_host() {
        for url in [
            "postgres:///",
            "postgres:///orders",
            "postgres://shop@/orders?sslmode=disable",
            "postgres://:5432/orders",
            "postgres://",
        ] {
            let said = refused(url);
            assert!(said.contains("it names no host"), "{url}: {said}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "no certificate").unwrap();
        let path = file.path().display();
        let said = refused(&format!("postgres://db/orders?sslrootcert={path}"));
        assert!(said.contains(&path.to_string()), "{said}");
    }
}

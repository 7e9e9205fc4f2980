//! The settings of NATS: its servers, and the login.

use std::time::Duration;

use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};
use url::{Host, Url};

use super::credentials::{self, InvalidCredentials};
use crate::{Password, tls};

const PORT_DEFAULT: u16 = 4222;
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_mins(10);
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The problem of the settings of NATS.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No server is named.
    #[error("at least one NATS server is needed")]
    NoServer,
    /// The address of a server cannot be read.
    #[error("a NATS server is written as nats://host:4222 or tls://host:4222")]
    Server(#[source] url::ParseError),
    /// The address of a server is none of `nats` and `tls`, or holds a user.
    #[error("a NATS server is written as nats://host:4222 or tls://host:4222, without a user")]
    ServerForm,
    /// The credentials are not the content of a `.creds` file.
    #[error("the credentials of NATS are not the content of a .creds file")]
    Credentials(#[source] InvalidCredentials),
    /// The text of the certificates has none.
    #[error("there is no PEM certificate in the text of the trusted authority")]
    NoCertificate,
    /// The certificates of the authority, or those of this machine, cannot be used.
    #[error("the certificates of the trusted authority or of this machine cannot be used")]
    Certificate(#[source] rustls::Error),
    /// The time-out is out of range.
    #[error("the time-out of NATS lies between 0.1 s and 600 s")]
    Timeout,
}

/// The way to log in to NATS.
#[derive(Debug, Clone)]
pub enum Access {
    /// Not at all.
    Anonymous,
    /// By a token.
    Token(Password),
    /// By a user and a password.
    User {
        /// Its name.
        name: String,
        /// Its password.
        password: Password,
    },
    /// By a JWT and a key: the content of a `.creds` file.
    Credentials(Password),
}

/// The address of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether the connection is protected or not made.
    pub(super) is_tls: bool,
}

/// The NATS servers that events are handed to.
#[derive(Debug, Clone)]
pub struct Servers {
    addresses: Vec<Address>,
    access: Access,
    authorities: Vec<CertificateDer<'static>>,
    timeout: Duration,
}

impl Servers {
    /// The servers of one cluster at `addresses`, without a login, with 10 s for an
    /// event. With `tls://` the connection is protected or not made. They are tried in turn;
    /// others that they tell of are not used.
    ///
    /// # Errors
    /// Returns [`SettingsError`] where there is no address, or one has another form.
    pub fn new<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Result<Self, SettingsError> {
        let addresses: Vec<_> = addresses
            .into_iter()
            .map(parsed)
            .collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            return Err(SettingsError::NoServer);
        }
        Ok(Self {
            addresses,
            access: Access::Anonymous,
            authorities: Vec::new(),
            timeout: TIMEOUT_DEFAULT,
        })
    }

    /// The same servers, with `access` to log in.
    ///
    /// # Errors
    /// Returns [`SettingsError::Credentials`] where they cannot be read.
    pub fn with_access(mut self, access: Access) -> Result<Self, SettingsError> {
        if let Access::Credentials(text) = &access {
            credentials::parse(text.expose()).map_err(SettingsError::Credentials)?;
        }
        self.access = access;
        Ok(self)
    }

    /// The same servers, whose certificates may also come from the authorities in
    /// `pem` (one or more certificates), beside those that the machine trusts.
    ///
    /// # Errors
    /// Returns [`SettingsError::NoCertificate`] where there is none.
    pub fn with_authorities(mut self, pem: &str) -> Result<Self, SettingsError> {
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        self.authorities = certificates
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or(SettingsError::NoCertificate)?;
        Ok(self)
    }

    /// The same servers, with `timeout` for an event, waiting for a connection included.
    ///
    /// # Errors
    /// Returns [`SettingsError::Timeout`] unless it lies between 0.1 s and 600 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Result<Self, SettingsError> {
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
            return Err(SettingsError::Timeout);
        }
        self.timeout = timeout;
        Ok(self)
    }

    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn tls(&self) -> Result<ClientConfig, SettingsError> {
        tls::client_config(self.authorities.iter().cloned()).map_err(SettingsError::Certificate)
    }
}

/// An address may not hold a user: addresses are shown, in logs and in problems.
fn parsed(address: &str) -> Result<Address, SettingsError> {
    let url = if address.contains("://") {
        Url::parse(address)
    } else {
        Url::parse(&format!("nats://{address}"))
    };
    let url = url.map_err(SettingsError::Server)?;
    let is_known = matches!(url.scheme(), "nats" | "tls");
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !is_known || has_user {
        return Err(SettingsError::ServerForm);
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        // Without the brackets that it has in a URL.
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(Host::Domain(_)) | None => return Err(SettingsError::ServerForm),
    };
    Ok(Address {
        host,
        port: url.port().unwrap_or(PORT_DEFAULT),
        is_tls: url.scheme() == "tls",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        assert!(matches!(Servers::new([]), Err(SettingsError::NoServer)));
        for address in [
            "",
            "nats://",
            "http://localhost:4222",
            "ws://localhost:4222",
            "nats://shop:s3cret@localhost:4222",
            "nats://s3cret@localhost:4222",
            "nats://:s3cret@localhost:4222",
            "nats://local host",
        ] {
            let refused = Servers::new([address]);
            assert!(refused.is_err(), "{address} {refused:?}");
        }
        for (text, host, port, is_tls) in [
            ("localhost", "localhost", 4222, false),
            ("localhost:4333", "localhost", 4333, false),
            ("nats://127.0.0.1:4222", "127.0.0.1", 4222, false),
            ("tls://nats.shop.example", "nats.shop.example", 4222, true),
            ("tls://[::1]:4222", "::1", 4222, true),
        ] {
            let wanted = Address {
                host: host.to_owned(),
                port,
                is_tls,
            };
            assert_eq!(Servers::new([text]).unwrap().addresses(), [wanted]);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let servers = Servers::new(["localhost"]).unwrap();
        let secret = || Password::new("s3cret");
        let accesses = [
            Access::Token(secret()),
            Access::User {
                name: "shop".to_owned(),
                password: secret(),
            },
        ];
        for access in accesses {
            let shown = format!("{:?}", servers.clone().with_access(access).unwrap());
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        let refused = servers.with_access(Access::Credentials(secret()));
        assert!(matches!(refused, Err(SettingsError::Credentials(_))));
    }

    #[test]
    fn the_rest_is_checked_too() {
        let servers = Servers::new(["localhost"]).unwrap();
        let pem = servers.clone().with_authorities("no certificate");
        assert!(matches!(pem, Err(SettingsError::NoCertificate)));
        for timeout_ms in [0, 99, 600_001] {
            let timeout = servers
                .clone()
                .with_timeout(Duration::from_millis(timeout_ms));
            assert!(matches!(timeout, Err(SettingsError::Timeout)));
        }
    }
}

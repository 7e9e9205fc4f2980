//! The settings of the SMTP server.

use std::{str::FromStr, time::Duration};

use lettre::transport::smtp::{
    authentication::Credentials,
    client::{Certificate, TlsParameters},
    extension::ClientId,
};
use rustls::{
    ClientConfig,
    pki_types::{
        CertificateDer, ServerName,
        pem::{self, PemObject},
    },
};

use crate::{Password, tls};

const HOST_BYTES_MAX: usize = 253;
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_mins(10);
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// The protection of the connection to the SMTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all: for a server on the same machine or network.
    None,
    /// By STARTTLS, without which nothing is sent.
    StartTls,
    /// By TLS from the first byte.
    Tls,
}

impl Security {
    /// The port that servers of this kind usually listen on.
    pub fn usual_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

/// A word that is none of none, starttls and tls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the security of a mail server is none, starttls or tls")]
pub struct UnknownSecurity;

impl FromStr for Security {
    type Err = UnknownSecurity;

    fn from_str(name: &str) -> Result<Self, UnknownSecurity> {
        match name {
            "none" => Ok(Self::None),
            "starttls" => Ok(Self::StartTls),
            "tls" => Ok(Self::Tls),
            _ => Err(UnknownSecurity),
        }
    }
}

/// The problem of the settings of a mail server.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The host is neither a name nor an address.
    #[error("`{host}` is neither the name nor the address of a host")]
    Host {
        /// The host as it was given.
        host: String,
    },
    /// A password would cross the network in the clear.
    #[error("a mail server takes a user and password only with starttls or tls")]
    PasswordInTheClear,
    /// The text of the certificates has none.
    #[error("there is no PEM certificate in the text of the trusted authority")]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("the certificates of the trusted authority or of this machine cannot be read")]
    Certificate(#[source] lettre::transport::smtp::Error),
    /// The text of the certificates cannot be read.
    #[error("the certificates of the trusted authority cannot be read")]
    Pem(#[source] pem::Error),
    /// A certificate is none, or TLS cannot be used.
    #[error("the certificates of the trusted authority cannot be used")]
    Tls(#[source] rustls::Error),
    /// The time-out is out of range.
    #[error("the time-out of a mail server lies between 1 s and 600 s")]
    Timeout,
}

/// The SMTP server that mails are handed to.
#[derive(Debug, Clone)]
pub struct Server {
    host: String,
    port: u16,
    security: Security,
    login: Option<Login>,
    authorities: Vec<Authority>,
    hello_name: Option<String>,
    timeout: Duration,
}

/// Certificates of an authority, as lettre wants them and as they are.
#[derive(Debug, Clone)]
struct Authority {
    certificate: Certificate,
    der: Vec<CertificateDer<'static>>,
}

#[derive(Debug, Clone)]
struct Login {
    user: String,
    password: Password,
}

impl Server {
    /// The server at `host` (a name, or an address without brackets) and `port`,
    /// without a login, with 30 s for a mail.
    ///
    /// # Errors
    /// Returns [`SettingsError::Host`].
    pub fn new(host: &str, port: u16, security: Security) -> Result<Self, SettingsError> {
        Ok(Self {
            host: checked_host(host)?,
            port,
            security,
            login: None,
            authorities: Vec::new(),
            hello_name: None,
            timeout: TIMEOUT_DEFAULT,
        })
    }

    /// The same server, at which `user` logs in with `password`.
    ///
    /// # Errors
    /// Returns [`SettingsError::PasswordInTheClear`] where the connection is not protected.
    pub fn with_login(mut self, user: &str, password: Password) -> Result<Self, SettingsError> {
        if self.security == Security::None {
            return Err(SettingsError::PasswordInTheClear);
        }
        self.login = Some(Login {
            user: user.to_owned(),
            password,
        });
        Ok(self)
    }

    /// The same server, whose certificate may also come from the authorities in
    /// `pem` (one or more certificates), beside those that the machine trusts.
    ///
    /// # Errors
    /// Returns [`SettingsError`] where there is no certificate, or one cannot be read.
    pub fn with_authorities(mut self, pem: &str) -> Result<Self, SettingsError> {
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(SettingsError::NoCertificate);
        }
        let certificate =
            Certificate::from_pem(pem.as_bytes()).map_err(SettingsError::Certificate)?;
        let der = CertificateDer::pem_slice_iter(pem.as_bytes());
        let der = der.collect::<Result<_, _>>();
        self.authorities.push(Authority {
            certificate,
            der: der.map_err(SettingsError::Pem)?,
        });
        Ok(self)
    }

    /// The same server, greeted with `name`; without it, with the domain of the general sender.
    ///
    /// # Errors
    /// Returns [`SettingsError::Host`] where it is no name of a host.
    pub fn with_hello_name(mut self, name: &str) -> Result<Self, SettingsError> {
        self.hello_name = Some(checked_host(name)?);
        Ok(self)
    }

    /// The same server, with `timeout` for a whole mail, connecting included.
    ///
    /// # Errors
    /// Returns [`SettingsError::Timeout`] unless it lies between 1 s and 600 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Result<Self, SettingsError> {
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
            return Err(SettingsError::Timeout);
        }
        self.timeout = timeout;
        Ok(self)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn security(&self) -> Security {
        self.security
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        let login = self.login.as_ref()?;
        let password = login.password.expose().to_owned();
        Some(Credentials::new(login.user.clone(), password))
    }

    /// The name to greet with, `fallback` where none is set.
    pub(super) fn hello_name(&self, fallback: &str) -> ClientId {
        let name = self.hello_name.as_deref().unwrap_or(fallback);
        ClientId::Domain(name.to_owned())
    }

    /// The parameters of STARTTLS.
    pub(super) fn starttls(&self) -> Result<TlsParameters, SettingsError> {
        let mut builder = TlsParameters::builder(self.host.clone());
        for authority in &self.authorities {
            builder = builder.add_root_certificate(authority.certificate.clone());
        }
        builder.build().map_err(SettingsError::Certificate)
    }

    /// The configuration of TLS from the first byte.
    pub(super) fn tls(&self) -> Result<ClientConfig, SettingsError> {
        let authorities = self.authorities.iter();
        let authorities = authorities.flat_map(|authority| authority.der.iter().cloned());
        tls::client_config(authorities).map_err(SettingsError::Tls)
    }

    /// The name that its certificate must have.
    pub(super) fn tls_name(&self) -> Result<ServerName<'static>, SettingsError> {
        let host = self.host.clone();
        ServerName::try_from(host).map_err(|_| SettingsError::Host {
            host: self.host.clone(),
        })
    }
}

fn checked_host(host: &str) -> Result<String, SettingsError> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(allowed) {
        let host = host.to_owned();
        return Err(SettingsError::Host { host });
    }
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_checked() {
        for host in ["", "mail.shop.example\r\nQUIT", "mail shop", "[::1]", "a/b"] {
            let refused = Server::new(host, 25, Security::None);
            assert!(matches!(refused, Err(SettingsError::Host { .. })), "{host}");
        }
        for host in ["localhost", "127.0.0.1", "::1", "mail.shop.example"] {
            assert!(Server::new(host, 25, Security::None).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_password_is_neither_sent_in_the_clear_nor_shown() {
        let server = |security| Server::new("localhost", 25, security).unwrap();
        let login = |security| server(security).with_login("shop", Password::new("s3cret"));
        assert!(matches!(
            login(Security::None),
            Err(SettingsError::PasswordInTheClear)
        ));
        for security in [Security::StartTls, Security::Tls] {
            let shown = format!("{:?}", login(security).unwrap());
            assert!(
                shown.contains("shop") && !shown.contains("s3cret"),
                "{shown}"
            );
        }
    }

    #[test]
    fn the_rest_is_checked_too() {
        let server = Server::new("localhost", 25, Security::Tls).unwrap();
        let pem = server.clone().with_authorities("no certificate");
        assert!(matches!(pem, Err(SettingsError::NoCertificate)));
        let broken = "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n";
        let pem = server.clone().with_authorities(broken);
        assert!(matches!(pem, Err(SettingsError::Certificate(_))));
        let name = server.clone().with_hello_name("shop\nexample");
        assert!(matches!(name, Err(SettingsError::Host { .. })));
        for timeout_ms in [0, 999, 600_001] {
            let timeout = server
                .clone()
                .with_timeout(Duration::from_millis(timeout_ms));
            assert!(matches!(timeout, Err(SettingsError::Timeout)));
        }
        assert_eq!("starttls".parse(), Ok(Security::StartTls));
        assert_eq!("TLS".parse::<Security>(), Err(UnknownSecurity));
    }
}

//! TLS to PostgreSQL: whom to trust, and whether a handshake has failed.

use std::{
    convert::Infallible,
    fmt::Display,
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{FutureExt, future::BoxFuture};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use tokio_postgres::{
    Socket,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

/// The name of PostgreSQL's protocol where TLS begins without a question before it.
const PROTOCOL: &[u8] = b"postgresql";

/// The library's name for a certificate of an authority that a server shows as its own. It hands
/// these errors out with their names alone.
const OF_AUTHORITY: &str = "CaUsedAsEndEntity";
/// And one of an old version.
const OLD: &str = "UnsupportedCertVersion";

pub(crate) type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
type Connecting = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

/// With whom to speak.
#[derive(Debug)]
pub(crate) enum Trust {
    /// With anybody: that nobody listens in is all that is tried for.
    Anybody,
    /// With whoever has a certificate of one of these.
    Chain(Roots),
    /// The same, where the certificate also has the name that was asked for.
    ChainAndName(Roots),
}

/// The authorities that vouch for servers.
pub(crate) struct Roots {
    store: RootCertStore,
    /// The same as they are in the file: a server may have signed one of them for itself.
    pinned: Vec<CertificateDer<'static>>,
}

/// The identity of this client, where the server asks for a certificate.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Roots {
    /// Those that the machine trusts.
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] when there are none.
    pub(crate) fn of_machine() -> Result<Self, Error> {
        let loaded = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let (usable, _unreadable) = store.add_parsable_certificates(loaded.certs);
        if usable == 0 {
            return Err(Error::InvalidUrl {
                problem: "this machine trusts no certificate, so no server can be verified: \
                          install its certificates, or name some with sslrootcert"
                    .to_owned(),
            });
        }
        Ok(Self {
            store,
            pinned: Vec::new(),
        })
    }

    /// Those in a file.
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] when it cannot be read or has none.
    pub(crate) fn of_file(path: &str) -> Result<Self, Error> {
        let pinned = certificates("sslrootcert", path)?;
        let mut store = RootCertStore::empty();
        for certificate in &pinned {
            let added = store.add(certificate.clone());
            added.map_err(|error| {
                unusable("sslrootcert", path, explain("a certificate in it", &error))
            })?;
        }
        Ok(Self { store, pinned })
    }

    fn has(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut pinned = self.pinned.iter();
        pinned.any(|one| one.as_ref() == certificate.as_ref())
    }
}

impl Identity {
    /// A certificate with those that vouch for it, and its key.
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] when a file cannot be read or has none.
    pub(crate) fn of_files(certificate: &str, key: &str) -> Result<Self, Error> {
        let chain = certificates("sslcert", certificate)?;
        let pem = read("sslkey", key)?;
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable("sslkey", key, error))?;
        Ok(Self { chain, key })
    }
}

fn certificates(parameter: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(parameter, path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| unusable(parameter, path, error))?;
    if found.is_empty() {
        return Err(unusable(parameter, path, "there is no certificate in it"));
    }
    Ok(found)
}

fn read(parameter: &str, path: &str) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| unusable(parameter, path, error))
}

fn unusable(parameter: &str, path: &str, cause: impl Display) -> Error {
    Error::InvalidUrl {
        problem: format!("{parameter} names a file that cannot be used, {path}: {cause}"),
    }
}

/// Makes what begins TLS. `is_direct` says that it begins at once, for which the protocol has to
/// be named.
///
/// # Errors
/// Returns [`Error::InvalidUrl`] when a certificate and its key do not fit.
pub(crate) fn connector(
    trust: Trust,
    identity: Option<Identity>,
    is_direct: bool,
) -> Result<MakeRustlsConnect, Error> {
    let wrong = |error: rustls::Error| Error::InvalidUrl {
        problem: format!("TLS to PostgreSQL cannot be set up: {error}"),
    };
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(Verifier { trust, algorithms });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(Identity { chain, key }) => {
            builder.with_client_auth_cert(chain, key).map_err(wrong)?
        }
        None => builder.with_no_client_auth(),
    };
    if is_direct {
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

/// The problem of a handshake, or of a certificate, `subject`.
pub(crate) fn explain(subject: &str, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => format!("{subject} {}", problem(error)),
        error => error.to_string(),
    }
}

fn problem(error: &CertificateError) -> String {
    let text = match error {
        CertificateError::UnknownIssuer => "is of nobody who is trusted",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet"
        }
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::BadSignature => "is not signed by whom it names",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for servers (its extendedKeyUsage lacks serverAuth)"
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "has no name in its subjectAltName, which alone is compared"
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            return format!("has another name: {}", presented.join(", "));
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed in a way that is not supported"
        }
        CertificateError::Other(other) => match &*other.to_string() {
            OLD => "is not of X.509 version 3",
            OF_AUTHORITY => "is one of an authority (CA:TRUE), and not one of those in sslrootcert",
            "UnsupportedCriticalExtension" => "has a critical extension that is not supported",
            name => return format!("cannot be verified: {name}"),
        },
        other => return format!("cannot be verified: {other}"),
    };
    text.to_owned()
}

/// Whether a certificate is right but for being one of an authority.
fn is_of_authority(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string() == OF_AUTHORITY
    )
}

/// Verifies the certificates of servers.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// The authorities; none where anybody is trusted, whose certificate is then not looked at.
    fn roots(&self) -> Option<&Roots> {
        match &self.trust {
            Trust::Anybody => None,
            Trust::Chain(roots) | Trust::ChainAndName(roots) => Some(roots),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(roots) = self.roots() else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let verified = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &roots.store,
            intermediates,
            now,
            self.algorithms.all,
        );
        match verified {
            // Servers that sign their certificate themselves often call themselves an authority.
            // That is found after the dates were right.
            Err(error) if is_of_authority(&error) && roots.has(certificate) => {}
            verified => verified?,
        }
        if matches!(self.trust, Trust::ChainAndName(_)) {
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.roots().is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.roots().is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roots")
            .field("certificates", &self.store.len())
            .finish_non_exhaustive()
    }
}

/// One try to connect, which notes whether a handshake of it has failed: the driver does not tell
/// that from what a server said before.
#[derive(Clone)]
pub(crate) struct TlsAttempt {
    connector: MakeRustlsConnect,
    failed: Arc<AtomicBool>,
}

impl TlsAttempt {
    pub(crate) fn new(connector: &MakeRustlsConnect) -> Self {
        Self {
            connector: connector.clone(),
            failed: Arc::default(),
        }
    }

    /// Whether a server was ready for TLS, and the two did not agree on one.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}

impl MakeTlsConnect<Socket> for TlsAttempt {
    type Stream = TlsStream;
    type TlsConnect = Handshake;
    type Error = Infallible;

    fn make_tls_connect(&mut self, name: &str) -> Result<Handshake, Infallible> {
        let connector = &mut self.connector;
        Ok(Handshake {
            connecting: MakeTlsConnect::<Socket>::make_tls_connect(connector, name)?,
            failed: Arc::clone(&self.failed),
        })
    }
}

pub(crate) struct Handshake {
    connecting: Connecting,
    failed: Arc<AtomicBool>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = TlsStream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TlsStream>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Self { connecting, failed } = self;
        async move {
            let done = connecting.connect(socket).await;
            if done.is_err() {
                failed.store(true, Ordering::SeqCst);
            }
            done
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As openssl makes one from a request, for a hundred years.
    const OF_VERSION_1: &[u8] = b"-----BEGIN CERTIFICATE-----
MIIBFjCBvQIUXy9FYBJHqI+uXM/xay0DEM+dNE4wCgYIKoZIzj0EAwIwDTELMAkG
A1UEAwwCZGIwIBcNMjYxMTI5MTI0NjM0WhgPMjEyNjExMDUxMjQ2MzRaMA0xCzAJ
BgNVBAMMAmRiMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/rrNPsqxK98VZZSa
GM856HlkGkt3V69XTP8UedquKDkYo+6o6cnxJMHuxcqIvTUMmqz0EGLXhbiy09hp
T+cv0zAKBggqhkjOPQQDAgNIADBFAiBhSbtK1vq1mIDb7AQsC3vpbVUA99luyN5a
Fx2BkAF3KwIhAOs3xN4TPvydSH7Ai3pjJAOMfVzqpt6hRJvuf3LT0bOu
-----END CERTIFICATE-----
";

    #[test]
    fn an_old_certificate_is_told_in_words() {
        let certificate = CertificateDer::from_pem_slice(OF_VERSION_1).unwrap();
        let error = ParsedCertificate::try_from(&certificate).map(drop);
        assert_eq!(
            explain("it", &error.unwrap_err()),
            "it is not of X.509 version 3"
        );
    }
}

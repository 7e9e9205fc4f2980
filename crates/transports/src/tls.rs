//! TLS to endpoints and mail servers, with the certificates that the machine trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

/// Makes the settings of TLS 1.2 and 1.3. They always verify the certificate and the name.
/// `authorities` are trusted beside those of the machine.
///
/// A machine without certificates is logged and not refused, since its endpoints
/// may all be reached by plain http.
///
/// # Errors
/// Returns the problem of one of the authorities.
pub(crate) fn client_config(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _unreadable) = roots.add_parsable_certificates(loaded.certs);
    for authority in authorities {
        roots.add(authority)?;
    }
    if usable == 0 {
        tracing::warn!("no trusted certificates: connections over TLS will fail");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

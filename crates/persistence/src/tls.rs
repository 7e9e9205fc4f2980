//! TLS to PostgreSQL, with the certificates that the machine trusts.

use diesel::{ConnectionError, ConnectionResult};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Makes the connector for `sslmode=require` and stricter. It always verifies the
/// certificate and the name of the server.
pub(crate) fn connector() -> ConnectionResult<MakeRustlsConnect> {
    let (connector, _unreadable) = MakeRustlsConnect::with_native_certs().map_err(|errors| {
        let reasons = errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        ConnectionError::BadConnection(format!(
            "no trusted certificate was found on this machine: {reasons}"
        ))
    })?;
    Ok(connector)
}

//! The signature of Standard Webhooks: HMAC-SHA256 over id, time and body.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{MessageId, Secret};

/// Signs a message with each secret, and joins the signatures with spaces as
/// the header `webhook-signature` has them. `timestamp` is in seconds since 1970.
pub(crate) fn signature(id: &MessageId, timestamp: u64, body: &[u8], secrets: &[Secret]) -> String {
    let signed_with = |secret: &Secret| {
        let mut hmac = keyed(secret);
        hmac.update(id.as_str().as_bytes());
        hmac.update(format!(".{timestamp}.").as_bytes());
        hmac.update(body);
        format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()))
    };
    let signatures: Vec<_> = secrets.iter().map(signed_with).collect();
    signatures.join(" ")
}

/// HMAC fills a key up to 64 bytes with zeros. Done here, since a secret is never
/// longer and the constructor for a key of that size cannot fail.
fn keyed(secret: &Secret) -> Hmac<Sha256> {
    let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (place, byte) in key.iter_mut().zip(secret.bytes()) {
        *place = *byte;
    }
    Hmac::new(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected values were computed with Python's hmac module.
    const OF_32_BYTES: &str = "v1,U/v4hDBiy36WhdUa668tHCQpnXvWbRxRN9p4Hqn1MuY=";
    const OF_64_BYTES: &str = "v1,tj9h0rtn7R+/jLNIN5zGqJMJBPqzaW0iKp4CwOpfh3E=";

    fn signed(secrets: &[Secret]) -> String {
        let id = MessageId::new("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W").unwrap();
        signature(&id, 1_674_087_231, br#"{"type":"order.held"}"#, secrets)
    }

    #[test]
    fn every_secret_gives_a_signature_of_its_own() {
        let long = format!("whsec_{}", STANDARD.encode([9; 64]));
        let secrets = [Secret::from_random([7; 32]), Secret::parse(&long).unwrap()];
        assert_eq!(signed(&secrets[..1]), OF_32_BYTES);
        assert_eq!(signed(&secrets[1..]), OF_64_BYTES);
        assert_eq!(signed(&secrets), format!("{OF_32_BYTES} {OF_64_BYTES}"));
    }
}

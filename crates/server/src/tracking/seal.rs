//! Tokens as text: base64url of a version byte, the partition and the id of a
//! row, and HMAC-SHA256 over these and the deployment. 51 bytes make 68
//! characters without a bit to spare, so no two texts are one token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac, digest::Key};
use sha2::Sha256;
use uuid::{Builder, Uuid};
use waymark_domain::{
    partition::Partition,
    value::{OrderId, WorkflowCode},
};
use waymark_persistence::{DeploymentId, Store, TrackingKey, TrackingTokenId};

const TOKEN_BYTES: usize = 51;
const TOKEN_CHARACTERS: usize = 68;
/// The first byte of a token, and of what is signed for it.
const VERSION: u8 = 1;
/// The first byte of what is hashed to a name of an entry. No version of tokens may take it.
const NAME: u8 = 0;

type HmacSha256 = Hmac<Sha256>;

#[derive(Debug, Clone)]
pub(crate) struct Seal {
    key: TrackingKey,
    deployment: DeploymentId,
}

/// The claim of a text to be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The token; of a text that is no token at all, one that does not exist.
    pub(crate) id: TrackingTokenId,
    /// Whether this deployment signed it.
    pub(crate) is_genuine: bool,
}

impl Seal {
    /// The seal of the deployment that a store holds.
    pub(crate) fn of(store: &Store) -> Self {
        Self::new(store.tracking_key().clone(), store.deployment())
    }

    pub(crate) fn new(key: TrackingKey, deployment: DeploymentId) -> Self {
        Self { key, deployment }
    }

    pub(crate) fn token(&self, id: TrackingTokenId) -> String {
        // There are at most 1024 partitions.
        let partition = u16::try_from(id.partition.number()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.push(VERSION);
        bytes.extend(partition.to_be_bytes());
        bytes.extend(id.id);
        let tag = self.mac(&bytes).finalize().into_bytes();
        bytes.extend(tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a text; the signature is compared in constant time.
    pub(crate) fn open(&self, text: &str) -> Claim {
        let mut bytes = [0; TOKEN_BYTES];
        let is_whole = text.len() == TOKEN_CHARACTERS
            && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) == Ok(TOKEN_BYTES);
        let [version, high, low, rest @ ..] = bytes;
        let (id, tag) = split(rest);
        let mut signed = vec![version, high, low];
        signed.extend(id);
        let is_signed = self.mac(&signed).verify_slice(&tag).is_ok();
        Claim {
            id: TrackingTokenId {
                partition: Partition::new(u16::from_be_bytes([high, low]).into()),
                id,
            },
            is_genuine: is_whole && version == VERSION && is_signed,
        }
    }

    /// A lasting name of an entry, or with sequence 0 of the order itself, from which nobody learns the sequence.
    pub(crate) fn name(&self, workflow: &WorkflowCode, order: &OrderId, sequence: i64) -> Uuid {
        let mut named = vec![NAME];
        // Neither has a zero byte in it.
        for part in [workflow.as_str(), order.as_str()] {
            named.extend(part.bytes());
            named.push(0);
        }
        named.extend(sequence.to_be_bytes());
        let hash = self.mac(&named).finalize().into_bytes();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// Signs bytes for this deployment; the first one says what they are.
    fn mac(&self, bytes: &[u8]) -> HmacSha256 {
        let mut block = Key::<HmacSha256>::default();
        let secret = self.key.secret();
        block
            .iter_mut()
            .zip(secret)
            .for_each(|(to, from)| *to = *from);
        let mut mac = HmacSha256::new(&block);
        mac.update(&self.deployment.0);
        mac.update(bytes);
        mac
    }
}

fn split(bytes: [u8; 48]) -> ([u8; 16], [u8; 32]) {
    let (mut id, mut tag) = ([0; 16], [0; 32]);
    let places = id.iter_mut().chain(&mut tag);
    places.zip(bytes).for_each(|(to, from)| *to = from);
    (id, tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TrackingTokenId = TrackingTokenId {
        partition: Partition::new(3),
        id: [0xa5; 16],
    };

    fn seal(secret: u8, deployment: u8) -> Seal {
        Seal::new(
            TrackingKey::new([secret; 32]),
            DeploymentId([deployment; 16]),
        )
    }

    #[test]
    fn a_token_is_opened_by_the_seal_that_made_it() {
        let text = seal(1, 2).token(ID);
        assert_eq!(text.len(), TOKEN_CHARACTERS);
        let claim = seal(1, 2).open(&text);
        assert_eq!((claim.id, claim.is_genuine), (ID, true));
        for other in [seal(2, 2), seal(1, 1)] {
            assert!(!other.open(&text).is_genuine);
        }
    }

    /// Computed by Python's hmac; tokens that were given out stay good.
    #[test]
    fn a_test_vector() {
        assert_eq!(
            seal(1, 2).token(ID),
            "AQADpaWlpaWlpaWlpaWlpaWlpXsZmtyHZerpCkwYVZWBKZHfbqJNYNfJpIhTXBQsLKmG"
        );
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let seal = seal(1, 2);
        let bytes = URL_SAFE_NO_PAD.decode(seal.token(ID)).unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                let text = URL_SAFE_NO_PAD.encode(&changed);
                assert!(!seal.open(&text).is_genuine, "byte {place}, bit {bit}");
            }
        }
    }

    #[test]
    fn what_is_no_token_is_not_genuine() {
        let seal = seal(1, 2);
        let text = seal.token(ID);
        let cut = (0..text.len()).map(|length| text[..length].to_owned());
        let wrong = cut.chain([
            format!("{text}="),
            format!("{text}A"),
            format!("+{}", &text[1..]),
            text.to_lowercase(),
            "ä".repeat(34),
            "A".repeat(68),
            "x".repeat(100_000),
        ]);
        for wrong in wrong {
            assert!(!seal.open(&wrong).is_genuine, "{wrong:.80}");
        }
    }

    #[test]
    fn names_differ_by_deployment_order_and_entry() {
        let (workflow, order) = (
            WorkflowCode::new("order").unwrap(),
            OrderId::new("1").unwrap(),
        );
        let name = |seal: &Seal, order: &OrderId, sequence| seal.name(&workflow, order, sequence);
        let first = name(&seal(1, 2), &order, 1);
        assert_eq!(first, name(&seal(1, 2), &order, 1));
        let other = OrderId::new("2").unwrap();
        for different in [
            name(&seal(1, 3), &order, 1),
            name(&seal(2, 2), &order, 1),
            name(&seal(1, 2), &other, 1),
            name(&seal(1, 2), &order, 2),
        ] {
            assert_ne!(first, different);
        }
    }

    #[test]
    fn nothing_prints_the_key() {
        let shown = format!("{:?}", seal(77, 2));
        assert!(!shown.contains("77"), "{shown}");
    }
}

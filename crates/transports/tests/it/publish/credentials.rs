//! A real server that knows its users by credentials alone.

use std::{fs, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;
use waymark_testkit::nats::Nats;
use waymark_transports::{Password, publish::Access};

use super::{assert_failed, event, publisher, servers};

/// A JWT by which `issuer` vouches for `subject`, as the tools of NATS write them.
fn token(issuer: &KeyPair, subject: &KeyPair, kind: &str, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["type"] = json!(kind);
    claims["version"] = json!(2);
    let body = json!({
        "jti": "x",
        "iat": 1_700_000_000,
        "iss": issuer.public_key(),
        "name": kind,
        "sub": subject.public_key(),
        "nats": claims,
    });
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let [head, body] = [head, body].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{head}.{body}");
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

fn file(jwt: &str, key: &KeyPair) -> Access {
    let seed = key.seed().unwrap();
    Access::Credentials(Password::new(format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )))
}

#[tokio::test]
async fn credentials_open_the_door() {
    let operator = KeyPair::new_operator();
    let (system, account) = (KeyPair::new_account(), KeyPair::new_account());
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let limits = json!({"limits": {
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1,
    }});
    let config = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\n\
         resolver_preload: {{\n{}: {}\n{}: {}\n}}\n",
        token(&operator, &operator, "operator", &json!({})),
        system.public_key(),
        system.public_key(),
        token(&operator, &system, "account", &limits),
        account.public_key(),
        token(&operator, &account, "account", &limits),
    );
    let folder = TempDir::new().unwrap();
    let file_of_config = folder.path().join("nats.conf");
    fs::write(&file_of_config, config).unwrap();
    let nats = Nats::start(&folder, 0, &["-c", file_of_config.to_str().unwrap()]);

    let claims = json!({"subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}});
    let jwt = token(&account, &user, "user", &claims);
    let servers = servers(&nats.address());
    let right = servers.clone().with_access(file(&jwt, &user)).unwrap();
    let attempt = publisher(right).await.publish(event("d-1")).await;
    assert_failed(&attempt, "no stream of NATS takes the subject");

    let brief = servers.with_timeout(Duration::from_millis(500)).unwrap();
    let wrong = brief.with_access(file(&jwt, &other)).unwrap();
    let attempt = publisher(wrong).await.publish(event("d-1")).await;
    assert_failed(
        &attempt,
        "no connection to NATS: nats: authorization violation",
    );
}

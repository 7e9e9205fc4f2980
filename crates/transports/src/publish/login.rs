//! What a server is told first: who we are, and what proves it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Map, Value, json};

use super::{Access, protocol::Info};

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCredentials {
    /// They are not what is in a `.creds` file.
    #[error("they do not hold a JWT and a key between lines of dashes")]
    Form,
    /// The key is none.
    #[error("their key cannot be used")]
    Key(#[from] nkeys::error::Error),
}

/// Writes CONNECT for a server that said `info`. `is_tls_required` says that it may not do without.
///
/// # Errors
/// Says what is wrong with the credentials.
pub(super) fn connect(
    access: &Access,
    info: &Info,
    is_tls_required: bool,
) -> Result<String, InvalidCredentials> {
    let mut fields = vec![
        ("verbose", json!(false)),
        ("pedantic", json!(false)),
        ("tls_required", json!(is_tls_required)),
        ("name", json!("waymark")),
        ("lang", json!("rust")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("protocol", json!(1)),
        ("headers", json!(true)),
        ("no_responders", json!(true)),
    ];
    match access {
        Access::Anonymous => {}
        Access::Token(token) => fields.push(("auth_token", json!(token.expose()))),
        Access::User { name, password } => {
            fields.push(("user", json!(name)));
            fields.push(("pass", json!(password.expose())));
        }
        Access::Credentials(text) => {
            let (jwt, key) = credentials(text.expose())?;
            let signature = key.sign(info.nonce.as_bytes())?;
            fields.push(("jwt", json!(jwt)));
            fields.push(("sig", json!(URL_SAFE_NO_PAD.encode(signature))));
        }
    }
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let fields = Value::Object(fields.collect::<Map<_, _>>());
    Ok(format!("CONNECT {fields}\r\n"))
}

/// Reads the content of a `.creds` file: a JWT and then the seed of a key, each alone between two
/// lines of dashes.
///
/// # Errors
/// Says what is wrong with them.
pub(super) fn credentials(text: &str) -> Result<(&str, KeyPair), InvalidCredentials> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut blocks = lines.windows(3).filter_map(|lines| match lines {
        [begin, block, end] if is_rule(begin) && is_rule(end) && is_token(block) => Some(*block),
        _ => None,
    });
    let (Some(jwt), Some(seed)) = (blocks.next(), blocks.next()) else {
        return Err(InvalidCredentials::Form);
    };
    Ok((jwt, KeyPair::from_seed(seed)?))
}

/// Whether a line is one such as `-----BEGIN NATS USER JWT-----`.
fn is_rule(line: &str) -> bool {
    line.len() >= 6 && line.starts_with("---") && line.ends_with("---")
}

fn is_token(line: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !line.is_empty() && !is_rule(line) && line.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Password;

    fn file(jwt: &str, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             NKEY Seed printed below can be used to sign and prove identity.\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n\
             *************************************************************\n"
        )
    }

    fn told(access: &Access, nonce: &str) -> Value {
        let info = Info {
            nonce: nonce.to_owned(),
            ..Info::default()
        };
        let line = connect(access, &info, false).unwrap();
        let json = line.strip_prefix("CONNECT ").unwrap();
        serde_json::from_str(json.strip_suffix("\r\n").unwrap()).unwrap()
    }

    #[test]
    fn a_key_signs_what_the_server_asks_for() {
        let key = KeyPair::new_user();
        let file = file("eyJ0.eyJq-_.c2ln", &key.seed().unwrap());
        for file in [file.clone(), file.replace('\n', "\r\n")] {
            let told = told(&Access::Credentials(Password::new(file)), "a nonce");
            assert_eq!(told["jwt"], "eyJ0.eyJq-_.c2ln");
            let signature = URL_SAFE_NO_PAD.decode(told["sig"].as_str().unwrap());
            key.verify(b"a nonce", &signature.unwrap()).unwrap();
        }
    }

    #[test]
    fn other_proofs_are_told_as_they_are() {
        let secret = || Password::new("s3\"cret\r\nPING");
        let token = told(&Access::Token(secret()), "");
        assert_eq!(token["auth_token"], "s3\"cret\r\nPING");
        let access = Access::User {
            name: "shop".to_owned(),
            password: secret(),
        };
        let user = told(&access, "");
        assert_eq!(user["user"], "shop");
        assert_eq!(user["pass"], "s3\"cret\r\nPING");
        let line = connect(&access, &Info::default(), true).unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let nobody = told(&Access::Anonymous, "");
        assert_eq!(nobody["headers"], true);
        assert_eq!(nobody["no_responders"], true);
        for field in ["auth_token", "user", "pass", "jwt", "sig"] {
            assert!(nobody.get(field).is_none(), "{field}");
        }
    }

    #[test]
    fn what_is_not_the_content_of_a_file_is_refused() {
        let seed = KeyPair::new_user().seed().unwrap();
        let whole = file("eyJ0", &seed);
        assert!(credentials(&whole).is_ok());
        for text in [
            String::new(),
            "s3cret".to_owned(),
            file("", &seed),
            file("eyJ0 eyJ0", &seed),
            file("eyJ0", ""),
            whole.replace("------END USER NKEY SEED------", ""),
            whole.replace("-----BEGIN NATS USER JWT-----", ""),
        ] {
            let refused = credentials(&text).map(|_| ());
            assert!(matches!(refused, Err(InvalidCredentials::Form)), "{text}");
        }
        for seed in ["SU", &seed.to_lowercase(), &seed.replace('S', "A")] {
            let refused = credentials(&file("eyJ0", seed)).map(|_| ());
            assert!(matches!(refused, Err(InvalidCredentials::Key(_))), "{seed}");
        }
    }
}

//! CONNECT, the line by which we log in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{
    Access,
    credentials::{self, InvalidCredentials},
    protocol::Info,
};

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
            let (jwt, key) = credentials::parse(text.expose())?;
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

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;

    use super::*;
    use crate::Password;

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
        let file = credentials::file("eyJ0.eyJq-_.c2ln", &key.seed().unwrap());
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
}

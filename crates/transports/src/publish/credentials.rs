//! The content of a `.creds` file: a JWT, and the key that proves that it is ours.

use nkeys::KeyPair;

/// The reason why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCredentials {
    /// They are not what is in a `.creds` file.
    #[error("they do not hold a JWT and a key between lines of dashes")]
    Form,
    /// The key is none.
    #[error("their key cannot be used")]
    Key(#[from] nkeys::error::Error),
}

/// Reads a JWT and then the seed of a key, each alone between two lines of dashes.
///
/// # Errors
/// Says what is wrong with them.
pub(super) fn parse(text: &str) -> Result<(&str, KeyPair), InvalidCredentials> {
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

/// A file as the tools of NATS write it.
#[cfg(test)]
pub(super) fn file(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n\
         *************************************************************\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_content_of_a_file_is_refused() {
        let seed = KeyPair::new_user().seed().unwrap();
        let whole = file("eyJ0", &seed);
        assert!(parse(&whole).is_ok());
        for text in [
            String::new(),
            "s3cret".to_owned(),
            file("", &seed),
            file("eyJ0 eyJ0", &seed),
            file("eyJ0", ""),
            whole.replace("------END USER NKEY SEED------", ""),
            whole.replace("-----BEGIN NATS USER JWT-----", ""),
        ] {
            let refused = parse(&text).map(|_| ());
            assert!(matches!(refused, Err(InvalidCredentials::Form)), "{text}");
        }
        for seed in ["SU", &seed.to_lowercase(), &seed.replace('S', "A")] {
            let refused = parse(&file("eyJ0", seed)).map(|_| ());
            assert!(matches!(refused, Err(InvalidCredentials::Key(_))), "{seed}");
        }
    }
}

//! The subjects of NATS that an event may go to.

const BYTES_MAX: usize = 255;

/// The reason why an event cannot go to a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// It is empty or too long.
    #[error("a subject of NATS has 1 to {BYTES_MAX} characters")]
    Length,
    /// It has a character that subjects of events do not have.
    #[error("a subject of NATS for an event has visible ASCII characters, but no * and >")]
    Character,
    /// It has nothing before, between or behind its dots.
    #[error("a subject of NATS has something before, between and behind its dots")]
    EmptyToken,
    /// It belongs to NATS itself.
    #[error("subjects that begin with $ or _INBOX belong to NATS itself")]
    Reserved,
}

/// Checks whether an event may go to `subject`. One that begins with `$` would be a
/// command to the server, so it must not come from a workflow.
///
/// # Errors
/// Returns [`InvalidSubject`] for one to which no event may go.
pub fn check(subject: &str) -> Result<(), InvalidSubject> {
    if subject.is_empty() || subject.len() > BYTES_MAX {
        return Err(InvalidSubject::Length);
    }
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>');
    if !subject.bytes().all(allowed) {
        return Err(InvalidSubject::Character);
    }
    if subject.split('.').any(str::is_empty) {
        return Err(InvalidSubject::EmptyToken);
    }
    if subject.starts_with('$') || subject.split('.').next() == Some("_INBOX") {
        return Err(InvalidSubject::Reserved);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_checked() {
        let long = "a".repeat(256);
        for (subject, wanted) in [
            ("orders", Ok(())),
            ("orders.shipped.DE-1/x", Ok(())),
            ("", Err(InvalidSubject::Length)),
            (&long, Err(InvalidSubject::Length)),
            ("orders *", Err(InvalidSubject::Character)),
            ("orders.*", Err(InvalidSubject::Character)),
            ("orders.>", Err(InvalidSubject::Character)),
            ("orders shipped", Err(InvalidSubject::Character)),
            ("orders\r\nPUB x 0", Err(InvalidSubject::Character)),
            ("orders.gr\u{f6}\u{df}e", Err(InvalidSubject::Character)),
            (".orders", Err(InvalidSubject::EmptyToken)),
            ("orders.", Err(InvalidSubject::EmptyToken)),
            ("orders..shipped", Err(InvalidSubject::EmptyToken)),
            (
                "$JS.API.STREAM.DELETE.ORDERS",
                Err(InvalidSubject::Reserved),
            ),
            ("_INBOX.x", Err(InvalidSubject::Reserved)),
        ] {
            assert_eq!(check(subject), wanted, "{subject}");
        }
    }
}

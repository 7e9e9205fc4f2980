//! A decoder of what a NATS server sends, piece by piece and within bounds. The grammar
//! is at <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;

/// The longest line in bytes: what NATS itself allows (`max_control_line`).
const LINE_BYTES_MAX: usize = 4 * 1024;
/// The longest INFO, which lists the addresses of a whole cluster.
const INFO_BYTES_MAX: usize = 64 * 1024;
/// The longest message, its headers included. Only acknowledgments are subscribed to, which have
/// some hundred bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The end of a line, and of a message.
const END: &[u8] = b"\r\n";

/// One operation of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// It describes itself.
    Info(Info),
    /// It asks whether we are there.
    Ping,
    /// It is there.
    Pong,
    /// It took a command.
    Ok,
    /// It did not.
    Error(String),
    /// Something came for a subscription.
    Message(Message),
}

/// A server's description of itself, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    /// The text to sign to log in with a key.
    pub(super) nonce: String,
    pub(super) tls_required: bool,
    pub(super) max_payload: Option<i64>,
}

impl Info {
    /// The longest message that it takes, headers included; none where it does not say.
    pub(super) fn payload_max(&self) -> Option<usize> {
        let bytes = usize::try_from(self.max_payload?).ok()?;
        (bytes > 0).then_some(bytes)
    }
}

/// A message for a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) subject: String,
    /// The status in its headers where the server itself sent it, such as 503.
    pub(super) status: Option<u16>,
    pub(super) payload: Bytes,
}

/// The reason why what a server sent is not the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it sent a line of more than {0} bytes")]
    LineLength(usize),
    #[error("it announced a message of more than {MESSAGE_BYTES_MAX} bytes")]
    MessageLength,
    #[error("it sent what is not the protocol of NATS")]
    Line,
    #[error("it sent an INFO that cannot be read")]
    Info,
    #[error("it sent a message whose headers cannot be read")]
    Headers,
    #[error("it sent a message that is not as long as it announced")]
    End,
}

/// A decoder of the bytes that were received.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The part of the line that was scanned, so that nothing is scanned twice.
    scanned: usize,
    /// The message that was announced, and did not come whole yet.
    announced: Option<Announced>,
}

#[derive(Debug)]
struct Announced {
    subject: String,
    /// The length of its headers; none where it has none.
    headers: Option<usize>,
    /// Its length, headers included.
    length: usize,
}

enum Line {
    Whole(Op),
    Announces(Announced),
}

impl Decoder {
    /// Takes the next operation out of `received`; none where more has to come first.
    pub(super) fn decode(&mut self, received: &mut BytesMut) -> Result<Option<Op>, Malformed> {
        let announced = match self.announced.take() {
            Some(announced) => announced,
            None => match self.line(received)? {
                Some(Line::Whole(op)) => return Ok(Some(op)),
                Some(Line::Announces(announced)) => announced,
                None => return Ok(None),
            },
        };
        if received.len() < announced.length + END.len() {
            self.announced = Some(announced);
            return Ok(None);
        }
        let message = received.split_to(announced.length).freeze();
        if !received.split_to(END.len()).starts_with(END) {
            return Err(Malformed::End);
        }
        announced.with(message).map(Op::Message).map(Some)
    }

    fn line(&mut self, received: &mut BytesMut) -> Result<Option<Line>, Malformed> {
        let bytes_max = if received.starts_with(b"INFO ") {
            INFO_BYTES_MAX
        } else {
            LINE_BYTES_MAX
        };
        let unseen = received.get(self.scanned..).unwrap_or_default();
        let Some(at) = unseen.iter().position(|byte| *byte == b'\n') else {
            if received.len() > bytes_max {
                return Err(Malformed::LineLength(bytes_max));
            }
            self.scanned = received.len();
            return Ok(None);
        };
        let length = self.scanned + at + 1;
        self.scanned = 0;
        if length > bytes_max {
            return Err(Malformed::LineLength(bytes_max));
        }
        line(&received.split_to(length)).map(Some)
    }
}

impl Announced {
    fn with(self, mut message: Bytes) -> Result<Message, Malformed> {
        let status = match self.headers {
            Some(length) => status(&message.split_to(length))?,
            None => None,
        };
        Ok(Message {
            subject: self.subject,
            status,
            payload: message,
        })
    }
}

fn line(bytes: &[u8]) -> Result<Line, Malformed> {
    let bytes = bytes.strip_suffix(END).ok_or(Malformed::Line)?;
    let text = str::from_utf8(bytes).map_err(|_| Malformed::Line)?;
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let op = match (name, rest.trim()) {
        ("PING", "") => Op::Ping,
        ("PONG", "") => Op::Pong,
        ("+OK", "") => Op::Ok,
        ("-ERR", problem) => Op::Error(problem.trim_matches('\'').to_owned()),
        ("INFO", info) => Op::Info(serde_json::from_str(info).map_err(|_| Malformed::Info)?),
        ("MSG", words) => return plain(words).map(Line::Announces),
        ("HMSG", words) => return headed(words).map(Line::Announces),
        _ => return Err(Malformed::Line),
    };
    Ok(Line::Whole(op))
}

/// Reads what stands behind MSG: the subject, the subscription, where to reply if anywhere, the length.
fn plain(words: &str) -> Result<Announced, Malformed> {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    match words.as_slice() {
        [subject, _, length] | [subject, _, _, length] => announced(subject, None, length),
        _ => Err(Malformed::Line),
    }
}

/// Reads what stands behind HMSG: the same, with the length of the headers before that of all.
fn headed(words: &str) -> Result<Announced, Malformed> {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    match words.as_slice() {
        [subject, _, headers, length] | [subject, _, _, headers, length] => {
            announced(subject, Some(headers), length)
        }
        _ => Err(Malformed::Line),
    }
}

fn announced(subject: &str, headers: Option<&str>, length: &str) -> Result<Announced, Malformed> {
    let length = size(length)?;
    let headers = headers.map(size).transpose()?;
    if length > MESSAGE_BYTES_MAX {
        return Err(Malformed::MessageLength);
    }
    if headers.is_some_and(|headers| headers > length) {
        return Err(Malformed::Headers);
    }
    Ok(Announced {
        subject: subject.to_owned(),
        headers,
        length,
    })
}

fn size(word: &str) -> Result<usize, Malformed> {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed::Line);
    }
    // Of digits alone, only those that say too much do not fit.
    word.parse().map_err(|_| Malformed::MessageLength)
}

/// The status in the first line of headers; most have none.
fn status(headers: &[u8]) -> Result<Option<u16>, Malformed> {
    let rest = headers
        .strip_prefix(b"NATS/1.0")
        .ok_or(Malformed::Headers)?;
    let line = rest.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = str::from_utf8(line).map_err(|_| Malformed::Headers)?;
    let word = line.split_ascii_whitespace().next();
    word.map(str::parse::<u16>)
        .transpose()
        .map_err(|_| Malformed::Headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All operations that came whole.
    fn decoded(pieces: &[&[u8]]) -> Result<Vec<Op>, Malformed> {
        let mut decoder = Decoder::default();
        let mut received = BytesMut::new();
        let mut ops = Vec::new();
        for piece in pieces {
            received.extend_from_slice(piece);
            while let Some(op) = decoder.decode(&mut received)? {
                ops.push(op);
            }
        }
        Ok(ops)
    }

    fn message(status: Option<u16>, payload: &'static [u8]) -> Op {
        Op::Message(Message {
            subject: "_INBOX.a.1".to_owned(),
            status,
            payload: Bytes::from_static(payload),
        })
    }

    const SAID: &[u8] =
        b"INFO {\"server_id\":\"N\",\"nonce\":\"abc\",\"max_payload\":1048576} \r\n\
        PING\r\nPONG\r\n+OK\r\n-ERR 'Authorization Violation'\r\n\
        MSG _INBOX.a.1 1 5\r\nhello\r\n\
        MSG _INBOX.a.1 1 back 4\r\na\r\nb\r\n\
        MSG _INBOX.a.1 1 0\r\n\r\n\
        HMSG _INBOX.a.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
        HMSG _INBOX.a.1 1 back 18 20\r\nNATS/1.0\r\nA: b\r\n\r\n{}\r\n";

    fn expected() -> Vec<Op> {
        vec![
            Op::Info(Info {
                nonce: "abc".to_owned(),
                tls_required: false,
                max_payload: Some(1_048_576),
            }),
            Op::Ping,
            Op::Pong,
            Op::Ok,
            Op::Error("Authorization Violation".to_owned()),
            message(None, b"hello"),
            message(None, b"a\r\nb"),
            message(None, b""),
            message(Some(503), b""),
            message(None, b"{}"),
        ]
    }

    #[test]
    fn what_is_said_is_read_however_it_is_cut() {
        assert_eq!(decoded(&[SAID]), Ok(expected()));
        for at in 0..SAID.len() {
            let (before, behind) = SAID.split_at(at);
            assert_eq!(decoded(&[before, behind]), Ok(expected()), "cut at {at}");
        }
        let bytes: Vec<&[u8]> = SAID.chunks(1).collect();
        assert_eq!(decoded(&bytes), Ok(expected()));
    }

    #[test]
    fn what_is_cut_off_is_waited_for() {
        for end in 0..SAID.len() {
            let ops = decoded(&[&SAID[..end]]).unwrap();
            assert!(ops.len() < expected().len(), "{end}");
        }
    }

    /// Any byte in any place may be another: that is read or refused, and never a panic.
    #[test]
    fn nothing_panics() {
        let mut refused = 0;
        for at in 0..SAID.len() {
            for byte in 0..=u8::MAX {
                let mut said = SAID.to_vec();
                said[at] = byte;
                refused += u32::from(decoded(&[&said[..]]).is_err());
            }
        }
        assert!(refused > 0);
    }

    #[test]
    fn what_no_server_says_is_refused() {
        for (said, wanted) in [
            ("\r\n", Malformed::Line),
            ("PING\n", Malformed::Line),
            ("PING twice\r\n", Malformed::Line),
            ("ping\r\n", Malformed::Line),
            ("GET / HTTP/1.1\r\n", Malformed::Line),
            ("INFO\r\n", Malformed::Info),
            ("INFO {\r\n", Malformed::Info),
            ("INFO 1\r\n", Malformed::Info),
            ("INFO {\"max_payload\":\"much\"}\r\n", Malformed::Info),
            ("MSG\r\n", Malformed::Line),
            ("MSG a 1\r\n", Malformed::Line),
            ("MSG a 1 b c 1\r\n", Malformed::Line),
            ("MSG a 1 -1\r\n", Malformed::Line),
            ("MSG a 1 +1\r\n", Malformed::Line),
            ("MSG a 1 1x\r\n", Malformed::Line),
            ("MSG a 1 65537\r\n", Malformed::MessageLength),
            ("MSG a 1 4294967296\r\n", Malformed::MessageLength),
            ("MSG a 1 18446744073709551616\r\n", Malformed::MessageLength),
            ("MSG a 1 1\r\nbcd\r\n", Malformed::End),
            ("HMSG a 1 12\r\n", Malformed::Line),
            ("HMSG a 1 13 12\r\n", Malformed::Headers),
            ("HMSG a 1 x 12\r\n", Malformed::Line),
            ("HMSG a 1 12 4294967296\r\n", Malformed::MessageLength),
            (
                "HMSG a 1 99999999999999999999 1\r\n",
                Malformed::MessageLength,
            ),
            ("HMSG a 1 0 2\r\n{}\r\n", Malformed::Headers),
            ("HMSG a 1 2 2\r\n{}\r\n", Malformed::Headers),
            (
                "HMSG a 1 16 16\r\nNATS/1.0 abc\r\n\r\n\r\n",
                Malformed::Headers,
            ),
        ] {
            assert_eq!(decoded(&[said.as_bytes()]), Err(wanted), "{said}");
        }
        assert_eq!(decoded(&[&b"PI\xffG\r\n"[..]]), Err(Malformed::Line));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        for (begins, bytes_max) in [
            ("INFO {\"a\":\"", INFO_BYTES_MAX),
            ("MSG ", LINE_BYTES_MAX),
            ("", LINE_BYTES_MAX),
        ] {
            let mut said = begins.as_bytes().to_vec();
            said.resize(bytes_max, b'a');
            assert_eq!(decoded(&[&said[..]]), Ok(Vec::new()));
            // What has an end, too late, is as long.
            for more in [&b"a"[..], b"\r\n"] {
                let wanted = Err(Malformed::LineLength(bytes_max));
                assert_eq!(decoded(&[&said[..], more]), wanted, "{begins}");
            }
        }
    }

    #[test]
    fn only_a_size_that_can_be_is_taken_for_the_largest() {
        for (max_payload, wanted) in [
            (None, None),
            (Some(0), None),
            (Some(-1), None),
            (Some(8_192), Some(8_192)),
        ] {
            let info = Info {
                max_payload,
                ..Info::default()
            };
            assert_eq!(info.payload_max(), wanted);
        }
    }
}

//! The bytes of a file as the text of a document.
//!
//! YAML and JSON are in UTF-8. XML is in what its declaration says; of the encodings that it may
//! name there, those are read that need no tables.

use super::{
    format::{BYTE_ORDER_MARK, DOCUMENT_BYTES_MAX, Format},
    remark::{DocumentError, Place, Remark},
};

/// Makes a text of the bytes of a file: a `config.xml` by the encoding that it declares, `UTF-8`,
/// `ISO-8859-1` or `US-ASCII`; everything else as UTF-8.
///
/// # Errors
/// Returns [`DocumentError`] for more than [`DOCUMENT_BYTES_MAX`] bytes, for another encoding, by
/// its name, and for bytes that the encoding does not have, by their place.
pub fn decode(bytes: Vec<u8>, format: Format) -> Result<String, DocumentError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Remark::too_large(bytes.len()).into());
    }
    if bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe]) {
        return Err(not_read("UTF-16"));
    }
    let declared = match format {
        Format::Yaml | Format::Json => return utf8(bytes, ""),
        Format::MagentoConfigXml => declared(&bytes).map(str::to_owned),
    };
    let Some(declared) = declared else {
        return utf8(bytes, ", and no other encoding is declared");
    };
    match declared.to_ascii_lowercase().as_str() {
        "utf-8" => utf8(bytes, ""),
        "us-ascii" => match bytes.iter().position(|byte| !byte.is_ascii()) {
            Some(index) => Err(misplaced(&bytes, index, "is not US-ASCII, as is declared")),
            None => utf8(bytes, ""),
        },
        // Its numbers are those of Unicode.
        "iso-8859-1" => Ok(bytes.into_iter().map(char::from).collect()),
        _ => Err(not_read(&declared)),
    }
}

fn utf8(bytes: Vec<u8>, hint: &str) -> Result<String, DocumentError> {
    String::from_utf8(bytes).map_err(|error| {
        let index = error.utf8_error().valid_up_to();
        misplaced(error.as_bytes(), index, &format!("is not UTF-8{hint}"))
    })
}

/// The encoding that an XML declaration names. A byte-order mark before it says UTF-8, whatever
/// stands behind it.
fn declared(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(b"<?xml")?;
    let end = rest.windows(2).position(|pair| pair == b"?>")?;
    let declaration = str::from_utf8(rest.get(..end)?).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next();
    let quote = quote.filter(|quote| "\"'".contains(*quote))?;
    let (name, _) = value.strip_prefix(quote)?.split_once(quote)?;
    Some(name)
}

fn not_read(encoding: &str) -> DocumentError {
    let problem = format!(
        "the encoding {encoding} is not read: convert the document to UTF-8 (ISO-8859-1 and US-ASCII are read too, where they are declared)"
    );
    let begin = Place { line: 1, column: 1 };
    Remark::unreadable(Some(begin), "", &problem).into()
}

/// Names a byte that the encoding does not have.
fn misplaced(bytes: &[u8], index: usize, problem: &str) -> DocumentError {
    let before = String::from_utf8_lossy(bytes.get(..index).unwrap_or_default());
    let before = before.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&before);
    let byte = bytes.get(index).copied().unwrap_or_default();
    let problem = format!("the byte 0x{byte:02X} {problem}");
    Remark::at_byte(before, before.len(), &problem).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(declaration: &str, label: &[u8]) -> Vec<u8> {
        [declaration.as_bytes(), b"\n<a>", label, b"</a>"].concat()
    }

    #[test]
    fn xml_is_read_by_its_declaration() {
        let of = |encoding: &str| format!("<?xml version=\"1.0\" encoding={encoding}?>");
        let rows: &[(String, &[u8], &str)] = &[
            (String::new(), "für".as_bytes(), "für"),
            ("<?xml version=\"1.0\"?>".into(), "für".as_bytes(), "für"),
            (of("\"UTF-8\""), "für €".as_bytes(), "für €"),
            (of("'utf-8'"), "für".as_bytes(), "für"),
            (of("\"ISO-8859-1\""), b"f\xfcr \xa3", "für £"),
            (of("'iso-8859-1' standalone='yes'"), b"f\xfcr", "für"),
            (
                "<?xml version=\"1.0\" encoding = \"ISO-8859-1\"?>".into(),
                b"f\xfcr",
                "für",
            ),
            (of("\"ISO-8859-1\""), b"\x85", "\u{85}"),
            (of("\"US-ASCII\""), b"fur", "fur"),
            // What a comment says is no declaration.
            (
                "<!-- encoding=\"ISO-8859-1\" ?> -->".into(),
                "für".as_bytes(),
                "für",
            ),
            (
                "\u{feff}<?xml version='1.0' encoding='ISO-8859-1'?>".into(),
                "für".as_bytes(),
                "für",
            ),
        ];
        for (declaration, label, expected) in rows {
            let text = decode(xml(declaration, label), Format::MagentoConfigXml).unwrap();
            assert_eq!(text, format!("{declaration}\n<a>{expected}</a>"));
        }
    }

    #[test]
    fn what_is_not_read_is_named() {
        let of = |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>");
        let xml = |declaration: &str, label: &[u8]| {
            decode(xml(declaration, label), Format::MagentoConfigXml)
        };
        let rows = [
            (
                xml(&of("windows-1252"), b"a"),
                "line 1, column 1: the encoding windows-1252 is not",
            ),
            (
                xml(&of("UTF-16"), b"a"),
                "line 1, column 1: the encoding UTF-16 is not",
            ),
            (
                xml("", b"f\xfcr"),
                "line 2, column 5: the byte 0xFC is not UTF-8, and no other",
            ),
            (
                xml(&of("UTF-8"), b"f\xfcr"),
                "line 2, column 5: the byte 0xFC is not UTF-8",
            ),
            (
                xml(&of("US-ASCII"), b"f\xfcr"),
                "line 2, column 5: the byte 0xFC is not US-ASCII",
            ),
            (
                decode(b"\xff\xfe<\0".to_vec(), Format::MagentoConfigXml),
                "line 1, column 1: the encoding UTF-16",
            ),
            (
                decode(b"a: \xfc".to_vec(), Format::Yaml),
                "line 1, column 4: the byte 0xFC is not UTF-8",
            ),
            (
                decode(b"\"\xfc\"".to_vec(), Format::Json),
                "line 1, column 2: the byte 0xFC is not UTF-8",
            ),
            (
                decode(vec![b' '; DOCUMENT_BYTES_MAX + 1], Format::Yaml),
                "document has 1048577 bytes",
            ),
        ];
        for (answer, expected) in rows {
            let told = answer.unwrap_err().to_string();
            assert!(told.starts_with(expected), "{told}\n  expected {expected}");
        }
    }
}

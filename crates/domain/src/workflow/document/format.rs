//! The formats of documents, and how large a document and the texts in it may be.

/// The largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// The longest text, as it is written: longer than any value, even where each character is escaped.
/// Readers copy what they read, a key into their errors too.
pub(super) const TEXT_BYTES_MAX: usize = 32 * 1024;

/// The character that some editors put before a text in UTF-8.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The language of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
    /// The `config.xml` of a Magento 1 module.
    MagentoConfigXml,
}

/// The fate of states of a `config.xml` that the workflow does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownStates {
    /// The document is refused, naming all of them.
    #[default]
    Refuse,
    /// They are made: active and holdable, with the operations of the state `processing`, if there
    /// is one.
    Create,
}

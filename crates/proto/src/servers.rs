//! The servers of the services, as generated. They stand apart from messages and clients since they weigh what they
//! decode ([`codec`](crate::codec)), and take or give some messages as bytes ([`encoded`](crate::encoded)).

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::default_trait_access,
    clippy::doc_markdown,
    clippy::too_many_lines,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/servers/waymark.v1.rs"));
}

pub use generated::*;

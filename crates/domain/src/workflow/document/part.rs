//! The macros that declare parts of documents, and what these have in common with parts of
//! workflows.

/// Declares a part of a document: fields that may be left out, then maps.
macro_rules! part {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? } maps { $($map:ident: $map_type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $(
                #[serde(default, deserialize_with = "crate::workflow::document::sound::given", skip_serializing_if = "Option::is_none")]
                pub(super) $field: Option<$type>,
            )+
            $(
                #[serde(default, deserialize_with = "crate::workflow::document::sound::entries", skip_serializing_if = "Keyed::is_empty")]
                pub(super) $map: $map_type,
            )*
        }
    };
}
pub(super) use part;

/// Declares the fields that a part of a document and one of a workflow have both: those that are
/// always written, those that are written where they are not as usual, and the other fields of the
/// part of the workflow, all of which are named, so that a new one fails to compile.
macro_rules! fields {
    ($part:ident of $whole:ident: always { $($always:ident),* } else { $($field:ident),* } but { $($other:ident),* }) => {
        impl $part {
            /// Changes a part of a workflow as the document says.
            pub(super) fn put_into(&self, whole: &mut $whole) {
                $(PartField::put(&mut whole.$always, self.$always.as_ref());)*
                $(PartField::put(&mut whole.$field, self.$field.as_ref());)*
            }

            /// Writes a part of a workflow; `usual` is as a reader assumes it.
            pub(super) fn of(whole: &$whole, usual: &$whole) -> Self {
                let $whole { $($always,)* $($field,)* $($other: _,)* } = whole;
                let mut part = Self::default();
                $(part.$always = PartField::written($always);)*
                $(part.$field = unless_usual($field, &usual.$field);)*
                part
            }
        }
    };
}
pub(super) use fields;

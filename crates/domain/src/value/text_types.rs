//! The shape of all checked texts: a newtype of a shared text that is read and written as one.

/// Declares a type of texts with its check, or, after `impl`, what a declared one has in common
/// with the others.
macro_rules! text_type {
    (impl[$($generics:tt)*] $name:ty) => {
        impl<$($generics)*> $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<$($generics)*> std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<$($generics)*> std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl<$($generics)*> std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<$($generics)*> std::str::FromStr for $name {
            type Err = $crate::value::Invalid;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl<$($generics)*> TryFrom<String> for $name {
            type Error = $crate::value::Invalid;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl<$($generics)*> From<$name> for String {
            fn from(text: $name) -> Self {
                text.0.as_ref().to_owned()
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(
            Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks a text against the rule of this type.
            ///
            /// # Errors
            /// Returns [`Invalid`](crate::value::Invalid) when the text breaks it.
            pub fn new(text: &str) -> Result<Self, $crate::value::Invalid> {
                $check(text)?;
                Ok(Self(std::sync::Arc::from(text)))
            }
        }

        $crate::value::text_type!(impl[] $name);
    };
}

/// Stores a type that is parsed and shown as the text that it is shown as.
macro_rules! stored_as_text {
    ($name:ty) => {
        impl TryFrom<String> for $name {
            type Error = $crate::value::Invalid;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

pub(crate) use {stored_as_text, text_type};

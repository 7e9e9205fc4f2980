//! Messages of the wire field by field. Each macro names every field of what it takes apart, so that
//! a new one fails to compile.
//!
//! ```text
//! reader! {
//!     /// Reads an endpoint.
//!     fn read_endpoint(Endpoint { etag, create_time }) -> NewEndpoint {
//!         code: text(code),
//!         description: text(description),
//!         active: or(active; true),
//!     }
//! }
//! ```
//!
//! `reader!` makes a function that reads a message at a path, `patch!` one that reads what an update
//! is about: field by field as `name: how(fields; argument)`, in the order of violations. In braces
//! stand fields that are ignored. `message!` makes a message of a value of the domain.

/// Reads one field of a message at a path; gives a `Read<_>`.
macro_rules! read_field {
    // A text that its type may refuse, also for being empty.
    ($at:ident, text($given:ident)) => {
        $at.field(stringify!($given)).text(&$given)
    };
    // A text where empty means none.
    ($at:ident, optional($given:ident)) => {
        $at.field(stringify!($given)).optional(&$given)
    };
    // A list of texts, with the most that it may have.
    ($at:ident, list($given:ident; $max:expr)) => {
        $at.field(stringify!($given)).list(&$given, $max)
    };
    // A number from 1, where 0 means none.
    ($at:ident, positive($given:ident)) => {
        $at.field(stringify!($given)).positive($given)
    };
    // The number of an enum.
    ($at:ident, number($given:ident)) => {
        $at.field(stringify!($given)).numbered($given)
    };
    // What a constructor of the domain takes or refuses.
    ($at:ident, check($given:ident; $new:expr)) => {
        $at.field(stringify!($given)).check($new($given))
    };
    // What a function reads: of the value, of a borrow of it, of one that may be missing, or of one
    // that must be given.
    ($at:ident, by($given:ident; $read:expr)) => {
        $read($at.field(stringify!($given)), $given)
    };
    ($at:ident, borrowed($given:ident; $read:expr)) => {
        $read($at.field(stringify!($given)), &$given)
    };
    ($at:ident, given($given:ident; $read:expr)) => {
        $given
            .map(|given| $read($at.field(stringify!($given)), given))
            .transpose()
    };
    ($at:ident, required($given:ident; $read:expr)) => {{
        let at = $at.field(stringify!($given));
        at.required($given).and_then(|given| $read(at, given))
    }};
    // What a closure makes of fields; it takes the path of the message.
    ($at:ident, with($($given:ident),*; $read:expr)) => {
        $at.with($read)
    };
    // The value as it is, or another one where none is given.
    ($at:ident, same($given:ident)) => {
        $crate::convert::violations::Read::Ok($given)
    };
    ($at:ident, or($given:ident; $usual:expr)) => {
        $crate::convert::violations::Read::Ok($given.unwrap_or($usual))
    };
    // A value that is no field of the message.
    ($at:ident, value(; $value:expr)) => {
        $crate::convert::violations::Read::Ok($value)
    };
}

/// Makes a function that reads a message.
macro_rules! reader {
    (
        $(#[$doc:meta])*
        $vis:vis fn $name:ident(
            $wire:ident $({ $($ignored:ident),+ $(,)? })? $(, $more:ident: $type:ty)*
        ) -> $target:ident {
            $($field:ident: $how:ident($($given:ident),* $(; $argument:expr)?)),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        $vis fn $name(
            at: $crate::convert::violations::Path<'_>,
            message: $crate::v1::$wire,
            $($more: $type,)*
        ) -> $crate::convert::violations::Read<$target> {
            let $crate::v1::$wire { $($($ignored: _,)+)? $($($given,)*)+ } = message;
            $(let $field = read_field!(
                at, $how($($given),* $(; $argument)?)
            );)+
            Ok($target { $($field: $field?,)+ })
        }
    };
}

/// Reads one field of a message if the update is about it; gives a `Read<Option<_>>`.
macro_rules! patch_field {
    // What a function makes of the value and the mask.
    ($at:ident, $mask:ident, masked($given:ident; $read:expr)) => {
        $read($at.field(stringify!($given)), $given, $mask)
    };
    ($at:ident, $mask:ident, value(; $value:expr)) => {
        $crate::convert::violations::Read::Ok($value)
    };
    ($at:ident, $mask:ident, $how:ident($given:ident $(; $argument:expr)?)) => {
        $mask
            .take(stringify!($given), $given)
            .map(|$given| read_field!($at, $how($given $(; $argument)?)))
            .transpose()
    };
}

/// Makes a function that reads what an update is about: of a message those fields that the mask
/// names, or that are set where it names none. The others stand in braces, with why an update must
/// not name them; `but` gives more paths that it may name, and maps whose keys it may.
macro_rules! patch {
    (
        $(#[$doc:meta])*
        fn $name:ident($wire:ident { $($problem:ident: $($fixed:ident),+;)+ }) -> $target:ident {
            $($field:ident: $how:ident($($given:ident)? $(; $argument:expr)?)),+ $(,)?
        }
        $(but $($path:literal),+; maps $($map:literal),+)?
    ) => {
        /// The paths that an update may name, and those that it may not.
        const PATHS: $crate::convert::mask::Paths = $crate::convert::mask::Paths {
            updatable: &[$($(stringify!($given),)?)+ $($($path,)+)?],
            maps: &[$($($map,)+)?],
            fixed: &[$($(
                (stringify!($fixed), $crate::invalid::MaskProblem::$problem),
            )+)+],
        };

        $(#[$doc])*
        fn $name(
            at: $crate::convert::violations::Path<'_>,
            message: $crate::v1::$wire,
            mask: &$crate::convert::mask::Mask,
        ) -> $crate::convert::violations::Read<$target> {
            let $crate::v1::$wire { $($($fixed: _,)+)+ $($($given,)?)+ } = message;
            $(let $field = patch_field!(
                at, mask, $how($($given)? $(; $argument)?)
            );)+
            Ok($target { $($field: $field?,)+ })
        }
    };
}

/// Writes one field of a message.
macro_rules! write_field {
    (same $given:ident) => {
        *$given
    };
    (clone $given:ident) => {
        $given.clone()
    };
    (text $given:ident) => {
        $given.to_string()
    };
    // A text where none is empty.
    (optional $given:ident) => {
        $crate::convert::fields::text($given.as_ref())
    };
    (texts $given:ident) => {
        $given.iter().map(ToString::to_string).collect()
    };
    (number $given:ident) => {
        $crate::convert::enums::number(*$given)
    };
    (money $given:ident) => {
        $given.minor_units()
    };
    (time $given:ident) => {
        Some($crate::convert::instant::timestamp_to_wire(*$given))
    };
    (optional_time $given:ident) => {
        $given.map($crate::convert::instant::timestamp_to_wire)
    };
}

/// Makes a message of a value: fields of the same names, grouped by how they are written, and after
/// the dots whatever else the message has. In braces stand the fields that no group takes.
///
/// ```text
/// message!(Hold from hold: Hold { placed_by };
///     text: id, reason;
///     time: place_time;
///     .. placed_by: Some(actor_to_wire(&hold.placed_by)),
/// )
/// ```
macro_rules! message {
    (
        $wire:ident from $value:ident: $domain:ident $({ $($other:ident),+ $(,)? })?;
        $($how:ident: $($given:ident),+;)+
        $(.. $($rest:tt)+)?
    ) => {{
        let $domain { $($($other: _,)+)? $($($given,)+)+ } = $value;
        $crate::v1::$wire {
            $($($given: write_field!($how $given),)+)+
            $($($rest)+)?
        }
    }};
}

/// The text of a value that may be missing; empty means none.
pub(crate) fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

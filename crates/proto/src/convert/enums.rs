//! Enums that the domain and the wire have alike, each as one table of their values.

use waymark_domain::{
    actor::ActorKind,
    delivery::{DeliveryState, Outcome},
    history::Kind,
    workflow::{
        Category, CommentStatus, CopyMethod, DifferenceKind, Effect, Identity, Notify, Overpayment,
        RefundedUnits, Severity, StatusSharing, diagram, document,
    },
};

use crate::v1;

/// A value of the domain that the wire has as the number of an enum.
pub(crate) trait Numbered: Copy {
    /// The enum of the wire.
    type Wire: From<Self> + Into<i32>;
}

/// Writes the number of a value.
pub(crate) fn number<T: Numbered>(value: T) -> i32 {
    T::Wire::from(value).into()
}

/// Writes the values of a type as those of the same names on the wire. With `unspecified` they are
/// read as well: as the value of the same name, and what is unspecified as the one that is given.
macro_rules! wire_enum {
    ($domain:path = $wire:ident { $($value:ident),+ }) => {
        impl Numbered for $domain {
            type Wire = v1::$wire;
        }

        impl From<$domain> for v1::$wire {
            fn from(value: $domain) -> Self {
                type Domain = $domain;
                match value {
                    $(Domain::$value => Self::$value,)+
                }
            }
        }
    };
    ($domain:path = $wire:ident { $($value:ident),+ }, unspecified $usual:ident) => {
        wire_enum!($domain = $wire { $($value),+ });

        impl From<v1::$wire> for $domain {
            fn from(value: v1::$wire) -> Self {
                match value {
                    v1::$wire::Unspecified => Self::$usual,
                    $(v1::$wire::$value => Self::$value,)+
                }
            }
        }
    };
}

wire_enum! { ActorKind = ActorKind { User, Integration, Customer, System }, unspecified Integration }
wire_enum! { Category = StateCategory { Initial, Active, Held, Completed, Closed, Canceled } }
wire_enum! { CommentStatus = CommentStatus { AnyInState, Never } }
wire_enum! { StatusSharing = StatusSharing { Exclusive, Shared } }
wire_enum! { RefundedUnits = RefundedUnits { StillShip, Fulfilled } }
wire_enum! { Overpayment = Overpayment { Record, Refuse } }
wire_enum! { Effect = OperationEffect { None, Invoice, Ship, Refund, Cancel, Pay } }
wire_enum! {
    Identity = SenderIdentity { General, Sales, Support, Custom1, Custom2 }, unspecified Sales
}
wire_enum! { Notify = CustomerNotice { OnRequest, Always, Never }, unspecified OnRequest }
wire_enum! { CopyMethod = CopyMethod { Bcc, Separate }, unspecified Bcc }
wire_enum! { DifferenceKind = ChangeKind { Added, Changed, Removed } }
wire_enum! { Severity = LintSeverity { Error, Warning, Info } }
wire_enum! { document::Format = WorkflowFormat { Yaml, Json, MagentoConfigXml }, unspecified Yaml }
wire_enum! { diagram::Format = DiagramFormat { Mermaid, Dot, Svg }, unspecified Mermaid }
wire_enum! {
    Kind = EntryKind {
        Created, Transitioned, Commented, Held, Released, OperationRecorded, Updated
    }
}
wire_enum! { DeliveryState = DeliveryState { Pending, Succeeded, Dead, Skipped } }
wire_enum! { Outcome = AttemptOutcome { Accepted, Failed, Refused } }

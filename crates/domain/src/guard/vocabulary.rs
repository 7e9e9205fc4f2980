//! The words that a guard may use.

/// The fields of `order`.
pub(super) const ORDER: &[&str] = &[
    "workflow",
    "id",
    "state",
    "status",
    "status_label",
    "visible_on_storefront",
    "version",
    "lines",
    "currency",
    "grand_total",
    "total_paid",
    "total_refunded",
    "total_due",
    "store_view",
    "customer",
    "attributes",
    "holds",
    "return_state",
    "return_status",
    "allowed_operations",
    "create_time",
    "update_time",
    "status_time",
    "can_invoice",
    "can_ship",
    "can_refund",
    "fully_invoiced",
    "fully_shipped",
    "fully_refunded",
    "is_virtual",
];

/// The fields of a line.
pub(super) const LINE: &[&str] = &[
    "id",
    "sku",
    "name",
    "quantity_ordered",
    "quantity_invoiced",
    "quantity_shipped",
    "quantity_refunded",
    "quantity_canceled",
    "is_virtual",
];

/// The fields of `actor`.
pub(super) const ACTOR: &[&str] = &["kind", "id", "on_behalf_of", "roles"];

/// The fields of `request`.
pub(super) const REQUEST: &[&str] = &["comment", "metadata"];

/// The fields of `entry`, of which only conditions and templates may speak.
pub(super) const ENTRY: &[&str] = &[
    "sequence",
    "kind",
    "from_state",
    "from_status",
    "to_state",
    "to_status",
    "status_changed",
    "transition",
    "operation",
    "amount",
    "comment",
    "notify_customer",
    "visible_to_customer",
    "metadata",
    "caused_by",
    "create_time",
];

/// The operators and functions, as CEL names them inside.
pub(super) const FUNCTIONS: &[&str] = &[
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "_-_",
    "_+_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_>=_",
    "_<=_",
    "_>_",
    "_<_",
    "-_",
    "_[_]",
    "@in",
    "@not_strictly_false",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "double",
    "string",
    "bool",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
];

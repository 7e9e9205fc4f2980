//! The tables, as both databases have them. Columns use only Text, `BigInt`, Integer (as
//! `Number` where a value is acted on), Bool and Binary: instants are microseconds since 1970 in UTC, JSON is text.

diesel::table! {
    deployment (singleton) {
        singleton -> Integer,
        id -> Binary,
        partition_count -> Integer,
        create_time -> BigInt,
    }
}

diesel::table! {
    catalog (version) {
        version -> BigInt,
        change_id -> Binary,
        workflow -> Text,
        create_time -> BigInt,
    }
}

diesel::table! {
    partitions (partition) {
        partition -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    workflows (code) {
        code -> Text,
        label -> Text,
        description -> Text,
        initial_state -> Text,
        default_store_view -> Nullable<Text>,
        comment_status -> Text,
        status_sharing -> Text,
        refunded_units -> Text,
        operations -> Text,
        max_cascade -> Number,
        version -> BigInt,
        create_time -> BigInt,
        update_time -> BigInt,
        on_create -> Text,
        on_comment -> Text,
        overpayment -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    states (workflow, code) {
        workflow -> Text,
        code -> Text,
        label -> Text,
        category -> Text,
        can_start -> Bool,
        operations -> Text,
        holdable -> Bool,
        terminal -> Bool,
        entry_guard -> Nullable<Text>,
        position -> Number,
        on_enter -> Text,
        on_leave -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    statuses (workflow, code) {
        workflow -> Text,
        code -> Text,
        label -> Text,
        store_view_labels -> Text,
        description -> Text,
        color -> Nullable<Text>,
        position -> Number,
        retired -> Bool,
        ever_used -> Bool,
        version -> BigInt,
        create_time -> BigInt,
        update_time -> BigInt,
        on_enter -> Text,
    }
}

diesel::table! {
    assignments (workflow, state, status) {
        workflow -> Text,
        state -> Text,
        status -> Text,
        is_default -> Bool,
        visible_on_storefront -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    transitions (workflow, code) {
        workflow -> Text,
        code -> Text,
        label -> Text,
        description -> Text,
        from_statuses -> Text,
        from_states -> Text,
        to_state -> Text,
        to_status -> Nullable<Text>,
        guard -> Nullable<Text>,
        trigger_kind -> Text,
        trigger_operations -> Text,
        operation -> Nullable<Text>,
        roles -> Text,
        position -> Number,
        version -> BigInt,
        create_time -> BigInt,
        update_time -> BigInt,
        trigger_after -> Nullable<Text>,
        actions -> Text,
        reverse -> Bool,
        visible_to_customer -> Bool,
        notify_customer -> Bool,
        trigger_at -> Nullable<Text>,
    }
}

diesel::table! {
    workflow_versions (workflow, version) {
        workflow -> Text,
        version -> BigInt,
        actor -> Text,
        create_time -> BigInt,
        changes -> Text,
        document -> Text,
    }
}

diesel::table! {
    requests (partition, scope, request_id) {
        partition -> Integer,
        scope -> Text,
        request_id -> Text,
        fingerprint -> Binary,
        change_id -> Binary,
        answer -> Binary,
        create_time -> BigInt,
    }
}

diesel::table! {
    orders (partition, order_key) {
        partition -> Integer,
        order_key -> BigInt,
        workflow -> Text,
        id -> Text,
        state -> Text,
        status -> Text,
        return_state -> Nullable<Text>,
        return_status -> Nullable<Text>,
        version -> BigInt,
        create_time -> BigInt,
        update_time -> BigInt,
        body -> Text,
        journal -> Binary,
        due_time -> Nullable<BigInt>,
    }
}

diesel::table! {
    history (partition, log_offset) {
        partition -> Integer,
        log_offset -> BigInt,
        step_offset -> BigInt,
        order_key -> BigInt,
        workflow -> Text,
        order_id -> Text,
        sequence -> BigInt,
        kind -> Text,
        from_state -> Nullable<Text>,
        from_status -> Nullable<Text>,
        to_state -> Text,
        to_status -> Text,
        transition -> Nullable<Text>,
        comment -> Text,
        notify_customer -> Bool,
        visible_to_customer -> Bool,
        actor -> Text,
        request_id -> Nullable<Text>,
        fingerprint -> Nullable<Binary>,
        caused_by -> BigInt,
        workflow_version -> BigInt,
        metadata -> Text,
        create_time -> BigInt,
        detail -> Text,
        batch_id -> Binary,
        set_off -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    deliveries (partition, log_offset, number) {
        partition -> Integer,
        log_offset -> BigInt,
        number -> Number,
        order_key -> BigInt,
        lane -> Text,
        workflow -> Text,
        order_id -> Text,
        sequence -> BigInt,
        order_version -> BigInt,
        transition -> Nullable<Text>,
        action -> Text,
        kind -> Text,
        destination -> Text,
        create_time -> BigInt,
        due_time -> Nullable<BigInt>,
        update_time -> BigInt,
        state -> Text,
        attempts -> Number,
        problem -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    delivery_attempts (partition, log_offset, number, attempt) {
        partition -> Integer,
        log_offset -> BigInt,
        number -> Number,
        attempt -> Number,
        start_time -> BigInt,
        duration_micros -> BigInt,
        outcome -> Text,
        code -> Nullable<Number>,
        problem -> Text,
        answer -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    delivery_decisions (partition, log_offset, number, decision) {
        partition -> Integer,
        log_offset -> BigInt,
        number -> Number,
        decision -> Number,
        verdict -> Text,
        reason -> Text,
        actor -> Text,
        create_time -> BigInt,
    }
}

diesel::table! {
    endpoints (code) {
        code -> Text,
        url -> Text,
        description -> Text,
        active -> Bool,
        problem -> Text,
        secrets -> Text,
        version -> BigInt,
        create_time -> BigInt,
        update_time -> BigInt,
    }
}

diesel::table! {
    dispatchers (id) {
        id -> Text,
        renewal -> BigInt,
        deliveries_in_flight -> Text,
        timers_in_flight -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    lost_deliveries (partition, log_offset, number) {
        partition -> Integer,
        log_offset -> BigInt,
        number -> Number,
        tries -> Number,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
    use crate::rows::Number;

    lost_timers (partition, order_key) {
        partition -> Integer,
        order_key -> BigInt,
        version -> BigInt,
        tries -> Number,
    }
}

diesel::table! {
    dispatch_leases (partition) {
        partition -> Integer,
        owner -> Nullable<Text>,
    }
}

diesel::table! {
    journal_pages (partition, order_key, first_sequence) {
        partition -> Integer,
        order_key -> BigInt,
        first_sequence -> BigInt,
        page -> Binary,
    }
}

diesel::table! {
    customer_orders (workflow, customer_id, partition, order_key) {
        workflow -> Text,
        customer_id -> Text,
        partition -> Integer,
        order_key -> BigInt,
    }
}

diesel::table! {
    tracking_key (singleton) {
        singleton -> Integer,
        secret -> Binary,
        create_time -> BigInt,
    }
}

diesel::table! {
    tracking_tokens (partition, id) {
        partition -> Integer,
        id -> Binary,
        workflow -> Text,
        order_id -> Text,
        create_time -> BigInt,
        create_actor -> Text,
        expire_time -> Nullable<BigInt>,
        revoke_time -> Nullable<BigInt>,
        revoke_actor -> Nullable<Text>,
    }
}

diesel::table! {
    timer_refreshes (partition, workflow) {
        partition -> Integer,
        workflow -> Text,
        catalog_version -> BigInt,
        after_key -> BigInt,
    }
}

//! Creating, reading, changing and deleting statuses.

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    shop::{mask, transition},
};

on_each_database!(
    a_status_is_created_read_and_changed,
    a_mask_says_what_changes,
    etags_keep_two_people_apart,
    statuses_are_listed,
    used_and_assigned_statuses_are_not_deleted,
    statuses_that_transitions_name_stay,
    retired_statuses_are_not_entered,
    wrong_fields_are_named,
);

fn status(code: &str) -> v1::OrderStatus {
    v1::OrderStatus {
        code: code.into(),
        label: "A label".into(),
        ..Default::default()
    }
}

fn update(shop: &Shop, status: v1::OrderStatus, paths: &[&str]) -> v1::UpdateStatusRequest {
    let update_mask = (!paths.is_empty()).then(|| mask(paths));
    v1::UpdateStatusRequest {
        workflow: shop.workflow(),
        status: Some(status),
        update_mask,
        ..Default::default()
    }
}

fn delete(shop: &Shop, code: &str) -> v1::DeleteStatusRequest {
    v1::DeleteStatusRequest {
        workflow: shop.workflow(),
        code: code.into(),
        ..Default::default()
    }
}

async fn a_status_is_created_read_and_changed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let wanted = v1::OrderStatus {
        store_view_labels: [("german".into(), "Gepackt".into())].into(),
        description: "In its box.".into(),
        color: "#3697cd".into(),
        position: 7,
        ..status("packed")
    };
    let created = shop.create_status(wanted.clone()).await.unwrap();
    assert!(
        !created.etag.is_empty()
            && created.create_time.is_some()
            && created.create_time == created.update_time
    );
    let plain = |status: &v1::OrderStatus| v1::OrderStatus {
        etag: String::new(),
        create_time: None,
        update_time: None,
        ..status.clone()
    };
    assert_eq!(plain(&created), wanted);
    assert_eq!(shop.status("packed").await.unwrap(), created);
    let refusal = refused(
        shop.create_status(wanted).await,
        Code::AlreadyExists,
        "STATUS_EXISTS",
    );
    assert_eq!(refusal.particular("status"), "packed");
    refused(
        shop.status("unpacked").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );

    let boxed = update(
        &shop,
        v1::OrderStatus {
            label: "Boxed".into(),
            ..status("packed")
        },
        &[],
    );
    let changed = shop
        .statuses()
        .update_status(boxed)
        .await
        .unwrap()
        .into_inner()
        .status
        .unwrap();
    assert_eq!(changed.label, "Boxed");
    assert_ne!(changed.etag, created.etag);
    assert_eq!(changed.create_time, created.create_time);
    assert!(micros(&changed) >= micros(&created));
    assert_eq!(
        v1::OrderStatus {
            label: "A label".into(),
            ..plain(&changed)
        },
        plain(&created),
        "the rest stays"
    );
}

fn micros(status: &v1::OrderStatus) -> i128 {
    let time = status.update_time.unwrap();
    assert_eq!(time.nanos % 1_000, 0, "instants are in microseconds");
    i128::from(time.seconds) * 1_000_000 + i128::from(time.nanos / 1_000)
}

async fn a_mask_says_what_changes(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let labels = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let first = v1::OrderStatus {
        store_view_labels: labels(&[("german", "Eins"), ("french", "Un")]),
        color: "#112233".into(),
        description: "First".into(),
        ..status("one")
    };
    shop.create_status(first).await.unwrap();
    let change = async |status: v1::OrderStatus, paths: &[&str]| {
        shop.statuses()
            .update_status(update(&shop, status, paths))
            .await
            .map(|answer| answer.into_inner().status.unwrap())
    };
    // Without a mask, the given keys of a map are merged.
    let merged = v1::OrderStatus {
        store_view_labels: labels(&[("german", "Erster")]),
        label: String::new(),
        ..status("one")
    };
    let merged = change(merged, &[]).await.unwrap();
    assert_eq!(
        merged.store_view_labels,
        labels(&[("german", "Erster"), ("french", "Un")])
    );
    assert_eq!(
        (merged.label.as_str(), merged.color.as_str()),
        ("A label", "#112233")
    );
    // With one, the map is replaced whole, and what is masked and empty is cleared.
    let replaced = v1::OrderStatus {
        store_view_labels: labels(&[("dutch", "Een")]),
        label: "Ignored".into(),
        ..status("one")
    };
    let replaced = change(replaced, &["store_view_labels", "color", "description"])
        .await
        .unwrap();
    assert_eq!(replaced.store_view_labels, labels(&[("dutch", "Een")]));
    assert_eq!(
        (
            replaced.label.as_str(),
            replaced.color.as_str(),
            replaced.description.as_str()
        ),
        ("A label", "", "")
    );

    invalid(change(status("one"), &["labels"]).await, "update_mask");
    invalid(change(status("one"), &["code"]).await, "update_mask");
    invalid(
        change(
            v1::OrderStatus {
                label: String::new(),
                ..status("one")
            },
            &["label"],
        )
        .await,
        "status.label",
    );
    refused(
        change(status("two"), &["label"]).await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
}

async fn etags_keep_two_people_apart(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let seen = shop.add_status("one").await;
    let write = async |label: &str, etag: &str| {
        let status = v1::OrderStatus {
            label: label.into(),
            etag: etag.into(),
            ..status("one")
        };
        shop.statuses()
            .update_status(update(&shop, status, &["label"]))
            .await
            .map(|answer| answer.into_inner().status.unwrap())
    };
    let first = write("First", &seen.etag).await.unwrap();
    let refusal = refused(
        write("Second", &seen.etag).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    assert_eq!(refusal.particular("current"), first.etag);
    assert_eq!(shop.status("one").await.unwrap().label, "First");
    // A change of another part leaves the mark of this one.
    shop.add_status("two").await;
    assert_eq!(shop.status("one").await.unwrap().etag, first.etag);
    let stale = v1::DeleteStatusRequest {
        etag: seen.etag,
        ..delete(&shop, "one")
    };
    refused(
        shop.statuses().delete_status(stale).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    let current = v1::DeleteStatusRequest {
        etag: first.etag.clone(),
        ..delete(&shop, "one")
    };
    let deleted = shop
        .statuses()
        .delete_status(current)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(deleted.status.unwrap(), first);
}

async fn statuses_are_listed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.create_status(v1::OrderStatus {
        position: -1,
        retired: true,
        ..status("gone")
    })
    .await
    .unwrap();
    shop.create_status(v1::OrderStatus {
        position: 0,
        ..status("first")
    })
    .await
    .unwrap();
    let list = async |state: &str, include_retired, page_size, token: &str| {
        let request = v1::ListStatusesRequest {
            workflow: shop.workflow(),
            state: state.into(),
            include_retired,
            page_size,
            page_token: token.into(),
        };
        let answer = shop
            .statuses()
            .list_statuses(request)
            .await
            .map(tonic::Response::into_inner);
        answer.map(|page| {
            (
                page.statuses
                    .into_iter()
                    .map(|s| s.code)
                    .collect::<Vec<_>>(),
                page.next_page_token,
            )
        })
    };
    let (all, _) = list("", false, 0, "").await.unwrap();
    assert_eq!((all[0].as_str(), all.len()), ("first", 16));
    let (with_retired, _) = list("", true, 0, "").await.unwrap();
    assert_eq!((with_retired[0].as_str(), with_retired.len()), ("gone", 17));
    assert_eq!(
        list("new", false, 0, "").await.unwrap().0,
        ["pending", "received"]
    );
    let (page, token) = list("", false, 10, "").await.unwrap();
    let (rest, end) = list("", false, 10, &token).await.unwrap();
    assert_eq!([page, rest].concat(), all);
    assert!(end.is_empty());
    refused(
        list("new", false, 10, &token).await,
        Code::InvalidArgument,
        "PAGE_TOKEN_INVALID",
    )
    .names("page_token");
    invalid(list("", false, -1, "").await, "page_size");
    refused(
        list("nowhere", false, 0, "").await,
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
}

async fn used_and_assigned_statuses_are_not_deleted(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let remove = async |code: &str| shop.statuses().delete_status(delete(&shop, code)).await;
    let refusal = refused(
        remove("received").await,
        Code::FailedPrecondition,
        "STATUS_ASSIGNED",
    );
    assert_eq!(refusal.list("states"), ["new"]);
    // Once an order wore it, it stays, also when no order wears it any more.
    shop.create(v1::Order {
        status: "received".into(),
        ..shop.draft("1", &[])
    })
    .await
    .unwrap();
    shop.comment("1", "on", "pending").await.unwrap();
    shop.unassign("new", "received").await.unwrap();
    refused(
        remove("received").await,
        Code::FailedPrecondition,
        "STATUS_IN_USE",
    );
    assert_eq!(shop.status("received").await.unwrap().code, "received");
    remove("paypal_reversed").await.unwrap();
    refused(
        remove("paypal_reversed").await,
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
}

async fn statuses_that_transitions_name_stay(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let named = |from: &[&str], to_status: &str| v1::Transition {
        from_statuses: from.iter().map(ToString::to_string).collect(),
        to_status: to_status.into(),
        ..transition("unfreeze", &[], "processing")
    };
    shop.add_status("thawed").await;
    shop.assign("processing", "thawed", None).await.unwrap();
    shop.create_transition(named(&["paypal_reversed"], "thawed"))
        .await
        .unwrap();
    let refusal = refused(
        shop.unassign("processing", "thawed").await,
        Code::FailedPrecondition,
        "STATUS_NAMED_BY_TRANSITION",
    );
    assert_eq!(refusal.list("transitions"), ["unfreeze"]);
    let removed = shop
        .statuses()
        .delete_status(delete(&shop, "paypal_reversed"))
        .await;
    refused(
        removed,
        Code::FailedPrecondition,
        "STATUS_NAMED_BY_TRANSITION",
    );
    shop.change_transition(named(&[], ""), &["from_statuses", "to_status"])
        .await
        .unwrap();
    shop.unassign("processing", "thawed").await.unwrap();
    shop.statuses()
        .delete_status(delete(&shop, "paypal_reversed"))
        .await
        .unwrap();
}

async fn retired_statuses_are_not_entered(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let retire = async |code: &str| {
        let status = v1::OrderStatus {
            retired: true,
            ..status(code)
        };
        shop.statuses()
            .update_status(update(&shop, status, &["retired"]))
            .await
    };
    shop.create(v1::Order {
        status: "received".into(),
        ..shop.draft("held", &[])
    })
    .await
    .unwrap();
    shop.hold("held", "").await.unwrap();
    shop.place("1", &[]).await;
    retire("received").await.unwrap();
    refused(
        shop.comment("1", "", "received").await,
        Code::FailedPrecondition,
        "STATUS_RETIRED",
    );
    let order = v1::Order {
        status: "received".into(),
        ..shop.draft("2", &[])
    };
    refused(
        shop.create(order).await,
        Code::FailedPrecondition,
        "STATUS_RETIRED",
    );
    assert_eq!(
        shop.release("held", "")
            .await
            .unwrap()
            .order
            .unwrap()
            .status,
        "received",
        "but by release"
    );
    refused(
        retire("pending").await,
        Code::FailedPrecondition,
        "DEFAULT_REQUIRED",
    );
    assert!(!shop.status("pending").await.unwrap().retired);
}

async fn wrong_fields_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await;
    for (wrong, field) in [
        (
            v1::OrderStatus {
                code: String::new(),
                ..status("")
            },
            "status.code",
        ),
        (
            v1::OrderStatus {
                code: "Upper".into(),
                ..status("")
            },
            "status.code",
        ),
        (
            v1::OrderStatus {
                code: "1st".into(),
                ..status("")
            },
            "status.code",
        ),
        (
            v1::OrderStatus {
                code: "x".repeat(33),
                ..status("")
            },
            "status.code",
        ),
        (
            v1::OrderStatus {
                label: String::new(),
                ..status("ok")
            },
            "status.label",
        ),
        (
            v1::OrderStatus {
                label: "ä".repeat(129),
                ..status("ok")
            },
            "status.label",
        ),
        (
            v1::OrderStatus {
                label: "a\u{7}b".into(),
                ..status("ok")
            },
            "status.label",
        ),
        (
            v1::OrderStatus {
                color: "blue".into(),
                ..status("ok")
            },
            "status.color",
        ),
        (
            v1::OrderStatus {
                color: "#12345".into(),
                ..status("ok")
            },
            "status.color",
        ),
        (
            v1::OrderStatus {
                description: "d".repeat(4_097),
                ..status("ok")
            },
            "status.description",
        ),
    ] {
        invalid(shop.create_status(wrong).await, field);
    }
    let view = v1::OrderStatus {
        store_view_labels: [("no view".into(), "x".into())].into(),
        ..status("ok")
    };
    let refusal = refused(
        shop.create_status(view).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert!(
        refusal.violations[0]
            .0
            .starts_with("status.store_view_labels"),
        "{refusal:?}"
    );
    let two = refused(
        shop.create_status(v1::OrderStatus::default()).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    two.names("status.code");
    two.names("status.label");
    invalid(
        shop.statuses()
            .create_status(v1::CreateStatusRequest {
                workflow: shop.workflow(),
                ..Default::default()
            })
            .await,
        "status",
    );
    assert_eq!(shop.definition().await, before);
    // The limits themselves are allowed.
    shop.create_status(v1::OrderStatus {
        label: "ä".repeat(128),
        ..status(&"x".repeat(32))
    })
    .await
    .unwrap();
}

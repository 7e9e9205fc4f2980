//! Guards that transitions may not have, each refused with the field and why.

use waymark_proto::v1;
use waymark_tests::{Backend, World, refusal::invalid, shop::transition};

on_each_database!(
    guards_that_cannot_be_stored_are_refused,
    guards_that_cannot_be_counted_are_named,
);

async fn guards_that_cannot_be_stored_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await;
    let nested = "order.lines.all(a, order.lines.all(b, a.id == b.id))";
    let costly =
        vec!["order.lines.all(l, l.id != 'x' && l.sku != 'y' && l.name != 'z')"; 14].join(" && ");
    let long = format!("order.id == '{}'", "x".repeat(1_000));
    let deep = format!("{}true{}", "(".repeat(490), ")".repeat(490));
    for guard in [
        "order.",
        "1 +",
        "order.total_due",
        "order.colour == 1",
        "foo == 1",
        "'text'",
        "order",
        "system('rm')",
        nested,
        "[1, 2, 3].all(x, x > 0)",
        "order.lines.map(l, l.id).size() > 0",
        "{'a': order.id}.a == 'x'",
        &costly,
        &long,
        &deep,
        "\u{0}",
        "order.id.matches('(a+)+$')",
        "   ",
    ] {
        let wrong = v1::Transition {
            guard: guard.into(),
            ..transition("t", &["new"], "complete")
        };
        invalid(shop.create_transition(wrong).await, "transition.guard");
        let wrong = v1::Transition {
            code: "cancel".into(),
            guard: guard.into(),
            ..Default::default()
        };
        invalid(
            shop.change_transition(wrong, &["guard"]).await,
            "transition.guard",
        );
    }
    assert_eq!(shop.definition().await, before);
    let good = v1::Transition {
        guard: "order.lines.all(l, l.quantity_ordered > 0.0) && actor.kind != '' && now > order.create_time".into(),
        ..transition("t", &["new"], "canceled")
    };
    shop.create_transition(good).await.unwrap();
    shop.place("1", &[("a", "1")]).await;
    assert_eq!(
        shop.take("1", "t").await.unwrap().order.unwrap().state,
        "canceled"
    );
}

/// What a guard does with lists and texts counts, or it may not do it, wherever it is stored.
async fn guards_that_cannot_be_counted_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let before = shop.definition().await;
    let joined = vec!["order.lines"; 20].join(" + ");
    let joined = format!("order.lines.all(l, size({joined}) > 0)");
    let texts = vec!["request.comment"; 50].join(" + ");
    let texts = format!("({texts}).contains('x')");
    for (guard, named) in [
        (joined.as_str(), "must not join lists with +"),
        ("order.lines == order.lines", "must not compare lists"),
        (
            "string(order.attributes) == ''",
            "must not give a list, a map",
        ),
        (
            "order.lines.filter(l, true) != []",
            "must not compare lists",
        ),
        (&texts, "at most 100000 are allowed"),
    ] {
        let wrong = v1::Transition {
            guard: guard.into(),
            ..transition("t", &["new"], "complete")
        };
        let refusal = invalid(shop.create_transition(wrong).await, "transition.guard");
        assert!(
            format!("{refusal:?}").contains(named),
            "{guard}: {refusal:?}"
        );
    }
    assert_eq!(shop.definition().await, before);
}

//! Pages that call by gRPC-Web from another origin: what a browser is told, and what such a page can read in one.

use prost::Message;
use serde_json::json;
use waymark_proto::v1;
use waymark_tests::{
    Backend, Server, Shop, World,
    browser::Site,
    raw,
    shop::standing,
    web::{self, Page},
};

on_each_database!(
    a_page_of_a_named_origin_reads_an_order_and_a_refusal,
    a_browser_is_told_which_origins_may_call,
    no_other_origin_may_call_by_default,
);

/// The origin that calls of [`raw::web_call`] come from.
const ORIGIN: &str = "http://shop.example";

async fn start(backend: Backend, origins: &str) -> Server {
    let setting = format!("grpc_web_origins={origins}");
    Server::start_with(backend, &["--set", &setting]).await
}

fn get(shop: &Shop, id: &str) -> v1::GetOrderRequest {
    v1::GetOrderRequest {
        workflow: shop.workflow(),
        order_id: id.into(),
        ..Default::default()
    }
}

/// What a browser asks before it lets a page of an origin call.
async fn preflight(server: &Server, origin: &str) -> Page {
    let url = format!(
        "http://{}/waymark.v1.OrderService/GetOrder",
        server.address()
    );
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,grpc-timeout,x-grpc-web",
        ),
    ];
    web::ask("OPTIONS", &url, &headers).await
}

async fn a_page_of_a_named_origin_reads_an_order_and_a_refusal(backend: Backend) {
    let site = Site::start().await;
    let server = start(backend, &site.origin()).await;
    let shop = Shop::new(server.clients(), "");
    let order = shop.place("2026/0001", &[("tea", "1")]).await;
    let (found, missing) = (get(&shop, "2026/0001"), get(&shop, "2026/0002"));
    let (state, status) = standing(&order);
    let read = site.read(server.address(), &found, &missing).await;
    let refusal = shop.find("2026/0002").await.unwrap_err();
    assert_eq!(
        read,
        json!({
            "order": {"id": "2026/0001", "state": state, "status": status},
            "refusal": {"code": "5", "message": refusal.message(), "reason": "ORDER_NOT_FOUND"},
        })
    );

    // Another server does not know the site, and the browser lets its page read nothing of it.
    let other = start(backend, "https://shop.example").await;
    let read = site.read(other.address(), &found, &missing).await;
    assert_eq!(read, json!({"error": "TypeError: Failed to fetch"}));
}

async fn a_browser_is_told_which_origins_may_call(backend: Backend) {
    let server = start(backend, &format!("https://other.example, {ORIGIN}/")).await;
    for origin in [ORIGIN, "https://other.example"] {
        let told = preflight(&server, origin).await;
        assert_eq!((told.status, told.body.len()), (200, 0));
        for (header, value) in [
            ("access-control-allow-origin", origin),
            ("access-control-allow-methods", "POST"),
            (
                "access-control-allow-headers",
                "content-type,grpc-timeout,x-grpc-web",
            ),
            ("access-control-max-age", "7200"),
            ("access-control-allow-credentials", ""),
        ] {
            assert_eq!(told.header(header), value, "{header}");
        }
    }
    for origin in ["http://shop.example:8080", "https://shop.example", "null"] {
        let told = preflight(&server, origin).await;
        assert_eq!(told.header("access-control-allow-origin"), "", "{origin}");
    }

    // An answer says what of it a page may read, whatever the answer is.
    let shop = Shop::new(server.clients(), "");
    shop.place("1", &[]).await;
    for (id, code) in [("1", "0"), ("2", "5")] {
        let message = get(&shop, id).encode_to_vec();
        let answer = raw::web_call(server.address(), "OrderService/GetOrder", &message).await;
        assert_eq!(answer.trailer("grpc-status"), Some(code));
        assert_eq!(
            answer.trailer("access-control-allow-origin"),
            Some(ORIGIN),
            "{answer:?}"
        );
        let exposed = answer.trailer("access-control-expose-headers").unwrap();
        let exposed: Vec<_> = exposed.split(',').map(str::trim).collect();
        assert_eq!(
            exposed,
            ["grpc-status", "grpc-message", "grpc-status-details-bin"]
        );
    }
}

async fn no_other_origin_may_call_by_default(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[]).await;
    let told = preflight(world.server(), ORIGIN).await;
    assert_eq!(told.header("access-control-allow-origin"), "");
    // Who is no browser may call all the same, and is told nothing of origins.
    let message = get(&shop, "1").encode_to_vec();
    let answer = raw::web_call(world.server().address(), "OrderService/GetOrder", &message).await;
    assert_eq!(answer.trailer("grpc-status"), Some("0"));
    let names = answer.trailers.iter().map(|(name, _)| name);
    assert_eq!(
        names
            .filter(|name| name.starts_with("access-control-"))
            .count(),
        0
    );
}

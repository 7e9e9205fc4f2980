//! Calls of pages that come from another origin. A browser asks the server before it lets such a page call, and shows
//! the page of an answer only what the server exposes.
//!
//! This stands before everything else, so that a browser's question costs what its headers cost: it is answered without
//! a look at its body, and takes no turn and no room of calls.

use std::time::Duration;

use http::{HeaderName, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::settings::Origin;

/// Headers of an answer that a page has to see: the code, the text and the details of an error that comes before any message.
const EXPOSED: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
/// Time that a browser may remember that it was allowed; none remembers it for longer.
const REMEMBERED: Duration = Duration::from_hours(2);

/// Answers browsers for pages of these origins; none where there are none, and browsers then refuse to call.
///
/// Pages may send any header, since metadata of calls are headers, but no cookies and no certificates of the browser:
/// nothing here goes by them.
pub(crate) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.iter().map(|origin| origin.header().clone());
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        .max_age(REMEMBERED);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use http::{Request, Response};
    use tonic::body::Body;
    use tower::{Layer, ServiceExt, service_fn, util::option_layer};

    use super::*;

    /// The answer to a page of an origin, and how many requests came through to the service.
    async fn answer(allowed: &[&str], method: Method, origin: &str) -> (Response<Body>, usize) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let service = service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, Infallible>(Response::new(Body::default())) }
        });
        let origins: Vec<_> = allowed
            .iter()
            .map(|text| Origin::parse(text).unwrap())
            .collect();
        let request = Request::builder()
            .method(method)
            .uri("/waymark.v1.OrderService/GetOrder")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,x-grpc-web,x-mine",
            )
            .body(Body::default())
            .unwrap();
        let service = option_layer(layer(&origins)).layer(service);
        let answer = service.oneshot(request).await.unwrap();
        (answer, calls.load(Ordering::SeqCst))
    }

    fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
        answer.headers().get(name)?.to_str().ok()
    }

    const ALLOWED: [&str; 2] = ["https://shop.example", "http://localhost:5173/"];

    #[tokio::test]
    async fn browsers_are_answered_for_pages_of_named_origins() {
        for origin in ["https://shop.example", "http://localhost:5173"] {
            let (asked, calls) = answer(&ALLOWED, Method::OPTIONS, origin).await;
            assert_eq!((asked.status().as_u16(), calls), (200, 0));
            for (name, value) in [
                ("access-control-allow-origin", origin),
                ("access-control-allow-methods", "POST"),
                (
                    "access-control-allow-headers",
                    "content-type,x-grpc-web,x-mine",
                ),
                ("access-control-max-age", "7200"),
            ] {
                assert_eq!(header(&asked, name), Some(value), "{name}");
            }
            assert_eq!(header(&asked, "access-control-allow-credentials"), None);

            let (called, calls) = answer(&ALLOWED, Method::POST, origin).await;
            assert_eq!(calls, 1);
            let allowed = header(&called, "access-control-allow-origin");
            assert_eq!(allowed, Some(origin));
            let exposed = header(&called, "access-control-expose-headers").unwrap();
            assert_eq!(exposed, EXPOSED.join(","));
        }
    }

    #[tokio::test]
    async fn pages_of_other_origins_are_not_allowed() {
        for origin in [
            "https://other.example",
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example.other.example",
            "null",
        ] {
            for method in [Method::OPTIONS, Method::POST] {
                let (answer, _) = answer(&ALLOWED, method, origin).await;
                assert_eq!(header(&answer, "access-control-allow-origin"), None);
            }
        }
    }

    #[tokio::test]
    async fn without_origins_nothing_is_added() {
        let (answer, calls) = answer(&[], Method::OPTIONS, "https://shop.example").await;
        assert_eq!((calls, answer.headers().len()), (1, 0));
    }
}

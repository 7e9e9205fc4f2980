//! From a request for a feed to its answer. Whatever is not a feed that may be
//! seen is the same plain 404.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{
        Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use waymark_domain::value::StoreView;
use waymark_persistence::{Error, Store};

use super::{
    document::{Document, Format},
    freshness::Freshness,
};
use crate::{
    telemetry::chain,
    tracking::{self, Links, Seal},
};

/// How many requests read the database at once, so that the readers of feeds never take the
/// connections of the shop's own calls.
const READS_AT_ONCE: usize = 4;
/// How long a reader need not ask again.
const CACHED: HeaderValue = HeaderValue::from_static("private, max-age=60");
/// Headers of every answer: the token is in the address, which should not get about.
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
];

#[derive(Debug)]
struct Feeds {
    /// The store for long reads.
    store: Store,
    seal: Seal,
    links: Links,
    reads: Semaphore,
}

/// The parameters of a feed; others are passed over.
#[derive(Debug, Deserialize)]
struct Choice {
    store_view: Option<String>,
}

enum Refused {
    /// There is no such feed, or nobody may see it.
    NotFound,
    Unavailable,
    Internal,
}

pub(super) fn router(store: Store, links: Links) -> Router {
    let feeds = Feeds {
        seal: Seal::of(&store),
        store,
        links,
        reads: Semaphore::new(READS_AT_ONCE),
    };
    Router::new()
        .route("/feeds/orders/{name}", get(feed))
        .method_not_allowed_fallback(nothing)
        .fallback(nothing)
        .layer(middleware::from_fn(discreetly))
        .with_state(Arc::new(feeds))
}

async fn feed(
    State(feeds): State<Arc<Feeds>>,
    name: Result<Path<String>, PathRejection>,
    choice: Result<Query<Choice>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let (Ok(Path(name)), Ok(Query(choice))) = (name, choice) else {
        return Refused::NotFound.answer();
    };
    let answer = feeds.feed(&name, &choice, &headers).await;
    answer.unwrap_or_else(Refused::answer)
}

async fn nothing() -> Response {
    Refused::NotFound.answer()
}

async fn discreetly(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().extend(ALWAYS);
    response
}

impl Feeds {
    async fn feed(
        &self,
        name: &str,
        choice: &Choice,
        headers: &HeaderMap,
    ) -> Result<Response, Refused> {
        let (token, format) = match name.strip_suffix(".atom") {
            Some(token) => (token, Format::Atom),
            None => (name, Format::Rss),
        };
        let asked = choice.store_view.as_deref().filter(|view| !view.is_empty());
        let asked = asked.map(StoreView::new).transpose();
        let asked = asked.map_err(|_| Refused::NotFound)?;
        let shown = {
            let _turn = self.reads.acquire().await.map_err(|_| Refused::Internal)?;
            tracking::find(&self.store, token, asked.as_ref()).await?
        };
        let shown = shown.ok_or(Refused::NotFound)?;
        let document = Document::new(&shown, &self.seal, &self.links, token);
        let body = document.write(format).map_err(|error| {
            tracing::error!(%error, "writing a feed failed");
            Refused::Internal
        })?;
        let fresh = Freshness::of(&body, shown.change_time, self.store.clock().now());
        if fresh.is_known_to(headers) {
            return answer(StatusCode::NOT_MODIFIED, &fresh, Body::empty());
        }
        let mut response = answer(StatusCode::OK, &fresh, Body::from(body))?;
        let content_type = HeaderValue::from_static(format.content_type());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }
}

fn answer(status: StatusCode, fresh: &Freshness, body: Body) -> Result<Response, Refused> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, CACHED);
    headers.insert(header::ETAG, header_value(fresh.tag.clone())?);
    if let Some(modified) = fresh.modified {
        let date = header_value(httpdate::fmt_http_date(modified))?;
        headers.insert(header::LAST_MODIFIED, date);
    }
    Ok(response)
}

/// Tags and dates are ASCII, so they always fit.
fn header_value(text: String) -> Result<HeaderValue, Refused> {
    HeaderValue::try_from(text).map_err(|_| Refused::Internal)
}

impl Refused {
    fn answer(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::Unavailable) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        if error.is_of_storage() {
            // The store has logged it once, with what to do.
            tracing::debug!(error = chain(&error), "reading a feed failed");
            Self::Unavailable
        } else if error.is_transient() {
            tracing::warn!(
                error = chain(&error),
                "reading a feed failed: database unavailable"
            );
            Self::Unavailable
        } else {
            tracing::error!(error = chain(&error), "reading a feed failed");
            Self::Internal
        }
    }
}

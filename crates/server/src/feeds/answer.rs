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

use super::{
    Links,
    document::{Document, Format},
    freshness::Freshness,
};
use crate::{
    App, error,
    tracking::{self, Seal},
};

/// How many requests read the database at once, so that the readers of feeds never take the
/// connections of the shop's own calls.
const READS_AT_ONCE: usize = 4;
/// How long a reader need not ask again.
const CACHED: HeaderValue = HeaderValue::from_static("private, max-age=60");
/// What goes with every answer: the token is in the address, which should not get about.
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

/// What answers need.
#[derive(Debug)]
struct Shelf {
    app: Arc<App>,
    seal: Seal,
    links: Links,
    reads: Semaphore,
}

/// The parameters of a feed; others are passed over.
#[derive(Debug, Deserialize)]
struct Choice {
    store_view: Option<String>,
}

/// What a request is refused with.
enum Refused {
    /// There is no such feed, or nobody may see it.
    NotFound,
    /// The database does not answer.
    Unavailable,
    /// Something is wrong inside.
    Internal,
}

/// The routes of the port.
pub(super) fn router(app: Arc<App>, links: Links) -> Router {
    let shelf = Shelf {
        seal: Seal::of(app.store()),
        app,
        links,
        reads: Semaphore::new(READS_AT_ONCE),
    };
    Router::new()
        .route("/feeds/orders/{name}", get(feed))
        .method_not_allowed_fallback(nothing)
        .fallback(nothing)
        .layer(middleware::from_fn(discreetly))
        .with_state(Arc::new(shelf))
}

async fn feed(
    State(shelf): State<Arc<Shelf>>,
    name: Result<Path<String>, PathRejection>,
    choice: Result<Query<Choice>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let (Ok(Path(name)), Ok(Query(choice))) = (name, choice) else {
        return Refused::NotFound.answer();
    };
    let answer = shelf.feed(&name, &choice, &headers).await;
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

impl Shelf {
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
        let store = self.app.bulk();
        let shown = {
            let _turn = self.reads.acquire().await.map_err(|_| Refused::Internal)?;
            tracking::find(store, token, asked.as_ref()).await?
        };
        let shown = shown.ok_or(Refused::NotFound)?;
        let document = Document::new(&shown, &self.seal, &self.links, token);
        let body = document.write(format).map_err(|error| {
            tracing::error!(%error, "a feed could not be written");
            Refused::Internal
        })?;
        let fresh = Freshness::of(&body, shown.change_time, store.clock().now());
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

impl From<waymark_persistence::Error> for Refused {
    fn from(error: waymark_persistence::Error) -> Self {
        if error.is_of_storage() {
            // The store has said it once, with what to do.
            tracing::debug!(error = error::chain(&error), "a feed could not be read");
            Self::Unavailable
        } else if error.is_passing() {
            tracing::warn!(
                error = error::chain(&error),
                "a feed found the database unavailable"
            );
            Self::Unavailable
        } else {
            tracing::error!(error = error::chain(&error), "a feed could not be read");
            Self::Internal
        }
    }
}

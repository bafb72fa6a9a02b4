//! The HTTP side: which request is which route, what every request must have, and the faults that strike any of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::account::{self, Namespaces};
use super::auth::{Access, Auth, Refused};
use super::blobs::Blobs;
use super::db::Db;
use super::listing::Cache;
use super::mangle::number;
use super::reply::{self, Refusal};
use super::view::View;
use super::{args, cut, download, files, longpoll, oauth};
use crate::ledger::faults::Script;
use crate::ledger::serve;

/// Told each authorization code that is made; the page never shows one.
pub type OnCode = Arc<dyn Fn(&str) + Send + Sync>;

/// Bytes of a request body at most.
const BODY: usize = 1 << 20;

/// What all requests share.
pub struct App {
    /// Tokens and the identity.
    pub auth: Auth,
    /// The reader's connection.
    pub db: Mutex<Db>,
    /// Contents.
    pub blobs: Arc<Blobs>,
    /// The fault script.
    pub script: Script,
    /// The newest moment.
    pub newest: watch::Receiver<i64>,
    /// How many synthetic files there are.
    pub bulk: u64,
    /// Remembered drains.
    pub cache: Cache,
    /// The account's namespaces now.
    pub namespaces: Mutex<Namespaces>,
    /// `dbid:…`
    pub account_id: String,
    /// Seals cursors.
    pub key: String,
    /// Where authorization codes go.
    pub on_code: OnCode,
}

/// One call of a route, checked as far as every call is.
#[derive(Debug, Clone)]
pub struct Call {
    /// As `files/list_folder/continue`.
    pub route: String,
    /// The namespace that paths are relative to.
    pub view: View,
    /// The argument's JSON.
    pub arg: Bytes,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The access token and what it allows; `None` where a route takes none.
    pub access: Option<(String, Access)>,
}

impl App {
    /// The account's namespaces now.
    pub fn namespaces(&self) -> Namespaces {
        self.lock(&self.namespaces).clone()
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the database on a thread that may block.
    ///
    /// # Errors
    /// If the reading panicked.
    pub async fn read<T: Send + 'static>(
        self: &Arc<App>,
        work: impl FnOnce(&App, &Db) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let app = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let db = app.lock(&app.db);
            work(&app, &db)
        });
        reading.await.map_err(|error| reply::broken(error).into())
    }
}

/// The router of the simulated Dropbox: all four hosts in one.
pub fn router(app: Arc<App>) -> Router {
    loopback_only(Router::new().fallback(answer).with_state(app))
}

/// Lets only requests through whose `Host` names this machine; others get 403. Against web pages that rebind their own name to
/// a loopback address.
pub fn loopback_only(router: Router) -> Router {
    router.layer(from_fn(async |request: Request, next: Next| {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or(request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default();
        if is_loopback(host) {
            next.run(request).await
        } else {
            reply::text(StatusCode::FORBIDDEN, "This server answers only to a loopback name.")
        }
    }))
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    let id = format!("{:032x}", rand::random::<u128>());
    let mut response = match dispatch(&app, request).await {
        Ok(response) => response,
        Err(refusal) => *refusal.0,
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-dropbox-request-id", id);
    }
    response
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn dispatch(app: &Arc<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let route = match path.as_str() {
        "/oauth2/token" | "/1/oauth2/token" => "oauth2/token",
        "/oauth2/authorize" => "oauth2/authorize",
        path => path.strip_prefix("/2/").filter(|route| scope(route).is_some()).unwrap_or_default(),
    };
    let get = parts.method == Method::GET && matches!(route, "files/download" | "oauth2/authorize");
    let post = parts.method == Method::POST && route != "oauth2/authorize";
    if route.is_empty() || !(get || post) {
        return Err(reply::text(StatusCode::NOT_FOUND, "There is nothing here.").into());
    }
    let body = Limited::new(body, BODY).collect().await;
    let body = body.map_err(|_| reply::text(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."))?.to_bytes();
    strike_any(app, route).await?;
    let query = parts.uri.query().unwrap_or_default();
    let response = match route {
        "oauth2/token" => oauth::token(app, &parts.headers, &body),
        "oauth2/authorize" => oauth::authorize(app, query),
        _ => call(app, route, parts.headers, query, body).await,
    };
    let mut response = match response {
        Ok(response) => response,
        Err(refusal) => *refusal.0,
    };
    if let Some(name) = app.script.strike("drop_header", route).and_then(|strike| strike.text) {
        response.headers_mut().remove(name.as_str());
    }
    Ok(match app.script.strike("cut_body", route) {
        Some(strike) => cut::cut_after(response, strike.value.map_or(1, number)),
        None => response,
    })
}

/// The faults that need know nothing of the request.
async fn strike_any(app: &App, route: &str) -> Result<(), Refusal> {
    let strike = |fault: &str| app.script.strike(fault, route);
    if let Some(hang) = strike("hang") {
        tokio::time::sleep(Duration::from_secs_f64(hang.value.unwrap_or(600.0).clamp(0.0, 1e6))).await;
    }
    if strike("cut").is_some() {
        return Err(serve::cut().into());
    }
    if let Some(strike) = strike("status") {
        let status = strike.value.map_or(503, number);
        let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let mut response = reply::empty(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE));
        if let Some(seconds) = strike.text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        return Err(response.into());
    }
    if let Some(strike) = strike("rate_limit") {
        let seconds = strike.value.map_or(1, number);
        let error = json!({"reason": {".tag": "too_many_requests"}, "retry_after": seconds});
        let body = json!({"error_summary": "too_many_requests/..", "error": error});
        let kind = strike.text.unwrap_or_default();
        let mut response = match kind.as_str() {
            "text" | "text-no-header" => reply::text(StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            _ => reply::json(StatusCode::TOO_MANY_REQUESTS, &body),
        };
        if !kind.ends_with("no-header") {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        return Err(response.into());
    }
    Ok(())
}

/// The scope that a route needs: `Some("")` for none, `None` if there is no such route.
fn scope(route: &str) -> Option<&'static str> {
    Some(match route {
        "files/list_folder"
        | "files/list_folder/continue"
        | "files/list_folder/get_latest_cursor"
        | "files/get_metadata"
        | "files/list_revisions" => "files.metadata.read",
        "files/download" => "files.content.read",
        "users/get_current_account" | "check/user" => "account_info.read",
        "files/list_folder/longpoll" | "auth/token/revoke" => "",
        _ => return None,
    })
}

async fn call(app: &Arc<App>, route: &str, headers: HeaderMap, query: &str, body: Bytes) -> Result<Response, Refusal> {
    let mut call = Call { route: route.to_owned(), view: View(String::new()), arg: body, headers, access: None };
    if route == "files/list_folder/longpoll" {
        rpc(&call)?;
        if call.headers.contains_key(header::AUTHORIZATION) {
            let text = "This function does not require authentication, but the request has an \"Authorization\" header, \
                        which this function does not use.";
            return Err(reply::bad_input(route, text).into());
        }
        return longpoll::longpoll(app, &call).await;
    }
    call.access = Some(authorized(app, &call, query)?);
    if route == "files/download" {
        call.arg = download::argument(&call, query)?;
    } else {
        rpc(&call)?;
    }
    if let Some(strike) = app.script.strike("invalid_root", route) {
        let mut namespaces = app.lock(&app.namespaces);
        if let Some(root) = strike.text {
            namespaces.root = root;
        }
        let error = json!({".tag": "invalid_root", "invalid_root": namespaces.root_info()});
        return Err(reply::path_root(error).into());
    }
    call.view = View::of(route, &call.headers, &app.namespaces())?;
    let work: fn(&App, &Db, &Call) -> Result<Response, Refusal> = match route {
        "files/download" => return download::download(app, call).await,
        "files/list_folder" => files::list_folder,
        "files/list_folder/continue" => files::list_folder_continue,
        "files/list_folder/get_latest_cursor" => files::get_latest_cursor,
        "files/get_metadata" => files::get_metadata,
        "files/list_revisions" => files::list_revisions,
        "users/get_current_account" => get_current_account,
        "check/user" => check_user,
        _ => revoke,
    };
    app.read(move |app, db| work(app, db, &call)).await?
}

/// What every RPC request must have.
fn rpc(call: &Call) -> Result<(), Refusal> {
    let kinds = ["application/json", "application/json; charset=utf-8", "text/plain; charset=dropbox-cors-hack"];
    let kind = call.headers.get(header::CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
    let fits = match &kind {
        Some(kind) => kinds.contains(&kind.as_str()),
        None => call.arg.is_empty(),
    };
    if fits {
        return Ok(());
    }
    let kind = kind.unwrap_or_default();
    let kind = kind.escape_debug();
    let text = format!("Bad HTTP \"Content-Type\" header: \"{kind}\". Expecting one of \"{}\".", kinds.join("\", \""));
    Err(reply::bad_input(&call.route, text).into())
}

/// Who calls, and that the token may.
fn authorized(app: &App, call: &Call, query: &str) -> Result<(String, Access), Refusal> {
    let route = &call.route;
    let header = call.headers.get(header::AUTHORIZATION);
    let by_query = (route == "files/download").then(|| oauth::field(query.as_bytes(), "authorization")).flatten();
    let value = match (header, by_query) {
        (Some(header), _) => String::from_utf8_lossy(header.as_bytes()).into_owned(),
        (None, Some(value)) => value,
        (None, None) => {
            let text = "Must provide HTTP header \"Authorization\" or URL parameter \"authorization\".";
            return Err(reply::bad_input(route, text).into());
        }
    };
    let Some(token) = value.strip_prefix("Bearer ") else {
        let text = "Invalid authorization value in HTTP header \"Authorization\": expecting \"Bearer <token>\".";
        return Err(reply::bad_input(route, text).into());
    };
    let strike = |fault: &str| app.script.strike(fault, route);
    if strike("expired_token").is_some() {
        app.auth.expire(token);
    }
    let access = app.auth.check(token).map_err(|refused| match refused {
        Refused::Malformed => {
            let text = "Invalid authorization value in HTTP header \"Authorization\": The given OAuth 2 access token is malformed.";
            Refusal::from(reply::bad_input(route, text))
        }
        Refused::Invalid => reply::unauthorized(json!({".tag": "invalid_access_token"})).into(),
        Refused::Expired => reply::unauthorized(json!({".tag": "expired_access_token"})).into(),
    })?;
    if strike("invalid_token").is_some() {
        return Err(reply::unauthorized(json!({".tag": "invalid_access_token"})).into());
    }
    if strike("user_suspended").is_some() {
        return Err(reply::unauthorized(json!({".tag": "user_suspended"})).into());
    }
    let needed = scope(route).unwrap_or_default();
    if strike("app_scope").is_some() {
        let text = format!(
            "Your app (ID: 1) is not permitted to access this endpoint because it does not have the required scope '{needed}'. \
             The owner of the app can enable the scope for the app using the Permissions tab on the App Console."
        );
        return Err(reply::bad_input(route, text).into());
    }
    let taken = strike("missing_scope").map(|strike| strike.text.unwrap_or_else(|| needed.to_owned()));
    let granted = needed.is_empty() || access.scope.split(' ').any(|scope| scope == needed);
    if !granted || taken.is_some_and(|taken| taken == needed) {
        return Err(reply::unauthorized(json!({".tag": "missing_scope", "required_scope": needed})).into());
    }
    Ok((token.to_owned(), access))
}

/// A route without an argument takes nothing, or `null`.
fn void(call: &Call) -> Result<(), Refusal> {
    match serde_json::from_slice::<Value>(&call.arg) {
        _ if call.arg.is_empty() => Ok(()),
        Ok(Value::Null) => Ok(()),
        _ => Err(reply::bad_input(&call.route, "request body: expected null").into()),
    }
}

fn get_current_account(app: &App, _db: &Db, call: &Call) -> Result<Response, Refusal> {
    void(call)?;
    Ok(reply::json(StatusCode::OK, &account::full_account(&app.account_id, &app.namespaces())))
}

fn check_user(_app: &App, _db: &Db, call: &Call) -> Result<Response, Refusal> {
    let mut args = args::Args::parse(&call.route, if call.arg.is_empty() { b"{}" } else { &call.arg })?;
    let query = args.text("query")?.unwrap_or_default();
    if query.chars().count() > 500 {
        return Err(args.wrong("query", "must be at most 500 characters"));
    }
    args.finish()?;
    Ok(reply::json(StatusCode::OK, &json!({"result": query})))
}

fn revoke(app: &App, _db: &Db, call: &Call) -> Result<Response, Refusal> {
    void(call)?;
    if let Some((token, access)) = &call.access {
        app.auth.revoke(token, access);
    }
    Ok(reply::json(StatusCode::OK, &Value::Null))
}

//! The gate: what closes it, and that nothing passes before its time. And the deadlines of RPCs and longpolls.

use tokio::time::{Instant, advance, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn after_a_429_of_either_kind_no_request_leaves_before_its_time() {
    let json = json!({ "error": { "reason": { ".tag": "too_many_requests" }, "retry_after": 15 } });
    for reply in [
        Reply::json(429, json.clone()),
        Reply::json(429, json).header("retry-after", 3),
        Reply::new(429, "too many").header("retry-after", 15),
    ] {
        let server =
            Server::start(move |request| {
                request.path.ends_with("list_folder").then(|| reply.clone()).or_else(|| {
                    request.path.ends_with("longpoll").then(|| Reply::json(200, json!({ "changes": false })))
                })
            })
            .await;
        let client = client(&server);
        let err = client.list_folder(&root(), "").await.expect_err("too many requests");
        assert_eq!(err.kind, Kind::RateLimited { after: 15 * SECOND });
        let (sent, began) = (server.requests().len(), Instant::now());
        assert!(client.gate().held_until().is_some());
        for held in [
            timeout(14 * SECOND, client.longpoll("AAG", SECOND)).await.is_err(),
            timeout(SECOND / 4, client.download(&root(), "015a1afc8", 5, None)).await.is_err(),
            timeout(SECOND / 4, client.get_current_account()).await.is_err(),
        ] {
            assert!(held);
        }
        assert_eq!(server.requests().len(), sent, "nothing left while the gate was closed");
        client.longpoll("AAG", SECOND).await.expect("the gate is open");
        assert!(began.elapsed() >= 14 * SECOND + SECOND / 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_of_the_token_endpoint_holds_everything_back() {
    let server = Server::start(|_| Some(Reply::new(429, "").header("retry-after", 40))).await;
    let client = client(&server);
    let err = client.get_current_account().await.expect_err("too many requests");
    assert_eq!((err.call, err.kind), ("oauth2/token", Kind::RateLimited { after: 40 * SECOND }));
    assert!(timeout(39 * SECOND, client.longpoll("AAG", SECOND)).await.is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_503_with_retry_after_holds_everything_back_and_one_without_does_not() {
    for (reply, after) in [
        (Reply::new(503, "").header("retry-after", 20), Some(20 * SECOND)),
        (Reply::new(503, "<html>"), None),
        (Reply::new(500, ""), None),
    ] {
        let server = Server::start(move |request| request.path.contains("/2/").then(|| reply.clone())).await;
        let client = client(&server);
        let err = client.list_folder(&root(), "").await.expect_err("away");
        assert_eq!((err.kind, client.gate().held_until().is_some()), (Kind::Unavailable { after }, after.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_without_measure_closes_the_gate_for_an_hour_at_most() {
    let server = Server::start(|request| {
        request.path.contains("/2/").then(|| Reply::new(429, "").header("retry-after", "999999999999"))
    })
    .await;
    let client = client(&server);
    let err = client.list_folder(&root(), "").await.expect_err("too many requests");
    assert_eq!(err.kind, Kind::RateLimited { after: 3600 * SECOND });
}

#[tokio::test(start_paused = true)]
async fn an_rpc_is_given_up_at_its_deadline_wherever_it_stalls() {
    let page = empty_page();
    for reply in [
        // Silence before the body, and a body that trickles for ever.
        Reply::new(200, "").hang().header("content-length", 100).close_delimited(),
        Reply::new(200, " ".repeat(10_000)).pace(1, SECOND),
        page.pace(1, 30 * SECOND),
    ] {
        let server = Server::start(move |request| request.path.contains("/2/").then(|| reply.clone())).await;
        let client = client(&server);
        let began = Instant::now();
        assert_eq!(client.list_folder(&root(), "").await.expect_err("stalled").kind, UNAVAILABLE);
        let took = began.elapsed();
        assert!(took >= 100 * SECOND && took < 102 * SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_that_trickle_are_given_up_at_the_deadline() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url: url::Url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("a URL");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        for byte in "HTTP/1.1 200 OK\r\n".bytes().chain("x-y: z\r\n".bytes().cycle()) {
            tokio::time::sleep(SECOND).await;
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });
    let server = Server::start(|_| None).await;
    let client = Client::new(Settings { api_url: url, ..settings(&server) }).expect("a client");
    let began = Instant::now();
    assert_eq!(client.get_current_account().await.expect_err("stalled").kind, UNAVAILABLE);
    assert!(began.elapsed() < 102 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_longpoll_outlasts_its_own_timeout_with_the_servers_jitter_and_no_longer() {
    let late = Reply::json(200, json!({ "changes": true })).pace(1000, (480 + 90) * SECOND);
    let server = Server::start(move |_| Some(late.clone())).await;
    assert!(client(&server).longpoll("AAG", 480 * SECOND).await.expect("a ring").changes);

    let server =
        Server::start(|_| Some(Reply::new(200, "").hang().header("content-length", 10).close_delimited())).await;
    let began = Instant::now();
    let err = client(&server).longpoll("AAG", 30 * SECOND).await.expect_err("dead");
    assert_eq!(err.kind, UNAVAILABLE);
    let took = began.elapsed();
    assert!(took >= 135 * SECOND && took < 136 * SECOND, "{took:?}");
}

#[tokio::test]
async fn a_dropped_longpoll_ends_at_once_and_closes_its_connection() {
    let server =
        Server::start(|_| Some(Reply::new(200, "").hang().header("content-length", 10).close_delimited())).await;
    let client = client(&server);
    let longpoll = tokio::spawn({
        let client = client.clone();
        async move { client.longpoll("AAG", 480 * SECOND).await }
    });
    server.saw(1).await;
    longpoll.abort();
    assert!(longpoll.await.expect_err("cancelled").is_cancelled());
    server.idle().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_at_the_gate_counts_against_no_deadline() {
    let server = Server::start(|request| request.path.contains("/2/").then(account)).await;
    let client = client(&server);
    client.gate().hold(3000 * SECOND);
    advance(SECOND).await;
    client.get_current_account().await.expect("an account");
}

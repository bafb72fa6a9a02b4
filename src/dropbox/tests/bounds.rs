//! Answers of any size and shape: refused in bounded memory, never followed, never a panic. And the proxy variables.

use std::process::Command;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;

async fn list(reply: Reply) -> Result<super::super::Page, super::super::Error> {
    let server = Server::start(move |request| request.path.contains("/2/").then(|| reply.clone())).await;
    client(&server).list_folder(&root(), "").await
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_no_success() {
    for reply in [
        Reply::new(200, "<html>sign in to this hotel</html>"),
        Reply::new(200, ""),
        Reply::new(204, ""),
        Reply::json(200, json!(null)),
        Reply::json(200, json!({ "entries": [], "cursor": 7, "has_more": false })),
        Reply::json(200, json!({ "entries": [], "has_more": false })),
        Reply::new(200, "[".repeat(100_000)),
        empty_page().cut(20),
        Reply::new(200, [0xff, 0xfe, 0x00]),
    ] {
        let shown = format!("{reply:?}");
        let err = list(reply).await.expect_err("unreadable");
        assert_eq!(err.kind, UNAVAILABLE, "{}", &shown[..shown.len().min(300)]);
        assert!(!err.to_string().contains("hotel"), "what cannot be read is not quoted");
    }
}

#[tokio::test]
async fn a_readable_page_keeps_its_unreadable_entries_as_unknown() {
    let entries = json!([{ ".tag": "file", "name": "x" }, 4, { ".tag": "deleted", "name": "y", "path_lower": null }]);
    let page = list(Reply::json(200, json!({ "entries": entries, "cursor": "c", "has_more": false }))).await;
    let page = page.expect("a page");
    assert_eq!(page.entries.len(), 3);
    assert_eq!(page.entries[0], super::super::Entry::Unknown("file".into()));
}

#[tokio::test]
async fn a_large_page_is_read_whole() {
    let name = "n".repeat(200);
    let entry = json!({ ".tag": "deleted", "name": name, "path_lower": format!("/{name}") });
    let body = json!({ "entries": vec![entry; 5000], "cursor": "c", "has_more": true });
    assert_eq!(list(Reply::json(200, body)).await.expect("a page").entries.len(), 5000);
}

#[tokio::test]
async fn an_answer_over_64_mib_is_refused() {
    let long = Reply::new(200, vec![b' '; 64 * 1024 * 1024 + 1]);
    for reply in [long.clone(), long.close_delimited()] {
        let err = list(reply).await.expect_err("too long");
        assert_eq!(err.kind, UNAVAILABLE);
        assert!(err.message.contains("64 MiB"), "{err}");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_by_what_it_unpacks_to() {
    let bomb = gzip_of_spaces(300 * 1024 * 1024);
    assert!(bomb.len() < 3 * 1024 * 1024);
    let err = list(Reply::new(200, bomb).header("content-encoding", "gzip")).await.expect_err("too long");
    assert_eq!(err.kind, UNAVAILABLE);
    assert!(err.message.contains("64 MiB"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn of_a_refusal_no_more_than_needed_is_read_and_its_class_survives_a_cut() {
    let began = tokio::time::Instant::now();
    let endless = Reply::new(429, vec![b'x'; 1024 * 1024]).close_delimited().header("retry-after", 9).hang();
    assert_eq!(list(endless).await.expect_err("429").kind, Kind::RateLimited { after: Duration::from_secs(9) });
    assert!(began.elapsed() < Duration::from_secs(1), "the end of the answer was not waited for");
    let cut = Reply::new(403, vec![b'x'; 1000]).cut(10);
    assert_eq!(list(cut).await.expect_err("403").kind, Kind::Forbidden);
}

#[tokio::test]
async fn a_host_that_does_not_listen_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("bound").port();
    let server = Server::start(|_| None).await;
    let url = format!("http://127.0.0.1:{port}").parse().expect("a URL");
    let client = Client::new(Settings { api_url: url, ..settings(&server) }).expect("a client");
    let err = client.get_current_account().await.expect_err("nobody there");
    assert_eq!(err.kind, UNAVAILABLE);
    assert!(err.message.starts_with("cannot be reached"), "{err}");
}

#[tokio::test]
async fn a_ca_file_that_is_missing_or_holds_no_certificate_is_said_with_its_name() {
    let server = Server::start(|_| None).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    for content in [None, Some(""), Some("not a certificate")] {
        if let Some(content) = content {
            std::fs::write(&file, content).expect("written");
        }
        let api_url = "https://127.0.0.1:1".parse().expect("a URL");
        let settings = Settings { ca_file: Some(file.clone()), api_url, ..settings(&server) };
        let err = Client::new(settings).expect_err("no certificate");
        assert!(err.message.contains("ca.pem"), "{err}");
    }
}

/// Run by the next test in a process of its own, where the proxy variables are set.
#[tokio::test]
#[ignore = "run by proxy_variables_are_obeyed_but_never_for_loopback, in a process with proxy variables"]
async fn child_with_proxy_variables() {
    let server = Server::start(|request| request.path.contains("/2/").then(account)).await;
    client(&server).get_current_account().await.expect("loopback is reached directly");
    let api_url = "http://api.dropbox.invalid".parse().expect("a URL");
    let client = Client::new(Settings { api_url, ..settings(&server) }).expect("a client");
    client.get_current_account().await.expect_err("the proxy refuses");
}

#[tokio::test]
async fn proxy_variables_are_obeyed_but_never_for_loopback() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}", proxy.local_addr().expect("bound"));
    let seen = tokio::spawn(async move {
        let (mut stream, _) = proxy.accept().await.expect("a connection");
        let mut bytes = vec![0; 4096];
        let n = stream.read(&mut bytes).await.expect("a request");
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    });
    let child = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args(["--ignored", "--exact", "dropbox::tests::bounds::child_with_proxy_variables"]);
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            child.env(name, &url);
        }
        child.env_remove("no_proxy").env_remove("NO_PROXY").output().expect("runs")
    });
    let output = child.await.expect("joined");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let first = seen.await.expect("the proxy was asked");
    assert!(first.starts_with("POST http://api.dropbox.invalid/oauth2/token "), "{first}");
}

/// A gzip member of `n` spaces in fixed Huffman codes: one literal, then matches of 258 bytes at distance 1.
fn gzip_of_spaces(n: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let (mut held, mut count) = (0u32, 0);
    let mut put = |code: u32, bits: u32, reversed: bool| {
        for i in 0..bits {
            let bit = if reversed { code >> (bits - 1 - i) } else { code >> i } & 1;
            held |= bit << count;
            count += 1;
            if count == 8 {
                out.push(held as u8);
                (held, count) = (0, 0);
            }
        }
    };
    put(0b011, 3, false);
    put(0x30 + 0x20, 8, true);
    for _ in 0..n / 258 {
        put(0b1100_0101, 8, true);
        put(0, 5, true);
    }
    put(0, 7, true);
    put(0, 7, true);
    out
}

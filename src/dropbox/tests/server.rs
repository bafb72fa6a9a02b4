//! The scripted server: every request is recorded, and answered as the test says, byte by byte if need be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    head: String,
    length: Option<usize>,
    body: Vec<u8>,
    /// Bytes written at a time, and the pause after each.
    pace: Option<(usize, Duration)>,
    hangs: bool,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\nx-dropbox-request-id: rid{status}\r\n");
        Reply { head, length: Some(body.len()), body, pace: None, hangs: false }
    }

    pub fn json(status: u16, body: Value) -> Reply {
        Reply::new(status, body.to_string()).header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Reply {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// Only the first `n` bytes of the body are sent, then the connection is closed.
    pub fn cut(mut self, n: usize) -> Reply {
        self.body.truncate(n);
        self
    }

    /// No Content-Length: the end of the connection is the proper end of the body.
    pub fn close_delimited(mut self) -> Reply {
        self.length = None;
        self
    }

    /// After what was sent the connection stays open and silent.
    pub fn hang(mut self) -> Reply {
        self.hangs = true;
        self
    }

    /// Sends `n` bytes of the body at a time, with a pause before each.
    pub fn pace(mut self, n: usize, pause: Duration) -> Reply {
        self.pace = Some((n, pause));
        self
    }

    async fn write(self, stream: &mut TcpStream) -> std::io::Result<()> {
        let length = self.length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
        stream.write_all(format!("{}{length}\r\n", self.head).as_bytes()).await?;
        match self.pace {
            None => stream.write_all(&self.body).await?,
            Some((n, pause)) => {
                for piece in self.body.chunks(n) {
                    tokio::time::sleep(pause).await;
                    stream.write_all(piece).await?;
                }
            }
        }
        if self.hangs {
            while stream.read(&mut [0; 64]).await? > 0 {}
        }
        Ok(())
    }
}

type Handler = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

/// Ends with the runtime of its test.
pub struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    seen: watch::Receiver<usize>,
    open: watch::Receiver<usize>,
}

impl Server {
    /// Answers with what `handler` says. Where it says nothing, the token endpoint gives the tokens `t1`, `t2`, … for four
    /// hours, and everything else is 404.
    pub async fn start(handler: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (saw, seen) = watch::channel(0);
        let (opened, open) = watch::channel(0);
        let (saw, opened, handler): (_, _, Arc<Handler>) = (Arc::new(saw), Arc::new(opened), Arc::new(handler));
        let record = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (record, saw, opened, handler) = (record.clone(), saw.clone(), opened.clone(), handler.clone());
                tokio::spawn(async move {
                    opened.send_modify(|open| *open += 1);
                    if let Some(request) = read(&mut stream).await {
                        let nth = {
                            let mut record: std::sync::MutexGuard<'_, Vec<Request>> = record.lock().expect("no panic");
                            record.push(request.clone());
                            record.iter().filter(|earlier| earlier.path == request.path).count()
                        };
                        saw.send_modify(|seen| *seen += 1);
                        let reply = handler(&request).unwrap_or_else(|| match request.path.as_str() {
                            "/api/oauth2/token" => token(nth),
                            _ => Reply::new(404, ""),
                        });
                        let _ = reply.write(&mut stream).await;
                    }
                    opened.send_modify(|open| *open -= 1);
                });
            }
        });
        Server { port, requests, seen, open }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }

    /// The requests to one path so far.
    pub fn to(&self, path: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path == path).collect()
    }

    /// Waits until `n` requests have come.
    pub async fn saw(&self, n: usize) {
        self.seen.clone().wait_for(|seen| *seen >= n).await.expect("the server lives");
    }

    /// Waits until no connection is open.
    pub async fn idle(&self) {
        self.open.clone().wait_for(|open| *open == 0).await.expect("the server lives");
    }
}

pub fn token(nth: usize) -> Reply {
    Reply::json(200, json!({ "access_token": format!("t{nth}"), "expires_in": 14400, "token_type": "bearer" }))
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> =
        lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { path, headers, body: String::from_utf8(body).ok()? })
}

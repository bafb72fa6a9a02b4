//! A small HTTP/1.1 server for tests that answers as it is told, byte for byte, cuts connections where it is told, and
//! keeps every request. Listens on 127.0.0.1 only.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    pub(crate) method: String,
    /// Path and query, verbatim.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What to do about a request.
pub(crate) enum Reply {
    /// Status, further headers and body, with a content length; the connection stays.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, then the connection is closed.
    Cut(Vec<u8>),
    /// These bytes and no more, for as long as the client stays.
    Stall(Vec<u8>),
    /// Nothing, for as long as the client stays.
    Hang,
}

pub(crate) fn json(status: u16, body: impl Into<String>) -> Reply {
    Reply::Answer(status, vec![("content-type", "application/json".into())], body.into().into_bytes())
}

pub(crate) struct Server {
    pub(crate) url: url::Url,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    pub(crate) fn start(reply: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("address")).parse().expect("url");
        let got = Arc::new(Mutex::new(Vec::new()));
        let (reply, kept) = (Arc::new(reply), Arc::clone(&got));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                let (reply, kept) = (Arc::clone(&reply), Arc::clone(&kept));
                std::thread::spawn(move || serve(number, stream, &*reply, &kept));
            }
        });
        Server { url, got }
    }

    /// All requests so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().expect("requests").clone()
    }

    /// Those whose target contains `part`.
    pub(crate) fn got_at(&self, part: &str) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.target.contains(part)).collect()
    }
}

fn serve(connection: usize, stream: TcpStream, reply: &dyn Fn(&Got) -> Reply, kept: &Mutex<Vec<Got>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("stream"));
    let mut stream = stream;
    while let Some(request) = read(connection, &mut reader) {
        kept.lock().expect("requests").push(request.clone());
        match reply(&request) {
            Reply::Answer(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} Test\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
                    return;
                }
            }
            Reply::Cut(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            Reply::Stall(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = reader.read(&mut [0]);
                return;
            }
            Reply::Hang => {
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}

fn read(connection: usize, reader: &mut BufReader<TcpStream>) -> Option<Got> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (method, rest) = line.split_once(' ')?;
    let target = rest.split_once(' ')?.0;
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap_or(0));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got { connection, method, target, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

//! A recording proxy on the loopback, to stand between the daemon and a service: sees each byte that the daemon sends, and may
//! be told what to do with a request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One request as it was sent.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Since the proxy started.
    pub at: Duration,
    pub method: String,
    /// With the query.
    pub path: String,
    /// Every byte: request line, headers, body.
    pub raw: Vec<u8>,
    pub body: Vec<u8>,
    /// Every byte of the answer, as far as it has come.
    pub answer: Vec<u8>,
    /// Of the answer; 0 where there is none.
    pub status: u16,
}

impl Recorded {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.raw[..self.raw.len() - self.body.len()]).into_owned();
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It is passed on.
    Pass,
    /// It is passed on later.
    Wait(Duration),
    /// The connection is cut; the service has not seen it.
    CutBefore,
    /// It is passed on, and the connection is cut instead of the answer.
    CutAfter,
    /// It is answered with this status and body; the service has not seen it.
    Answer(u16, String),
}

type Rule = Box<dyn FnMut(&Recorded) -> Deed + Send>;

struct Shared {
    upstream: String,
    began: Instant,
    recorded: Mutex<Vec<Recorded>>,
    rule: Mutex<Rule>,
    down: AtomicBool,
    end: AtomicBool,
}

pub struct Proxy {
    shared: Arc<Shared>,
    url: String,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    /// Stands in front of `upstream` (`http://…`).
    pub fn start(upstream: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: upstream.strip_prefix("http://").unwrap().to_owned(),
            began: Instant::now(),
            recorded: Mutex::default(),
            rule: Mutex::new(Box::new(|_| Deed::Pass)),
            down: AtomicBool::new(false),
            end: AtomicBool::new(false),
        });
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&shared, listener))
        };
        Proxy { shared, url: format!("http://{address}"), thread: Some(thread) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on this decides about each request.
    pub fn rule(&self, rule: impl FnMut(&Recorded) -> Deed + Send + 'static) {
        *self.shared.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// The port is closed (connections are refused), or open again.
    pub fn down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }

    /// The requests so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self, method: &str, part: &str) -> usize {
        self.recorded().iter().filter(|request| request.is(method, part)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut listener = Some(listener);
    while !shared.end.load(Ordering::SeqCst) {
        if shared.down.load(Ordering::SeqCst) {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).ok();
            if let Some(listener) = &listener {
                listener.set_nonblocking(true).unwrap();
            }
        }
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((client, _))) => {
                let shared = Arc::clone(shared);
                thread::spawn(move || {
                    let _ = serve(&shared, client);
                });
            }
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Serves one connection: one request, because the answers say `connection: close`.
fn serve(shared: &Shared, mut client: TcpStream) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    let Some(request) = read_request(shared, &mut client)? else { return Ok(()) };
    let place = {
        let mut recorded = shared.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.push(request.clone());
        recorded.len() - 1
    };
    let deed = (*shared.rule.lock().unwrap_or_else(PoisonError::into_inner))(&request);
    match deed {
        Deed::Pass => {}
        Deed::Wait(wait) => thread::sleep(wait),
        Deed::CutBefore => return client.shutdown(Shutdown::Both),
        Deed::CutAfter => {}
        Deed::Answer(status, ref body) => {
            let head = format!(
                "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            note(shared, place, format!("{head}{body}").as_bytes());
            client.write_all(head.as_bytes())?;
            return client.write_all(body.as_bytes());
        }
    }
    let mut service = TcpStream::connect(&shared.upstream)?;
    service.set_nodelay(true)?;
    let line_end = request.raw.windows(2).position(|pair| pair == b"\r\n").unwrap_or(0) + 2;
    service.write_all(&request.raw[..line_end])?;
    service.write_all(b"connection: close\r\n")?;
    service.write_all(&request.raw[line_end..])?;
    // A daemon that hangs up must not leave the service waiting.
    service.set_read_timeout(Some(Duration::from_millis(100)))?;
    client.set_read_timeout(Some(Duration::from_millis(1)))?;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match service.read(&mut bytes) {
            Ok(0) => break,
            Ok(n) => {
                note(shared, place, &bytes[..n]);
                if deed != Deed::CutAfter {
                    client.write_all(&bytes[..n])?;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                let gone = matches!(client.peek(&mut [0]), Ok(0));
                if gone || shared.end.load(Ordering::SeqCst) {
                    break;
                }
            }
            Err(error) => return Err(error),
        }
    }
    client.shutdown(Shutdown::Both)
}

fn note(shared: &Shared, place: usize, bytes: &[u8]) {
    let mut recorded = shared.recorded.lock().unwrap_or_else(PoisonError::into_inner);
    let request = &mut recorded[place];
    request.answer.extend_from_slice(bytes);
    if request.status == 0 {
        let head = String::from_utf8_lossy(&request.answer[..request.answer.len().min(64)]).into_owned();
        request.status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    }
}

fn read_request(shared: &Shared, client: &mut TcpStream) -> std::io::Result<Option<Recorded>> {
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (mut raw, mut bytes) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&raw[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if raw.len() >= end + length.unwrap_or(0) {
                let mut words = head.split(' ');
                let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                return Ok(Some(Recorded {
                    at: shared.began.elapsed(),
                    method: method.to_owned(),
                    path: path.to_owned(),
                    body: raw[end..].to_vec(),
                    raw,
                    answer: Vec::new(),
                    status: 0,
                }));
            }
        }
        match client.read(&mut bytes)? {
            0 => return Ok(None),
            n => raw.extend_from_slice(&bytes[..n]),
        }
    }
}

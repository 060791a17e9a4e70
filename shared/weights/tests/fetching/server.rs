//! A web server on loopback that serves a folder, and misbehaves as told.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pomona_weights::Source;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

/// What the server makes of one request.
pub enum Reply {
    /// The file.
    Good,
    /// No file but a status.
    Status(u16),
    /// The file with one bit flipped.
    Altered,
    /// Half the file after a header that declares the whole.
    Cut,
    /// Half the file without a declared length.
    CutUndeclared,
    /// More bytes than any of the files has.
    Oversized,
    /// The header, and then silence for as long as the server lives.
    Silence,
    /// The same file below another base URL; below none, the server sends the client round in circles.
    Redirect(String),
}

type Behaviour = dyn Fn(&str, usize) -> Reply + Send + Sync;

struct Shared {
    folder: PathBuf,
    behaviour: Box<Behaviour>,
    requests: Mutex<HashMap<String, usize>>,
    stop: AtomicBool,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Server {
    /// `behaviour` is given the file's name and how often it has been asked for before.
    pub fn start(folder: PathBuf, behaviour: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            folder,
            behaviour: Box::new(behaviour),
            requests: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let for_listener = Arc::clone(&shared);
        let listener = thread::spawn(move || {
            for stream in listener.incoming() {
                if for_listener.stop.load(Ordering::Relaxed) {
                    return;
                }
                let for_connection = Arc::clone(&for_listener);
                // A client that goes away early is part of the tests.
                thread::spawn(move || stream.and_then(|stream| for_connection.serve(stream)).ok());
            }
        });
        Self { address, shared, listener: Some(listener) }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/weights", self.address)
    }

    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn source(&self) -> Source {
        self.base_url().parse().unwrap()
    }

    pub fn requests_for(&self, file: &str) -> usize {
        self.shared.requests.lock().unwrap().get(file).copied().unwrap_or(0)
    }

    pub fn requests(&self) -> usize {
        self.shared.requests.lock().unwrap().values().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        TcpStream::connect(self.address).ok();
        self.listener.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut request = read_request(&mut reader)?;
        if request.0 == "CONNECT" {
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
            request = read_request(&mut reader)?;
        }
        let file = request.1.rsplit('/').next().unwrap_or_default().to_string();
        let earlier = {
            let mut requests = self.requests.lock().unwrap();
            let count = requests.entry(file.clone()).or_default();
            *count += 1;
            *count - 1
        };
        self.reply(&mut stream, &file, (self.behaviour)(&file, earlier))
    }

    fn reply(&self, stream: &mut TcpStream, file: &str, reply: Reply) -> io::Result<()> {
        let content = fs::read(self.folder.join(file))?;
        let half = &content[..content.len() / 2];
        match reply {
            Reply::Good => send(stream, "200 OK", Some(content.len()), &content),
            Reply::Status(status) => send(stream, &format!("{status} Told so"), Some(0), &[]),
            Reply::Altered => {
                let mut altered = content;
                *altered.last_mut().unwrap() ^= 1;
                send(stream, "200 OK", Some(altered.len()), &altered)
            }
            Reply::Cut => send(stream, "200 OK", Some(content.len()), half),
            Reply::CutUndeclared => send(stream, "200 OK", None, half),
            Reply::Oversized => send(stream, "200 OK", None, &vec![0; 4_000_000]),
            Reply::Silence => {
                send(stream, "200 OK", Some(content.len()), half)?;
                for _ in 0..1000 {
                    if self.stop.load(Ordering::Relaxed) {
                        break;
                    }
                    thread::sleep(Duration::from_millis(10));
                }
                Ok(())
            }
            Reply::Redirect(base) => {
                write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nlocation: {base}/{file}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
            }
        }
    }
}

/// A server whose certificate nobody has signed but itself.
pub struct TlsServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl TlsServer {
    pub fn start() -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![signed.cert.into()], key).unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let listener = thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                // The client ends the handshake, which is what the test is about.
                stream.and_then(|mut stream| connection.complete_io(&mut stream)).ok();
            }
        });
        Self { address, stop, listener: Some(listener) }
    }

    pub fn source(&self) -> Source {
        format!("https://localhost:{}/w", self.address.port()).parse().unwrap()
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        TcpStream::connect(self.address).ok();
        self.listener.take().map(JoinHandle::join);
    }
}

/// Method and target.
fn read_request(reader: &mut impl BufRead) -> io::Result<(String, String)> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split_whitespace().map(str::to_string);
    Ok((words.next().unwrap_or_default(), words.next().unwrap_or_default()))
}

fn send(stream: &mut TcpStream, status: &str, declared: Option<usize>, body: &[u8]) -> io::Result<()> {
    let length = declared.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
    write!(stream, "HTTP/1.1 {status}\r\n{length}connection: close\r\n\r\n")?;
    stream.write_all(body)?;
    stream.flush()
}

//! A server that gives each request the answer of its operation.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use pomona_store::testing::loopback_config;
use serde_json::Value;

use crate::Account;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The operation, or the path where there is none.
    pub(super) operation: String,
    /// The head, line by line.
    pub(super) head: String,
    /// The body, where it is JSON.
    pub(super) body: Value,
}

/// A status and a body.
type Answer = (u16, String);

/// An AWS that knows a few answers. An operation's answers are given one after the other, and the last one again and
/// again.
#[derive(Clone, Default)]
pub(super) struct Aws {
    answers: Arc<Mutex<HashMap<String, Vec<Answer>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Aws {
    /// With one more answer to `operation`.
    pub(super) fn answer(self, operation: &str, answer: Value) -> Self {
        self.with(operation, 200, answer.to_string())
    }

    /// With a refusal of `operation`.
    pub(super) fn refuse(self, operation: &str, error: &str) -> Self {
        self.with(operation, 400, serde_json::json!({"__type": error, "message": "so it is"}).to_string())
    }

    /// With an answer of any form to `operation`.
    pub(super) fn with(self, operation: &str, status: u16, body: String) -> Self {
        self.answers.lock().unwrap().entry(operation.to_owned()).or_default().push((status, body));
        self
    }

    /// The account behind a server that gives these answers until the tests end.
    pub(super) fn account(&self) -> Account {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let aws = self.clone();
        std::thread::spawn(move || listener.incoming().for_each(|connection| aws.serve(&connection.unwrap())));
        Account::with_config(loopback_config(&endpoint), None).unwrap()
    }

    /// What was asked of `operation`.
    pub(super) fn asked(&self, operation: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.operation == operation).cloned().collect()
    }

    fn serve(&self, mut connection: &TcpStream) {
        let asked = read(connection);
        let (status, body) = self.next(&asked.operation);
        // The error's name is in a header, too, as Lambda has it.
        let error =
            serde_json::from_str::<Value>(&body).ok().and_then(|body| body["__type"].as_str().map(str::to_owned));
        let error = error.map_or_else(String::new, |error| format!("x-amzn-errortype: {error}:http://x/\r\n"));
        // So does Lambda tell that a function failed, although the call of Lambda itself did not.
        let failed = if body.contains("errorType") { "x-amz-function-error: Unhandled\r\n" } else { "" };
        self.asked.lock().unwrap().push(asked);
        let length = body.len();
        write!(
            connection,
            "HTTP/1.1 {status} x\r\nConnection: close\r\n{error}{failed}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    }

    fn next(&self, operation: &str) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        match answers.get_mut(operation) {
            None => (400, format!(r#"{{"__type": "AccessDeniedException", "message": "no right to {operation}"}}"#)),
            Some(all) if all.len() > 1 => all.remove(0),
            Some(last) => last[0].clone(),
        }
    }
}

fn read(connection: &TcpStream) -> Asked {
    let mut request = BufReader::new(connection);
    let lines: Vec<_> = request.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        lines.iter().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    request.read_exact(&mut body).unwrap();
    let text = String::from_utf8(body).unwrap();
    let target = header("x-amz-target").and_then(|target| Some(target.split_once('.')?.1.to_owned()));
    let action = text.split('&').find_map(|field| field.strip_prefix("Action=")).map(str::to_owned);
    let path = lines[0].split(' ').nth(1).unwrap().to_owned();
    Asked {
        operation: target.or(action).unwrap_or(path),
        head: lines.join("\n"),
        body: serde_json::from_str(&text).unwrap_or_default(),
    }
}

//! What the S3 store makes of answers that an emulator does not give: throttling, conflicts, lost answers, denials.
//!
//! A server on the loopback interface gives each request the next of a list of answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::SharedCredentialsProvider;
use pomona_store::testing::loopback_config;
use pomona_store::{Error, S3Store, Store};

/// What a request meets.
enum Answer {
    /// A status, headers that each end a line, and a body.
    Full(u16, &'static str, String),
    /// A body that ends before its length says.
    CutOff,
    /// The connection is closed without an answer.
    Lost,
}

fn ok(body: &str) -> Answer {
    Answer::Full(200, "ETag: \"e\"\r\n", body.into())
}

fn error(status: u16, code: &str) -> Answer {
    Answer::Full(status, "", format!("<Error><Code>{code}</Code><Message>so it is</Message></Error>"))
}

/// A store whose requests meet these answers, and the thread that gives them and then the requests' lines.
fn store(answers: Vec<Answer>) -> (S3Store, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let serve = |answer| give(answer, &listener.accept().expect("a request").0);
        answers.into_iter().map(serve).collect()
    });
    let store = S3Store::with_config("bucket", "a", &loopback_config(&endpoint)).expect("a store");
    (store, server)
}

fn give(answer: Answer, mut connection: &TcpStream) -> String {
    let mut request = BufReader::new(connection);
    let lines: Vec<_> = request.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let length = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    request.read_exact(&mut body).expect("a body");
    let answer = match answer {
        Answer::Full(status, headers, body) => {
            format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
        }
        Answer::CutOff => {
            "HTTP/1.1 200 x\r\nConnection: close\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\nhalf".into()
        }
        Answer::Lost => String::new(),
    };
    connection.write_all(answer.as_bytes()).expect("an answer");
    lines.join("\n")
}

#[tokio::test]
async fn throttled_and_failed_requests_are_repeated() {
    let (store, server) = store(vec![error(503, "SlowDown"), error(500, "InternalError"), Answer::Lost, ok("content")]);
    assert_eq!(store.get("k").await.expect("get").bytes, "content");
    assert_eq!(server.join().expect("requests").len(), 4);
}

#[tokio::test]
async fn a_download_that_breaks_off_is_repeated() {
    let (store, server) = store(vec![Answer::CutOff, ok("content")]);
    assert_eq!(store.get("k").await.expect("get").bytes, "content");
    server.join().expect("requests");
}

#[tokio::test]
async fn a_body_that_was_damaged_on_its_way_is_asked_for_or_sent_again() {
    // `printf content | md5sum`
    let with_md5 = |body: &str| Answer::Full(200, "ETag: \"9a0364b9e99bb480dd25e1f0284c8555\"\r\n", body.into());
    let (store, server) = store(vec![with_md5("contenu"), with_md5("content")]);
    assert_eq!(store.get("k").await.expect("get").bytes, "content");
    server.join().expect("requests");

    let (store, server) = self::store(vec![error(400, "BadDigest"), error(400, "IncompleteBody"), ok("")]);
    store.put("k", "content".into()).await.expect("put");
    server.join().expect("requests");
}

#[tokio::test]
async fn an_upload_that_is_complete_already_is_no_failure() {
    let large = vec![7; 17 << 20];
    let begun = || ok("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    let gone = || error(404, "NoSuchUpload");
    let content = Answer::Full(200, "", "\x07".repeat(large.len()));
    // Three parts, an answer that is lost, and what S3 says of the next try.
    let (store, server) = store(vec![begun(), ok(""), ok(""), ok(""), Answer::Lost, gone(), gone(), content]);
    store.put("k", large.into()).await.expect("put");
    server.join().expect("requests");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_serves_names_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let store = S3Store::with_config("bucket", "a", &loopback_config(&format!("http://{host}"))).expect("a store");
    let error = store.get("k").await.expect_err("nobody is there");
    assert!(matches!(error, Error::Transient { .. }) && error.to_string().contains(&host), "{error}");
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_succeeds_once_its_content_is_there() {
    let (store, server) = store(vec![Answer::Lost, error(412, "PreconditionFailed"), ok("mine")]);
    store.create("k", "mine".into()).await.expect("create");
    let requests = server.join().expect("requests");
    assert!(requests[2].starts_with("GET"), "{requests:?}");

    let (store, server) = self::store(vec![Answer::Lost, error(412, "PreconditionFailed"), ok("another's")]);
    let created = store.create("k", "mine".into()).await;
    assert!(matches!(created, Err(Error::AlreadyExists { .. })), "{created:?}");
    server.join().expect("requests");
}

#[tokio::test]
async fn a_creation_that_is_refused_at_once_does_not_ask_whose_content_it_is() {
    let (store, server) = store(vec![error(412, "PreconditionFailed")]);
    assert!(matches!(store.create("k", "x".into()).await, Err(Error::AlreadyExists { .. })));
    server.join().expect("requests");
}

#[tokio::test]
async fn an_object_says_what_a_browser_should_take_it_for() {
    let (store, server) = store(vec![ok(""), ok("")]);
    for key in ["report/report.html", "parts/0a"] {
        store.put(key, "x".into()).await.expect("put");
    }
    let requests = server.join().expect("requests");
    let content_type = |request: &str| request.to_lowercase().contains("content-type: text/html");
    assert_eq!([true, false], [content_type(&requests[0]), content_type(&requests[1])], "{requests:?}");
}

#[tokio::test]
async fn a_write_that_meets_another_is_tried_again() {
    let (store, server) = store(vec![error(409, "ConditionalRequestConflict"), ok("")]);
    store.replace("k", "mine".into(), "e").await.expect("replace");
    server.join().expect("requests");
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_denied() {
    for (status, code) in [(403, "AccessDenied"), (400, "KMS.DisabledException")] {
        let (store, server) = store(vec![error(status, code)]);
        let error = store.get_if_match("k", "e").await.expect_err("denied");
        assert!(matches!(error, Error::Denied { .. }) && error.to_string().contains(code), "{error:?}");
        server.join().expect("requests");
    }
    let (store, server) = store(vec![Answer::Full(403, "", String::new())]);
    assert!(matches!(store.exists("k").await, Err(Error::Denied { .. })));
    server.join().expect("requests");
}

#[tokio::test]
async fn an_object_in_an_archive_is_said_to_be_there() {
    let (store, server) = store(vec![error(403, "InvalidObjectState")]);
    let error = store.get_start("old.jpg", 16).await.expect_err("archived");
    assert!(matches!(&error, Error::Archived { key, .. } if key == "old.jpg"), "{error:?}");
    assert!(error.to_string().contains("restore it"), "{error}");
    server.join().expect("requests");
}

#[tokio::test]
async fn credentials_that_are_refused_say_nothing_of_the_object() {
    for (status, code) in [
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (403, "InvalidSecurity"),
        (400, "ExpiredToken"),
        (400, "InvalidToken"),
        (400, "TokenRefreshRequired"),
    ] {
        let (store, server) = store(vec![error(status, code)]);
        let error = store.get("k").await.expect_err("refused");
        assert!(matches!(error, Error::Credentials { .. }) && !error.is_about_object(), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(code) && said.contains("AWS_PROFILE") && said.contains("s3://bucket/a"), "{said}");
        server.join().expect("requests");
    }
}

#[tokio::test]
async fn without_credentials_it_says_how_to_get_some_in_one_line() {
    let nobody = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("none in\n  the chain")) });
    let config = loopback_config("http://127.0.0.1:9").into_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(nobody)).build();
    let store = S3Store::with_config("bucket", "a", &config).expect("a store");
    for error in [store.get("k").await.map(drop), store.put("k", "x".into()).await, store.exists("k").await.map(drop)] {
        let error = error.expect_err("no credentials");
        assert!(matches!(error, Error::Credentials { .. }) && !error.is_about_object(), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("AWS_PROFILE") && said.lines().count() == 1, "{said}");
    }
    let listing = store.list("", &|_| true).await;
    assert!(matches!(listing, Err(Error::Credentials { .. })), "{listing:?}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_to_be_set() {
    let (store, server) = store(vec![error(403, "RequestTimeTooSkewed")]);
    let error = store.get("k").await.expect_err("refused");
    assert!(matches!(error, Error::Location { .. }) && error.to_string().contains("clock"), "{error:?}");
    server.join().expect("requests");
}

#[tokio::test]
async fn a_bucket_that_is_elsewhere_or_nowhere_is_named() {
    let elsewhere = Answer::Full(301, "x-amz-bucket-region: eu-west-1\r\n", String::new());
    let (store, server) = store(vec![elsewhere]);
    let error = store.get("k").await.expect_err("elsewhere").to_string();
    assert!(error.contains("s3://bucket/a") && error.contains("eu-west-1") && error.contains("eu-west-3"), "{error}");
    server.join().expect("requests");

    let (store, server) = self::store(vec![self::error(404, "NoSuchBucket")]);
    let listing = store.list("", &|_| true).await;
    assert!(matches!(&listing, Err(Error::Location { location, .. }) if location == "s3://bucket/a"), "{listing:?}");
    server.join().expect("requests");
}

//! S3 on the loopback interface: moto, run by Python.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use crate::S3Store;

const REGION: &str = "eu-west-3";

/// An S3 of its own, without content, until dropped.
#[derive(Debug)]
pub struct S3Server {
    process: Child,
    endpoint: String,
}

impl S3Server {
    /// Starts moto with the tests' Python.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start() -> Self {
        let python = pomona_tests::python();
        let mut process = Command::new(&python)
            .args(["-c", include_str!("s3_server.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", python.display()));
        let mut port = String::new();
        let output = process.stdout.take().expect("the server's output");
        BufReader::new(output).read_line(&mut port).expect("the server's port");
        let port = port.trim();
        assert!(!port.is_empty(), "moto does not start in {}; its message is above", python.display());
        Self { process, endpoint: format!("http://127.0.0.1:{port}") }
    }

    /// The variables by which a program finds this server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]
    }

    /// A store over a location in this server.
    ///
    /// # Panics
    /// Where the location cannot be used.
    pub fn store(&self, location: &str) -> S3Store {
        let path = location.strip_prefix("s3://").expect("a location in S3");
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        S3Store::with_config(bucket, prefix, &loopback_config(&self.endpoint)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What speaks to it as the SDK does.
    pub fn client(&self) -> Client {
        Client::new(&loopback_config(&self.endpoint))
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub async fn create_bucket(&self, name: &str) {
        let place = BucketLocationConstraint::from(REGION);
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        let request = self.client().create_bucket().bucket(name).create_bucket_configuration(place);
        request.send().await.unwrap_or_else(|error| panic!("no bucket {name}: {error:?}"));
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // It also ends by itself when this program does, so what fails here does no harm.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Settings for a server without TLS and without accounts.
pub fn loopback_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

//! The switch by which a bucket sends its events to EventBridge, as a custom resource of the template.
//!
//! All notifications of a bucket are one document, and S3 replaces it as a whole (API reference,
//! PutBucketNotificationConfiguration). So it is read, the switch is added and the rest written back as it was. When
//! the stack is deleted the switch stays, because others may listen by now.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput;
use aws_sdk_s3::types::{EventBridgeConfiguration, NotificationConfiguration};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;

/// Buckets whose events can be switched on.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Makes the bucket send its events to EventBridge, and leaves its other notifications alone.
    async fn switch_on(&self, bucket: &str) -> Result<(), Error>;
}

/// Buckets of S3.
#[derive(Debug)]
pub struct S3Buckets {
    client: Client,
}

impl S3Buckets {
    /// Those that `config` reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }
}

#[async_trait]
impl Buckets for S3Buckets {
    async fn switch_on(&self, bucket: &str) -> Result<(), Error> {
        let current = self.client.get_bucket_notification_configuration().bucket(bucket).send().await;
        let current = current.map_err(|error| Error::call("s3:GetBucketNotification", error))?;
        if current.event_bridge_configuration.is_some() {
            return Ok(());
        }
        let put = self.client.put_bucket_notification_configuration().bucket(bucket);
        let put = put.notification_configuration(with_switch(current));
        // The destinations are others': whether S3 may send there was found out when they were set, and asking sends
        // them test messages.
        let put = put.skip_destination_validation(true);
        put.send().await.map_err(|error| Error::call("s3:PutBucketNotification", error))?;
        Ok(())
    }
}

fn with_switch(current: GetBucketNotificationConfigurationOutput) -> NotificationConfiguration {
    NotificationConfiguration::builder()
        .set_topic_configurations(current.topic_configurations)
        .set_queue_configurations(current.queue_configurations)
        .set_lambda_function_configurations(current.lambda_function_configurations)
        .event_bridge_configuration(EventBridgeConfiguration::builder().build())
        .build()
}

/// What CloudFormation asks (CloudFormation user guide, "Custom resource request objects").
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResourceRequest {
    request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    resource_properties: Properties,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum RequestType {
    Create,
    Update,
    Delete,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    bucket: String,
}

/// Does what CloudFormation asks and tells it how that went; the stack waits for it. With `settings` that no run could
/// honour nothing is switched on, and the stack is told why, as far as may be told anywhere: its events keep the reason. A
/// rollback of that deletes, which always succeeds.
pub(super) async fn answer(
    buckets: &dyn Buckets,
    request: ResourceRequest,
    settings: Result<(), Error>,
) -> Result<(), Error> {
    let done = match (request.request_type, settings) {
        (RequestType::Delete, _) => Ok(()),
        (RequestType::Create | RequestType::Update, Err(error)) => Err(error),
        (RequestType::Create | RequestType::Update, Ok(())) => {
            buckets.switch_on(&request.resource_properties.bucket).await
        }
    };
    let reason = done.err().map(|error| error.outline());
    send(request, reason.as_deref()).await
}

/// Does nothing of what CloudFormation asks, and tells it why; a deletion succeeds all the same.
pub(super) async fn refuse(request: ResourceRequest, reason: &str) -> Result<(), Error> {
    let reason = (request.request_type != RequestType::Delete).then_some(reason);
    send(request, reason).await
}

async fn send(request: ResourceRequest, failure: Option<&str>) -> Result<(), Error> {
    let response = response(&request, failure).to_string();
    let sent = tokio::task::spawn_blocking(move || ureq::put(request.response_url).send(response.as_bytes())).await;
    let sent = sent.map_err(|error| pomona_formats::Error::Internal(error.to_string()))?;
    sent.map_err(|error| Error::call("the answer to CloudFormation", error))?;
    Ok(())
}

/// The answer. The name of the resource is the bucket's, so that another bucket is another resource.
fn response(request: &ResourceRequest, failure: Option<&str>) -> Value {
    json!({
        "Status": if failure.is_some() { "FAILED" } else { "SUCCESS" },
        "Reason": failure.unwrap_or_default(),
        "PhysicalResourceId": format!("events-of-{}", request.resource_properties.bucket),
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_resource_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use aws_sdk_s3::types::{Event, QueueConfiguration, TopicConfiguration};

    #[test]
    fn the_switch_is_added_to_what_is_there() {
        let queue = QueueConfiguration::builder().queue_arn("arn:q").events(Event::S3ObjectCreated).build().unwrap();
        let topic = TopicConfiguration::builder().topic_arn("arn:t").events(Event::S3ObjectRemoved).build().unwrap();
        let current = GetBucketNotificationConfigurationOutput::builder()
            .queue_configurations(queue.clone())
            .topic_configurations(topic.clone())
            .build();
        let written = with_switch(current);
        assert_eq!((written.queue_configurations(), written.topic_configurations()), (&[queue][..], &[topic][..]));
        assert!(written.lambda_function_configurations().is_empty());
        assert!(written.event_bridge_configuration().is_some());
    }

    /// Buckets of which one can be switched on.
    struct OneBucket;

    #[async_trait]
    impl Buckets for OneBucket {
        async fn switch_on(&self, bucket: &str) -> Result<(), Error> {
            if bucket == "photos" { Ok(()) } else { Err(Error::call("s3:GetBucketNotification", "access denied")) }
        }
    }

    /// What CloudFormation would get of a function that was made, with these settings.
    async fn told(request_type: &str, bucket: &str, settings: Result<(), Error>) -> (String, Value) {
        heard(request_type, bucket, async |request| answer(&OneBucket, request, settings).await.unwrap()).await
    }

    /// The method and the JSON body of what CloudFormation gets.
    async fn heard(request_type: &str, bucket: &str, tell: impl AsyncFnOnce(ResourceRequest)) -> (String, Value) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let request = json!({
            "RequestType": request_type, "ResponseURL": format!("http://{}/?signed=1", server.local_addr().unwrap()),
            "StackId": "stack", "RequestId": "request", "LogicalResourceId": "InputEvents", "ResourceType": "Custom::BucketEvents",
            "ResourceProperties": {"ServiceToken": "arn", "Bucket": bucket},
        });
        let heard = std::thread::spawn(move || {
            let mut connection = server.accept().unwrap().0;
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let lines: Vec<String> =
                reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            let header = |name: &str| {
                lines
                    .iter()
                    .find_map(|line| line.to_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            // The URL is signed for a request without a type.
            assert_eq!(header("content-type:").unwrap_or_default(), "");
            let mut body = vec![0; header("content-length:").unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            (lines[0].split(' ').next().unwrap().to_owned(), serde_json::from_slice(&body).unwrap())
        });
        tell(serde_json::from_value(request).unwrap()).await;
        heard.join().unwrap()
    }

    #[tokio::test]
    async fn cloudformation_is_told_how_it_went() {
        let (method, answer) = told("Create", "photos", Ok(())).await;
        assert_eq!(method, "PUT");
        let expected = json!({
            "Status": "SUCCESS", "Reason": "", "PhysicalResourceId": "events-of-photos", "StackId": "stack",
            "RequestId": "request", "LogicalResourceId": "InputEvents",
        });
        assert_eq!(answer, expected);

        let (_, answer) = told("Update", "another's", Ok(())).await;
        assert_eq!(answer["Status"], "FAILED");
        assert!(answer["Reason"].as_str().unwrap().contains("access denied"), "{answer}");

        // The switch stays, so there is nothing that could go wrong.
        assert_eq!(told("Delete", "another's", Ok(())).await.1["Status"], "SUCCESS");
    }

    #[tokio::test]
    async fn settings_that_cannot_be_used_fail_the_stack_by_name_and_let_it_roll_back() {
        let wrong = || Err(Error::RunOptions { option: Some("filter".to_owned()), problem: "Anna".to_owned() });
        let (_, answer) = told("Create", "photos", wrong()).await;
        assert_eq!(answer["Status"], "FAILED");
        let reason = answer["Reason"].as_str().unwrap();
        assert!(reason.contains("RunOptions") && reason.contains("`filter`") && !reason.contains("Anna"), "{answer}");
        assert_eq!(told("Delete", "photos", wrong()).await.1["Status"], "SUCCESS");
    }

    #[tokio::test]
    async fn a_function_that_could_not_be_made_answers_cloudformation_all_the_same() {
        let refused =
            async |request: ResourceRequest| refuse(request, "region `us-east-1` is not allowed").await.unwrap();
        let (_, answer) = heard("Create", "photos", refused).await;
        assert_eq!(answer["Status"], "FAILED");
        assert!(answer["Reason"].as_str().unwrap().contains("us-east-1"), "{answer}");
        assert_eq!(heard("Delete", "photos", refused).await.1["Status"], "SUCCESS");
    }
}

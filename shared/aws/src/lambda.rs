//! Three questions to Lambda: how much may run at once, how a function is set up, and what it answers.
//!
//! They are plain requests, signed and sent by the same machinery that the SDK's clients are made of; for these three,
//! Lambda's own SDK crate would make every build longer.

use std::collections::BTreeMap;
use std::convert::Infallible;

use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_sdk_sfn::config::http::{HttpRequest, HttpResponse};
use aws_sdk_sfn::config::timeout::TimeoutConfig;
use aws_sdk_sfn::config::{IdentityCache, Layer, RuntimeComponentsBuilder};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_runtime_api::http::HttpError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::account::Account;
use crate::error::Error;

/// How many Lambdas of the account may run at once in the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountLimit {
    /// All of them.
    pub(crate) concurrent_executions: u64,
    /// Those of functions for which nothing is reserved.
    pub(crate) unreserved_concurrent_executions: u64,
}

/// How a function is set up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionSettings {
    /// MB.
    pub(crate) memory_size: u64,
    /// What it runs on, `arm64` or `x86_64`.
    pub(crate) architectures: Vec<String>,
    /// Its environment.
    #[serde(default)]
    pub(crate) environment: Environment,
}

/// The environment of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Environment {
    /// Values by name.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
}

/// What became of a call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// It answered.
    Answered(Value),
    /// It failed, with this error and message; also where its process could not be started.
    Failed { error: String, message: String },
}

/// The account's limits (Lambda's GetAccountSettings).
pub(crate) async fn account_limit(account: &Account) -> Result<AccountLimit, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct AccountSettings {
        account_limit: AccountLimit,
    }
    let settings: AccountSettings = get(account, "ask for Lambda's quotas", "/2016-08-19/account-settings").await?;
    Ok(settings.account_limit)
}

/// How the function is set up (Lambda's GetFunctionConfiguration).
pub(crate) async fn function(account: &Account, name: &str) -> Result<FunctionSettings, Error> {
    get(account, "look at the stack's functions", &format!("/2015-03-31/functions/{name}/configuration")).await
}

/// Calls the function and waits for its answer (Lambda's Invoke).
pub(crate) async fn call(account: &Account, name: &str, event: &Value) -> Result<Called, Error> {
    let request = Request { path: format!("/2015-03-31/functions/{name}/invocations"), body: Some(event.to_string()) };
    let answer = send(account, "call the stack's functions", request).await?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    Ok(match answer.has_failed {
        true => Called::Failed { error: text("errorType"), message: text("errorMessage") },
        false => Called::Answered(body),
    })
}

async fn get<T: DeserializeOwned>(account: &Account, action: &'static str, path: &str) -> Result<T, Error> {
    let answer = send(account, action, Request { path: path.to_owned(), body: None }).await?;
    serde_json::from_slice(&answer.body).map_err(|error| Error::unanswered(action, &error))
}

/// What Lambda answers, if it does not refuse.
async fn send(account: &Account, action: &'static str, request: Request) -> Result<Answer, Error> {
    let answer = operation(account).invoke(request).await.map_err(|error| Error::unanswered(action, &error))?;
    if answer.is_success {
        return Ok(answer);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = ["message", "Message"].iter().find_map(|field| body[field].as_str());
    Err(Error::refused(action, &answer.error, message.unwrap_or("no reason")))
}

/// A GET, or a POST where there is a body.
#[derive(Debug)]
struct Request {
    path: String,
    body: Option<String>,
}

impl Request {
    fn into_http(self) -> Result<HttpRequest, HttpError> {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let mut request = HttpRequest::new(self.body.unwrap_or_default().into());
        request.set_method(method)?;
        request.set_uri(self.path)?;
        Ok(request)
    }
}

/// What came back, whatever it means.
#[derive(Debug)]
struct Answer {
    is_success: bool,
    /// Whether a function was called, and failed.
    has_failed: bool,
    /// The error's name, or the status where it has none.
    error: String,
    body: Vec<u8>,
}

impl Answer {
    fn of(response: &HttpResponse) -> Self {
        let status = response.status();
        // "AccessDeniedException:http://..." in some answers.
        let error = response.headers().get("x-amzn-errortype").and_then(|kind| kind.split(':').next());
        Self {
            is_success: status.is_success(),
            has_failed: response.headers().get("x-amz-function-error").is_some(),
            error: error.map_or_else(|| status.as_u16().to_string(), str::to_owned),
            body: response.body().bytes().unwrap_or_default().to_vec(),
        }
    }
}

/// A signed request.
fn operation(account: &Account) -> Operation<Request, Answer, Infallible> {
    let config = account.config();
    let own_endpoint = format!("https://lambda.{}.amazonaws.com", account.region());
    let builder = Operation::builder()
        .service_name("Lambda")
        .operation_name("Ask")
        .endpoint_url(config.endpoint_url().unwrap_or(&own_endpoint))
        .no_retry()
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
        .runtime_plugin(signing(account))
        .serializer(|request: Request| Ok(request.into_http()?))
        .deserializer(|response| Ok(Answer::of(response)));
    match config.http_client() {
        Some(client) => builder.http_client(client).build(),
        None => builder.build(),
    }
}

/// Signs with the account's credentials (Signature Version 4).
fn signing(account: &Account) -> StaticRuntimePlugin {
    let mut layer = Layer::new("signing");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig {
        region: account.config().region().cloned().map(Into::into),
        name: Some("lambda".into()),
        ..Default::default()
    });
    let mut components = RuntimeComponentsBuilder::new("signing")
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
        .with_identity_cache(Some(IdentityCache::no_cache()));
    if let Some(credentials) = account.config().credentials_provider() {
        components = components.with_identity_resolver(SCHEME_ID, credentials);
    }
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
}

//! Recorded answers of AWS, given by a server on the loopback interface.

mod control;
mod doctor;
mod encryption;
mod executions;
mod server;

use aws_config::{Region, SdkConfig};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use pomona_store::testing::loopback_config;

use crate::stack::Stack;
use crate::{Account, Error};

/// Settings of a machine that has no credentials.
fn without_credentials() -> SdkConfig {
    let none = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("no providers in chain")) });
    loopback_config("http://127.0.0.1:9")
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(none))
        .build()
}

#[test]
fn another_region_is_refused_before_anything_is_asked() {
    let elsewhere = |region: &'static str| {
        let config = loopback_config("http://127.0.0.1:9").into_builder().region(Region::from_static(region)).build();
        Account::with_config(config, None).map(drop)
    };
    elsewhere("eu-west-1").unwrap();
    let error = elsewhere("us-east-1").unwrap_err();
    assert!(matches!(error, Error::Region(_)) && error.to_string().contains("us-east-1"), "{error}");
}

#[test]
fn a_region_must_be_set() {
    let error = Account::with_config(SdkConfig::builder().build(), None).unwrap_err();
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
}

#[tokio::test]
async fn without_credentials_it_says_how_to_get_some() {
    let account = Account::with_config(without_credentials(), None).unwrap();
    for error in
        [Stack::find(&account, "pomona").await.map(drop).unwrap_err(), account.identity().await.map(drop).unwrap_err()]
    {
        assert!(matches!(error, Error::Credentials { .. }), "{error:?}");
        assert!(error.to_string().contains("AWS_PROFILE"), "{error}");
    }
}

//! What the credentials at hand reach in one region.

use aws_config::SdkConfig;
use pomona_run::region;
use serde::Serialize;

use crate::error::Error;

/// An AWS account, in a region that [`region::VARIABLE`] allows.
#[derive(Clone, Debug)]
pub struct Account {
    config: SdkConfig,
    region: String,
}

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The account's number.
    pub account: String,
    /// The user's or role's ARN.
    pub arn: String,
}

impl Account {
    /// The account that the environment, the profile or the machine gives.
    ///
    /// # Errors
    /// Those of [`Account::with_config`].
    pub async fn open() -> Result<Self, Error> {
        Self::with_config(pomona_store::sdk_config().await, std::env::var(region::VARIABLE).ok().as_deref())
    }

    /// The account that these settings reach; `allowed` is the content of [`region::VARIABLE`].
    ///
    /// # Errors
    /// [`Error::NoRegion`], and [`Error::Region`] for one that is not allowed.
    pub fn with_config(config: SdkConfig, allowed: Option<&str>) -> Result<Self, Error> {
        let region = config.region().ok_or(Error::NoRegion)?.to_string();
        region::check(&region, allowed)?;
        Ok(Self { config, region })
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Who the credentials belong to, as AWS sees it.
    ///
    /// # Errors
    /// [`Error::Credentials`] where there are none that work.
    pub async fn identity(&self) -> Result<Caller, Error> {
        let request = aws_sdk_sts::Client::new(&self.config).get_caller_identity();
        let caller = request.send().await.map_err(|error| Error::of("ask whose credentials these are", error))?;
        Ok(Caller {
            account: caller.account().unwrap_or_default().to_owned(),
            arn: caller.arn().unwrap_or_default().to_owned(),
        })
    }

    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }
}

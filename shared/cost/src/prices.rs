//! List prices: one table for the three regions, each price with its date and source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::workload::Architecture;

/// The content of prices.json, beside this file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// The day on which the sources were looked up last.
    pub checked: String,
    /// Where to look for newer prices.
    pub how_to_update: String,
    /// Which price is from where.
    pub sources: Vec<Source>,
    /// Prices by region.
    pub regions: BTreeMap<String, Prices>,
}

/// Where some of the prices are from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The names of the prices.
    pub of: String,
    /// When the source was published, or read where it names no date.
    pub dated: String,
    /// The document and the line in it.
    pub source: String,
}

/// The prices of one region in USD, without tax and without the free tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Where the region is.
    pub name: String,
    /// A GB-second of a Lambda on Graviton.
    pub lambda_gb_second_arm64: f64,
    /// A GB-second of a Lambda on x86.
    pub lambda_gb_second_x86_64: f64,
    /// A million invocations.
    pub lambda_million_requests: f64,
    /// A thousand state transitions of Step Functions Standard.
    pub transitions_thousand: f64,
    /// A million executions of Step Functions Express.
    pub express_million_requests: f64,
    /// A GB-second of Step Functions Express.
    pub express_gb_second: f64,
    /// A thousand PUT, COPY, POST or LIST requests to S3.
    pub s3_thousand_puts: f64,
    /// A thousand GET or HEAD requests to S3.
    pub s3_thousand_gets: f64,
    /// A GB (2^30 bytes) in S3 Standard for a month.
    pub s3_gb_month: f64,
    /// Ten thousand calls of KMS.
    pub kms_ten_thousand_calls: f64,
    /// A key in KMS for a month.
    pub kms_key_month: f64,
    /// A million events of objects that S3 sends to EventBridge; nothing where no source was found.
    pub s3_event_million: Option<f64>,
    /// A million requests to a standard queue of SQS.
    pub sqs_million_requests: f64,
    /// A metric of one's own in CloudWatch for a month.
    pub metric_month: f64,
    /// A metric that an alarm looks at, for a month.
    pub alarm_month: f64,
    /// A dashboard for a month.
    pub dashboard_month: f64,
    /// A GB that is written to CloudWatch's logs; nothing where no source was found.
    pub log_gb: Option<f64>,
    /// An hour of an EC2 instance m5.2xlarge; nothing where no source was found.
    pub m5_2xlarge_hour: Option<f64>,
    /// What EMR adds to it.
    pub emr_m5_2xlarge_hour: Option<f64>,
}

impl PriceTable {
    /// The table that this build carries.
    ///
    /// # Errors
    /// [`Error::Prices`] when prices.json is not what it should be.
    pub fn read() -> Result<Self, Error> {
        serde_json::from_str(include_str!("prices.json")).map_err(|error| Error::Prices(error.to_string()))
    }

    /// The prices of `region`.
    ///
    /// # Errors
    /// [`Error::Region`] for a region that the table lacks.
    pub fn of(&self, region: &str) -> Result<&Prices, Error> {
        self.regions.get(region).ok_or_else(|| Error::Region {
            region: region.to_owned(),
            known: self.regions.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }
}

impl Prices {
    /// A GB-second of a Lambda.
    pub fn lambda_gb_second(&self, architecture: Architecture) -> f64 {
        match architecture {
            Architecture::Arm64 => self.lambda_gb_second_arm64,
            Architecture::X86_64 => self.lambda_gb_second_x86_64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_run::region;

    #[test]
    fn the_table_has_the_regions_that_are_allowed_by_default() {
        let table = PriceTable::read().unwrap();
        let regions: Vec<&str> = table.regions.keys().map(String::as_str).collect();
        assert_eq!(regions, region::DEFAULT);
        let refused = table.of("us-east-1").unwrap_err().to_string();
        assert!(refused.contains("us-east-1") && refused.contains("eu-west-1"), "{refused}");
    }

    #[test]
    fn every_price_is_positive_and_has_a_source_with_a_date() {
        let table = PriceTable::read().unwrap();
        for prices in table.regions.values() {
            let serde_json::Value::Object(fields) = serde_json::to_value(prices).unwrap() else { panic!("no object") };
            for (name, price) in fields.iter().filter(|(name, _)| *name != "name") {
                assert!(price.is_null() || price.as_f64().unwrap() > 0.0, "{name}");
                let sourced = |source: &&Source| source.of.split(", ").any(|of| of == name);
                let source = table.sources.iter().find(sourced).unwrap_or_else(|| panic!("{name} has no source"));
                assert!(source.dated.contains("20"), "{name}");
            }
        }
    }
}

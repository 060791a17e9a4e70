//! The Lambda `sweep`: what one group of parts adds to one pass of a fit.

use pomona_run::sweep::Group;
use pomona_stages::sweep;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::BucketLocation;
use crate::edge::{Answer, Function};
use crate::error::Error;
use crate::event::parse;
use crate::settings::Settings;
use crate::stores::Stores;

/// Adds up groups.
#[derive(Debug)]
pub struct Sweep {
    /// Open stores.
    pub stores: Stores,
    /// Threads that compute.
    pub threads: usize,
}

/// What the function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// The pass, counted from 0.
    pub pass: u32,
    /// The group, counted from 0.
    pub group: u32,
}

impl Answer for Swept {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    output: BucketLocation,
    group: Group,
}

impl Sweep {
    /// The function as its settings say.
    pub fn new(settings: &Settings) -> Self {
        Self { stores: Stores::default(), threads: settings.threads }
    }
}

impl Function for Sweep {
    type Answer = Swept;

    async fn handle(&self, event: Value) -> Result<Swept, Error> {
        let Event { output, group } = parse("the event", event)?;
        sweep::sweep(self.stores.open(&output).await?.as_ref(), &group, self.threads, &|| {}).await?;
        Ok(Swept { pass: group.pass, group: group.group })
    }

    fn stores(&self) -> &Stores {
        &self.stores
    }
}

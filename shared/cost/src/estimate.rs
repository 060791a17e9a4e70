//! What a run will cost and how long it will take, before it is started.

use serde::{Deserialize, Serialize};

use crate::bill::Bill;
use crate::emr::Emr;
use crate::error::Error;
use crate::prices::PriceTable;
use crate::simulation::{self, Simulation};
use crate::workload::Workload;

/// Numbers of images for which a table shows what they would take.
pub const TABLE_IMAGES: [u64; 5] = [20_000, 40_000, 60_000, 80_000, 100_000];

/// An estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The region whose prices are taken.
    pub region: String,
    /// When the prices were looked up.
    pub prices_checked: String,
    /// The run.
    pub simulation: Simulation,
    /// What it costs.
    pub bill: Bill,
    /// What the cluster would cost that Pomona replaces.
    pub emr: Option<Emr>,
}

/// Time and cost of one number of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Images.
    pub images: u64,
    /// Seconds from start to end.
    pub seconds: f64,
    /// What the run costs, in USD.
    pub run_usd: f64,
    /// What its files cost each month.
    pub month_usd: f64,
    /// What the cluster would cost.
    pub emr: Option<Emr>,
}

impl Estimate {
    /// Estimates the first run over a workload.
    ///
    /// # Errors
    /// Those of [`Workload::check`] and [`PriceTable::of`].
    pub fn of(workload: &Workload, table: &PriceTable, region: &str) -> Result<Self, Error> {
        let prices = table.of(region)?;
        let simulation = simulation::simulate(workload)?;
        Ok(Self {
            region: region.to_owned(),
            prices_checked: table.checked.clone(),
            bill: Bill::of(&simulation.usage, prices),
            emr: Emr::of(workload.images, prices),
            simulation,
        })
    }

    /// The estimate in one row.
    pub fn row(&self) -> Row {
        Row {
            images: self.simulation.workload.images,
            seconds: self.simulation.seconds,
            run_usd: self.bill.run_usd,
            month_usd: self.bill.month_usd,
            emr: self.emr,
        }
    }
}

/// The same workload with other numbers of images.
///
/// # Errors
/// As [`Estimate::of`].
pub fn rows(workload: &Workload, images: &[u64], table: &PriceTable, region: &str) -> Result<Vec<Row>, Error> {
    images.iter().map(|&images| Ok(Estimate::of(&workload.with_images(images), table, region)?.row())).collect()
}

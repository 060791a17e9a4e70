//! One history: how the stack is set up, what the weather is, and what people do when.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::function::Name;
use crate::weather::Weather;

/// A history from its seed.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) setting: Setting,
    pub(crate) weather: Weather,
    /// Each so long after the one before.
    pub(crate) deeds: Vec<(Duration, Deed)>,
}

/// How the stack is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) starts_on_uploads: bool,
    pub(crate) minutes_between_runs: u64,
    pub(crate) schedule: Option<Duration>,
    pub(crate) run_options: Value,
    pub(crate) is_express: bool,
    /// Calls of all functions at once.
    pub(crate) concurrency: usize,
    pub(crate) max_concurrency: NonZeroU32,
    pub(crate) keep_runs: u32,
    pub(crate) parts_expire_days: u64,
    /// Keys in a page of a listing.
    pub(crate) page_size: usize,
    /// The output's bucket keeps what is replaced and deleted.
    pub(crate) keeps_versions: bool,
}

/// What somebody does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Upload {
        first: u64,
        count: u64,
        version: u64,
    },
    /// An image is replaced every second of so many.
    KeepReplacing {
        image: u64,
        seconds: u64,
    },
    Delete {
        first: u64,
        count: u64,
    },
    DeleteLabel(u64),
    Start(Value),
    StartTwice(Value),
    /// A program dies as soon as it has taken the output, and its lock is found when its time is over.
    LeaveLock,
    Stop,
    StopMap,
    Redrive,
    /// Somebody starts a run, stops the first one that enters the state of this number, and redrives it.
    StopAndRedrive(u64),
    /// Another version of the functions.
    Deploy(usize),
    DeleteAtOutput(&'static str),
    /// What was deleted before at the output is put back.
    Restore,
    /// The output becomes again what it was before so many deeds, by the versions of its objects.
    RollBack(usize),
    /// The program runs on a machine of this version.
    RunProgram(Value, usize),
    /// The program looks at the output, mends it, and removes what nobody needs.
    Mend,
    /// The program erases images; of none, it goes on with what is unfinished or takes out what has come back.
    Erase {
        first: u64,
        count: u64,
        /// Older runs are made anew, and not deleted.
        rewrites: bool,
        /// It is only asked for, and the state machine does it.
        on_aws: bool,
    },
    /// As that on AWS, which somebody stops as it enters the state of this number, and redrives, at once or when a run has
    /// had the output.
    StopAndRedriveErasure {
        first: u64,
        count: u64,
        state: u64,
        after_run: bool,
    },
    /// Images that were erased may come back.
    AllowAgain {
        first: u64,
        count: u64,
    },
}

impl History {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "history");
        let mut weather = Weather::draw(&mut dice);
        let mut setting = Setting::draw(&mut dice);
        let many = dice.chance(0.03);
        if many {
            setting.run_options["shard_size"] = 1.into();
            // Pages of a few keys would make each listing of a run's tables as slow as one of ten million images.
            setting.page_size = 1_000;
            // Hundreds of runs of so many parts take as long as a hundred other histories.
            setting.schedule = None;
            if !weather.is_calm() && dice.chance(0.2) {
                weather.no_room = Some(Name::Reduce);
            }
        }
        // Of parts in more than one group of moments (pomona_run::tree).
        let images = if many { 160 } else { 2 + dice.below(22) };
        let mut deeds = vec![(Duration::ZERO, Deed::Upload { first: 0, count: images, version: 0 })];
        if !setting.starts_on_uploads || dice.chance(0.3) {
            deeds.push((
                dice.between(Duration::ZERO, Duration::from_secs(900)),
                Deed::Start(options(&mut dice, &setting)),
            ));
        }
        for _ in 0..dice.below(10) {
            deeds.push((gap(&mut dice), Deed::draw(&mut dice, &setting)));
        }
        leave_locks(seed, &mut deeds);
        setting.keeps_versions = add_erasures(seed, &mut deeds);
        Self { seed, setting, weather, deeds }
    }
}

/// Of runs that are started at once every second two find a lock that both may take: by dice of their own, so that other
/// histories know nothing of them.
fn leave_locks(seed: u64, deeds: &mut Vec<(Duration, Deed)>) {
    let mut dice = Dice::of(seed, "locks that are left");
    for place in (0..deeds.len()).rev() {
        if matches!(deeds[place].1, Deed::StartTwice(_)) && dice.chance(0.5) {
            let gap = std::mem::take(&mut deeds[place].0);
            deeds.insert(place, (gap, Deed::LeaveLock));
        }
    }
}

/// One history in five has erasures: by dice of their own, so that the others know nothing of them. Whether the output
/// keeps versions matters to these alone.
fn add_erasures(seed: u64, deeds: &mut Vec<(Duration, Deed)>) -> bool {
    let (mut dice, mut where_from) = (Dice::of(seed, "erasures"), Dice::of(seed, "erasures on AWS"));
    let mut stops = Dice::of(seed, "erasures that are stopped");
    if !dice.chance(0.2) {
        return false;
    }
    for _ in 0..1 + dice.below(3) {
        let (first, count) = (dice.below(24), dice.below(6));
        let deed = match dice.below(5) {
            0 => Deed::AllowAgain { first, count: count + 1 },
            _ => {
                let (rewrites, on_aws) = (dice.chance(0.5), where_from.chance(0.4));
                match on_aws && stops.chance(0.5) {
                    true => {
                        let (state, after_run) = (stops.roll(), stops.chance(0.5));
                        Deed::StopAndRedriveErasure { first, count, state, after_run }
                    }
                    false => Deed::Erase { first, count, rewrites, on_aws },
                }
            }
        };
        let place = 1 + dice.below(deeds.len() as u64) as usize;
        deeds.insert(place, (gap(&mut dice), deed));
    }
    dice.chance(0.5)
}

impl Setting {
    fn draw(dice: &mut Dice) -> Self {
        let mut setting = Self {
            starts_on_uploads: dice.chance(0.7),
            minutes_between_runs: dice.pick(&[5, 60, 60, 24 * 60]),
            schedule: dice.chance(0.2).then(|| Duration::from_secs(3_600 * dice.pick(&[6, 24]))),
            run_options: json!({
                "components": 2, "shard_size": dice.pick(&[2, 4, 8, 1_000]), "max_reject_share": 1.0,
                "csv": dice.pick(&["none", "all"]),
            }),
            is_express: dice.chance(0.5),
            concurrency: dice.pick(&[10, 50, 1_000]),
            max_concurrency: dice.pick(&[NonZeroU32::MIN, NonZeroU32::new(4).unwrap(), NonZeroU32::new(64).unwrap()]),
            keep_runs: dice.pick(&[0, 1, 3]),
            parts_expire_days: dice.pick(&[14, 90]),
            page_size: dice.pick(&[5, 1_000]),
            keeps_versions: false,
        };
        if dice.chance(0.15) {
            setting.run_options["classify"] = json!({
                "classify_on": dice.pick(&["features", "components"]), "regularization": 0.1, "max_iterations": 3,
            });
        }
        setting
    }
}

impl Deed {
    fn draw(dice: &mut Dice, setting: &Setting) -> Self {
        match dice.below(31) {
            0..8 => Self::Upload { first: dice.below(24), count: 1 + dice.below(8), version: dice.below(3) },
            8..11 => Self::Delete { first: dice.below(24), count: 1 + dice.below(6) },
            11 => Self::DeleteLabel(dice.below(3)),
            12 | 13 => Self::Start(options(dice, setting)),
            14 => Self::StartTwice(options(dice, setting)),
            15 => Self::Stop,
            16 => Self::StopMap,
            17 | 18 => Self::Redrive,
            19 => Self::Deploy(dice.below(2) as usize),
            20 => Self::DeleteAtOutput(dice.pick(&["", "parts/", "runs/", "nodes/", "latest.json", "planned.json"])),
            21 => Self::Restore,
            22 => Self::RollBack(1 + dice.below(3) as usize),
            23..26 => Self::RunProgram(options(dice, setting), dice.below(2) as usize),
            26 => Self::KeepReplacing { image: dice.below(24), seconds: 60 + dice.below(600) },
            27..30 => Self::StopAndRedrive(dice.roll()),
            _ => Self::Mend,
        }
    }
}

/// The stack's options, or some of a person's own.
fn options(dice: &mut Dice, setting: &Setting) -> Value {
    let mut options = setting.run_options.clone();
    if dice.chance(0.4) {
        options["shard_size"] = dice.pick(&[2, 4, 8]).into();
    }
    if dice.chance(0.2) {
        options["components"] = dice.pick(&[1, 3]).into();
    }
    options
}

/// Mostly things happen while others still go on; now and then nothing does for weeks.
fn gap(dice: &mut Dice) -> Duration {
    let (least, most) = dice.pick(&[(0, 20), (0, 20), (10, 300), (300, 7_200), (7_200, 90_000), (86_400, 30 * 86_400)]);
    dice.between(Duration::from_secs(least), Duration::from_secs(most))
}

impl fmt::Display for Deed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upload { first, count, version } => {
                write!(formatter, "somebody uploads images {first} to {} in version {version}", first + count - 1)
            }
            Self::KeepReplacing { image, seconds } => {
                write!(formatter, "somebody replaces image {image} every second of {seconds}")
            }
            Self::Delete { first, count } => {
                write!(formatter, "somebody deletes images {first} to {}", first + count - 1)
            }
            Self::DeleteLabel(label) => write!(formatter, "somebody deletes the folder of label {label}"),
            Self::Start(options) => write!(formatter, "somebody starts a run with {options}"),
            Self::StartTwice(options) => write!(formatter, "somebody starts two runs at once with {options}"),
            Self::LeaveLock => formatter.write_str("somebody's program dies, and leaves its lock"),
            Self::Stop => formatter.write_str("somebody stops the run that is going"),
            Self::StopMap => formatter.write_str("somebody stops a child of the Map that is going"),
            Self::Redrive => formatter.write_str("somebody redrives the newest run that failed"),
            Self::StopAndRedrive(_) => {
                formatter.write_str("somebody starts a run, stops it in a state, and redrives it")
            }
            Self::Deploy(version) => write!(formatter, "somebody deploys version {version} of the functions"),
            Self::DeleteAtOutput(prefix) => write!(formatter, "somebody deletes `{prefix}` at the output"),
            Self::Restore => formatter.write_str("somebody restores what was deleted at the output"),
            Self::RollBack(deeds) => write!(formatter, "somebody makes the output what it was {deeds} deeds ago"),
            Self::RunProgram(options, version) => {
                write!(formatter, "somebody runs the program in version {version} with {options}")
            }
            Self::Mend => formatter.write_str("somebody has the output mended and what nobody needs removed"),
            Self::Erase { count: 0, on_aws, .. } => {
                let place = if *on_aws { " on AWS" } else { "" };
                write!(formatter, "somebody erases{place} what is unfinished or has come back")
            }
            Self::Erase { first, count, rewrites, on_aws } => {
                let older = match (on_aws, rewrites) {
                    (true, _) => " on AWS",
                    (false, true) => ", and has older runs made anew",
                    (false, false) => "",
                };
                write!(formatter, "somebody erases images {first} to {}{older}", first + count - 1)
            }
            Self::StopAndRedriveErasure { first, count, after_run, .. } => {
                let after = if *after_run { " after a run" } else { "" };
                write!(
                    formatter,
                    "somebody erases {count} images from {first} on AWS, stops that in a state, and redrives it{after}"
                )
            }
            Self::AllowAgain { first, count } => {
                write!(formatter, "somebody allows images {first} to {} again", first + count - 1)
            }
        }
    }
}

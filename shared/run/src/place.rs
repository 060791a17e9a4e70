//! What a file below the output is, by its key: the way back from [`layout`].

use crate::layout::{self, FOLLOW_UP, LATEST, LOCK, PLANNED, SUPPRESSED};
use crate::names::{self, DIGEST_LENGTH};
use crate::run_id::RunId;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The newest successful run.
    Latest,
    /// The runs that were planned last.
    Planned,
    /// That a run is to follow.
    FollowUp,
    /// Who is running.
    Lock,
    /// The images that were erased.
    Suppressed,
    /// What was asked to be erased, or the proof that it was.
    OfErasure,
    /// The moments of this part.
    PartMoments(&'a str),
    /// The features of this part.
    PartFeatures(&'a str),
    /// The rejects of this part.
    PartRejects(&'a str),
    /// Some images of this part, which was not finished then.
    Fragment {
        /// The part.
        part: &'a str,
    },
    /// The merged moments of this name.
    Node(&'a str),
    /// What an archive holds.
    Index,
    /// What a fit came to.
    SweepModel {
        /// The fit.
        fit: &'a str,
    },
    /// A state or a sum of a fit.
    SweepPass {
        /// The fit.
        fit: &'a str,
    },
    /// A file of a run.
    OfRun {
        /// The run.
        run_id: RunId,
        /// Its name below the run's folder.
        name: &'a str,
    },
}

impl<'a> Place<'a> {
    /// What the file at `key` is; nothing where no run writes one that is called so.
    pub fn of(key: &'a str) -> Option<Self> {
        let Some((folder, rest)) = key.split_once('/') else {
            return match key {
                LATEST => Some(Self::Latest),
                PLANNED => Some(Self::Planned),
                FOLLOW_UP => Some(Self::FollowUp),
                LOCK => Some(Self::Lock),
                SUPPRESSED => Some(Self::Suppressed),
                _ => None,
            };
        };
        let place = match folder {
            "parts" => of_part(rest)?,
            "nodes" => Self::Node(rest.strip_suffix(".moments")?),
            "erasures" => return layout::erasure_of(key).map(|_| Self::OfErasure),
            "archives" => return rest.strip_suffix(".json").filter(|name| is_name(name)).map(|_| Self::Index),
            "sweeps" => of_sweep(rest.split_once('/')?.0, key)?,
            "runs" => {
                let (run_id, name) = rest.split_once('/')?;
                return Some(Self::OfRun { run_id: run_id.parse().ok()?, name });
            }
            _ => return None,
        };
        place.name().is_none_or(is_name).then_some(place)
    }

    /// The run that the file at `key` is of.
    pub fn run_of(key: &str) -> Option<RunId> {
        match Place::of(key)? {
            Place::OfRun { run_id, .. } => Some(run_id),
            _ => None,
        }
    }

    /// The part, node or fit that it belongs to.
    fn name(&self) -> Option<&'a str> {
        match *self {
            Self::PartMoments(name) | Self::PartFeatures(name) | Self::PartRejects(name) | Self::Node(name) => {
                Some(name)
            }
            Self::Fragment { part: name } | Self::SweepModel { fit: name } | Self::SweepPass { fit: name } => {
                Some(name)
            }
            Self::Latest | Self::Planned | Self::FollowUp | Self::Lock | Self::Suppressed => None,
            Self::OfErasure | Self::Index | Self::OfRun { .. } => None,
        }
    }
}

fn of_part(rest: &str) -> Option<Place<'_>> {
    if let Some(fragment) = rest.strip_prefix("fragments/") {
        return fragment.split_once('/').map(|(part, _)| Place::Fragment { part });
    }
    let (name, kind) = rest.split_once('.')?;
    match kind {
        "moments" => Some(Place::PartMoments(name)),
        "features.parquet" => Some(Place::PartFeatures(name)),
        "rejects.parquet" => Some(Place::PartRejects(name)),
        _ => None,
    }
}

fn of_sweep<'a>(fit: &'a str, key: &str) -> Option<Place<'a>> {
    if key == layout::sweep_model(fit) {
        return Some(Place::SweepModel { fit });
    }
    let is_of_a_pass = layout::pass_of_state(fit, key).is_some() || is_sum(fit, key).is_some();
    is_of_a_pass.then_some(Place::SweepPass { fit })
}

fn is_sum(fit: &str, key: &str) -> Option<()> {
    let (pass, group) = key.strip_prefix(&layout::sweep_fit(fit))?.split_once("/sums/")?;
    (key == layout::sweep_sum(fit, pass.parse().ok()?, group.parse().ok()?)).then_some(())
}

/// Whether this is a name that is a digest.
fn is_name(text: &str) -> bool {
    text.len() == DIGEST_LENGTH && names::is_hexadecimal(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::RunLayout;

    const RUN: &str = "20260131T120000Z-0123abcd";

    #[test]
    fn every_file_is_what_it_was_named_as() {
        let name = "0123456789abcdef".repeat(4);
        let name = name.as_str();
        for (key, place) in [
            (LATEST.to_owned(), Place::Latest),
            (PLANNED.to_owned(), Place::Planned),
            (FOLLOW_UP.to_owned(), Place::FollowUp),
            (LOCK.to_owned(), Place::Lock),
            (SUPPRESSED.to_owned(), Place::Suppressed),
            (layout::erasure_request(&RUN.parse().unwrap()), Place::OfErasure),
            (layout::erasure_journal(&RUN.parse().unwrap()), Place::OfErasure),
            (layout::erasure_left(&RUN.parse().unwrap()), Place::OfErasure),
            (layout::erasure_certificate(&RUN.parse().unwrap()), Place::OfErasure),
            (layout::erasure_page(&RUN.parse().unwrap()), Place::OfErasure),
            (layout::erasure_signature(&RUN.parse().unwrap()), Place::OfErasure),
            (layout::part_moments(name), Place::PartMoments(name)),
            (layout::part_features(name), Place::PartFeatures(name)),
            (layout::part_rejects(name), Place::PartRejects(name)),
            (layout::part_fragment(name, "x"), Place::Fragment { part: name }),
            (layout::node_moments(name), Place::Node(name)),
            (layout::archive_index(name), Place::Index),
            (layout::sweep_model(name), Place::SweepModel { fit: name }),
            (layout::sweep_state(name, 12), Place::SweepPass { fit: name }),
            (layout::sweep_sum(name, 1_234, 5), Place::SweepPass { fit: name }),
            (
                RunLayout::new(RUN).features_csv(7),
                Place::OfRun { run_id: RUN.parse().unwrap(), name: "features/csv/00007.csv" },
            ),
        ] {
            assert_eq!(Place::of(&key), Some(place), "{key}");
        }
    }

    #[test]
    fn what_no_run_writes_is_nothing() {
        let name = "0123456789abcdef".repeat(4);
        let keys = [
            "notes.txt".to_owned(),
            "lock.json/x".to_owned(),
            "erasures/request.json".to_owned(),
            format!("erasures/{RUN}/notes.txt"),
            "parts/x.moments".to_owned(),
            format!("parts/{name}"),
            format!("parts/{name}.moments.bak"),
            format!("parts/{}.moments", name.to_uppercase()),
            format!("parts/fragments/{name}"),
            format!("nodes/{name}.json"),
            format!("nodes/a/{name}.moments"),
            format!("archives/{name}"),
            format!("sweeps/{name}"),
            format!("sweeps/{name}/000/sums/x"),
            format!("sweeps/{name}/000/sums/5"),
            "runs/latest/plan.json".to_owned(),
            format!("runs/{RUN}"),
            "other/plan.json".to_owned(),
        ];
        for key in keys {
            assert_eq!(Place::of(&key), None, "{key}");
        }
    }
}

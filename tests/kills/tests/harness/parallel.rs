//! Many histories on all cores.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Lives through each of `histories`, which write down in words what happens, and of which most must meet what they are
/// for: `live` says whether its own did. A history may be over before its mishap.
///
/// # Panics
/// Where some fail, with their words, once all have been lived through, and where most came to nothing.
pub fn most<T: Sync>(histories: &[T], live: impl Fn(&T, &mut Vec<String>) -> bool + Sync) {
    most_of_each_group(histories, |_| "all", live);
}

/// As [`most`], of each group for itself.
///
/// # Panics
/// Those of [`most`].
pub fn most_of_each_group<T: Sync, G: Debug + Ord + Send>(
    histories: &[T],
    group: impl Fn(&T) -> G + Sync,
    live: impl Fn(&T, &mut Vec<String>) -> bool + Sync,
) {
    for (group, Met { met, all }) in met_by_group(histories, group, live) {
        assert!(2 * met > all, "only {met} of {all} histories of {group:?} met what they are for");
    }
}

/// As [`most`], where it is luck what is met.
///
/// # Panics
/// Where some fail, with their words, once all have been lived through, and where all came to nothing.
pub fn some<T: Sync>(histories: &[T], live: impl Fn(&T, &mut Vec<String>) -> bool + Sync) {
    let met = met_by_group(histories, |_| (), live);
    assert!(met[&()].met > 0, "no history met what it is for");
}

#[derive(Default)]
struct Met {
    met: usize,
    all: usize,
}

fn met_by_group<T: Sync, G: Ord + Send>(
    histories: &[T],
    group: impl Fn(&T) -> G + Sync,
    live: impl Fn(&T, &mut Vec<String>) -> bool + Sync,
) -> BTreeMap<G, Met> {
    assert!(!histories.is_empty(), "there are no histories");
    let groups = Mutex::new(BTreeMap::<G, Met>::new());
    each(histories, |history, words| {
        let has_met = live(history, words);
        let mut groups = groups.lock().expect("nobody fails here");
        let group = groups.entry(group(history)).or_default();
        group.met += usize::from(has_met);
        group.all += 1;
    });
    groups.into_inner().expect("nobody fails here")
}

/// Lives through each of `histories`, which write down in words what happens.
///
/// # Panics
/// Where some fail, with their words, once all have been lived through.
pub fn each<T: Sync>(histories: &[T], live: impl Fn(&T, &mut Vec<String>) + Sync) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(history) = histories.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut words = Vec::new();
            if let Err(reason) = catch_unwind(AssertUnwindSafe(|| live(history, &mut words))) {
                let said = reason.downcast_ref::<String>().map(String::as_str);
                let said = said.or_else(|| reason.downcast_ref().copied()).unwrap_or("it fails");
                failures.lock().expect("nobody fails here").push(format!("{}\n  => {said}", words.join("\n  ")));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("nobody fails here");
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), histories.len(), failures.join("\n\n"));
}

//! Whether a model's features are too many for the memory that is there, asked before anything is computed; and that
//! memory which is given back is there again.

use std::fs;

use pomona_pca::COVARIANCE_FEATURES;

use crate::error::Error;

/// Bytes per entry of the covariance, features by features, where most is held at once: while it is decomposed there
/// are the moments (half of it), its reflections, the eigenvectors and the solver's scratch, each of doubles.
const BYTES_PER_ENTRY: u64 = 32;

/// Memory below which nobody asks: no machine that runs this program has less.
const ALWAYS_THERE: u64 = 256 << 20;

/// Where a container's limit stands, in version 2 and 1 of control groups.
const CONTAINER_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// Bytes that a fit by passes takes whatever its features are: its largest basis.
const BASIS_BYTES: u64 = 768 << 20;

/// Bytes per feature of a fit by passes: eight blocks of 128 vectors of doubles, which are sums of shards that are not
/// yet merged, and the state.
const BYTES_PER_WIDE_FEATURE: u64 = 8 * 128 * 8;

/// Blocks of at least so many bytes go back to the system when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BLOCK: i32 = 16 << 20;

/// Has the allocator give large blocks back. glibc keeps them, up to 32 MB each, for the thread that freed them, and
/// here many threads in turn hold the features of a shard: a run over 6,724 images of 62,720 features took 2.9 GB where
/// it holds a third of that. Called once, when a program starts; with another C library it does
/// nothing.
pub fn give_large_blocks_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code)]
    // SAFETY: `mallopt` sets a number of the allocator. One that it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK);
    }
}

/// Refuses features whose components could not be fitted in the memory that is there.
///
/// # Errors
/// [`Error::TooWide`].
pub(crate) fn check(features: usize) -> Result<(), Error> {
    check_against(features, available())
}

fn check_against(features: usize, available: Option<u64>) -> Result<(), Error> {
    let needed = needed(features);
    match available {
        Some(available) if needed > available.max(ALWAYS_THERE) => {
            Err(Error::TooWide { features, needed: gigabytes(needed), available: gigabytes(available) })
        }
        _ => Ok(()),
    }
}

fn needed(features: usize) -> u64 {
    if features > COVARIANCE_FEATURES {
        return (features as u64).saturating_mul(BYTES_PER_WIDE_FEATURE).saturating_add(BASIS_BYTES);
    }
    (features as u64).saturating_pow(2).saturating_mul(BYTES_PER_ENTRY)
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// Bytes that this process can still have, where the system tells: the least of what limits it.
fn available() -> Option<u64> {
    let container = CONTAINER_LIMITS.iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    container.chain(on_machine()).chain(of_address_space()).min()
}

/// What the machine can give without swapping out others, and its free swap.
fn on_machine() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    Some(kilobytes(&meminfo, "MemAvailable:")? + kilobytes(&meminfo, "SwapFree:").unwrap_or(0))
}

/// What `ulimit -v` leaves.
fn of_address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let limit: u64 = words_after(&limits, "Max address space")?.next()?.parse().ok()?;
    let used = kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(limit.saturating_sub(used))
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    Some(words_after(text, name)?.next()?.parse::<u64>().ok()? << 10)
}

fn words_after<'a>(text: &'a str, name: &str) -> Option<impl Iterator<Item = &'a str>> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_do_not_fit_are_refused_with_what_they_would_take() {
        let error = check_against(1_000_000, Some(6_000_000_000)).unwrap_err().to_string();
        assert!(error.contains("1000000") && error.contains("9.0 GB") && error.contains("6.0 GB"), "{error}");
        check_against(1_000_000, Some(64_000_000_000)).unwrap();
        check_against(1_000_000, None).unwrap();
        let error = check_against(4_096, Some(300_000_000)).unwrap_err().to_string();
        assert!(error.contains("0.5 GB"), "{error}");
    }

    #[test]
    fn the_last_feature_map_of_mobilenet_takes_less_than_a_gigabyte_and_a_half() {
        check_against(62_720, Some(1_500_000_000)).unwrap();
    }

    #[test]
    fn the_usual_features_fit_wherever_the_program_runs() {
        check_against(1_280, Some(0)).unwrap();
    }

    #[test]
    fn a_limit_that_is_none_limits_nothing() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax address space         unlimited            unlimited            bytes\n";
        assert_eq!(words_after(limits, "Max address space").unwrap().next(), Some("unlimited"));
        assert_eq!(kilobytes("MemTotal: 7 kB\nMemAvailable:    5 kB\n", "MemAvailable:"), Some(5 << 10));
    }
}

//! `world [FIRST] [COUNT]`: lives through the histories of so many seeds on all cores; tells of those that fail, and of
//! what all of them came across.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pomona_world::Met;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let (first, count) = (arguments.next().unwrap_or(0), arguments.next().unwrap_or(1));
    let (next, executions, failures) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    let (met, started) = (Mutex::new(Met::default()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let lived = pomona_world::live(seed);
                    executions.fetch_add(lived.executions as u64, Ordering::Relaxed);
                    met.lock().expect("nobody panics here").add(lived.met);
                    if let Some(violation) = lived.violation {
                        failures.fetch_add(1, Ordering::Relaxed);
                        println!("seed {seed}: {violation}");
                        if count == 1 {
                            println!("{}", pomona_world::tell(seed).unwrap_or_default());
                        }
                    }
                }
            });
        }
    });
    let (failures, seconds) = (failures.into_inner(), started.elapsed().as_secs_f64());
    println!("{}", met.into_inner().expect("nobody panics here"));
    println!(
        "{count} histories, {} executions, {failures} failed, {:.0} histories a minute",
        executions.into_inner(),
        count as f64 / seconds * 60.0
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

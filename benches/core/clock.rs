//! The clock of all measurements: the one on the wall or, with `CRSQL_BENCH_CLOCK=cpu`, the time that this thread spent
//! on a processor. The latter is steadier where other work runs beside, and leaves out waiting for the disk.

use std::time::{Duration, Instant};

use crate::Outcome;

/// The duration of some work in µs.
pub fn time(work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let (start, start_cpu) = (Instant::now(), on_processor());
    work()?;
    let duration = match (start_cpu, on_processor()) {
        (Some(start), Some(end)) => end.saturating_sub(start),
        _ => start.elapsed(),
    };
    Ok(duration.as_secs_f64() * 1e6)
}

/// The name of the clock in use.
pub fn name() -> &'static str {
    if on_processor().is_some() {
        "cpu"
    } else {
        "wall"
    }
}

/// The thread's time, if that clock was asked for and the system has it.
fn on_processor() -> Option<Duration> {
    match std::env::var("CRSQL_BENCH_CLOCK").as_deref() {
        Ok("cpu") => thread_time(),
        _ => None,
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn thread_time() -> Option<Duration> {
    /// `struct timespec` of 64-bit Linux.
    #[repr(C)]
    struct TimeSpec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut TimeSpec) -> i32;
    }
    /// From linux/time.h.
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

    let mut time = TimeSpec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the pointer is to a live struct of the layout that this system's C library fills in.
    let code = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    (code == 0).then(|| Duration::new(time.seconds as u64, time.nanoseconds as u32))
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn thread_time() -> Option<Duration> {
    None
}

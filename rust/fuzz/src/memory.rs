//! Memory: what the engine itself takes to read a message is bounded by the octets of the message.
//!
//! An allocator that counts makes the bound exact; the limits of libFuzzer (`-rss_limit_mb`) only see megabytes.
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use iso15118_exi::{decode, DecodeOptions, Grammar};

use crate::reached::Reached;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(
            LIVE.fetch_add(layout.size(), Relaxed) + layout.size(),
            Relaxed,
        );
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        System.dealloc(pointer, layout);
    }
}

/// Greatest number of octets that were allocated at once during `run`, beyond those before it.
pub fn peak<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let done = run();
    (done, PEAK.load(Relaxed).saturating_sub(before))
}

/// Reads with a builder that keeps nothing: what is allocated is the engine's own; gives how much.
pub fn of_reading(grammar: &Grammar, fragment: bool, data: &[u8]) -> usize {
    let mut most = 0;
    for lenient in [false, true] {
        let options = DecodeOptions {
            fragment,
            open_arrays: lenient,
            any_length: lenient,
            ..DecodeOptions::default()
        };
        let (_, taken) = peak(|| decode(grammar, data, &options, &mut Reached::default()).is_ok());
        // 16 KiB for an error with its text; four octets for each character that an octet may announce.
        let allowed = 16 * 1024 + 16 * data.len();
        assert!(taken <= allowed, "{taken} octets to read {}", data.len());
        most = most.max(taken);
    }
    most
}

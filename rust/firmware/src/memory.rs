//! Memory as the smallest firmware has it: one array, handed out from the front. What was taken last can be given back or
//! grow; everything else stays taken until all that came after it is gone, which never happens here. So the figures are
//! upper bounds.
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const SIZE: usize = 512 * 1024;

struct Arena {
    octets: UnsafeCell<[u8; SIZE]>,
    used: AtomicUsize,
    most: AtomicUsize,
}

// SAFETY: there is one thread and no interrupt.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena {
    octets: UnsafeCell::new([0; SIZE]),
    used: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
};

/// Octets that are taken.
pub fn used() -> usize {
    ARENA.used.load(Relaxed)
}

/// The most that were taken at once.
pub fn most() -> usize {
    ARENA.most.load(Relaxed)
}

impl Arena {
    fn start(&self) -> *mut u8 {
        self.octets.get().cast()
    }

    fn take(&self, end: usize) {
        self.used.store(end, Relaxed);
        self.most.fetch_max(end, Relaxed);
    }
}

// SAFETY: pieces of the array never overlap: each begins where the one before it ends.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = self.used.load(Relaxed);
        let begin = used + (self.start() as usize + used).wrapping_neg() % layout.align();
        if layout.size() > SIZE.saturating_sub(begin) {
            return core::ptr::null_mut();
        }
        self.take(begin + layout.size());
        // SAFETY: `begin` is within the array.
        unsafe { self.start().add(begin) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let begin = piece as usize - self.start() as usize;
        if begin + layout.size() == self.used.load(Relaxed) {
            self.used.store(begin, Relaxed);
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let begin = piece as usize - self.start() as usize;
        if begin + layout.size() == self.used.load(Relaxed) && size <= SIZE - begin {
            self.take(begin + size);
            return piece;
        }
        // SAFETY: the alignment is that of the piece, and the caller promises a sound size.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both pieces are as long as the shorter of them, and do not overlap.
            unsafe { core::ptr::copy_nonoverlapping(piece, moved, size.min(layout.size())) };
        }
        moved
    }
}

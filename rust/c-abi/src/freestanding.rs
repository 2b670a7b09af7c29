//! Without the standard library: memory from the C library of the firmware, and its `abort` in place of a panic.
//! Both are asked for by their C names, so that the firmware decides what they are.
use core::alloc::{GlobalAlloc, Layout};

extern "C" {
    fn malloc(size: usize) -> *mut u8;
    fn free(start: *mut u8);
    fn abort() -> !;
}

struct Firmware;

/// What `malloc` aligns to at least: two pointers.
const ALIGNED: usize = 2 * core::mem::size_of::<usize>();

// SAFETY: `alloc` gives out what malloc gives, or NULL for an alignment that malloc does not promise (the engine needs
// none), and `dealloc` gives it back to free.
unsafe impl GlobalAlloc for Firmware {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNED {
            return core::ptr::null_mut();
        }
        // SAFETY: malloc takes any size.
        unsafe { malloc(layout.size()) }
    }

    unsafe fn dealloc(&self, start: *mut u8, _layout: Layout) {
        // SAFETY: `start` comes from malloc, as this method's caller promises.
        unsafe { free(start) }
    }
}

#[global_allocator]
static MEMORY: Firmware = Firmware;

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort takes nothing and does not return.
    unsafe { abort() }
}

//! A Cortex-M4 with nothing on it: where it begins, and how it prints and ends by semihosting, which a debugger or QEMU
//! answers.
use core::arch::asm;

/// The first vector behind the stack pointer, which the linker script writes.
#[used]
#[link_section = ".vectors"]
static RESET: extern "C" fn() -> ! = reset;

#[no_mangle]
extern "C" fn reset() -> ! {
    // The floating-point unit is off after a reset, and the compiler may use its registers.
    // SAFETY: CPACR exists on every Cortex-M4; full access to coprocessors 10 and 11.
    unsafe {
        let access = 0xe000_ed88 as *mut u32;
        access.write_volatile(access.read_volatile() | 0xf << 20);
        asm!("dsb", "isb");
    }
    exit(crate::run())
}

/// A call to the debugger.
///
/// # Safety
/// `argument` is what the operation wants.
unsafe fn semihosting(operation: usize, argument: *const usize) {
    // SAFETY: the debugger reads what the caller has promised, and answers in r0.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument) };
}

pub fn print(text: &str) {
    // SYS_WRITE to the handle that is the console: the first that a program opens.
    const CONSOLE: [u8; 4] = *b":tt\0";
    let open = [CONSOLE.as_ptr() as usize, 4, 3];
    let mut handle = 1usize;
    // SAFETY: SYS_OPEN reads a name, a mode (write) and the length of the name; its answer is a handle.
    unsafe { asm!("bkpt 0xab", inout("r0") handle => handle, in("r1") open.as_ptr()) };
    let write = [handle, text.as_ptr() as usize, text.len()];
    // SAFETY: SYS_WRITE reads a handle, and the place and length of a text.
    unsafe { semihosting(5, write.as_ptr()) };
}

pub fn exit(status: u8) -> ! {
    // SYS_EXIT_EXTENDED: an application's exit, with its status.
    let arguments = [0x2_0026, usize::from(status)];
    loop {
        // SAFETY: the debugger reads two words.
        unsafe { semihosting(0x20, arguments.as_ptr()) };
    }
}

//! A Linux program of nothing but system calls (x86-64): where it begins, how it prints and ends, and the five functions
//! that the compiler takes for granted.
use core::arch::{asm, global_asm};

// The stack is aligned as a function finds it, and nothing of what the kernel put there is looked at.
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {}", sym start);

extern "C" fn start() -> ! {
    exit(crate::run())
}

pub fn print(text: &str) {
    // SAFETY: write(1, text, length) reads the text only.
    unsafe {
        asm!("syscall", inlateout("rax") 1usize => _, in("rdi") 1usize, in("rsi") text.as_ptr(), in("rdx") text.len(),
            out("rcx") _, out("r11") _);
    }
}

pub fn exit(status: u8) -> ! {
    // SAFETY: exit_group(status) does not return.
    unsafe { asm!("syscall", in("rax") 231usize, in("rdi") usize::from(status), options(noreturn)) }
}

/// # Safety
/// As in C.
#[no_mangle]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: as the caller promises; the direction flag is clear.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _)
    };
    to
}

/// # Safety
/// As in C.
#[no_mangle]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: copying forwards overwrites nothing that is still to be read.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: backwards, from the last octet, and the direction flag is cleared again.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") count => _, inout("rdi") to.wrapping_add(count).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(count).wrapping_sub(1) => _);
    }
    to
}

/// # Safety
/// As in C.
#[no_mangle]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    // SAFETY: as the caller promises.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value as u8)
    };
    to
}

/// # Safety
/// As in C.
#[no_mangle]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: below `count`. Volatile, so that the compiler does not make a call of memcmp out of the loop.
        let (left, right) = unsafe {
            (
                left.add(index).read_volatile(),
                right.add(index).read_volatile(),
            )
        };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

/// # Safety
/// As in C.
#[no_mangle]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { memcmp(left, right, count) }
}

// The library of this target was compiled to unwind and mentions these two; a panic ends the program instead.

#[no_mangle]
extern "C" fn rust_eh_personality() -> ! {
    exit(102)
}

#[no_mangle]
extern "C" fn _Unwind_Resume() -> ! {
    exit(102)
}

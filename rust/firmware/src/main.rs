//! The EXI engine without an operating system, a C library or the standard library: loads tables, decodes a charge-loop
//! message to text, encodes the text, and compares. Ends with status 0 if all is as it should be.
//!
//! Runs on this machine as a static program that makes system calls itself, and on a Cortex-M4 board (QEMU, semihosting).
#![no_std]
#![no_main]

#[cfg(target_os = "none")]
#[path = "cortex_m.rs"]
mod machine;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "linux.rs"]
mod machine;
mod memory;

use iso15118_exi::{DecodeOptions, JsonCodec};

const TABLES: &[u8] = include_bytes!("../../../iso15118/exi/tables/iso20-dc.exig");
const MESSAGE: [u8; 31] = [
    0x80, 0x34, 0x04, 0x00, 0x00, 0x81, 0x01, 0x82, 0x02, 0x83, 0x03, 0x88, 0x0e, 0x2c, 0xfa, 0xa0,
    0x62, 0x80, 0xfe, 0x18, 0x07, 0xc4, 0x64, 0x00, 0x71, 0x04, 0x81, 0xfc, 0x29, 0x0f, 0xca,
];
const TEXT: &str = concat!(
    r#"{"DC_ChargeLoopReq": {"Header": {"SessionID": "0001020304050607", "TimeStamp": 1700000000}, "#,
    r#""MeterInfoRequested": false, "EVPresentVoltage": {"Exponent": -1, "Value": 8000}, "#,
    r#""Scheduled_DC_CLReqControlMode": {"EVTargetCurrent": {"Exponent": 0, "Value": 1250}, "#,
    r#""EVTargetVoltage": {"Exponent": -1, "Value": 8100}}}}"#,
);

/// The work; the status to end with.
fn run() -> u8 {
    let Ok(codec) = JsonCodec::load(TABLES) else {
        return fail("the tables are refused\n");
    };
    let loaded = memory::used();
    let options = DecodeOptions {
        strict: true,
        ..DecodeOptions::default()
    };
    match codec.decode(&MESSAGE, &options) {
        Ok(json) if json.text == TEXT => {}
        _ => return fail("the message decodes to something else\n"),
    }
    match codec.encode(TEXT, false) {
        Ok(octets) if octets == MESSAGE => {}
        _ => return fail("the text encodes to something else\n"),
    }
    for length in 0..MESSAGE.len() {
        if codec.decode(&MESSAGE[..length], &options).is_ok() {
            return fail("a message that is cut off is taken\n");
        }
    }
    machine::print("decoded and encoded; octets of memory for the tables: ");
    number(loaded);
    machine::print(", at most: ");
    number(memory::most());
    machine::print("\n");
    0
}

fn fail(reason: &str) -> u8 {
    machine::print(reason);
    1
}

fn number(value: usize) {
    if value > 9 {
        number(value / 10);
    }
    let digit = value % 10;
    machine::print("0123456789".get(digit..=digit).unwrap_or("?"));
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    machine::print("a panic\n");
    machine::exit(101)
}

//! Integers of any size between decimal digits and two's complement, least significant octet first.
//! Certificate serial numbers need it; they are short, so that the square of their length does not matter.
use alloc::string::String;
use alloc::vec::Vec;

/// More digits than the longest integer that the engine takes has.
pub(super) const MAX_DIGITS: usize = 160;

/// Appends the decimal digits of an integer.
pub(super) fn write(out: &mut String, octets: &[u8]) {
    let mut magnitude = octets.to_vec();
    if magnitude.last().is_some_and(|octet| octet & 0x80 != 0) {
        out.push('-');
        negate(&mut magnitude);
    }
    let mut digits = Vec::new();
    loop {
        while magnitude.last() == Some(&0) {
            magnitude.pop();
        }
        if magnitude.is_empty() {
            break;
        }
        let mut rest = 0u32;
        for octet in magnitude.iter_mut().rev() {
            let value = rest << 8 | u32::from(*octet);
            *octet = (value / 10) as u8; // below 256, since the rest is below 10
            rest = value % 10;
        }
        digits.push(rest as u8);
    }
    if digits.is_empty() {
        digits.push(0);
    }
    out.extend(digits.iter().rev().map(|digit| char::from(b'0' + digit)));
}

/// The integer of a sign and decimal digits, with a sign bit. None if there is anything but digits, or too many of them.
pub(super) fn parse(text: &str) -> Option<Vec<u8>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    let mut octets: Vec<u8> = Vec::new();
    for digit in digits.chars() {
        let mut carry = digit.to_digit(10)?;
        for octet in &mut octets {
            let value = u32::from(*octet) * 10 + carry;
            *octet = value as u8;
            carry = value >> 8;
        }
        if carry > 0 {
            octets.push(carry as u8);
        }
    }
    octets.push(0);
    if negative {
        negate(&mut octets);
    }
    Some(octets)
}

/// Inverts all bits and adds one.
fn negate(octets: &mut [u8]) {
    let mut carry = true;
    for octet in octets {
        let (sum, over) = (!*octet).overflowing_add(u8::from(carry));
        *octet = sum;
        carry = over;
    }
}

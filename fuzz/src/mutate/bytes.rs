//! What can be done to any bytes.

use super::{Kind, Seed, index, pick};

/// The longest stretch that is removed or repeated.
const STRETCH_BYTES_MAX: usize = 64;

/// Lengths, sizes and counts that parsers stumble over; cut to the width that is written.
const EXTREMES: [u64; 12] = [
    0,
    1,
    7,
    8,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

const DIGITS: [&str; 14] = [
    "0",
    "-0",
    "-1",
    "1",
    "101",
    "65536",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e39",
    "0.1",
];

/// Changes bytes in place; `with` says how.
pub(super) fn change(
    kind: Kind,
    at: u64,
    with: u64,
    input: &mut Vec<u8>,
    other: &Seed,
    words: &[&str],
) {
    if input.is_empty() {
        input.extend_from_slice(&other.bytes);
        return;
    }
    let at = index(at, input.len());
    let stretch = at..(at + 1 + index(with, STRETCH_BYTES_MAX)).min(input.len());
    match kind {
        Kind::FlipBit => input[at] ^= 1 << (with % 8),
        Kind::SetByte => input[at] = with.to_le_bytes()[0],
        Kind::Remove => drop(input.drain(stretch)),
        Kind::Repeat => {
            let repeated = input[stretch].repeat(1 + index(with >> 8, 4));
            input.splice(at..at, repeated);
        }
        Kind::Truncate => input.truncate(at),
        Kind::Splice => {
            let from = index(with, other.bytes.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other.bytes[from..]);
        }
        Kind::Integer => {
            let len = 1 << ((with >> 8) % 4);
            let number = pick(&EXTREMES, with).to_be_bytes();
            overwrite(input, at, &number[8 - len..]);
        }
        Kind::Digits => digits(input, at, pick(&DIGITS, with).as_bytes()),
        _ if words.is_empty() => input[at] = b'"',
        _ => overwrite(input, at, pick(words, with).as_bytes()),
    }
}

fn overwrite(input: &mut Vec<u8>, at: usize, with: &[u8]) {
    let end = (at + with.len()).min(input.len());
    input.splice(at..end, with.iter().copied());
}

/// Replaces the first number from `at` on.
fn digits(input: &mut Vec<u8>, at: usize, number: &[u8]) {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let Some(skipped) = input[at..].iter().position(is_digit) else {
        return;
    };
    let old = &input[at + skipped..];
    let len = old.iter().take_while(|byte| is_digit(byte)).count();
    input.splice(at + skipped..at + skipped + len, number.iter().copied());
}

//! Tables for unwinding, in programs that do not unwind.
//!
//! With `panic = "abort"` nothing reads them. Nor can the compiler leave them out, since the standard library is compiled with
//! them, and with debug information that makes fat LTO write them for all other code too. Zeros take no room in a zip.

use anyhow::{Context as _, bail};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// What walks up the stack after a panic, and the index that it starts from (Linux Standard Base, "DWARF Extensions"). An
/// index of version 0 is none: whoever asks for a backtrace gets its first frame.
const TABLES: [&str; 3] = [".eh_frame", ".eh_frame_hdr", ".gcc_except_table"];

/// The call that begins to unwind (Itanium C++ ABI, "Exception Handling").
const RAISE: &str = "_Unwind_RaiseException";

/// Fills the tables for unwinding with zeros.
///
/// # Errors
/// When it is no program, or one that unwinds.
pub(crate) fn blank(program: &mut [u8]) -> anyhow::Result<()> {
    for (offset, length) in tables(program)? {
        let table = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(length).ok())
            .and_then(|(offset, length)| program.get_mut(offset..)?.get_mut(..length));
        table.context("a section lies outside of the file")?.fill(0);
    }
    Ok(())
}

/// Offset and length of each table in the file.
fn tables(program: &[u8]) -> anyhow::Result<Vec<(u64, u64)>> {
    let file = object::File::parse(program).context("it is no ELF program: build it for Linux")?;
    let unwinds = file
        .dynamic_symbols()
        .chain(file.symbols())
        .any(|symbol| symbol.name() == Ok(RAISE));
    if unwinds {
        bail!("it unwinds after a panic: build it with the profile `ship`, whose panics abort");
    }
    let is_table = |name: object::Result<&str>| name.is_ok_and(|name| TABLES.contains(&name));
    Ok(file
        .sections()
        .filter(|section| is_table(section.name()))
        .filter_map(|section| section.file_range())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test's own program: it unwinds.
    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let error = blank(&mut b"a script".to_vec()).unwrap_err();
        assert!(error.to_string().starts_with("it is no ELF program"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_that_unwinds_is_refused_and_left_as_it_is() {
        let before = own();
        let mut program = before.clone();
        let error = blank(&mut program).unwrap_err();
        assert!(error.to_string().starts_with("it unwinds"), "{error}");
        assert!(program == before);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_the_tables_are_blanked() {
        let before = own();
        // As if it did not unwind: the name of the call is all that tells.
        let hidden = replaced(&before, RAISE.as_bytes(), b"_Unwind_RaiseExceptio_");
        let mut program = hidden.clone();
        blank(&mut program).unwrap();
        let ranges = tables(&hidden).unwrap();
        assert_eq!(ranges.len(), TABLES.len());
        let inside = |at: usize| {
            let at = at as u64;
            ranges
                .iter()
                .any(|(offset, length)| (*offset..offset + length).contains(&at))
        };
        for (at, (now, was)) in program.iter().zip(&hidden).enumerate() {
            assert_eq!(*now, if inside(at) { 0 } else { *was }, "at {at}");
        }
    }

    fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut bytes = bytes.to_vec();
        let mut at = 0;
        while let Some(found) = bytes[at..]
            .windows(from.len())
            .position(|window| window == from)
        {
            bytes[at + found..at + found + to.len()].copy_from_slice(to);
            at += found + to.len();
        }
        bytes
    }
}

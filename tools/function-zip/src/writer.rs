//! One program's zip.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// What a custom runtime starts (Lambda developer guide, "Building a custom runtime").
const ENTRY: &str = "bootstrap";

/// Levels above 9 are Zopfli's, one iteration for each: about 4 % fewer bytes than level 9, unpacked as fast. More
/// iterations cost seconds each and gain next to nothing.
const LEVEL: i64 = 9 + 5;

/// The zip of a program: the same bytes on every machine, so that an unchanged program is no change to deploy.
pub(crate) fn zip_of(program: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Unix)
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(ENTRY, options)?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use zip::ZipArchive;

    use super::*;

    /// Bytes that compress somewhat.
    fn program() -> Vec<u8> {
        (0..20_000_u32)
            .map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0])
            .collect()
    }

    #[test]
    fn a_zip_holds_one_executable_entry_of_a_fixed_time() {
        let program = program();
        let mut archive = ZipArchive::new(Cursor::new(zip_of(&program).unwrap())).unwrap();
        assert_eq!(archive.len(), 1);
        let mut entry = archive.by_index(0).unwrap();
        assert_eq!(entry.name().unwrap(), "bootstrap");
        assert_eq!(entry.unix_mode(), Some(0o100_755));
        assert_eq!(entry.last_modified(), Some(DateTime::DEFAULT));
        let mut unpacked = Vec::new();
        entry.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, program);
    }

    #[test]
    fn a_program_gives_the_same_bytes_again() {
        assert_eq!(zip_of(&program()).unwrap(), zip_of(&program()).unwrap());
    }
}

//! Whether a program runs where Lambda runs it.

use anyhow::{Context as _, bail, ensure};
use object::LittleEndian;
use object::elf::{EM_AARCH64, FileHeader64, Machine};
use object::read::elf::FileHeader as _;

/// The glibc of Amazon Linux 2023, on which `provided.al2023` is built (Amazon Linux 2023 user guide, "Core toolchain").
const GLIBC_MAX: (u32, u32) = (2, 34);

/// Checks that a program is one for arm64, and asks for no newer glibc than Lambda has.
pub(crate) fn check(program: &[u8]) -> anyhow::Result<()> {
    let header =
        FileHeader64::<LittleEndian>::parse(program).context("it is no 64-bit ELF program")?;
    let machine: Machine = header.e_machine(LittleEndian);
    ensure!(
        machine == EM_AARCH64,
        "it is built for another processor than arm64: {machine:?}"
    );
    if let Some((major, minor)) = newest_glibc(program)? {
        let (max_major, max_minor) = GLIBC_MAX;
        ensure!(
            (major, minor) <= GLIBC_MAX,
            "it asks for glibc {major}.{minor}, and Lambda's provided.al2023 has {max_major}.{max_minor}: it would not start; build it with \
             `just build`, which links against an older one",
        );
    }
    Ok(())
}

/// The newest version of glibc's symbols that a program asks for.
fn newest_glibc(program: &[u8]) -> anyhow::Result<Option<(u32, u32)>> {
    let header = FileHeader64::<LittleEndian>::parse(program)?;
    let sections = header.sections(LittleEndian, program)?;
    let Some((mut files, names)) = sections.gnu_verneed(LittleEndian, program)? else {
        return Ok(None);
    };
    let names = sections.strings(LittleEndian, program, names)?;
    let mut newest = None;
    while let Some((_, mut versions)) = files.next()? {
        while let Some(version) = versions.next()? {
            let name = String::from_utf8_lossy(version.name(LittleEndian, names)?);
            if let Some(version) = name.strip_prefix("GLIBC_") {
                newest = newest.max(Some(parse(version)?));
            }
        }
    }
    Ok(newest)
}

/// `2.34`, or `2.2.5`, of which the third number does not matter here.
fn parse(version: &str) -> anyhow::Result<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("GLIBC_{version} is no version of glibc that this check knows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse("2.4").unwrap() < parse("2.17").unwrap());
        assert_eq!(parse("2.2.5").unwrap(), (2, 2));
        assert!(parse("PRIVATE").is_err());
    }

    #[test]
    fn what_is_no_program_for_arm64_is_refused() {
        let text = check(b"#!/bin/sh\n").unwrap_err().to_string();
        assert_eq!(text, "it is no 64-bit ELF program");
    }

    /// This test is itself a program for this machine's processor and glibc.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    fn the_glibc_that_a_program_asks_for_is_found() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(newest_glibc(&program).unwrap().unwrap() >= (2, 2));
        if cfg!(not(target_arch = "aarch64")) {
            let error = check(&program).unwrap_err().to_string();
            assert!(error.contains("another processor"), "{error}");
        }
    }
}

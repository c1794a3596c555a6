//! Zips programs as they are deployed (`bootstrap`, mode 0755, deflated) and fails if a zip weighs too much.
//!
//! A cold start downloads the zip and reads the program from a disk that has never seen it, so bytes are time.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The most bytes that a zip may have.
const ZIP_BYTES_MAX: usize = 2_500_000;

fn main() -> anyhow::Result<ExitCode> {
    let programs: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    anyhow::ensure!(!programs.is_empty(), "usage: sizes PROGRAM...");
    let mut out = std::io::stdout();
    let mut all_fit = true;
    writeln!(
        out,
        "| program | bytes | zip bytes | |\n|---|---:|---:|---|"
    )?;
    for path in programs {
        let program = std::fs::read(&path)
            .with_context(|| format!("{} cannot be read: build it first", path.display()))?;
        let zipped = zip_of(&program)?.len();
        let fits = zipped <= ZIP_BYTES_MAX;
        all_fit &= fits;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let verdict = if fits { "" } else { "too large" };
        writeln!(out, "| {name} | {} | {zipped} | {verdict} |", program.len())?;
    }
    writeln!(out, "\nAt most {ZIP_BYTES_MAX} bytes a zip.")?;
    Ok(if all_fit {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn zip_of(program: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(
        "bootstrap",
        SimpleFileOptions::default().unix_permissions(0o755),
    )?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner())
}

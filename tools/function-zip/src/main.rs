//! The zips that functions are deployed from: one writer for the deployment and for the check of what they weigh.
//!
//! A cold start downloads the zip and reads the program from a disk that has never seen it, so bytes are time.

mod platform;
mod unwind;
mod writer;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};

/// The most bytes that a zip may have.
const ZIP_BYTES_MAX: usize = 2_500_000;

/// The zips that functions are deployed from: one entry `bootstrap`, mode 0755, the same bytes for the same program. Its tables
/// for unwinding are blanked: what ships aborts on a panic.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the zip of a program, unless it is too large or does not run on Lambda's arm64.
    Write {
        /// The program, built for Lambda.
        program: PathBuf,
        /// Where its zip goes.
        zip: PathBuf,
    },
    /// Prints what the zips of programs weigh; exit code 1 if one is too large.
    Weigh {
        /// The programs.
        #[arg(required = true)]
        programs: Vec<PathBuf>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Write { program, zip } => {
            let bytes = read(&program)?;
            platform::check(&bytes)
                .with_context(|| format!("{} does not run on Lambda", program.display()))?;
            save(&zip_of(&program, bytes)?, &zip, ZIP_BYTES_MAX)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Weigh { programs } => weigh(&programs),
    }
}

/// Writes a program's zip to its place, unless it is too large.
fn save(zip: &[u8], path: &Path, bytes_max: usize) -> anyhow::Result<()> {
    ensure!(
        zip.len() <= bytes_max,
        "{} would have {} bytes and may have {bytes_max}: a cold start pays for each; `just sizes` shows all functions",
        path.display(),
        zip.len(),
    );
    fs::write(path, zip).with_context(|| format!("{} cannot be written", path.display()))
}

fn weigh(programs: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let mut all_fit = true;
    writeln!(
        out,
        "| program | bytes | zip bytes | |\n|---|---:|---:|---|"
    )?;
    for path in programs {
        let program = read(path)?;
        let bytes = program.len();
        let zip_bytes = zip_of(path, program)?.len();
        let fits = zip_bytes <= ZIP_BYTES_MAX;
        all_fit &= fits;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let verdict = if fits { "" } else { "too large" };
        writeln!(out, "| {name} | {bytes} | {zip_bytes} | {verdict} |")?;
    }
    writeln!(out, "\nAt most {ZIP_BYTES_MAX} bytes a zip.")?;
    Ok(if all_fit {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read: build it first", path.display()))
}

/// The zip of a program, without what it never reads. `path` is where the program came from, for errors.
fn zip_of(path: &Path, mut program: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    unwind::blank(&mut program)
        .with_context(|| format!("{} cannot be deployed", path.display()))?;
    Ok(writer::zip_of(&program)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_over_the_limit_is_refused_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bootstrap.zip");
        let error = save(b"12345", &path, 4).unwrap_err().to_string();
        assert!(
            error.contains("would have 5 bytes and may have 4"),
            "{error}"
        );
        assert!(!path.exists());
        save(b"1234", &path, 4).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"1234");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = read(Path::new("no/such")).unwrap_err();
        assert!(error.to_string().starts_with("no/such cannot be read"));
    }
}

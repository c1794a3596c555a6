//! The zips that functions are deployed from: one writer for the deployment and for the check of what they weigh.
//!
//! A cold start downloads the zip and reads the program from a disk that has never seen it, so bytes are time.

mod platform;
mod writer;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};

/// The most bytes that a zip may have.
const ZIP_BYTES_MAX: usize = 2_500_000;

/// The zips that functions are deployed from: one entry `bootstrap`, mode 0755, the same bytes for the same program.
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
            platform::check(&read(&program)?)
                .with_context(|| format!("{} does not run on Lambda", program.display()))?;
            write(&program, &zip, ZIP_BYTES_MAX)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Weigh { programs } => weigh(&programs),
    }
}

fn write(program: &Path, zip: &Path, bytes_max: usize) -> anyhow::Result<()> {
    let bytes = writer::zip_of(&read(program)?)?;
    ensure!(
        bytes.len() <= bytes_max,
        "the zip of {} has {} bytes and may have {bytes_max}: a cold start pays for each; `just sizes` shows all functions",
        program.display(),
        bytes.len(),
    );
    fs::write(zip, bytes).with_context(|| format!("{} cannot be written", zip.display()))
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
        let zip_bytes = writer::zip_of(&program)?.len();
        let fits = zip_bytes <= ZIP_BYTES_MAX;
        all_fit &= fits;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let verdict = if fits { "" } else { "too large" };
        writeln!(
            out,
            "| {name} | {} | {zip_bytes} | {verdict} |",
            program.len()
        )?;
    }
    writeln!(out, "\nAt most {ZIP_BYTES_MAX} bytes a zip.")?;
    Ok(if all_fit {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(program: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(program)
        .with_context(|| format!("{} cannot be read: build it first", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_over_the_limit_is_refused_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (program, zip) = (folder.path().join("program"), folder.path().join("a.zip"));
        fs::write(&program, "a program").unwrap();
        let error = write(&program, &zip, 100).unwrap_err().to_string();
        assert!(error.contains("and may have 100"), "{error}");
        assert!(!zip.exists());
        write(&program, &zip, 200).unwrap();
        assert!(zip.exists());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = write(Path::new("no/such"), Path::new("a.zip"), 100).unwrap_err();
        assert!(error.to_string().starts_with("no/such cannot be read"));
    }
}

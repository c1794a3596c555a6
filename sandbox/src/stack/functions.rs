//! What the functions run: this very program, or the artefacts of a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Function;
use crate::lambda::Code;

/// Why a folder of functions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FunctionsError {
    /// Some functions are not there.
    #[error(
        "{folder} lacks {missing}: each function is expected as <name>/bootstrap, <name>/bootstrap.zip or <name>.zip",
        folder = folder.display()
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// Names of the functions, separated by commas.
        missing: String,
    },
    /// A file cannot be read, or what it holds cannot be written out.
    #[error("{path} cannot be used", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An archive is not what the Lambda service takes.
    #[error("{path} is not a function's zip with an executable `bootstrap` at its top: {reason}", path = path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The program is for another processor.
    #[error(
        "{path} is for {machine}, and this machine is {host}: install qemu-user-static (qemu-aarch64-static on the PATH) or \
         build the functions for this machine",
        path = path.display(), host = std::env::consts::ARCH
    )]
    Foreign {
        /// The program.
        path: PathBuf,
        /// Its processor.
        machine: String,
    },
    /// There is an emulator of the program's processor, and no C library for it.
    #[error(
        "{path} is for {machine} and needs {loader}, which is not here: install that processor's C library (Debian: libc6-arm64-cross, \
         or libc6:arm64 after `dpkg --add-architecture arm64`)",
        path = path.display()
    )]
    Libraries {
        /// The program.
        path: PathBuf,
        /// Its processor.
        machine: String,
        /// The loader of shared libraries that the program names.
        loader: String,
    },
}

/// Where the functions' programs come from.
#[derive(Debug)]
pub enum Programs {
    /// A program that runs `<program> function <name>`: the sandbox itself.
    BuiltIn(PathBuf),
    /// Those of a folder.
    Folder(Folder),
}

impl Programs {
    /// What a function runs.
    #[must_use]
    pub fn code(&self, function: Function) -> Code {
        match self {
            Self::BuiltIn(program) => Code::Program {
                program: program.clone(),
                arguments: vec!["function".to_owned(), function.name().to_owned()],
            },
            Self::Folder(folder) => {
                let (program, arguments) = folder.commands[function as usize].clone();
                Code::Program { program, arguments }
            }
        }
    }
}

/// The programs of a folder; archives are unpacked for as long as this lives.
#[derive(Debug)]
pub struct Folder {
    commands: [(PathBuf, Vec<String>); 4],
    _unpacked: TempDir,
}

impl Folder {
    /// Finds `<name>/bootstrap`, `<name>/bootstrap.zip` or `<name>.zip` of every function. `path` is the search path for
    /// an emulator of foreign processors.
    ///
    /// # Errors
    /// [`FunctionsError`] names what is missing or not usable.
    pub fn open(folder: &Path, search_path: &[PathBuf]) -> Result<Self, FunctionsError> {
        let missing: Vec<_> = Function::ALL
            .into_iter()
            .filter(|function| find(folder, *function).is_none())
            .map(Function::name)
            .collect();
        if !missing.is_empty() {
            return Err(FunctionsError::Missing {
                folder: folder.to_owned(),
                missing: missing.join(", "),
            });
        }
        let unpacked =
            tempfile::tempdir().map_err(at(Path::new("a folder for temporary files")))?;
        let mut commands: [(PathBuf, Vec<String>); 4] = Default::default();
        for function in Function::ALL {
            let Some(found) = find(folder, function) else {
                continue;
            };
            let bootstrap = if found
                .extension()
                .is_some_and(|extension| extension == "zip")
            {
                unpack(&found, &unpacked.path().join(function.name()))?
            } else {
                // An environment runs in a folder of its own.
                found.canonicalize().map_err(at(&found))?
            };
            commands[function as usize] = command(bootstrap, search_path)?;
        }
        Ok(Self {
            commands,
            _unpacked: unpacked,
        })
    }
}

fn find(folder: &Path, function: Function) -> Option<PathBuf> {
    let name = function.name();
    let candidates = [
        folder.join(name).join("bootstrap"),
        folder.join(name).join("bootstrap.zip"),
        folder.join(format!("{name}.zip")),
    ];
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// Unpacks a zip as the Lambda service does, and returns the program in it.
fn unpack(archive: &Path, folder: &Path) -> Result<PathBuf, FunctionsError> {
    let bad = |error: &dyn std::fmt::Display| FunctionsError::Zip {
        path: archive.to_owned(),
        reason: error.to_string(),
    };
    let file = fs::File::open(archive).map_err(at(archive))?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(|error| bad(&error))?;
    // Refuses paths that lead out of the folder, and restores modes.
    zip.extract(folder).map_err(|error| bad(&error))?;
    let bootstrap = folder.join("bootstrap");
    let metadata = fs::metadata(&bootstrap).map_err(|_| bad(&"it holds no `bootstrap`"))?;
    if !is_executable(&metadata) {
        return Err(bad(&"its `bootstrap` is not marked as executable"));
    }
    Ok(bootstrap)
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    true
}

/// The command that runs a bootstrap: itself, or an emulator of its processor.
fn command(
    bootstrap: PathBuf,
    search_path: &[PathBuf],
) -> Result<(PathBuf, Vec<String>), FunctionsError> {
    let Some(machine) = elf_machine(&bootstrap).map_err(at(&bootstrap))? else {
        return Ok((bootstrap, Vec::new()));
    };
    let arch = match machine {
        0x3e => "x86_64".to_owned(),
        0xb7 => "aarch64".to_owned(),
        other => format!("ELF machine {other}"),
    };
    if arch == std::env::consts::ARCH {
        return Ok((bootstrap, Vec::new()));
    }
    let emulators = [format!("qemu-{arch}-static"), format!("qemu-{arch}")];
    let emulator = emulators
        .iter()
        .flat_map(|name| search_path.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file());
    let Some(emulator) = emulator else {
        return Err(FunctionsError::Foreign {
            path: bootstrap,
            machine: arch,
        });
    };
    let mut arguments = Vec::new();
    if let Some(loader) = loader(&bootstrap).map_err(at(&bootstrap))? {
        // Where Debian's cross packages put the other processor's libraries; multiarch puts them where they are looked for.
        let libraries = format!("/usr/{arch}-linux-gnu");
        if Path::new(&format!("{libraries}{loader}")).exists() {
            arguments.extend(["-L".to_owned(), libraries]);
        } else if !Path::new(&loader).exists() {
            return Err(FunctionsError::Libraries {
                path: bootstrap,
                machine: arch,
                loader,
            });
        }
    }
    arguments.push(bootstrap.display().to_string());
    Ok((emulator.clone(), arguments))
}

/// `e_machine` of an ELF file (System V ABI, "ELF header": bytes 18 and 19); None for anything else, such as a script.
fn elf_machine(path: &Path) -> io::Result<Option<u16>> {
    use std::io::Read as _;
    let mut header = Vec::new();
    fs::File::open(path)?.take(20).read_to_end(&mut header)?;
    if header.len() < 20 || !header.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    Ok(Some(u16::from_le_bytes([header[18], header[19]])))
}

/// The loader that a program with shared libraries names (System V ABI, "Program interpreter"); None for one that is whole by itself,
/// and for what cannot be read as a 64-bit program, which its emulator tells better.
fn loader(path: &Path) -> io::Result<Option<String>> {
    use object::LittleEndian;
    use object::read::elf::{FileHeader as _, ProgramHeader as _};
    let program = fs::read(path)?;
    let find = || {
        let header = object::elf::FileHeader64::<LittleEndian>::parse(&*program).ok()?;
        let segments = header.program_headers(LittleEndian, &*program).ok()?;
        segments
            .iter()
            .find_map(|segment| segment.interpreter(LittleEndian, &*program).ok()?)
    };
    Ok(find().map(|name| String::from_utf8_lossy(name).into_owned()))
}

fn at(path: &Path) -> impl Fn(io::Error) -> FunctionsError {
    let path = path.to_owned();
    move |source| FunctionsError::Io {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn elf(machine: u16) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(18, 0);
        header.extend(machine.to_le_bytes());
        header
    }

    fn put(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn put_zip(path: &Path, name: &str, mode: u32) {
        let mut writer = zip::ZipWriter::new(fs::File::create(path).unwrap());
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
        writer.start_file(name, options).unwrap();
        writer.write_all(b"#!/bin/sh\n").unwrap();
        writer.finish().unwrap();
    }

    /// A folder in which every function is a script, but for those that a test changes.
    fn scripts() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for function in Function::ALL {
            put(
                &folder.path().join(function.name()).join("bootstrap"),
                b"#!/bin/sh\n",
            );
        }
        folder
    }

    #[test]
    fn programs_and_both_places_of_zips_are_found() {
        let folder = scripts();
        let worker = folder.path().join("activity-worker");
        fs::remove_file(worker.join("bootstrap")).unwrap();
        put_zip(&worker.join("bootstrap.zip"), "bootstrap", 0o755);
        fs::remove_dir_all(folder.path().join("reconciler")).unwrap();
        put_zip(&folder.path().join("reconciler.zip"), "bootstrap", 0o755);
        let programs = Programs::Folder(Folder::open(folder.path(), &[]).unwrap());
        for function in Function::ALL {
            let Code::Program { program, arguments } = programs.code(function) else {
                panic!("not a program");
            };
            assert_eq!(fs::read(&program).unwrap(), b"#!/bin/sh\n", "{function:?}");
            assert!(program.is_absolute());
            assert!(arguments.is_empty());
        }
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let folder = scripts();
        fs::remove_dir_all(folder.path().join("reconciler")).unwrap();
        fs::remove_file(folder.path().join("ingest-trigger/bootstrap")).unwrap();
        let error = Folder::open(folder.path(), &[]).unwrap_err().to_string();
        assert!(
            error.contains("lacks ingest-trigger, reconciler: each function is expected"),
            "{error}"
        );
    }

    #[test]
    fn a_zip_without_an_executable_bootstrap_is_refused() {
        for (name, mode, reason) in [
            ("main", 0o755, "it holds no `bootstrap`"),
            ("bootstrap", 0o644, "not marked as executable"),
        ] {
            let folder = scripts();
            fs::remove_file(folder.path().join("reconciler/bootstrap")).unwrap();
            put_zip(&folder.path().join("reconciler/bootstrap.zip"), name, mode);
            let error = Folder::open(folder.path(), &[]).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let folder = scripts();
        fs::remove_file(folder.path().join("reconciler/bootstrap")).unwrap();
        put(&folder.path().join("reconciler.zip"), b"not a zip");
        let error = Folder::open(folder.path(), &[]).unwrap_err();
        assert!(matches!(error, FunctionsError::Zip { .. }), "{error}");
    }

    #[test]
    fn a_foreign_program_runs_in_an_emulator_or_not_at_all() {
        let folder = scripts();
        let foreign = if std::env::consts::ARCH == "aarch64" {
            (0x3e, "x86_64")
        } else {
            (0xb7, "aarch64")
        };
        let bootstrap = folder.path().join("reconciler/bootstrap");
        put(&bootstrap, &elf(foreign.0));
        let error = Folder::open(folder.path(), &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("is for {}", foreign.1)), "{error}");

        let tools = folder.path().join("tools");
        let emulator = tools.join(format!("qemu-{}-static", foreign.1));
        put(&emulator, b"");
        let programs = Programs::Folder(Folder::open(folder.path(), &[tools]).unwrap());
        let Code::Program { program, arguments } = programs.code(Function::Reconciler) else {
            panic!("not a program");
        };
        assert_eq!(program, emulator);
        assert_eq!(
            arguments.last().unwrap(),
            &bootstrap.canonicalize().unwrap().display().to_string()
        );
    }

    /// A program header, and nothing else, that names a loader (System V ABI, "ELF header" and "Program header").
    fn with_loader(machine: u16, loader: &str) -> Vec<u8> {
        let mut program = elf(machine);
        program.resize(64 + 56, 0);
        program[16] = 3;
        program[20] = 1;
        program[32] = 64;
        program[52] = 64;
        program[54] = 56;
        program[56] = 1;
        let segment = &mut program[64..];
        segment[0] = 3;
        segment[8] = 64 + 56;
        segment[32] = u8::try_from(loader.len() + 1).unwrap();
        program.extend(loader.as_bytes());
        program.push(0);
        program
    }

    #[test]
    fn a_foreign_program_without_its_libraries_is_refused() {
        let folder = scripts();
        let machine = if std::env::consts::ARCH == "aarch64" {
            (0x3e, "x86_64")
        } else {
            (0xb7, "aarch64")
        };
        let bootstrap = folder.path().join("reconciler/bootstrap");
        put(&bootstrap, &with_loader(machine.0, "/no/such/loader.so.1"));
        let tools = folder.path().join("tools");
        put(&tools.join(format!("qemu-{}-static", machine.1)), b"");
        let error = Folder::open(folder.path(), &[tools])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("needs /no/such/loader.so.1, which is not here"),
            "{error}"
        );
    }

    #[test]
    fn built_in_functions_are_the_program_itself() {
        let programs = Programs::BuiltIn(PathBuf::from("/bin/sandbox"));
        let Code::Program { program, arguments } = programs.code(Function::ActivityWorker) else {
            panic!("not a program");
        };
        assert_eq!(program, PathBuf::from("/bin/sandbox"));
        assert_eq!(arguments, ["function", "activity-worker"]);
    }
}

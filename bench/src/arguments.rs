//! What the bench is asked for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sandbox::stack::Function;

use crate::scale::Scale;

/// What the gate costs: its functions' starts and memory, and simulated bursts and idle time.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Cold starts and memory of the functions' real programs, side by side with bare ones.
    Starts(ColdStarts),
    /// Simulated bursts of growing size, and an idle month beside that of the design that the gate grew from.
    Scale(Scale),
}

/// Which starts are measured, and how often.
#[derive(Debug, Args)]
pub(crate) struct ColdStarts {
    /// Folder with the programs: bare, the four functions by their names, and those with the system's allocator.
    #[arg(long, default_value = "target/ship")]
    pub(crate) programs: PathBuf,
    /// How often each program is started.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) starts: u32,
    /// Seed of the order in which the programs are started.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One more row: FUNCTION,LABEL and then any of `program=PATH`, `NAME=VALUE` to set a variable, `NAME` to take it away. May
    /// be given several times. The bars are not for it.
    #[arg(long, value_parser = variant)]
    pub(crate) variant: Vec<Variant>,
}

/// A function with another program or other variables, to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The function; None: the bare one.
    pub(crate) function: Option<Function>,
    /// What is different about it.
    pub(crate) label: String,
    /// Its program, if it is another one.
    pub(crate) program: Option<PathBuf>,
    /// Variables to set, and to take away.
    pub(crate) variables: Vec<(String, Option<String>)>,
}

fn variant(text: &str) -> Result<Variant, String> {
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default();
    let function = Function::by_name(name);
    if function.is_none() && name != "bare" {
        return Err(format!("`{name}` is no function: write FUNCTION,LABEL,…"));
    }
    let label = parts.next().filter(|label| !label.is_empty());
    let mut variant = Variant {
        function,
        label: label
            .ok_or("a variant needs a label: write FUNCTION,LABEL,…")?
            .to_owned(),
        program: None,
        variables: Vec::new(),
    };
    for part in parts {
        match part.split_once('=') {
            Some(("program", path)) => variant.program = Some(path.into()),
            Some((name, value)) => variant
                .variables
                .push((name.to_owned(), Some(value.to_owned()))),
            None => variant.variables.push((part.to_owned(), None)),
        }
    }
    Ok(variant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_say_what_is_different() {
        assert_eq!(
            variant("reconciler,other,program=a/b,X=1=2,Y").unwrap(),
            Variant {
                function: Some(Function::Reconciler),
                label: "other".to_owned(),
                program: Some("a/b".into()),
                variables: vec![
                    ("X".to_owned(), Some("1=2".to_owned())),
                    ("Y".to_owned(), None)
                ],
            }
        );
        assert_eq!(variant("bare,x").unwrap().function, None);
        assert!(
            variant("worker,x")
                .unwrap_err()
                .contains("`worker` is no function")
        );
        assert!(variant("bare").unwrap_err().contains("label"));
    }
}

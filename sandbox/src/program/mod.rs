//! The command-line program: samples, own files, or a server that stays up.

mod arguments;
mod crashes;
mod display;
mod drop_folder;
mod expected;
mod follow;
mod labels;
mod load;
mod logs;
mod outcome;
mod run;
mod serve;
mod session;
mod settings;
mod side_by_side;
mod sim;
mod table;
mod videos;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::stack::Function;
use crate::wire::BoxError;
use arguments::{Arguments, Command};

/// Exit code when an outcome was not the expected one, or a video did not settle.
const UNEXPECTED: u8 = 1;

/// Exit code when the program could not do what it was asked.
const FAILED: u8 = 2;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    let function = match &arguments.command {
        Some(Command::Function { name }) => Some(*name),
        _ => None,
    };
    if let Some(result) = simulate(&arguments) {
        return exit_code(result);
    }
    // One thread: the services are small, and what takes time are the functions' own processes.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    if let Some(function) = function {
        return match runtime.block_on(run_function(function)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&anyhow::anyhow!(error)),
        };
    }
    init_tracing(arguments.options.verbose);
    let result = runtime.block_on(async {
        match &arguments.command {
            Some(Command::Serve(serve)) => {
                serve::serve(&arguments.options, serve).await.map(|()| true)
            }
            Some(Command::Load(load)) => load::load(&mut arguments.options, load).await,
            _ => run::run(&arguments).await,
        }
    });
    exit_code(result)
}

/// Runs the command, if it is one on simulated time.
fn simulate(arguments: &Arguments) -> Option<anyhow::Result<bool>> {
    // What the functions log of faults is what is meant to happen: the history tells it in order.
    let log = || {
        if arguments.options.verbose > 0 {
            init_tracing(arguments.options.verbose);
        }
    };
    match arguments.command.as_ref()? {
        Command::Sim(sim) => {
            log();
            Some(sim::sim(sim, arguments.options.seed))
        }
        Command::Crashes(crashes) => {
            log();
            Some(crashes::crashes(crashes))
        }
        _ => None,
    }
}

fn exit_code(result: anyhow::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(UNEXPECTED),
        Err(error) => failed(&error),
    }
}

/// One of the built-in functions, in a process that the Lambda service started.
async fn run_function(function: Function) -> Result<(), BoxError> {
    match function {
        Function::IngestTrigger => ingest_trigger::run().await,
        Function::ActivityWorker => activity_worker::run().await,
        Function::ModerationCallback => moderation_callback::run().await,
        Function::Reconciler => reconciler::run().await,
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    use std::io::Write as _;
    // Nothing is left to be done if even this cannot be written.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::from(FAILED)
}

/// What the services have to say goes to standard error, which is quiet unless asked; standard output is for results.
fn init_tracing(verbose: u8) {
    let (others, own) = match verbose {
        0 => (LevelFilter::ERROR, LevelFilter::ERROR),
        1 => (LevelFilter::WARN, LevelFilter::INFO),
        2 => (LevelFilter::INFO, LevelFilter::DEBUG),
        _ => (LevelFilter::DEBUG, LevelFilter::TRACE),
    };
    let targets = Targets::new()
        .with_default(others)
        // It reports every refused request as an error; whoever asked is told already.
        .with_target("s3s", LevelFilter::OFF)
        .with_target("sandbox", own);
    tracing_subscriber::registry()
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_filter(targets),
        )
        .init();
}

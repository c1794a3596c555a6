//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::sim::{Level, Scene};
use crate::stack::Function;

const EXAMPLES: &str = "\
Examples:
  sandbox                                      the sample videos, each with its expected outcome
  sandbox clip.mp4 other.mov                   own videos; labels from clip.labels.json beside clip.mp4
  sandbox --functions target/lambda clip.mp4   with the artefacts that deploy
  sandbox serve --env-file .env                stays up for any AWS SDK or CLI
  sandbox load --videos 1000 --job-seconds 30  how long 1,000 videos take
  sandbox sim --runs 100 --faults hostile      100 simulated histories, each with its own faults
  sandbox crashes --jobs 2                     a crash at every single call

Labels that the moderation service finds in a video are those of `<stem>.labels.json` beside it, of
`<key>.labels.json` in --labels DIR, or of the object's metadata entry `labels`
(`Violence:97.5@1.2-4.0, Smoking:60@0-3`); without any of these it finds none.

Exit codes: 0 if every outcome was the expected one (own videos: if all settled), 1 if not, 2 if the
sandbox could not run.";

/// Takes videos through the moderation gate on this machine, with the AWS that it needs emulated in one process.
///
/// Without arguments the sample videos of the repository are uploaded; with files, those. Each video ends with a verdict, the reason
/// for it, and a report.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version, after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Something else than taking videos through the gate once.
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// Videos to take through the gate [default: the samples of the repository].
    pub(super) files: Vec<PathBuf>,

    /// Folder that reports are copied to [default: reelgate-reports in the folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(super) reports: Option<PathBuf>,

    #[command(flatten)]
    pub(super) options: Options,
}

/// What the program can do besides.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Stays up until Ctrl-C: an AWS endpoint with the gate deployed, for any SDK, the AWS CLI, and a folder for videos.
    Serve(Serve),
    /// Uploads many videos at once and tells how long the gate takes for them, beside the ideal, and what that costs in
    /// invocations and calls. Jobs take 300 s unless --job-seconds says otherwise; one video of four is to be rejected.
    Load(Load),
    /// Simulates the gate on paused time, with people and faults, seed after seed, and checks what must hold. The same
    /// seed gives the same history.
    Sim(Sim),
    /// Plays a workload written by hand on paused time, once for each of its calls and each fault that strikes there: a
    /// crash before the call takes effect or after it, a throttle, a lost answer. All must be recovered from.
    Crashes(Crashes),
    /// Runs one of the built-in functions as the Lambda service does.
    #[command(hide = true)]
    Function {
        /// Which.
        #[arg(value_parser = function)]
        name: Function,
    },
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Port of the endpoint on 127.0.0.1; 0 takes any that is free.
    #[arg(long, value_name = "N", default_value_t = 4566)]
    pub(super) port: u16,

    /// Writes endpoint, credentials, bucket names and ARNs as NAME=value lines into a file, once ready.
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,

    /// Folder whose videos are uploaded as soon as they are complete, those that are there already included; it is made if
    /// there is none [default: a new temporary folder].
    #[arg(long, value_name = "DIR")]
    pub(super) drop: Option<PathBuf>,
}

/// Options of `load`.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// How many videos.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = videos)]
    pub(super) videos: usize,

    /// Fails if it takes more than this many times as long as the ideal: jobs that follow one another in every slot.
    #[arg(long, value_name = "N", value_parser = ratio)]
    pub(super) max_ratio: Option<f64>,
}

/// Options of `sim`.
#[derive(Debug, Args)]
pub(super) struct Sim {
    /// How many seeds, from --seed on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) runs: u64,

    /// How many videos a seed.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = videos)]
    pub(super) videos: usize,

    /// What goes wrong.
    #[arg(long, value_enum, default_value_t = Level::Usual)]
    pub(super) faults: Level,

    /// How many seeds run side by side; each is on one thread.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(super) jobs: u64,

    /// Goes on after a seed that fails, and names each.
    #[arg(long)]
    pub(super) keep_going: bool,

    /// Writes the whole history of each seed to <seed>.history in a folder.
    #[arg(long, value_name = "DIR")]
    pub(super) history: Option<PathBuf>,

    /// Draws backlog, open jobs and settled videos of each seed over its time: <seed>.svg in a folder.
    #[arg(long, value_name = "DIR")]
    pub(super) plot: Option<PathBuf>,
}

/// Options of `crashes`.
#[derive(Debug, Args)]
pub(super) struct Crashes {
    /// The workload [default: standard; small with --pairs].
    #[arg(long, value_enum)]
    pub(super) scene: Option<Scene>,

    /// Two crashes a run, at every pair of calls.
    #[arg(long)]
    pub(super) pairs: bool,

    /// Only at every N-th call.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) every: u64,

    /// One run with just these, for a replay: `17:crash-after`.
    #[arg(long, value_name = "CALL:FAULT", value_parser = strike)]
    pub(super) strike: Vec<(u64, CallFault)>,

    /// How many runs side by side; each is on one thread.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(super) jobs: u64,

    /// Writes the whole history of the run with --strike to crashes.history in a folder.
    #[arg(long, value_name = "DIR", requires = "strike")]
    pub(super) history: Option<PathBuf>,
}

/// What strikes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CallFault {
    /// The function is killed before the call takes effect.
    CrashBefore,
    /// The function is killed after the call took effect.
    CrashAfter,
    /// The call is throttled.
    Throttled,
    /// The call takes effect, and its answer is an error.
    AnswerLost,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Runs the functions of a folder instead of the built-in ones: <name>/bootstrap, <name>/bootstrap.zip or <name>.zip of
    /// ingest-trigger, activity-worker, moderation-callback and reconciler.
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) functions: Option<PathBuf>,

    /// How many times as fast the sandbox's own time runs: jobs, schedules, timeouts, heartbeats, retries
    /// [default: 60; serve: 1].
    #[arg(long, value_name = "N", global = true, value_parser = speed)]
    pub(super) speed: Option<f64>,

    /// Moderation jobs that the gate keeps open at once; 0 pauses it.
    #[arg(long, value_name = "N", global = true, default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(workflow::names::SLOTS_MAX)))]
    pub(super) max_jobs: u32,

    /// Minutes of video whose scans the gate starts on a day (of wall time, in UTC, at any speed); over it tasks wait for the next
    /// [default: no cap].
    #[arg(long, value_name = "N", global = true,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(workflow::config::VIDEO_MINUTES_A_DAY_MAX)))]
    pub(super) max_video_minutes_a_day: Option<u32>,

    /// Concurrent invocations that the account allows; AWS gives 1000, new accounts as few as 10.
    #[arg(long, value_name = "N", global = true, default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) concurrency: u32,

    /// Seed of all ids and of all jitter.
    #[arg(long, value_name = "N", global = true, default_value_t = 1)]
    pub(super) seed: u64,

    /// Moderation policy [default: any label of confidence 50 or more rejects].
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) policy: Option<PathBuf>,

    /// How long every moderation job takes, in the sandbox's own seconds [default: from the length of the video].
    #[arg(long, value_name = "N", global = true, value_parser = seconds)]
    pub(super) job_seconds: Option<Duration>,

    /// Open moderation jobs that the emulated service allows.
    #[arg(long, value_name = "N", global = true, default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) job_limit: u32,

    /// Folder with labels: <key>.labels.json.
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) labels: Option<PathBuf>,

    /// Folder for the functions' logs [default: a temporary one, which is kept if something fails].
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) log_dir: Option<PathBuf>,

    /// Tells what the services do, on standard error; more often, more of it.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

impl Options {
    /// Refuses what makes videos wait for longer than anybody does who watches them settle.
    ///
    /// # Errors
    /// When there is such an option.
    pub(super) fn refuse_waiting(&self) -> anyhow::Result<()> {
        if self.max_jobs == 0 {
            bail!(
                "--max-jobs 0 pauses the gate, and nothing would ever settle: only `serve` takes it"
            );
        }
        if self.max_video_minutes_a_day.is_some() {
            bail!(
                "--max-video-minutes-a-day may make videos wait for tomorrow: only `serve` takes it"
            );
        }
        Ok(())
    }
}

fn function(name: &str) -> Result<Function, String> {
    Function::by_name(name).ok_or_else(|| {
        let names = Function::ALL.map(Function::name).join(", ");
        format!("there is no such function; there are {names}")
    })
}

fn strike(value: &str) -> Result<(u64, CallFault), String> {
    let (call, fault) = value
        .split_once(':')
        .ok_or("expected CALL:FAULT, such as 17:crash-after")?;
    let call = call
        .parse()
        .map_err(|_| "expected the number of a call, from 0, before the colon")?;
    let faults = "crash-before, crash-after, throttled or answer-lost";
    let fault = CallFault::from_str(fault, false)
        .map_err(|_| format!("expected {faults} after the colon"))?;
    Ok((call, fault))
}

fn speed(value: &str) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(speed) if (0.01..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err("expected a number from 0.01 to 10000".to_owned()),
    }
}

fn videos(value: &str) -> Result<usize, String> {
    match value.parse::<usize>() {
        Ok(videos) if (1..=100_000).contains(&videos) => Ok(videos),
        _ => Err("expected a whole number from 1 to 100000".to_owned()),
    }
}

fn ratio(value: &str) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(ratio) if (1.0..=1000.0).contains(&ratio) => Ok(ratio),
        _ => Err("expected a number from 1 to 1000".to_owned()),
    }
}

fn seconds(value: &str) -> Result<Duration, String> {
    match value.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected seconds from 0 to 86400".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Arguments {
        let arguments = [&["sandbox"], arguments].concat();
        Arguments::try_parse_from(arguments).unwrap()
    }

    #[track_caller]
    fn refused(arguments: &[&str], message: &str) {
        let arguments = [&["sandbox"], arguments].concat();
        let error = Arguments::try_parse_from(arguments)
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_arguments_are_the_samples() {
        let arguments = parse(&[]);
        assert!(arguments.files.is_empty() && arguments.command.is_none());
        assert_eq!(arguments.options.max_jobs, 20);
        assert_eq!(arguments.options.speed, None);
    }

    #[test]
    fn files_are_videos() {
        let arguments = parse(&["clip.mp4", "--speed", "5", "other.mov"]);
        assert_eq!(
            arguments.files,
            [PathBuf::from("clip.mp4"), PathBuf::from("other.mov")]
        );
        assert_eq!(arguments.options.speed, Some(5.0));
    }

    #[test]
    fn options_stand_before_and_after_serve() {
        let arguments = parse(&[
            "--speed",
            "2",
            "serve",
            "--port",
            "0",
            "--max-jobs",
            "3",
            "--env-file",
            "x",
        ]);
        let Some(Command::Serve(serve)) = arguments.command else {
            panic!("not serve");
        };
        assert_eq!((serve.port, serve.env_file), (0, Some(PathBuf::from("x"))));
        assert_eq!(
            (arguments.options.speed, arguments.options.max_jobs),
            (Some(2.0), 3)
        );
    }

    #[test]
    fn functions_go_by_their_names() {
        let arguments = parse(&["function", "reconciler"]);
        assert!(matches!(
            arguments.command,
            Some(Command::Function {
                name: Function::Reconciler
            })
        ));
        refused(
            &["function", "x"],
            "there are ingest-trigger, activity-worker",
        );
    }

    #[test]
    fn bad_values_are_refused_with_what_is_expected() {
        refused(&["--speed", "0"], "expected a number from 0.01 to 10000");
        refused(&["--speed", "NaN"], "expected a number from 0.01 to 10000");
        refused(&["--job-seconds", "1x"], "expected seconds from 0 to 86400");
        refused(&["--max-jobs", "1001"], "1001 is not in 0..=1000");
        refused(
            &["--max-video-minutes-a-day", "0"],
            "0 is not in 1..=100000",
        );
        refused(&["--concurrency", "0"], "0 is not in 1..=100000");
        refused(&["serve", "--port", "65536"], "65536");
        refused(
            &["load", "--videos", "0"],
            "expected a whole number from 1 to 100000",
        );
        refused(
            &["crashes", "--strike", "17"],
            "expected CALL:FAULT, such as 17:crash-after",
        );
        refused(
            &["crashes", "--strike", "17:crash"],
            "expected crash-before, crash-after, throttled or answer-lost",
        );
        refused(
            &["load", "--max-ratio", "0.9"],
            "expected a number from 1 to 1000",
        );
    }

    #[test]
    fn the_help_tells_of_every_option() {
        let help = Arguments::command().render_long_help().to_string();
        for option in [
            "--functions",
            "--speed",
            "--max-jobs",
            "--max-video-minutes-a-day",
            "--concurrency",
            "--seed",
            "--policy",
            "--job-seconds",
            "--job-limit",
            "--labels",
            "--log-dir",
            "--reports",
            "serve",
            "load",
            "sim",
            "crashes",
        ] {
            assert!(help.contains(option), "{option}");
        }
        assert!(!help.contains("function <") && help.contains("Exit codes"));
    }
}

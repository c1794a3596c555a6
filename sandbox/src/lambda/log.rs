//! Where the lines go that processes write to standard output and standard error.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::mpsc::UnboundedSender;

/// Where a function's output goes.
#[derive(Debug, Clone, Default)]
pub enum LogSink {
    /// To this process's own log, at level INFO.
    #[default]
    Tracing,
    /// To `<function>.log` in a folder, appended.
    Folder(PathBuf),
    /// To a channel.
    Channel(UnboundedSender<LogLine>),
}

/// A line that a process wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The function's name.
    pub function: String,
    /// Which of its environments wrote it.
    pub environment: String,
    /// The line without its end. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// The sink that is set now.
#[derive(Default)]
pub(super) struct Log(Mutex<LogSink>);

impl Log {
    pub(super) fn set_sink(&self, sink: LogSink) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sink;
    }

    /// Writes a line. What the sink cannot take goes to this process's own log, so that no line is lost.
    pub(super) fn write(&self, line: LogLine) {
        let sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (line, error) = match &*sink {
            LogSink::Tracing => (line, None),
            LogSink::Folder(folder) => {
                let path = folder.join(format!("{}.log", line.function));
                let opened = OpenOptions::new().create(true).append(true).open(path);
                let write = |mut file: File| file.write_all(format!("{}\n", line.text).as_bytes());
                match opened.and_then(write) {
                    Ok(()) => return,
                    Err(error) => (line, Some(error.to_string())),
                }
            }
            LogSink::Channel(sender) => match sender.send(line) {
                Ok(()) => return,
                Err(unsent) => (unsent.0, Some("nobody receives".to_owned())),
            },
        };
        let LogLine {
            function,
            environment,
            text,
        } = line;
        match error {
            None => tracing::info!(function, environment, "{text}"),
            Some(error) => tracing::error!(function, environment, sink_error = error, "{text}"),
        }
    }

    /// Writes every line of a stream until it ends.
    pub(super) async fn copy(
        &self,
        stream: impl AsyncRead + Unpin,
        function: &str,
        environment: &str,
    ) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        // A stream that fails has ended: the process is gone.
        while let Ok(1..) = stream.read_until(b'\n', &mut line).await {
            let text = String::from_utf8_lossy(&line);
            self.write(LogLine {
                function: function.to_owned(),
                environment: environment.to_owned(),
                text: text.trim_end_matches(['\n', '\r']).to_owned(),
            });
            line.clear();
        }
    }
}

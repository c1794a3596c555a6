//! Functions in other languages, where their runtimes are installed.

use std::path::Path;
use std::process::Command;

/// A function in another language.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its row in the table.
    pub(crate) name: String,
    /// The interpreter itself: what the PATH finds may be a script that looks for it.
    pub(crate) interpreter: String,
    /// The script.
    pub(crate) script: String,
    /// Whether it takes the ingest trigger's events, or any.
    pub(crate) ingests: bool,
}

/// The peers that can run here, and a notice for each that cannot.
pub(crate) fn peers() -> (Vec<Peer>, Vec<String>) {
    let (mut peers, mut notices) = (Vec::new(), Vec::new());
    let script = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        folder.join(name).to_string_lossy().into_owned()
    };
    match output("node", &["-p", "process.execPath + ' ' + process.version"]) {
        Some((interpreter, version)) => peers.push(Peer {
            name: format!("Node {version}, bare"),
            interpreter,
            script: script("bare.mjs"),
            ingests: false,
        }),
        None => notices.push("no Node here: no function of it".to_owned()),
    }
    let version = "import sys; print(sys.executable, '%d.%d.%d' % sys.version_info[:3])";
    let Some((interpreter, version)) = output("python3", &["-c", version]) else {
        notices.push("no Python here: no functions of it".to_owned());
        return (peers, notices);
    };
    peers.push(Peer {
        name: format!("Python {version}, bare"),
        interpreter: interpreter.clone(),
        script: script("bare.py"),
        ingests: false,
    });
    let sdk = "import sys, boto3; print(sys.executable, boto3.__version__)";
    match output(&interpreter, &["-c", sdk]) {
        Some((interpreter, sdk)) => peers.push(Peer {
            name: format!("Python {version}, boto3 {sdk}: ingest"),
            interpreter,
            script: script("ingest.py"),
            ingests: true,
        }),
        None => notices.push("no boto3 here: no function of it".to_owned()),
    }
    (peers, notices)
}

/// What a program prints: a path, and a version.
fn output(program: &str, arguments: &[&str]) -> Option<(String, String)> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (path, version) = text.trim().rsplit_once(' ')?;
    output
        .status
        .success()
        .then(|| (path.to_owned(), version.to_owned()))
}

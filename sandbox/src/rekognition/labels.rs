//! What the emulated model sees in an object: told by its metadata or by a labels file.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

/// How often the model looks, and how long a label lasts that was seen once.
pub(super) const SAMPLING_MS: u64 = 500;

/// The model version that is reported unless the labels file says otherwise.
const MODEL_VERSION: &str = "7.0";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What happens when an object is moderated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    pub(super) model_version: String,
    pub(super) detections: Vec<Detection>,
    pub(super) job_duration: Option<Duration>,
    /// The job fails with this message.
    pub(super) fail: Option<String>,
}

/// A label over a stretch of the video, without its ancestors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detection {
    pub(super) name: String,
    /// 0 to 100.
    pub(super) confidence: f32,
    pub(super) start_ms: u64,
    /// After the start.
    pub(super) end_ms: u64,
    /// Name and confidence, 0 to 100.
    pub(super) content_types: Vec<(String, f32)>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            model_version: MODEL_VERSION.to_owned(),
            detections: Vec::new(),
            job_duration: None,
            fail: None,
        }
    }
}

/// Reads the metadata entry `labels`: `Violence:97.5@1.2-4.0, Alcohol:60@3`, each `name:confidence@start[-end]` with the
/// confidence in percent and times in seconds. The error names the entry.
pub(super) fn from_metadata(text: &str) -> Result<Script, String> {
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let detections = entries
        .map(|entry| {
            short_form(entry).map_err(|why| {
                format!("labels of the object's metadata: `{entry}` {why}; write name:confidence@start[-end]")
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Script {
        detections,
        ..Script::default()
    })
}

fn short_form(entry: &str) -> Result<Detection, &'static str> {
    let (rest, times) = entry.rsplit_once('@').ok_or("has no @start")?;
    let (name, confidence) = rest.rsplit_once(':').ok_or("has no :confidence")?;
    let (start, end) = match times.split_once('-') {
        Some((start, end)) => (start, Some(end)),
        None => (times, None),
    };
    let seconds = |text: &str| text.trim().parse().ok().and_then(millis);
    let name = name.trim();
    if name.is_empty() {
        return Err("has no name");
    }
    let start_ms = seconds(start).ok_or("has a start that is no time in seconds")?;
    let end_ms = match end {
        Some(end) => Some(seconds(end).ok_or("has an end that is no time in seconds")?),
        None => None,
    };
    Ok(Detection {
        name: name.to_owned(),
        confidence: confidence
            .trim()
            .parse()
            .ok()
            .filter(|percent| (0.0..=100.0).contains(percent))
            .ok_or("has a confidence that is not between 0 and 100")?,
        start_ms,
        end_ms: end_of(start_ms, end_ms).ok_or("ends before it starts")?,
        content_types: Vec::new(),
    })
}

/// The labels file of a key in a folder; None if there is none. A key that would lead out of the folder has none.
pub(super) fn path_in(folder: &Path, key: &str) -> Option<PathBuf> {
    let name = format!("{key}.labels.json");
    let inside = Path::new(&name)
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    let path = folder.join(name);
    (inside && path.is_file()).then_some(path)
}

/// Reads a labels file:
/// `{"modelVersion": "7.0", "labels": [{"name", "confidence", "start", "end", "contentTypes": [{"name", "confidence"}]}],
/// "job": {"durationSeconds", "fail"}}`; confidences in percent, times in seconds; only `name`, `confidence` and `start` of
/// a label are required. The error names the field.
pub(super) fn from_json(bytes: &[u8]) -> Result<Script, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut script = Script::default();
    for (name, value) in object("the file", &value)? {
        match name.as_str() {
            "modelVersion" => script.model_version = text(name, value)?,
            "labels" => {
                script.detections = list(name, value)?
                    .iter()
                    .enumerate()
                    .map(|(index, label)| detection(&format!("labels[{index}]"), label))
                    .collect::<Result<_, _>>()?;
            }
            "job" => job(&mut script, value)?,
            _ => return Err(unknown("", name)),
        }
    }
    Ok(script)
}

fn job(script: &mut Script, value: &Value) -> Result<(), String> {
    for (name, value) in object("job", value)? {
        match name.as_str() {
            "durationSeconds" => {
                let ms = time("job.durationSeconds", value)?;
                script.job_duration = Some(Duration::from_millis(ms));
            }
            "fail" => script.fail = Some(text("job.fail", value)?),
            _ => return Err(unknown("job.", name)),
        }
    }
    Ok(())
}

fn detection(path: &str, value: &Value) -> Result<Detection, String> {
    let (mut label, mut confidence, mut start, mut end) = (None, None, None, None);
    let mut content_types = Vec::new();
    for (name, value) in object(path, value)? {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "name" => label = Some(text(&path, value)?),
            "confidence" => confidence = Some(percent(&path, value)?),
            "start" => start = Some(time(&path, value)?),
            "end" => end = Some(time(&path, value)?),
            "contentTypes" => {
                for (index, value) in list(&path, value)?.iter().enumerate() {
                    content_types.push(content_type(&format!("{path}[{index}]"), value)?);
                }
            }
            _ => return Err(format!("{path} is unknown")),
        }
    }
    let start_ms = start.ok_or_else(|| format!("{path}.start is missing"))?;
    Ok(Detection {
        name: label.ok_or_else(|| format!("{path}.name is missing"))?,
        confidence: confidence.ok_or_else(|| format!("{path}.confidence is missing"))?,
        start_ms,
        end_ms: end_of(start_ms, end).ok_or_else(|| format!("{path}.end is before its start"))?,
        content_types,
    })
}

fn content_type(path: &str, value: &Value) -> Result<(String, f32), String> {
    let (mut kind, mut confidence) = (None, None);
    for (name, value) in object(path, value)? {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "name" => kind = Some(text(&path, value)?),
            "confidence" => confidence = Some(percent(&path, value)?),
            _ => return Err(format!("{path} is unknown")),
        }
    }
    Ok((
        kind.ok_or_else(|| format!("{path}.name is missing"))?,
        confidence.ok_or_else(|| format!("{path}.confidence is missing"))?,
    ))
}

/// A label without an end, or that ends where it starts, was seen once.
fn end_of(start_ms: u64, end_ms: Option<u64>) -> Option<u64> {
    match end_ms {
        Some(end_ms) if end_ms < start_ms => None,
        Some(end_ms) if end_ms > start_ms => Some(end_ms),
        _ => Some(start_ms + SAMPLING_MS),
    }
}

fn object<'a>(path: &str, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("{path} must be an object"))
}

fn list<'a>(path: &str, value: &'a Value) -> Result<&'a Vec<Value>, String> {
    value
        .as_array()
        .ok_or_else(|| format!("{path} must be a list"))
}

fn text(path: &str, value: &Value) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| format!("{path} must be a text that is not empty"))
}

fn percent(path: &str, value: &Value) -> Result<f32, String> {
    serde_json::from_value(value.clone())
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| format!("{path} must be a number between 0 and 100"))
}

fn time(path: &str, value: &Value) -> Result<u64, String> {
    value
        .as_f64()
        .and_then(millis)
        .ok_or_else(|| format!("{path} must be a time in seconds, from 0 to a day"))
}

/// Seconds to whole milliseconds, rounded since a fraction of a second is seldom exact in binary. At most a day: no video
/// and no job is longer.
fn millis(seconds: f64) -> Option<u64> {
    let micros = Duration::try_from_secs_f64(seconds).ok()?.as_micros();
    let millis = u64::try_from((micros + 500) / 1000).ok()?;
    (millis <= DAY_MS).then_some(millis)
}

fn unknown(prefix: &str, name: &str) -> String {
    format!("{prefix}{name} is unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(name: &str, confidence: f32, start_ms: u64, end_ms: u64) -> Detection {
        Detection {
            name: name.to_owned(),
            confidence,
            start_ms,
            end_ms,
            content_types: Vec::new(),
        }
    }

    #[test]
    fn the_short_form_is_read() {
        let script =
            from_metadata("Violence:97.5@1.2-4.0, Alcohol:60@3,, Self-Harm:1@0-0 ").unwrap();
        assert_eq!(
            script.detections,
            [
                detection("Violence", 97.5, 1200, 4000),
                detection("Alcohol", 60.0, 3000, 3500),
                detection("Self-Harm", 1.0, 0, 500),
            ]
        );
        assert_eq!(script.model_version, "7.0");
        assert_eq!(from_metadata("").unwrap(), Script::default());
    }

    #[test]
    fn a_bad_entry_of_the_short_form_is_named() {
        for (text, why) in [
            ("Violence:9@1, Alcohol:60", "`Alcohol:60` has no @start"),
            ("Violence@1", "has no :confidence"),
            (":5@1", "has no name"),
            ("Violence:101@1", "not between 0 and 100"),
            ("Violence:NaN@1", "not between 0 and 100"),
            ("Violence:9@one", "start that is no time"),
            ("Violence:9@1-inf", "end that is no time"),
            ("Violence:9@4-3", "ends before it starts"),
        ] {
            let error = from_metadata(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_labels_file_is_read() {
        let script = from_json(
            br#"{"modelVersion": "7.1", "job": {"durationSeconds": 1.5, "fail": "no"}, "labels": [
                {"name": "Weapons", "confidence": 80, "start": 0.1, "end": 2,
                 "contentTypes": [{"name": "Animated", "confidence": 70.5}]}]}"#,
        )
        .unwrap();
        assert_eq!(
            script,
            Script {
                model_version: "7.1".to_owned(),
                detections: vec![Detection {
                    content_types: vec![("Animated".to_owned(), 70.5)],
                    ..detection("Weapons", 80.0, 100, 2000)
                }],
                job_duration: Some(Duration::from_millis(1500)),
                fail: Some("no".to_owned()),
            }
        );
        assert_eq!(from_json(b"{}").unwrap(), Script::default());
    }

    #[test]
    fn a_bad_field_of_a_labels_file_is_named() {
        for (json, why) in [
            ("[]", "the file must be an object"),
            ("{", "EOF"),
            (r#"{"label": []}"#, "label is unknown"),
            (r#"{"labels": {}}"#, "labels must be a list"),
            (
                r#"{"labels": [{"name": "A", "confidence": 1}]}"#,
                "labels[0].start is missing",
            ),
            (
                r#"{"labels": [{"confidence": 1, "start": 0}]}"#,
                "labels[0].name is missing",
            ),
            (
                r#"{"labels": [{"name": "A", "start": 0}]}"#,
                "labels[0].confidence is missing",
            ),
            (
                r#"{"labels": [{"name": "A", "confidence": "1", "start": 0}]}"#,
                "labels[0].confidence must be a number between 0 and 100",
            ),
            (
                r#"{"labels": [{"name": "A", "confidence": 1, "start": -1}]}"#,
                "labels[0].start must be",
            ),
            (
                r#"{"labels": [{"name": "A", "confidence": 1, "start": 3, "end": 2}]}"#,
                "labels[0].end is before its start",
            ),
            (r#"{"labels": [{"nam": "A"}]}"#, "labels[0].nam is unknown"),
            (
                r#"{"labels": [{"contentTypes": [{"name": "A"}]}]}"#,
                "labels[0].contentTypes[0].confidence is missing",
            ),
            (r#"{"job": {"fails": "x"}}"#, "job.fails is unknown"),
            (r#"{"job": {"fail": ""}}"#, "job.fail must be a text"),
        ] {
            let error = from_json(json.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_key_does_not_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("labels");
        std::fs::create_dir_all(inner.join("a b+c%20 ..clean")).unwrap();
        std::fs::write(folder.path().join("x.labels.json"), "{}").unwrap();
        std::fs::write(inner.join("y.labels.json"), "{}").unwrap();
        std::fs::write(inner.join("a b+c%20 ..clean/..z.labels.json"), "{}").unwrap();
        assert!(path_in(&inner, "y").is_some());
        assert!(path_in(&inner, "a b+c%20 ..clean/..z").is_some());
        let absolute = folder.path().join("x").to_string_lossy().into_owned();
        for key in [
            "../x",
            "a/../../x",
            absolute.as_str(),
            "./../x",
            "none",
            "y/z",
            "\0",
        ] {
            assert_eq!(path_in(&inner, key), None, "{key}");
        }
    }
}

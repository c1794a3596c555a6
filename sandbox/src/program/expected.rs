//! The samples' expected outcomes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::outcome::{Outcome, Verdict};

/// The repository's samples, found where the program was built.
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples");

/// What is expected of one sample.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// How it ends.
    pub(super) verdict: Verdict,
    /// A label that its report names: as a finding if it is rejected, else as detected.
    #[serde(default)]
    pub(super) label: Option<String>,
}

impl Expected {
    /// What differs from the outcome; None if nothing does.
    pub(super) fn difference(&self, outcome: &Outcome) -> Option<String> {
        if outcome.verdict != self.verdict {
            return Some(format!("expected {}", self.verdict));
        }
        let label = self.label.as_ref()?;
        let named = match self.verdict {
            Verdict::Rejected => &outcome.rejected_for,
            _ => &outcome.labels,
        };
        let found = named.iter().any(|(name, _)| name == label);
        (!found).then(|| format!("expected the report to name {label}"))
    }
}

/// Folder and expected outcomes of the samples, by file name.
///
/// # Errors
/// When the repository is not where the program was built from, or its list of outcomes is malformed.
pub(super) fn samples() -> anyhow::Result<(&'static Path, BTreeMap<String, Expected>)> {
    let folder = Path::new(SAMPLES);
    let list = folder.join("expected.json");
    let text = std::fs::read_to_string(&list).with_context(|| {
        format!(
            "the samples are not at {}, where this program was built: name video files instead",
            folder.display()
        )
    })?;
    let expected: BTreeMap<String, Expected> =
        serde_json::from_str(&text).with_context(|| format!("{} is malformed", list.display()))?;
    if expected.is_empty() {
        bail!("{} names no video", list.display());
    }
    Ok((folder, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        Outcome {
            labels: vec![("Violence".to_owned(), 97.0), ("Smoking".to_owned(), 40.0)],
            rejected_for: vec![("Violence".to_owned(), 97.0)],
            ..Outcome::of(verdict, String::new())
        }
    }

    #[track_caller]
    fn check(expected: &str, outcome: &Outcome, difference: Option<&str>) {
        let expected: Expected = serde_json::from_str(expected).unwrap();
        assert_eq!(expected.difference(outcome).as_deref(), difference);
    }

    #[test]
    fn the_verdict_must_be_the_expected_one() {
        check(
            r#"{"verdict": "Approved"}"#,
            &outcome(Verdict::Approved),
            None,
        );
        check(
            r#"{"verdict": "Approved"}"#,
            &outcome(Verdict::Rejected),
            Some("expected Approved"),
        );
        check(
            r#"{"verdict": "Unsupported"}"#,
            &outcome(Verdict::Failed),
            Some("expected Unsupported"),
        );
    }

    #[test]
    fn a_rejection_must_name_its_label() {
        let rejected = outcome(Verdict::Rejected);
        check(
            r#"{"verdict": "Rejected", "label": "Violence"}"#,
            &rejected,
            None,
        );
        check(
            r#"{"verdict": "Rejected", "label": "Smoking"}"#,
            &rejected,
            Some("expected the report to name Smoking"),
        );
        check(
            r#"{"verdict": "Approved", "label": "Smoking"}"#,
            &outcome(Verdict::Approved),
            None,
        );
    }

    #[test]
    fn a_misspelt_list_is_refused() {
        for text in [
            r#"{"verdict": "approved"}"#,
            r#"{"verdict": "Approved", "lable": "x"}"#,
            "{}",
        ] {
            assert!(serde_json::from_str::<Expected>(text).is_err(), "{text}");
        }
    }
}

//! The labels that Rekognition's moderation model can report, as committed in `workflow/taxonomy/`.
//!
//! Amazon Rekognition developer guide, "Using the image and video moderation APIs", label categories of version 7. Names
//! are compared without regard to case: they changed case between versions 6.1 and 7.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

const TAXONOMY_7: &str = include_str!("../../taxonomy/7.json");

/// A label of the committed taxonomy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelId(u16);

/// A label's place in the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLabel {
    /// The name as AWS spells it.
    pub name: String,
    /// The label above it.
    pub parent: Option<LabelId>,
    /// 1 (top-level category) to 3.
    pub level: u8,
}

/// All labels of one major version of the moderation model.
#[derive(Debug, Default)]
pub struct Taxonomy {
    labels: Vec<KnownLabel>,
    by_name: BTreeMap<String, LabelId>,
}

/// The document in `workflow/taxonomy/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    model_version_major: u32,
    /// Top-level category → second level → third level.
    labels: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// The labels that a policy can name.
#[must_use]
pub fn known() -> &'static Taxonomy {
    static KNOWN: LazyLock<Taxonomy> = LazyLock::new(|| {
        // A file that cannot be read knows no label, and labels that are not known reject; a test reads it.
        Taxonomy::read(TAXONOMY_7).unwrap_or_default()
    });
    &KNOWN
}

/// The taxonomy of a model version such as `7.0`; `None` when there is none, so every label of that model rejects.
#[must_use]
pub fn of_model(model_version: &str) -> Option<&'static Taxonomy> {
    let major = model_version.trim().split('.').next()?;
    (major == "7").then(known)
}

impl Taxonomy {
    fn read(json: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(json).ok()?;
        if document.model_version_major != 7 {
            return None;
        }
        let mut taxonomy = Self::default();
        for (top, second_level) in document.labels {
            let top = taxonomy.add(top, None, 1)?;
            for (second, third_level) in second_level {
                let second = taxonomy.add(second, Some(top), 2)?;
                for third in third_level {
                    taxonomy.add(third, Some(second), 3)?;
                }
            }
        }
        Some(taxonomy)
    }

    fn add(&mut self, name: String, parent: Option<LabelId>, level: u8) -> Option<LabelId> {
        let id = LabelId(u16::try_from(self.labels.len()).ok()?);
        if self.by_name.insert(folded(&name), id).is_some() {
            return None;
        }
        self.labels.push(KnownLabel {
            name,
            parent,
            level,
        });
        Some(id)
    }

    /// The label of that name, whatever its case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<LabelId> {
        self.by_name.get(&folded(name)).copied()
    }

    /// A label of this taxonomy.
    #[must_use]
    pub fn label(&self, id: LabelId) -> &KnownLabel {
        &self.labels[usize::from(id.0)]
    }

    /// Every label.
    pub fn ids(&self) -> impl Iterator<Item = LabelId> {
        self.by_name.values().copied()
    }

    /// The label itself, its parent, its top-level category.
    pub fn lineage(&self, id: LabelId) -> impl Iterator<Item = LabelId> {
        std::iter::successors(Some(id), |id| self.label(*id).parent)
    }

    /// Whether a label lies below another one.
    #[must_use]
    pub fn is_below(&self, id: LabelId, ancestor: LabelId) -> bool {
        id != ancestor && self.lineage(id).any(|above| above == ancestor)
    }

    /// The name that is most like a name that is not known.
    #[must_use]
    pub fn nearest_name(&self, name: &str) -> Option<&str> {
        let name = folded(name);
        self.labels
            .iter()
            .map(|label| label.name.as_str())
            .min_by_key(|known| edit_distance(&folded(known), &name))
    }
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Levenshtein distance in characters; only the beginning of a very long text is looked at.
fn edit_distance(a: &str, b: &str) -> usize {
    const CHARS_MAX: usize = 200;
    let b: Vec<char> = b.chars().take(CHARS_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(CHARS_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_taxonomy_is_the_one_of_version_7() {
        let taxonomy = known();
        let count = |level| {
            taxonomy
                .ids()
                .filter(|id| taxonomy.label(*id).level == level)
                .count()
        };
        assert_eq!([count(1), count(2), count(3)], [10, 20, 22]);
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        let taxonomy = known();
        let id = taxonomy.find("female swimwear OR underwear").unwrap();
        let lineage: Vec<&str> = taxonomy
            .lineage(taxonomy.find("Blood & Gore").unwrap())
            .map(|id| taxonomy.label(id).name.as_str())
            .collect();
        assert_eq!(taxonomy.label(id).name, "Female Swimwear or Underwear");
        assert_eq!(lineage, ["Blood & Gore", "Graphic Violence", "Violence"]);
    }

    #[test]
    fn a_misspelled_name_finds_its_neighbour() {
        assert_eq!(known().nearest_name("Wepons"), Some("Weapons"));
        assert_eq!(known().nearest_name("blood and gore"), Some("Blood & Gore"));
    }

    #[test]
    fn only_models_of_the_same_major_version_are_known() {
        for (version, is_known) in [
            ("7.0", true),
            ("7", true),
            ("7.12.1", true),
            ("70.0", false),
            ("6.1", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(of_model(version).is_some(), is_known, "{version}");
        }
    }
}

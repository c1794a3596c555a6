//! The labels that a model version knows, and their parents.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// Rekognition's moderation labels of model version 7 (developer guide, "Moderating content", label taxonomy).
const VERSION_7: &str = include_str!("../../taxonomy/7.json");

#[derive(Debug, Deserialize)]
struct Document {
    model_version: String,
    labels: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// A label's canonical name and its ancestors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// The name, spelled as in the taxonomy.
    pub(crate) name: String,
    /// The parent first, then its parent.
    pub(crate) ancestors: Vec<String>,
}

/// The labels of one major version of the model.
#[derive(Debug)]
pub(crate) struct Taxonomy {
    major: String,
    /// By lower-case name: Rekognition has changed the case of names between versions.
    known: BTreeMap<String, Known>,
}

impl Taxonomy {
    /// The committed taxonomy.
    pub(crate) fn committed() -> &'static Self {
        static TAXONOMY: OnceLock<Taxonomy> = OnceLock::new();
        TAXONOMY.get_or_init(|| {
            // A test reads the committed file; were it unreadable, every label would be unknown, and rejected.
            let document = serde_json::from_str(VERSION_7).unwrap_or(Document {
                model_version: String::new(),
                labels: BTreeMap::new(),
            });
            Self::new(document)
        })
    }

    fn new(document: Document) -> Self {
        let mut known = BTreeMap::new();
        let mut add = |name: String, ancestors: Vec<String>| {
            known.insert(name.to_lowercase(), Known { name, ancestors });
        };
        for (top, children) in document.labels {
            for (child, leaves) in children {
                for leaf in leaves {
                    add(leaf, vec![child.clone(), top.clone()]);
                }
                add(child, vec![top.clone()]);
            }
            add(top, Vec::new());
        }
        Self {
            major: document.model_version,
            known,
        }
    }

    /// A label of a model version; None if the taxonomy of that version does not have it, or is not committed.
    pub(crate) fn find(&self, model_version: &str, name: &str) -> Option<&Known> {
        let major = model_version.split('.').next().unwrap_or_default();
        (major == self.major).then(|| self.by_name(name)).flatten()
    }

    /// A label by name alone, in whatever case.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Known> {
        self.known.get(&name.to_lowercase())
    }

    /// The known name that is spelled most alike.
    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        let name = name.to_lowercase();
        let nearest = self
            .known
            .iter()
            .min_by_key(|(known, _)| edit_distance(known, &name));
        nearest.map(|(_, known)| known.name.as_str())
    }
}

/// Levenshtein distance, in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_file_is_read_whole() {
        let taxonomy = Taxonomy::committed();
        assert_eq!(taxonomy.known.len(), 52);
        let gore = taxonomy.find("7.0", "blood & gore").unwrap();
        assert_eq!(gore.name, "Blood & Gore");
        assert_eq!(gore.ancestors, ["Graphic Violence", "Violence"]);
        assert_eq!(taxonomy.find("8.0", "Violence"), None);
    }

    #[test]
    fn the_nearest_name_is_offered() {
        assert_eq!(Taxonomy::committed().nearest("Violense"), Some("Violence"));
    }
}

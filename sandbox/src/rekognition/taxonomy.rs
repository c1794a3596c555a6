//! The labels of moderation model 7 and how they nest (Rekognition developer guide, "Moderating content").
//!
//! A table of the sandbox's own: what the emulated AWS knows must not follow from what the workflow believes.

use std::borrow::Cow;

/// A label as a result names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label {
    pub(super) name: Cow<'static, str>,
    /// Empty for a top-level category.
    pub(super) parent: Cow<'static, str>,
    /// 1 to 3.
    pub(super) level: u8,
}

/// Name, parent and level.
const LABELS: &[(&str, &str, u8)] = &[
    ("Explicit", "", 1),
    ("Explicit Nudity", "Explicit", 2),
    ("Exposed Male Genitalia", "Explicit Nudity", 3),
    ("Exposed Female Genitalia", "Explicit Nudity", 3),
    ("Exposed Buttocks or Anus", "Explicit Nudity", 3),
    ("Exposed Female Nipple", "Explicit Nudity", 3),
    ("Explicit Sexual Activity", "Explicit", 2),
    ("Sex Toys", "Explicit", 2),
    ("Non-Explicit Nudity of Intimate parts and Kissing", "", 1),
    ("Non-Explicit Nudity", INTIMATE, 2),
    ("Bare Back", "Non-Explicit Nudity", 3),
    ("Exposed Male Nipple", "Non-Explicit Nudity", 3),
    ("Partially Exposed Buttocks", "Non-Explicit Nudity", 3),
    ("Partially Exposed Female Breast", "Non-Explicit Nudity", 3),
    ("Implied Nudity", "Non-Explicit Nudity", 3),
    ("Obstructed Intimate Parts", INTIMATE, 2),
    ("Obstructed Female Nipple", "Obstructed Intimate Parts", 3),
    ("Obstructed Male Genitalia", "Obstructed Intimate Parts", 3),
    ("Kissing on the Lips", INTIMATE, 2),
    ("Swimwear or Underwear", "", 1),
    ("Female Swimwear or Underwear", "Swimwear or Underwear", 2),
    ("Male Swimwear or Underwear", "Swimwear or Underwear", 2),
    ("Violence", "", 1),
    ("Weapons", "Violence", 2),
    ("Graphic Violence", "Violence", 2),
    ("Weapon Violence", "Graphic Violence", 3),
    ("Physical Violence", "Graphic Violence", 3),
    ("Self-Harm", "Graphic Violence", 3),
    ("Blood & Gore", "Graphic Violence", 3),
    ("Explosions and Blasts", "Graphic Violence", 3),
    ("Visually Disturbing", "", 1),
    ("Death and Emaciation", "Visually Disturbing", 2),
    ("Emaciated Bodies", "Death and Emaciation", 3),
    ("Corpses", "Death and Emaciation", 3),
    ("Crashes", "Visually Disturbing", 2),
    ("Air Crash", "Crashes", 3),
    ("Drugs & Tobacco", "", 1),
    ("Products", "Drugs & Tobacco", 2),
    ("Pills", "Products", 3),
    (PARAPHERNALIA, "Drugs & Tobacco", 2),
    ("Smoking", PARAPHERNALIA, 3),
    ("Alcohol", "", 1),
    ("Alcohol Use", "Alcohol", 2),
    ("Drinking", "Alcohol Use", 3),
    ("Alcoholic Beverages", "Alcohol", 2),
    ("Rude Gestures", "", 1),
    ("Middle Finger", "Rude Gestures", 2),
    ("Gambling", "", 1),
    ("Hate Symbols", "", 1),
    ("Nazi Party", "Hate Symbols", 2),
    ("White Supremacy", "Hate Symbols", 2),
    ("Extremist", "Hate Symbols", 2),
];

const INTIMATE: &str = "Non-Explicit Nudity of Intimate parts and Kissing";
const PARAPHERNALIA: &str = "Drugs & Tobacco Paraphernalia & Use";

/// A label and its ancestors, the label first: one detection is reported at every level (developer guide, "Detecting
/// inappropriate stored videos", sample response). A name that is not in the table is a top-level category of its own,
/// so that a model newer than the workflow's taxonomy can be played.
pub(super) fn with_ancestors(name: &str) -> Vec<Label> {
    let mut chain = Vec::new();
    let mut next = find(name);
    while let Some((name, parent, level)) = next {
        chain.push(Label {
            name: Cow::Borrowed(name),
            parent: Cow::Borrowed(parent),
            level,
        });
        next = find(parent);
    }
    if chain.is_empty() {
        chain.push(Label {
            name: Cow::Owned(name.to_owned()),
            parent: Cow::Borrowed(""),
            level: 1,
        });
    }
    chain
}

fn find(name: &str) -> Option<(&'static str, &'static str, u8)> {
    LABELS
        .iter()
        .copied()
        .find(|(known, _, _)| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_leads_up_to_a_category() {
        for (name, _, level) in LABELS {
            let chain = with_ancestors(name);
            assert_eq!(chain.len(), usize::from(*level), "{name}");
            assert!(chain[chain.len() - 1].parent.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_label_is_a_category_of_its_own() {
        let chain = with_ancestors("Mime");
        assert_eq!(chain.len(), 1);
        assert_eq!((chain[0].name.as_ref(), chain[0].level), ("Mime", 1));
    }
}

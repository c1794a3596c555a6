//! From a policy document to rules, with all of its problems at once. `docs/policy.md` describes the format.

use std::collections::BTreeMap;

use super::document::Node;
use super::error::{PolicyError, PolicyErrors};
use super::rule::{Action, ContentCondition, Rule, Thresholds};
use super::taxonomy::{self, LabelId};
use crate::scan::ContentType;

pub(super) const SCHEMA_VERSION: u64 = 1;
/// A document of all labels, each with every restriction, has a tenth of this.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Amazon Rekognition developer guide, "Guidelines and quotas": videos have at most 6 hours.
const TOTAL_MS_MAX: u64 = 6 * 60 * 60 * 1000;
const COUNT_MAX: u64 = 1_000_000;

const ACTIONS: &str = "\"reject\" or \"ignore\"";
pub(super) const POLICY_FIELDS: &[&str] = &["schema_version", "default", "rules"];
const DEFAULT_FIELDS: &[&str] = &["action", "min_confidence_percent"];
pub(super) const RULE_FIELDS: &[&str] = &[
    "label",
    "action",
    "min_confidence_percent",
    "min_total_ms",
    "min_count",
    "content_types",
    "min_content_type_confidence_percent",
];
const THRESHOLD_FIELDS: &[&str] = &["min_confidence_percent", "min_total_ms", "min_count"];

pub(super) fn parse(json: &[u8]) -> Result<(Rule, Vec<Rule>), PolicyErrors> {
    let mut reader = Reader::default();
    let policy = reader.policy(json);
    match policy {
        Ok(policy) if reader.problems.is_empty() => Ok(policy),
        _ => Err(PolicyErrors::new(reader.problems)),
    }
}

type Fields<'a> = BTreeMap<&'a str, &'a Node>;

/// What is read, or the promise that a problem was noted: reading goes on, to tell the others as well.
type Read<T> = Result<T, Noted>;

struct Noted;

/// Collects problems.
#[derive(Default)]
struct Reader {
    problems: Vec<PolicyError>,
}

impl Reader {
    fn problem(
        &mut self,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(PolicyError {
            field: field.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    fn policy(&mut self, json: &[u8]) -> Read<(Rule, Vec<Rule>)> {
        if json.len() > DOCUMENT_BYTES_MAX {
            let problem = format!("has {} bytes, more than {DOCUMENT_BYTES_MAX}", json.len());
            self.problem("policy", problem, "one rule a label is enough");
            return Err(Noted);
        }
        let document: Node = match serde_json::from_slice(json) {
            Ok(document) => document,
            Err(error) => {
                let remedy = "write it as docs/policy.md shows, in UTF-8";
                self.problem("policy", format!("is not JSON ({error})"), remedy);
                return Err(Noted);
            }
        };
        let fields = self.fields(&document, "policy", "", POLICY_FIELDS)?;
        self.schema_version(&fields);
        let default = self.default_rule(&fields);
        let rules = self.rules(&fields);
        Ok((default?, rules?))
    }

    fn schema_version(&mut self, fields: &Fields<'_>) {
        let remedy = format!("write {SCHEMA_VERSION}");
        match self.required(fields, "", "schema_version", &remedy) {
            Ok(Node::Number(version)) if version.as_u64() == Some(SCHEMA_VERSION) => {}
            Ok(other) => self.problem("schema_version", format!("is {other}"), remedy),
            Err(Noted) => {}
        }
    }

    fn default_rule(&mut self, fields: &Fields<'_>) -> Read<Rule> {
        let remedy = r#"write {"action":"reject","min_confidence_percent":50} to reject any label"#;
        let node = self.required(fields, "", "default", remedy)?;
        let fields = self.fields(node, "default", "default.", DEFAULT_FIELDS)?;
        Ok(Rule {
            label: None,
            content: None,
            action: self.action(&fields, "default.")?,
        })
    }

    fn rules(&mut self, fields: &Fields<'_>) -> Read<Vec<Rule>> {
        let items = match self.required(fields, "", "rules", "write [] for no rules")? {
            Node::Array(items) => items,
            other => {
                let problem = format!("is {other}, not an array");
                self.problem("rules", problem, "write a list of rules, [] for none");
                return Err(Noted);
            }
        };
        let mut rules = Vec::new();
        let mut taken = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            if let Ok(rule) = self.rule(item, index) {
                self.check_duplicates(&rule, index, &mut taken);
                rules.push(rule);
            }
        }
        Ok(rules)
    }

    fn rule(&mut self, node: &Node, index: usize) -> Read<Rule> {
        let path = format!("rules[{index}].");
        let fields = self.fields(node, &format!("rules[{index}]"), &path, RULE_FIELDS)?;
        // All three are read before the first `?`, so that one rule tells all of its problems.
        let label = self.label(&fields, &path);
        let action = self.action(&fields, &path);
        let content = self.content(&fields, &path);
        Ok(Rule {
            label: Some(label?),
            content: content?,
            action: action?,
        })
    }

    /// A second rule for the same label is refused, unless the two are for different kinds of picture.
    fn check_duplicates(
        &mut self,
        rule: &Rule,
        index: usize,
        taken: &mut BTreeMap<(Option<LabelId>, Option<ContentType>), usize>,
    ) {
        let kinds: Vec<Option<ContentType>> = match &rule.content {
            Some(content) => content.kinds.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        for kind in kinds {
            let Some(first) = taken.insert((rule.label, kind), index) else {
                continue;
            };
            taken.insert((rule.label, kind), first);
            let kind = kind.map_or(String::new(), |kind| {
                format!(" for {} content", kind.name())
            });
            self.problem(
                format!("rules[{index}]"),
                format!("governs the same label{kind} as rules[{first}]"),
                "keep one of the two",
            );
            return;
        }
    }

    fn label(&mut self, fields: &Fields<'_>, path: &str) -> Read<LabelId> {
        let field = format!("{path}label");
        let remedy = "name a label of the taxonomy, for example \"Violence\"";
        let node = self.required(fields, path, "label", remedy)?;
        let Node::String(name) = node else {
            self.problem(field, format!("is {node}, not a string"), remedy);
            return Err(Noted);
        };
        taxonomy::known().find(name).ok_or_else(|| {
            let nearest = taxonomy::known().nearest_name(name).unwrap_or_default();
            self.problem(
                field,
                format!("is {node}, which Rekognition's taxonomy does not have"),
                format!("did you mean {nearest:?}?"),
            );
            Noted
        })
    }

    fn action(&mut self, fields: &Fields<'_>, path: &str) -> Read<Action> {
        let field = format!("{path}action");
        match self.required(fields, path, "action", &format!("write {ACTIONS}"))? {
            Node::String(action) if action == "reject" => {
                self.thresholds(fields, path).map(Action::Reject)
            }
            Node::String(action) if action == "ignore" => {
                for name in THRESHOLD_FIELDS {
                    if fields.contains_key(name) {
                        self.problem(
                            format!("{path}{name}"),
                            "stands in a rule that ignores",
                            "remove it: ignored labels are ignored at any confidence",
                        );
                    }
                }
                Ok(Action::Ignore)
            }
            other => {
                self.problem(field, format!("is {other}"), format!("write {ACTIONS}"));
                Err(Noted)
            }
        }
    }

    fn thresholds(&mut self, fields: &Fields<'_>, path: &str) -> Read<Thresholds> {
        let min_confidence_percent = self.percent(fields, path);
        let min_total_ms = self.whole(fields, path, "min_total_ms", TOTAL_MS_MAX);
        let min_count = self.whole(fields, path, "min_count", COUNT_MAX);
        Ok(Thresholds {
            min_confidence_percent: min_confidence_percent?,
            min_total_ms: min_total_ms?,
            min_count: min_count?,
        })
    }

    fn percent(&mut self, fields: &Fields<'_>, path: &str) -> Read<f32> {
        const NAME: &str = "min_confidence_percent";
        const REMEDY: &str = "write a number from 0 to 100, for example 50";
        let node = self.required(fields, path, NAME, REMEDY)?;
        if let Node::Number(number) = node
            && let Some(percent) = number.as_f64()
            && (0.0..=100.0).contains(&percent)
        {
            // Rekognition's confidences are f32 too, so both sides of the comparison are rounded alike.
            #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
            return Ok(percent.abs() as f32);
        }
        self.problem(format!("{path}{NAME}"), format!("is {node}"), REMEDY);
        Err(Noted)
    }

    /// `None` when the field is absent.
    fn whole(
        &mut self,
        fields: &Fields<'_>,
        path: &str,
        name: &str,
        max: u64,
    ) -> Read<Option<u64>> {
        let Some(node) = fields.get(name) else {
            return Ok(None);
        };
        if let Node::Number(number) = node
            && let Some(value) = number.as_u64()
            && (1..=max).contains(&value)
        {
            return Ok(Some(value));
        }
        let remedy = format!("write a whole number from 1 to {max}, or leave it out");
        self.problem(format!("{path}{name}"), format!("is {node}"), remedy);
        Err(Noted)
    }

    /// `None` when the rule is not restricted.
    fn content(&mut self, fields: &Fields<'_>, path: &str) -> Read<Option<ContentCondition>> {
        const CONFIDENCE: &str = "min_content_type_confidence_percent";
        let Some(node) = fields.get("content_types") else {
            if fields.contains_key(CONFIDENCE) {
                self.problem(
                    format!("{path}{CONFIDENCE}"),
                    "stands without content_types",
                    "add \"content_types\":[\"Animated\"], or remove it",
                );
                return Err(Noted);
            }
            return Ok(None);
        };
        let kinds = self.kinds(node, path);
        let remedy = "write a whole number from 1 to 100, for example 90";
        let confidence = match self.required(fields, path, CONFIDENCE, remedy)? {
            Node::Number(number) => number
                .as_u64()
                .and_then(|percent| u8::try_from(percent).ok())
                .filter(|percent| (1..=100).contains(percent)),
            _ => None,
        };
        let Some(min_confidence_percent) = confidence else {
            let shown = fields
                .get(CONFIDENCE)
                .map(ToString::to_string)
                .unwrap_or_default();
            self.problem(format!("{path}{CONFIDENCE}"), format!("is {shown}"), remedy);
            return Err(Noted);
        };
        Ok(Some(ContentCondition {
            kinds: kinds?,
            min_confidence_percent,
        }))
    }

    fn kinds(&mut self, node: &Node, path: &str) -> Read<Vec<ContentType>> {
        let field = format!("{path}content_types");
        let remedy = "write \"Animated\", \"Illustrated\" or both, each once";
        let items = match node {
            Node::Array(items) if !items.is_empty() => items,
            Node::Array(_) => {
                self.problem(field, "is empty", remedy);
                return Err(Noted);
            }
            other => {
                self.problem(field, format!("is {other}, not an array"), remedy);
                return Err(Noted);
            }
        };
        let mut kinds = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let kind = match item {
                Node::String(name) => ContentType::from_name(name),
                _ => None,
            };
            match kind {
                Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
                _ => self.problem(format!("{field}[{index}]"), format!("is {item}"), remedy),
            }
        }
        kinds.sort_unstable();
        if kinds.len() == items.len() {
            Ok(kinds)
        } else {
            Err(Noted)
        }
    }

    fn required<'a>(
        &mut self,
        fields: &Fields<'a>,
        path: &str,
        name: &str,
        remedy: &str,
    ) -> Read<&'a Node> {
        fields.get(name).copied().ok_or_else(|| {
            self.problem(format!("{path}{name}"), "is missing", remedy);
            Noted
        })
    }

    /// The fields of an object; unknown and repeated ones are problems.
    fn fields<'a>(
        &mut self,
        node: &'a Node,
        field: &str,
        path: &str,
        known: &[&str],
    ) -> Read<Fields<'a>> {
        let Node::Object(entries) = node else {
            let remedy = format!("write an object with {}", known.join(", "));
            self.problem(field, format!("is {node}, not an object"), remedy);
            return Err(Noted);
        };
        let mut fields = Fields::new();
        for (name, value) in entries {
            if !known.contains(&name.as_str()) {
                let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
                let remedy = format!("remove it; there are {}", known.join(", "));
                self.problem(
                    format!("{path}{shown}"),
                    "is not a field of a policy",
                    remedy,
                );
            } else if fields.insert(name, value).is_some() {
                self.problem(
                    format!("{path}{name}"),
                    "is given twice",
                    "keep one of the two",
                );
            }
        }
        Ok(fields)
    }
}

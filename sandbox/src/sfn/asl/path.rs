//! JSONPath: the paths that select from a state's input or from the context object.

use std::fmt;

use serde_json::Value;

use super::super::execution::MAX_DATA_BYTES;
use super::intrinsics::Call;
use crate::rng::SharedRng;

/// A path, of the names, indices, wildcards, slices and descents of JSONPath. Filters (`[?(…)]`) are not implemented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sfn) struct Path {
    text: String,
    /// `$$`: the context object instead of the input.
    of_context: bool,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sfn) enum Segment {
    Name(String),
    /// Negative indices count from the end.
    Index(i64),
    Wildcard,
    Slice(Option<i64>, Option<i64>),
    /// `..name`, or `..*` when None.
    Descent(Option<String>),
}

/// A value selected from the input, from the context object, or computed by an intrinsic function.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) enum Expression {
    Path(Path),
    Call(Call),
}

/// What expressions are evaluated against.
pub(in crate::sfn) struct Scope<'a> {
    pub(in crate::sfn) input: &'a Value,
    pub(in crate::sfn) context: &'a Value,
    pub(in crate::sfn) rng: &'a SharedRng,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::sfn) enum EvaluationError {
    #[error("the path {0} selects nothing")]
    NoSuchPath(String),
    #[error("the path {0} selects more than a state's data may have")]
    TooMuch(String),
    #[error("{0}")]
    Intrinsic(String),
}

impl Expression {
    /// Parses `$…`, `$$…` or `States.Name(…)`.
    ///
    /// # Errors
    /// What is wrong with the text, in a phrase.
    pub(in crate::sfn) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("States.") {
            super::intrinsics::parse(text).map(Self::Call)
        } else {
            Path::parse(text).map(Self::Path)
        }
    }

    pub(in crate::sfn) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        match self {
            Self::Path(path) => path.select(scope),
            Self::Call(call) => call.evaluate(scope),
        }
    }
}

impl Path {
    /// Parses a path.
    ///
    /// # Errors
    /// What is wrong with the text, in a phrase.
    pub(in crate::sfn) fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix('$')
            .ok_or_else(|| format!("'{text}' is not a JSONPath"))?;
        let (of_context, rest) = match rest.strip_prefix('$') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let segments = segments(rest).map_err(|problem| format!("'{text}': {problem}"))?;
        let task_token = |name: &Segment| matches!(name, Segment::Name(name) if name == "Task");
        if of_context && segments.first().is_some_and(task_token) {
            return Err(format!(
                "'{text}': task tokens in the context object are not implemented"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            of_context,
            segments,
        })
    }

    /// Whether the path names at most one value. Others select an array.
    pub(in crate::sfn) fn is_definite(&self) -> bool {
        self.segments
            .iter()
            .all(|segment| matches!(segment, Segment::Name(_) | Segment::Index(_)))
    }

    pub(in crate::sfn) fn is_context(&self) -> bool {
        self.of_context
    }

    pub(in crate::sfn) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The value of a definite path, or the array of all that an indefinite one selects.
    pub(in crate::sfn) fn select(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        let root = if self.of_context {
            scope.context
        } else {
            scope.input
        };
        let too_much = || EvaluationError::TooMuch(self.text.clone());
        let mut selected = vec![root];
        for segment in &self.segments {
            let mut next = Vec::new();
            for value in selected {
                next.extend(children(value, segment));
                // Descents multiply: `$..*..*..*` selects millions in a small document.
                if next.len() > MAX_DATA_BYTES {
                    return Err(too_much());
                }
            }
            selected = next;
        }
        if self.is_definite() {
            selected
                .pop()
                .cloned()
                .ok_or_else(|| EvaluationError::NoSuchPath(self.text.clone()))
        } else {
            let mut left = MAX_DATA_BYTES;
            let fits = selected.iter().all(|value| weigh(value, &mut left));
            fits.then(|| selected.into_iter().cloned().collect())
                .ok_or_else(too_much)
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes what a value has at least, as JSON text, from the bytes `left`. False if they do not suffice.
fn weigh(value: &Value, left: &mut usize) -> bool {
    let bytes = 1 + value.as_str().map_or(0, str::len);
    let Some(rest) = left.checked_sub(bytes) else {
        return false;
    };
    *left = rest;
    match value {
        Value::Array(items) => items.iter().all(|item| weigh(item, left)),
        Value::Object(fields) => fields.values().all(|field| weigh(field, left)),
        _ => true,
    }
}

fn children<'a>(value: &'a Value, segment: &Segment) -> Vec<&'a Value> {
    match (segment, value) {
        (Segment::Name(name), Value::Object(map)) => map.get(name).into_iter().collect(),
        (Segment::Index(index), Value::Array(items)) => position(*index, items.len())
            .and_then(|at| items.get(at))
            .into_iter()
            .collect(),
        (Segment::Wildcard, Value::Object(map)) => map.values().collect(),
        (Segment::Wildcard, Value::Array(items)) => items.iter().collect(),
        (Segment::Slice(from, to), Value::Array(items)) => {
            let clamp = |index: i64| {
                position(index, items.len()).unwrap_or(if index < 0 { 0 } else { items.len() })
            };
            let (from, to) = (clamp(from.unwrap_or(0)), to.map_or(items.len(), clamp));
            items.get(from..to).unwrap_or_default().iter().collect()
        }
        (Segment::Descent(name), value) => {
            let mut found = Vec::new();
            descend(value, name.as_deref(), &mut found);
            found
        }
        _ => Vec::new(),
    }
}

fn descend<'a>(value: &'a Value, name: Option<&str>, found: &mut Vec<&'a Value>) {
    let inner: Vec<(Option<&String>, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Some(key), value)).collect(),
        Value::Array(items) => items.iter().map(|value| (None, value)).collect(),
        _ => return,
    };
    for (key, value) in inner {
        if name.is_none() || key.map(String::as_str) == name {
            found.push(value);
        }
        descend(value, name, found);
    }
}

/// The position that a possibly negative index means, if the array has it.
pub(super) fn position(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 {
        usize::try_from(index.unsigned_abs())
            .ok()
            .and_then(|back| len.checked_sub(back))?
    } else {
        usize::try_from(index).ok()?
    };
    (at < len).then_some(at)
}

fn segments(mut rest: &str) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            let (name, after) = name(after)?;
            segments.push(Segment::Descent((name != "*").then_some(name)));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = name(after)?;
            segments.push(if name == "*" {
                Segment::Wildcard
            } else {
                Segment::Name(name)
            });
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (segment, after) = bracket(after)?;
            segments.push(segment);
            rest = after;
        } else {
            return Err(format!("unexpected '{rest}'"));
        }
    }
    Ok(segments)
}

fn name(text: &str) -> Result<(String, &str), String> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok(("*".to_owned(), rest));
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || !c.is_ascii();
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    if end == 0 {
        return Err("a name is missing after '.'".to_owned());
    }
    Ok((text[..end].to_owned(), &text[end..]))
}

/// What stands in brackets: `'name'`, `"name"`, an index, `*`, or a slice `from:to`.
fn bracket(text: &str) -> Result<(Segment, &str), String> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let (name, rest) = quoted(&text[1..], quote)?;
        let rest = rest.strip_prefix(']').ok_or("']' is missing")?;
        return Ok((Segment::Name(name), rest));
    }
    let (inside, rest) = text.split_once(']').ok_or("']' is missing")?;
    let number = |text: &str| {
        text.trim()
            .parse::<i64>()
            .map_err(|_| format!("'[{inside}]' is not implemented"))
    };
    let bound = |text: &str| match text.trim() {
        "" => Ok(None),
        text => number(text).map(Some),
    };
    let segment = match inside.split_once(':') {
        _ if inside == "*" => Segment::Wildcard,
        Some((from, to)) => Segment::Slice(bound(from)?, bound(to)?),
        None => Segment::Index(number(inside)?),
    };
    Ok((segment, rest))
}

/// The text up to the closing quote, backslash escapes resolved, and what follows it.
pub(super) fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut content = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                let (_, escaped) = chars.next().ok_or("a string is not closed")?;
                content.push(escaped);
            }
            c if c == quote => return Ok((content, &text[at + c.len_utf8()..])),
            c => content.push(c),
        }
    }
    Err("a string is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn select(path: &str, input: &Value) -> Result<Value, EvaluationError> {
        let scope = Scope {
            input,
            context: &json!({"Execution": {"Id": "an-id"}}),
            rng: &SharedRng::seeded(0),
        };
        Path::parse(path).unwrap().select(&scope)
    }

    #[track_caller]
    fn check(path: &str, expect: Value) {
        let input = json!({
            "foo": 123, "bar": ["a", "b", "c"], "car": {"cdr": true, "a b": {"x": 1}}, "list": [{"x": 2}, {"x": 3}]
        });
        assert_eq!(select(path, &input), Ok(expect));
    }

    /// The examples of the specification's section on paths and reference paths.
    #[test]
    fn paths_of_the_specification_select_what_it_says() {
        check("$.foo", json!(123));
        check("$.bar", json!(["a", "b", "c"]));
        check("$.car.cdr", json!(true));
        check("$['car']['cdr']", json!(true));
        check("$.car['a b'].x", json!(1));
        check("$$.Execution.Id", json!("an-id"));
    }

    #[test]
    fn indefinite_paths_select_arrays() {
        check("$.list[*].x", json!([2, 3]));
        check("$..x", json!([1, 2, 3]));
        check("$.bar[1:]", json!(["b", "c"]));
        check("$.bar[0:2]", json!(["a", "b"]));
        check("$.bar[-1]", json!("c"));
        check("$.none[*]", json!([]));
    }

    /// Half a million values of a document of 200 bytes; with one descent more the program had no memory left.
    #[test]
    fn a_path_selects_no_more_than_a_state_may_hold() {
        let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(
            select("$..*..*", &nested).unwrap().as_array().map(Vec::len),
            Some(4950)
        );
        let path = "$..*..*..*..*..*";
        let too_much = Err(EvaluationError::TooMuch(path.to_owned()));
        assert_eq!(select(path, &nested), too_much);
        let heavy = json!([[["x".repeat(100_000)]]]);
        assert!(select("$..*", &heavy).is_err());
    }

    #[test]
    fn a_definite_path_to_nothing_is_an_error() {
        let missing = Err(EvaluationError::NoSuchPath("$.none".to_owned()));
        assert_eq!(select("$.none", &json!({})), missing);
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for text in [
            "foo",
            "$foo",
            "$.",
            "$.a[",
            "$.a[?(@.x)]",
            "$.a['b",
            "$$.Task.Token",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_key_is_reached_by_its_quoted_name(key in ".*", value in any::<i64>()) {
            let quoted = key.replace('\\', r"\\").replace('\'', r"\'");
            let input = json!({ key: value });
            prop_assert_eq!(select(&format!("$['{quoted}']"), &input), Ok(json!(value)));
        }

        #[test]
        fn parsing_never_panics(text in r"\$?\$?[\PC]{0,20}") {
            let _ = Expression::parse(&text);
        }
    }
}

//! What can be done to the nodes of a JSON document.

use serde_json::{Map, Value, json};

use super::{Kind, Seed, index, pick};

/// Stands behind a field's name that is to be given twice, which no [`Value`] can hold.
const TWICE: &str = "⁂twice";

/// Wrapped once, seldom deeper than parsers go (serde_json: 128).
const DEPTHS: [usize; 4] = [1, 1, 2, 130];

/// The changed document; None if the input is no JSON, or has no node to change.
pub(super) fn change(
    kind: Kind,
    at: u64,
    with: u64,
    input: &[u8],
    other: &Seed,
    words: &[&str],
) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(input).ok()?;
    let containers = containers(&mut document);
    if containers == 0 {
        return None;
    }
    let child = at / containers as u64;
    let graft = || node(other, with).unwrap_or_else(|| odd(with));
    let mut left = index(at, containers);
    visit(&mut document, &mut left, &mut |container| match container {
        Value::Array(items) => {
            let child = index(child, items.len());
            match kind {
                Kind::DropNode => drop(items.remove(child)),
                Kind::AddNode => items.insert(child, graft()),
                Kind::TwiceNode => items.insert(child, items[child].clone()),
                _ => alter(kind, with, &mut items[child], graft, words),
            }
        }
        Value::Object(fields) => {
            let child = index(child, fields.len());
            let Some(name) = fields.keys().nth(child).cloned() else {
                return;
            };
            alter_field(kind, with, fields, &name, other, words);
        }
        _ => {}
    });
    Some(document.to_string().replace(TWICE, "").into_bytes())
}

fn alter_field(
    kind: Kind,
    with: u64,
    fields: &mut Map<String, Value>,
    name: &str,
    other: &Seed,
    words: &[&str],
) {
    let graft = || node(other, with).unwrap_or_else(|| odd(with));
    match kind {
        Kind::DropNode => drop(fields.remove(name)),
        Kind::AddNode => drop(fields.insert(new_name(name, with, words), graft())),
        Kind::TwiceNode => drop(fields.insert(format!("{name}{TWICE}"), fields[name].clone())),
        Kind::RenameField => {
            let value = fields.remove(name).unwrap_or_default();
            fields.insert(new_name(name, with, words), value);
        }
        Kind::SimilarNode => {
            let twin = (with.is_multiple_of(2))
                .then(|| named(other, name, with >> 1))
                .flatten();
            if let Some(value) = fields.get_mut(name) {
                *value = twin.unwrap_or_else(|| similar(value, with >> 1, words));
            }
        }
        _ => {
            if let Some(value) = fields.get_mut(name) {
                alter(kind, with, value, graft, words);
            }
        }
    }
}

fn alter(kind: Kind, with: u64, value: &mut Value, graft: impl Fn() -> Value, words: &[&str]) {
    *value = match kind {
        Kind::GraftNode => graft(),
        Kind::SimilarNode => similar(value, with, words),
        Kind::NestNode => {
            (0..*pick(&DEPTHS, with)).fold(value.take(), |inner, _| match with & 256 {
                0 => json!([inner]),
                _ => json!({ "nested": inner }),
            })
        }
        Kind::WordInNode if !words.is_empty() => {
            let word = *pick(words, with >> 8);
            match value {
                Value::String(text) if with.is_multiple_of(2) => {
                    let mut at = index(with >> 16, text.len() + 1);
                    while !text.is_char_boundary(at) {
                        at -= 1;
                    }
                    text.insert_str(at, word);
                    Value::String(std::mem::take(text))
                }
                _ => json!(word),
            }
        }
        _ => odd(with),
    };
}

fn new_name(name: &str, with: u64, words: &[&str]) -> String {
    match with % 4 {
        0 if !words.is_empty() => (*pick(words, with >> 8)).to_owned(),
        1 => name.to_uppercase(),
        2 => String::new(),
        _ => format!("{name}2"),
    }
}

/// A value of the same kind, which may be as good.
fn similar(value: &Value, with: u64, words: &[&str]) -> Value {
    match value {
        Value::Bool(given) => json!(!given),
        Value::Number(given) => {
            let whole = given.as_i64().unwrap_or(50);
            let numbers = [
                whole.wrapping_add(1),
                whole.wrapping_sub(1),
                whole / 2,
                0,
                1,
                100,
            ];
            match index(with, numbers.len() + 1) {
                0 => json!(given.as_f64().unwrap_or_default() / 3.0),
                place => json!(numbers[place - 1]),
            }
        }
        Value::String(_) if !words.is_empty() => json!(*pick(words, with)),
        Value::String(text) => json!(format!("{text}2")),
        Value::Array(items) => items.iter().rev().cloned().collect(),
        other => other.clone(),
    }
}

/// What a field of that name holds in another seed.
fn named(seed: &Seed, name: &str, with: u64) -> Option<Value> {
    let mut document: Value = serde_json::from_slice(&seed.bytes).ok()?;
    let mut found = Vec::new();
    for number in 0..containers(&mut document) {
        visit(&mut document, &mut { number }, &mut |container| {
            found.extend(container.get(name).cloned());
        });
    }
    (!found.is_empty()).then(|| pick(&found, with).clone())
}

/// A value that is legal JSON and seldom what was meant.
fn odd(with: u64) -> Value {
    let odd = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1),
        json!(100.5),
        json!(-0.0),
        json!(1e-45),
        json!(1e39),
        json!(f64::MAX),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(4_294_967_296_u64),
        json!(99_999_999),
        json!(""),
        json!(" "),
        json!("null"),
        json!("0"),
        json!("\"\""),
        json!("\u{0}\u{1f}\u{7f}\r\n"),
        json!("🎬é\u{301}\u{202e}"),
        json!("%"),
        json!("%00+%ff/../"),
        json!("x".repeat(80)),
        json!("é".repeat(600)),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        json!([[], {}, null]),
        json!({"": ""}),
    ];
    pick(&odd, with).clone()
}

/// A node of another seed, if it has any.
fn node(seed: &Seed, with: u64) -> Option<Value> {
    let mut document: Value = serde_json::from_slice(&seed.bytes).ok()?;
    let containers = containers(&mut document);
    let mut left = index(with, containers.max(1));
    let mut found = None;
    visit(&mut document, &mut left, &mut |container| {
        let child = |len: usize| index(with >> 8, len);
        found = match container {
            Value::Array(items) => items.get(child(items.len())).cloned(),
            Value::Object(fields) => fields.values().nth(child(fields.len())).cloned(),
            _ => None,
        };
    });
    found
}

/// How many arrays and objects have anything in them.
fn containers(document: &mut Value) -> usize {
    let mut left = usize::MAX;
    visit(document, &mut left, &mut |_| {});
    usize::MAX - left
}

/// Lets `change` at the container that `left` others come before, those in strings included. True if there is one.
fn visit(value: &mut Value, left: &mut usize, change: &mut dyn FnMut(&mut Value)) -> bool {
    match value {
        Value::Array(items) if items.is_empty() => return false,
        Value::Object(fields) if fields.is_empty() => return false,
        Value::Array(_) | Value::Object(_) if *left == 0 => {
            change(value);
            return true;
        }
        Value::Array(items) => {
            *left -= 1;
            return items.iter_mut().any(|item| visit(item, left, change));
        }
        Value::Object(fields) => {
            *left -= 1;
            return fields.values_mut().any(|field| visit(field, left, change));
        }
        Value::String(text) if text.starts_with(['{', '[']) => {
            if let Ok(mut inner) = serde_json::from_str::<Value>(text)
                && visit(&mut inner, left, change)
            {
                *text = inner.to_string();
                return true;
            }
        }
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, at: u64, with: u64, expected: &str) {
        let seed = Seed {
            name: String::new(),
            bytes: br#"{"other":[7]}"#.to_vec(),
        };
        let input = r#"{"a":{"b":1},"c":"[2,3]"}"#;
        let changed = change(kind, at, with, input.as_bytes(), &seed, &["word"]);
        assert_eq!(String::from_utf8(changed.unwrap()).unwrap(), expected);
    }

    /// Containers are numbered from outside in: the document, the object in it, the array in a string.
    #[test]
    fn nodes_are_changed_also_those_of_a_document_in_a_string() {
        check(Kind::DropNode, 0, 0, r#"{"c":"[2,3]"}"#);
        check(Kind::DropNode, 1, 0, r#"{"a":{},"c":"[2,3]"}"#);
        check(Kind::DropNode, 2, 0, r#"{"a":{"b":1},"c":"[3]"}"#);
        check(Kind::TwiceNode, 2, 0, r#"{"a":{"b":1},"c":"[2,2,3]"}"#);
        check(Kind::OddNode, 2 + 3, 0, r#"{"a":{"b":1},"c":"[2,null]"}"#);
        check(Kind::GraftNode, 1, 1, r#"{"a":{"b":7},"c":"[2,3]"}"#);
        check(Kind::RenameField, 1, 0, r#"{"a":{"word":1},"c":"[2,3]"}"#);
        check(Kind::NestNode, 1, 0, r#"{"a":{"b":[1]},"c":"[2,3]"}"#);
        check(Kind::SimilarNode, 1, 3, r#"{"a":{"b":2},"c":"[2,3]"}"#);
        check(Kind::WordInNode, 3, 0, r#"{"a":{"b":1},"c":"word[2,3]"}"#);
    }

    #[test]
    fn a_field_can_be_given_twice() {
        check(Kind::TwiceNode, 1, 0, r#"{"a":{"b":1,"b":1},"c":"[2,3]"}"#);
    }
}

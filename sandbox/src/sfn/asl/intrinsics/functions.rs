//! What the intrinsic functions compute.

use md5::Md5;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::super::path::Scope;

pub(super) fn string(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{value} is not a string"))
}

pub(super) fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value
        .as_array()
        .ok_or_else(|| format!("{value} is not an array"))
}

pub(super) fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("{value} is not an object"))
}

/// "If you specify a non-integer value, Step Functions rounds it off to the nearest integer" (MathAdd, ArrayRange).
pub(super) fn integer(value: &Value) -> Result<i64, String> {
    #[allow(clippy::cast_possible_truncation)] // saturates
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|number| number.round() as i64))
        .ok_or_else(|| format!("{value} is not a number"))
}

pub(super) fn format(template: &str, values: &[Value]) -> Result<String, String> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&brace @ ('{' | '}'))) => {
                chars.next();
                text.push(brace);
            }
            ('{', Some('}')) => {
                chars.next();
                let value = values.next().ok_or("there are more {} than values")?;
                match value {
                    Value::String(string) => text.push_str(string),
                    other => text.push_str(&other.to_string()),
                }
            }
            (c, _) => text.push(c),
        }
    }
    match values.next() {
        Some(_) => Err("there are more values than {}".to_owned()),
        None => Ok(text),
    }
}

pub(super) fn unique(items: &[Value]) -> Value {
    let mut unique: Vec<Value> = Vec::new();
    for item in items {
        if !unique.contains(item) {
            unique.push(item.clone());
        }
    }
    unique.into()
}

pub(super) fn partition(items: &[Value], size: &Value) -> Result<Value, String> {
    let size = usize::try_from(integer(size)?)
        .ok()
        .filter(|&size| size > 0)
        .ok_or("the chunk size is not positive")?;
    Ok(items.chunks(size).map(<[Value]>::to_vec).collect())
}

/// "The newly generated array can contain up to 1000 elements."
pub(super) fn range(first: i64, last: i64, step: i64) -> Result<Value, String> {
    if step == 0 {
        return Err("the step is zero".to_owned());
    }
    let mut items: Vec<Value> = Vec::new();
    let mut next = Some(first);
    while let Some(item) = next.filter(|&item| if step > 0 { item <= last } else { item >= last }) {
        if items.len() == 1000 {
            return Err("the array would have more than 1000 elements".to_owned());
        }
        items.push(item.into());
        next = item.checked_add(step);
    }
    Ok(items.into())
}

/// SHA-1, which AWS offers too, is not implemented.
pub(super) fn hash(data: &str, algorithm: &str) -> Result<String, String> {
    Ok(match algorithm {
        "MD5" => hex::encode(Md5::digest(data)),
        "SHA-256" => hex::encode(Sha256::digest(data)),
        "SHA-384" => hex::encode(Sha384::digest(data)),
        "SHA-512" => hex::encode(Sha512::digest(data)),
        other => return Err(format!("the hash algorithm '{other}' is not implemented")),
    })
}

/// "Currently, Step Functions only supports the shallow merging mode; therefore, you must specify the boolean value as
/// false."
pub(super) fn merge(
    first: &Map<String, Value>,
    second: &Map<String, Value>,
    deep: &Value,
) -> Result<Value, String> {
    if deep != &json!(false) {
        return Err("deep merging is not supported".to_owned());
    }
    let mut merged = first.clone();
    merged.extend(second.clone());
    Ok(merged.into())
}

/// From `start` inclusive to `end` exclusive.
pub(super) fn random(start: i64, end: i64, scope: &Scope<'_>) -> Result<Value, String> {
    let span = end
        .checked_sub(start)
        .filter(|&span| span > 0)
        .ok_or("the end is not above the start")?;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let offset = (scope.rng.fraction() * span as f64) as i64;
    Ok(start.saturating_add(offset.min(span - 1)).into())
}

/// Every character of the second argument is a delimiter; empty parts are dropped.
pub(super) fn split(text: &str, delimiters: &str) -> Value {
    text.split(|c| delimiters.contains(c))
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

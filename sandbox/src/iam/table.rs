//! What calls need: rows that are read from a file, each with its source.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Call;
use super::policy::{Condition, Grant, is_like};

/// The rows, by the call that they are about.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    by_call: BTreeMap<String, Vec<usize>>,
}

/// What some calls need.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The calls, by service and operation: `states StartExecution`, `s3 GET object?tagging`.
    pub calls: Vec<String>,
    /// Parameters and headers that the call has.
    #[serde(default)]
    pub with: Vec<String>,
    /// Parameters and headers that it has not.
    #[serde(default)]
    pub without: Vec<String>,
    /// The row is about calls that get this HTTP status.
    #[serde(default)]
    pub answer: Option<u16>,
    /// Which of the call's ARNs must be like `resource`; None where AWS knows no resource.
    #[serde(default)]
    pub arn: Option<String>,
    /// What the actions must be granted on.
    pub resource: String,
    /// What the policy demands besides, and the call must meet.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// The actions; none says that nothing is needed for what `with` and `arn` name.
    pub actions: Vec<String>,
    /// Why, where it is not plain.
    #[serde(default)]
    pub why: Option<String>,
    /// Who says so.
    pub source: String,
    /// The row stands for one row for each of these, in place of `$each`.
    #[serde(default)]
    each: Vec<String>,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is no TOML, or has other fields than a row has.
    #[error("the table of operations is not readable")]
    Syntax(#[from] toml::de::Error),
    /// A row says which resource, and not which ARN of the call must be like it.
    #[error("the row of {call} on {resource} says no `arn`")]
    NoArn {
        /// Its first call.
        call: String,
        /// Its resource.
        resource: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    row: Vec<Row>,
}

impl Table {
    /// Reads a table; `fill` fills in the placeholders of its resources.
    ///
    /// # Errors
    /// [`TableError`], or that of `fill`.
    pub fn parse<E: From<TableError>>(
        text: &str,
        fill: impl Fn(&str) -> Result<String, E>,
    ) -> Result<Self, E> {
        let document: Document = toml::from_str(text).map_err(TableError::from)?;
        let mut table = Self {
            rows: Vec::new(),
            by_call: BTreeMap::new(),
        };
        for mut row in document.row.iter().flat_map(Row::expand) {
            row.resource = fill(&row.resource)?;
            if row.arn.is_none() && row.resource != "*" {
                let call = row.calls.first().cloned().unwrap_or_default();
                let resource = row.resource;
                return Err(TableError::NoArn { call, resource }.into());
            }
            for call in &row.calls {
                let numbers = table.by_call.entry(call.clone()).or_default();
                numbers.push(table.rows.len());
            }
            table.rows.push(row);
        }
        Ok(table)
    }

    /// All rows, in order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn row(&self, number: usize) -> &Row {
        &self.rows[number]
    }

    /// The rows that apply to a call before it is answered, or to its answer's status.
    pub(super) fn applying(
        &self,
        call: &Call,
        answer: Option<u16>,
    ) -> impl Iterator<Item = (usize, &Row)> {
        let numbers = self.by_call.get(call.name()).into_iter().flatten();
        numbers
            .map(|number| (*number, &self.rows[*number]))
            .filter(move |(_, row)| row.answer == answer && row.applies(call))
    }

    /// What no row covers of a call: the call itself, or one of its parameters; None if all is covered.
    pub(super) fn uncovered(&self, call: &Call) -> Option<String> {
        let rows: Vec<_> = self.applying(call, None).map(|(_, row)| row).collect();
        if rows.is_empty() {
            return Some(call.to_string());
        }
        let names = |name: &String| {
            rows.iter()
                .any(|row| row.with.contains(name) || row.arn.as_ref() == Some(name))
        };
        let parameter = call.parameters().iter().find(|name| !names(name))?;
        Some(format!("{call} with {parameter}"))
    }
}

impl Row {
    /// What it needs, one by one.
    pub(super) fn grants(&self) -> impl Iterator<Item = Grant> {
        self.actions.iter().map(|action| Grant {
            action: action.clone(),
            resource: self.resource.clone(),
            condition: self.condition.clone(),
        })
    }

    /// What the call acts on, as far as this row is concerned.
    pub(super) fn resource_of<'a>(&self, call: &'a Call) -> &'a str {
        let arn = self.arn.as_deref().and_then(|name| call.arn(name));
        arn.unwrap_or("*")
    }

    fn applies(&self, call: &Call) -> bool {
        let parameters = call.parameters();
        self.with.iter().all(|name| parameters.contains(name))
            && !self.without.iter().any(|name| parameters.contains(name))
            && self.arn.as_deref().is_none_or(|name| {
                call.arn(name)
                    .is_some_and(|arn| is_like(&self.resource, arn))
            })
            && self
                .condition
                .as_ref()
                .is_none_or(|condition| condition.is_met(call.context()))
    }

    fn expand(&self) -> Vec<Self> {
        if self.each.is_empty() {
            return vec![self.clone()];
        }
        let each = self.each.iter().map(|value| {
            let put = |text: &String| text.replace("$each", value);
            Self {
                calls: self.calls.iter().map(put).collect(),
                resource: put(&self.resource),
                condition: self.condition.as_ref().map(|condition| Condition {
                    value: put(&condition.value),
                    ..condition.clone()
                }),
                actions: self.actions.iter().map(put).collect(),
                each: Vec::new(),
                ..self.clone()
            }
        });
        each.collect()
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.calls.join(", "))?;
        if !self.with.is_empty() {
            write!(f, " with {}", self.with.join(", "))?;
        }
        if let Some(answer) = self.answer {
            write!(f, " answered {answer}")?;
        }
        let actions = self.actions.join(", ");
        write!(f, ": {actions} on {}", self.resource)?;
        match &self.condition {
            Some(condition) => write!(f, " if {} {}", condition.key, condition.value),
            None => Ok(()),
        }
    }
}

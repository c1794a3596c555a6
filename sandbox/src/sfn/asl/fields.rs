//! Reading a definition's objects field by field, so that what nobody asked for is refused.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::Problem;
use super::path::{Expression, Path};

/// What is wrong with a definition, in the order found.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, location: String, message: impl Into<String>) {
        let message = message.into();
        self.0.borrow_mut().push(Problem { location, message });
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// The fields of one object that are not read yet. Each reader takes its field out; [`Fields::finish`] refuses the rest.
pub(super) struct Fields<'a> {
    map: Map<String, Value>,
    location: String,
    problems: &'a Problems,
}

impl<'a> Fields<'a> {
    pub(super) fn new(map: Map<String, Value>, location: &str, problems: &'a Problems) -> Self {
        Self {
            map,
            location: location.to_owned(),
            problems,
        }
    }

    /// Refuses every field that was not read.
    pub(super) fn finish(self) {
        for name in self.map.keys() {
            self.problem_at(name, "Field is not supported");
        }
    }

    pub(super) fn problem(&self, message: impl Into<String>) {
        let location = if self.location.is_empty() {
            "/"
        } else {
            &self.location
        };
        self.problems.add(location.to_owned(), message);
    }

    pub(super) fn problem_at(&self, name: &str, message: impl Into<String>) {
        self.problems.add(self.location_of(name), message);
    }

    pub(super) fn location_of(&self, name: &str) -> String {
        format!("{}/{name}", self.location)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.map.keys().cloned().collect()
    }

    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    pub(super) fn string(&mut self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            _ => self.wrong_type(name, "a string"),
        }
    }

    pub(super) fn required_string(&mut self, name: &str) -> Option<String> {
        if !self.has(name) {
            self.problem(format!("These fields are required: [{name}]"));
        }
        self.string(name)
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(value) => Some(value),
            _ => self.wrong_type(name, "a boolean"),
        }
    }

    pub(super) fn integer(&mut self, name: &str, at_least: u64, at_most: u64) -> Option<u64> {
        match self.value(name)?.as_u64() {
            Some(number) if (at_least..=at_most).contains(&number) => Some(number),
            _ => self.wrong_type(name, &format!("an integer from {at_least} to {at_most}")),
        }
    }

    pub(super) fn number(&mut self, name: &str, at_least: f64) -> Option<f64> {
        match self.value(name)?.as_f64() {
            Some(number) if number >= at_least => Some(number),
            _ => self.wrong_type(name, &format!("a number of at least {at_least}")),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Option<Fields<'a>> {
        match self.value(name)? {
            Value::Object(map) => Some(Fields::new(map, &self.location_of(name), self.problems)),
            _ => self.wrong_type(name, "an object"),
        }
    }

    pub(super) fn objects(&mut self, name: &str) -> Option<Vec<Fields<'a>>> {
        let Value::Array(items) = self.value(name)? else {
            return self.wrong_type(name, "an array");
        };
        let mut objects = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            let location = format!("{}/{at}", self.location_of(name));
            match item {
                Value::Object(map) => objects.push(Fields::new(map, &location, self.problems)),
                _ => self.problems.add(location, "The value must be an object"),
            }
        }
        Some(objects)
    }

    pub(super) fn strings(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        match serde_json::from_value(value) {
            Ok(strings) => Some(strings),
            Err(_) => self.wrong_type(name, "an array of strings"),
        }
    }

    /// A path or intrinsic function.
    pub(super) fn expression(&mut self, name: &str) -> Option<Expression> {
        let text = self.string(name)?;
        self.expression_from(name, &text)
    }

    pub(super) fn expression_from(&self, name: &str, text: &str) -> Option<Expression> {
        Expression::parse(text)
            .map_err(|problem| self.problem_at(name, problem))
            .ok()
    }

    /// A path that names one value.
    pub(super) fn reference(&mut self, name: &str) -> Option<Expression> {
        let text = self.string(name)?;
        match Path::parse(&text) {
            Ok(path) if path.is_definite() => Some(Expression::Path(path)),
            Ok(_) => self.wrong_type(name, "a reference path"),
            Err(problem) => {
                self.problem_at(name, problem);
                None
            }
        }
    }

    fn wrong_type<T>(&self, name: &str, expected: &str) -> Option<T> {
        self.problem_at(name, format!("The value must be {expected}"));
        None
    }
}

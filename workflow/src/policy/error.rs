//! What is wrong with a policy document.

use std::fmt;

/// Everything that is wrong with a policy document; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PolicyErrors(Vec<PolicyError>);

/// One problem of a policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The path of the field, for example `rules[2].label`; `policy` for the document itself.
    pub field: String,
    /// What is wrong with it, with its value.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl PolicyErrors {
    pub(super) fn new(problems: Vec<PolicyError>) -> Self {
        Self(problems)
    }

    /// Every problem, in the order of the document.
    #[must_use]
    pub fn problems(&self) -> &[PolicyError] {
        &self.0
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "the policy has {} problem{plural}", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.field, self.problem, self.remedy)
    }
}

//! Fills in `${…}` placeholders as Terraform's `templatefile` does, as far as the state machine needs it.

use std::collections::{BTreeMap, BTreeSet};

/// Why a template and its values do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder without a value.
    #[error("the template asks for ${{{0}}}, which has no value")]
    Unknown(String),
    /// A value without a placeholder.
    #[error("the template does not use {0}")]
    Unused(String),
    /// A placeholder without its end.
    #[error("a placeholder is not closed: {0}")]
    Open(String),
}

/// The template with every `${name}` replaced. Values are taken as they are: an ARN or a number needs no quoting.
///
/// # Errors
/// [`TemplateError`] for a placeholder without a value, and for a value that nothing uses.
pub fn render(template: &str, values: &BTreeMap<&str, String>) -> Result<String, TemplateError> {
    let mut unused: BTreeSet<&str> = values.keys().copied().collect();
    let mut rendered = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(begin) = rest.find("${") {
        rendered.push_str(&rest[..begin]);
        let placeholder = &rest[begin + 2..];
        let Some(end) = placeholder.find('}') else {
            return Err(TemplateError::Open(
                rest[begin..].chars().take(40).collect(),
            ));
        };
        let name = &placeholder[..end];
        let value = values
            .get(name)
            .ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
        rendered.push_str(value);
        unused.remove(name);
        rest = &placeholder[end + 1..];
    }
    rendered.push_str(rest);
    match unused.pop_first() {
        Some(name) => Err(TemplateError::Unused(name.to_owned())),
        None => Ok(rendered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, values: &[(&'static str, &str)]) -> Result<String, TemplateError> {
        let values = values
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        render(template, &values)
    }

    #[test]
    fn placeholders_are_replaced_wherever_they_stand() {
        let rendered = check("${a}, $b, {c}: ${d}${a}", &[("a", "1"), ("d", "x")]);
        assert_eq!(rendered.unwrap(), "1, $b, {c}: x1");
    }

    #[test]
    fn values_are_not_templates() {
        assert_eq!(check("${a}", &[("a", "${b}")]).unwrap(), "${b}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(
            check("${b}", &[]),
            Err(TemplateError::Unknown("b".to_owned()))
        );
        assert_eq!(
            check("${a}", &[("a", "1"), ("b", "2")]),
            Err(TemplateError::Unused("b".to_owned()))
        );
        assert_eq!(
            check("x ${a", &[("a", "1")]),
            Err(TemplateError::Open("${a".to_owned()))
        );
        assert_eq!(
            check("${b}", &[]).unwrap_err().to_string(),
            "the template asks for ${b}, which has no value"
        );
    }
}

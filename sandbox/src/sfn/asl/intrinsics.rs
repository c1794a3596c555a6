//! Intrinsic functions: `States.Format('{}', $.name)` and its kin.
//!
//! Source: Step Functions Developer Guide, "Intrinsic functions for JSONPath states".

mod functions;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::path::{EvaluationError, Expression, Path, Scope, position, quoted};
use functions::{
    array, format, hash, integer, merge, object, partition, random, range, split, string, unique,
};

/// A call of an intrinsic function.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sfn) struct Call {
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
enum Argument {
    Literal(Value),
    Expression(Box<Expression>),
}

macro_rules! functions {
    ($($name:ident $at_least:literal ..= $at_most:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(clippy::upper_case_acronyms)] // the functions' own names
        enum Function { $($name),* }

        impl Function {
            fn named(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }

            fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The least and the greatest number of arguments.
            fn arity(self) -> (usize, usize) {
                match self { $(Self::$name => ($at_least, $at_most)),* }
            }
        }
    };
}

functions! {
    Format 1 ..= 100,
    StringToJson 1 ..= 1,
    JsonToString 1 ..= 1,
    Array 0 ..= 100,
    ArrayPartition 2 ..= 2,
    ArrayContains 2 ..= 2,
    ArrayRange 3 ..= 3,
    ArrayGetItem 2 ..= 2,
    ArrayLength 1 ..= 1,
    ArrayUnique 1 ..= 1,
    Base64Encode 1 ..= 1,
    Base64Decode 1 ..= 1,
    Hash 2 ..= 2,
    JsonMerge 3 ..= 3,
    MathRandom 2 ..= 2,
    MathAdd 2 ..= 2,
    StringSplit 2 ..= 2,
    UUID 0 ..= 0,
}

/// "You can nest up to 10 intrinsic functions within a field": the guide counts every one, the outermost too.
const CALLS_MAX: usize = 10;

/// Parses a whole text as one call.
pub(super) fn parse(text: &str) -> Result<Call, String> {
    let (call, rest) = call(text, &mut 0).map_err(|problem| format!("'{text}': {problem}"))?;
    if rest.trim().is_empty() {
        Ok(call)
    } else {
        Err(format!("'{text}': unexpected '{rest}'"))
    }
}

/// A call at the beginning of a text, and the rest. `calls` came before it in the same field.
fn call<'a>(text: &'a str, calls: &mut usize) -> Result<(Call, &'a str), String> {
    *calls += 1;
    if *calls > CALLS_MAX {
        return Err(format!(
            "more than {CALLS_MAX} intrinsic functions are nested"
        ));
    }
    let (name, mut rest) = text.split_once('(').ok_or("'(' is missing")?;
    let function = name
        .trim()
        .strip_prefix("States.")
        .and_then(Function::named)
        .ok_or_else(|| format!("the intrinsic function {name} is not implemented"))?;
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if let (Some(after), true) = (rest.strip_prefix(')'), arguments.is_empty()) {
            rest = after;
            break;
        }
        let (argument, after) = argument(rest, calls)?;
        arguments.push(argument);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else {
            rest = rest.strip_prefix(')').ok_or("')' is missing")?;
            break;
        }
    }
    let (at_least, at_most) = function.arity();
    if !(at_least..=at_most).contains(&arguments.len()) {
        return Err(format!(
            "{name} does not take {} arguments",
            arguments.len()
        ));
    }
    if let (Function::Hash, Some(Argument::Literal(algorithm))) = (function, arguments.get(1)) {
        hash("", algorithm.as_str().unwrap_or_default())?;
    }
    Ok((
        Call {
            function,
            arguments,
        },
        rest,
    ))
}

fn argument<'a>(text: &'a str, calls: &mut usize) -> Result<(Argument, &'a str), String> {
    if let Some(rest) = text.strip_prefix('\'') {
        let (string, rest) = quoted_with_escapes(rest)?;
        return Ok((Argument::Literal(Value::String(string)), rest));
    }
    if text.starts_with("States.") {
        let (call, rest) = call(text, calls)?;
        return Ok((Argument::Expression(Box::new(Expression::Call(call))), rest));
    }
    let end = end_of_plain(text);
    let (token, rest) = (text[..end].trim_end(), &text[end..]);
    if token.starts_with('$') {
        let path = Path::parse(token)?;
        return Ok((Argument::Expression(Box::new(Expression::Path(path))), rest));
    }
    match serde_json::from_str::<Value>(token) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
            Ok((Argument::Literal(value), rest))
        }
        _ => Err(format!("'{token}' is not an argument")),
    }
}

/// In a format string `\{` and `\}` are literal braces, so their backslash is kept for [`format`]; all other escapes are
/// resolved as in a path.
fn quoted_with_escapes(text: &str) -> Result<(String, &str), String> {
    let (mut end, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => {
                end = Some(at);
                break;
            }
            _ => {}
        }
    }
    let end = end.ok_or("a string is not closed")?;
    let kept = text[..=end].replace(r"\{", r"\\{").replace(r"\}", r"\\}");
    let (content, _) = quoted(&kept, '\'')?;
    Ok((content, &text[end + 1..]))
}

/// Where a path or literal ends: at a comma or parenthesis outside brackets and quotes.
fn end_of_plain(text: &str) -> usize {
    let (mut depth, mut quote) = (0_u32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => depth = depth.saturating_sub(1),
            (None, ',' | ')') if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

impl Call {
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            values.push(match argument {
                Argument::Literal(value) => value.clone(),
                Argument::Expression(expression) => expression.evaluate(scope)?,
            });
        }
        let name = self.function.name();
        self.apply(&values, scope).map_err(|problem| {
            EvaluationError::Intrinsic(format!("Invalid arguments in States.{name}: {problem}"))
        })
    }

    fn apply(&self, values: &[Value], scope: &Scope<'_>) -> Result<Value, String> {
        // The arity was checked when the call was parsed.
        let [first, second, third] = [0, 1, 2].map(|at| values.get(at).unwrap_or(&Value::Null));
        Ok(match self.function {
            Function::Format => format(string(first)?, &values[1..])?.into(),
            Function::StringToJson => {
                serde_json::from_str(string(first)?).map_err(|error| error.to_string())?
            }
            Function::JsonToString => first.to_string().into(),
            Function::Array => values.iter().cloned().collect(),
            Function::ArrayPartition => partition(array(first)?, second)?,
            Function::ArrayContains => array(first)?.contains(second).into(),
            Function::ArrayRange => range(integer(first)?, integer(second)?, integer(third)?)?,
            Function::ArrayGetItem => position(integer(second)?, array(first)?.len())
                .map(|at| array(first).map(|items| items[at].clone()))
                .ok_or("the index is out of range")??,
            Function::ArrayLength => array(first)?.len().into(),
            Function::ArrayUnique => unique(array(first)?),
            Function::Base64Encode => BASE64_STANDARD.encode(string(first)?).into(),
            Function::Base64Decode => BASE64_STANDARD
                .decode(string(first)?)
                .map_err(|error| error.to_string())
                .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()))?
                .into(),
            Function::Hash => hash(
                &first
                    .as_str()
                    .map_or_else(|| first.to_string(), str::to_owned),
                string(second)?,
            )?
            .into(),
            Function::JsonMerge => merge(object(first)?, object(second)?, third)?,
            Function::MathRandom => random(integer(first)?, integer(second)?, scope)?,
            Function::MathAdd => integer(first)?
                .checked_add(integer(second)?)
                .ok_or("the sum is out of range")?
                .into(),
            Function::StringSplit => split(string(first)?, string(second)?),
            Function::UUID => scope.rng.uuid().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::rng::SharedRng;

    fn evaluate(text: &str, input: &Value) -> Result<Value, EvaluationError> {
        let rng = SharedRng::seeded(0);
        let scope = Scope {
            input,
            context: &Value::Null,
            rng: &rng,
        };
        Expression::parse(text).unwrap().evaluate(&scope)
    }

    #[track_caller]
    fn check(text: &str, input: &Value, expect: &Value) {
        assert_eq!(evaluate(text, input).as_ref(), Ok(expect));
    }

    /// Inputs and results are the guide's own examples.
    #[test]
    fn the_examples_of_the_guide_give_its_results() {
        let array = json!({"a": [1, 2, 3, 4, 5, 6, 7, 8, 9], "i": 5});
        check("States.Array('x', 1, null)", &array, &json!(["x", 1, null]));
        check(
            "States.ArrayPartition($.a, 4)",
            &array,
            &json!([[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
        );
        check("States.ArrayContains($.a, $.i)", &array, &json!(true));
        check(
            "States.ArrayRange(1, 9, 2)",
            &array,
            &json!([1, 3, 5, 7, 9]),
        );
        check("States.ArrayGetItem($.a, $.i)", &array, &json!(6));
        check("States.ArrayLength($.a)", &array, &json!(9));
        check(
            "States.ArrayUnique($)",
            &json!([1, 2, 3, 3, 3, 3, 3, 3, 4]),
            &json!([1, 2, 3, 4]),
        );
        check(
            "States.Base64Encode('Data to encode')",
            &array,
            &json!("RGF0YSB0byBlbmNvZGU="),
        );
        check(
            "States.Base64Decode('RGVjb2RlZCBkYXRh')",
            &array,
            &json!("Decoded data"),
        );
        check(
            "States.Hash('', 'MD5')",
            &array,
            &json!("d41d8cd98f00b204e9800998ecf8427e"),
        );
        let merged = json!({"a": {"a3": 1, "a4": 2}, "b": 2, "c": 3});
        let both =
            json!({"x": {"a": {"a1": 1, "a2": 2}, "b": 2}, "y": {"a": {"a3": 1, "a4": 2}, "c": 3}});
        check("States.JsonMerge($.x, $.y, false)", &both, &merged);
        check("States.MathAdd(111, -1)", &array, &json!(110));
        check(
            "States.StringSplit('1,2,3,4,5', ',')",
            &array,
            &json!(["1", "2", "3", "4", "5"]),
        );
        check(
            "States.StringSplit('This.is+a,test=string', '.+,=')",
            &array,
            &json!(["This", "is", "a", "test", "string"]),
        );
        check(
            "States.Format('Hello, my name is {}.', $.n)",
            &json!({"n": "Arnav"}),
            &json!("Hello, my name is Arnav."),
        );
    }

    #[test]
    fn format_escapes_quotes_braces_and_backslashes() {
        check(
            r"States.Format('it\'s \{{}\} \\ {}', $.n, true)",
            &json!({"n": 1}),
            &json!(r"it's {1} \ true"),
        );
    }

    #[test]
    fn calls_nest() {
        let text = "States.Format('{}/{}', States.ArrayGetItem(States.StringSplit($.k, '/'), 0), States.JsonToString($['a, b']))";
        check(text, &json!({"k": "x/y", "a, b": [1]}), &json!("x/[1]"));
    }

    #[test]
    fn what_cannot_be_computed_is_an_error_that_names_the_function() {
        let error = evaluate("States.Format('{}')", &json!({})).unwrap_err();
        assert!(error.to_string().contains("States.Format"), "{error}");
        assert!(evaluate("States.ArrayRange(1, 5000, 1)", &json!({})).is_err());
        assert!(evaluate("States.StringToJson('{')", &json!({})).is_err());
    }

    #[test]
    fn unknown_functions_and_wrong_arities_are_refused_when_parsed() {
        for text in [
            "States.Nope()",
            "States.UUID(1)",
            "States.MathRandom(1, 2, 3)",
            "States.Hash($, 'SHA-1')",
            "States.Format('a'",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }

    /// Without a limit a definition of 1 MB ended the program: its stack overflowed.
    #[test]
    fn ten_functions_nest_and_more_are_refused() {
        let nested = |n: usize| "States.Array(".repeat(n) + &")".repeat(n);
        assert!(Expression::parse(&nested(10)).is_ok());
        let error = Expression::parse(&nested(50_000)).unwrap_err();
        assert!(error.ends_with("more than 10 intrinsic functions are nested"));
        let side_by_side = format!("States.Array({})", ["States.UUID()"; 10].join(","));
        assert!(Expression::parse(&side_by_side).is_err());
    }

    proptest! {
        #[test]
        fn decode_of_encode_is_identity(text in ".*") {
            let input = json!({ "t": text });
            check("States.Base64Decode(States.Base64Encode($.t))", &input, &json!(text));
            check("States.StringToJson(States.JsonToString($))", &input, &input);
        }

        #[test]
        fn quoted_strings_keep_their_text(text in r"[^{}]*") {
            let quoted = text.replace('\\', r"\\").replace('\'', r"\'");
            check(&format!("States.Array('{quoted}')"), &json!({}), &json!([text]));
        }

        #[test]
        fn chunks_put_together_are_the_array(items in proptest::collection::vec(any::<u8>(), 0..50), size in 1usize..10) {
            let chunks = evaluate(&format!("States.ArrayPartition($, {size})"), &json!(items)).unwrap();
            let joined: Vec<Value> = chunks.as_array().unwrap().iter().flat_map(|c| c.as_array().unwrap().clone()).collect();
            prop_assert_eq!(json!(joined), json!(items));
        }
    }
}

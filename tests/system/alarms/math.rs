//! As much of `CloudWatch`'s metric math as the template uses: numbers, names, arithmetic, comparisons,
//! `IF` and `SQRT`.

use std::collections::BTreeMap;

/// An expression, taken to pieces.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Math {
    Number(f64),
    Name(String),
    Call(String, Vec<Math>),
    Pair(Box<Math>, String, Box<Math>),
}

impl Math {
    pub(crate) fn parse(text: &str) -> Self {
        let mut tokens = tokens(text);
        tokens.reverse();
        let math = comparison(&mut tokens);
        assert_eq!(tokens, Vec::<String>::new(), "left over of {text}");
        math
    }

    /// What it comes to; nothing where a value is missing.
    pub(crate) fn value(&self, values: &BTreeMap<String, f64>) -> Option<f64> {
        Some(match self {
            Self::Number(number) => *number,
            Self::Name(name) => *values.get(name)?,
            Self::Call(name, given) => {
                let given: Option<Vec<f64>> = given.iter().map(|one| one.value(values)).collect();
                match (name.as_str(), given?.as_slice()) {
                    ("IF", [condition, yes, no]) => {
                        if *condition == 0.0 {
                            *no
                        } else {
                            *yes
                        }
                    }
                    ("SQRT", [square]) => square.sqrt(),
                    (name, given) => panic!("{name} of {} values", given.len()),
                }
            }
            Self::Pair(left, sign, right) => {
                let (left, right) = (left.value(values)?, right.value(values)?);
                let truth = |is: bool| f64::from(u8::from(is));
                match sign.as_str() {
                    "+" => left + right,
                    "-" => left - right,
                    "*" => left * right,
                    "/" => left / right,
                    ">=" => truth(left >= right),
                    "<=" => truth(left <= right),
                    ">" => truth(left > right),
                    "<" => truth(left < right),
                    sign => panic!("what is {sign}"),
                }
            }
        })
    }

    /// The names in it.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Name(name) => vec![name],
            Self::Call(_, given) => given.iter().flat_map(Self::names).collect(),
            Self::Pair(left, _, right) => [left.names(), right.names()].concat(),
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let length = match rest.get(..2) {
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            Some(">=" | "<=") => 2,
            _ => 1,
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    tokens
}

/// The tokens lie in reverse: the next one is the last.
fn comparison(tokens: &mut Vec<String>) -> Math {
    pairs(tokens, &[">=", "<=", ">", "<"], sum)
}

fn sum(tokens: &mut Vec<String>) -> Math {
    pairs(tokens, &["+", "-"], product)
}

fn product(tokens: &mut Vec<String>) -> Math {
    pairs(tokens, &["*", "/"], operand)
}

fn pairs(tokens: &mut Vec<String>, signs: &[&str], part: fn(&mut Vec<String>) -> Math) -> Math {
    let mut left = part(tokens);
    while let Some(sign) = tokens.pop_if(|token| signs.contains(&token.as_str())) {
        left = Math::Pair(Box::new(left), sign, Box::new(part(tokens)));
    }
    left
}

fn operand(tokens: &mut Vec<String>) -> Math {
    let token = tokens.pop().expect("the expression ends too soon");
    if token == "(" {
        let inner = comparison(tokens);
        assert_eq!(tokens.pop().as_deref(), Some(")"));
        return inner;
    }
    if let Ok(number) = token.parse() {
        return Math::Number(number);
    }
    if tokens.pop_if(|next| next == "(").is_none() {
        return Math::Name(token);
    }
    let mut given = Vec::new();
    loop {
        given.push(comparison(tokens));
        match tokens.pop().as_deref() {
            Some(",") => {}
            Some(")") => return Math::Call(token, given),
            other => panic!("{other:?} in {token}"),
        }
    }
}

#[test]
fn expressions_come_to_what_they_say() {
    let values = [("n", 100.0), ("rate", 0.12)].map(|(name, value)| (name.to_owned(), value));
    let value = |text: &str| Math::parse(text).value(&values.clone().into());
    assert_eq!(value("1 + 2 * 3 - 8 / 4"), Some(5.0));
    assert_eq!(value("(1 + 2) * SQRT(n)"), Some(30.0));
    assert_eq!(value("IF(n >= 50, 100 * rate, 0)"), Some(12.0));
    assert_eq!(value("IF(n < 50, 100 * rate, 0)"), Some(0.0));
    assert_eq!(value("n + absent"), None);
    assert_eq!(Math::parse("IF(n > 1, rate, n)").names(), ["n", "rate", "n"]);
}

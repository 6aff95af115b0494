//! What a function is told at deploy: read once, checked before anything is built.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    str::FromStr,
};

/// The environment variables of a function.
pub struct Environment {
    values: BTreeMap<String, String>,
    asked: RefCell<BTreeSet<String>>,
    faults: RefCell<Vec<String>>,
}

/// Everything that is wrong with a function's environment, a line each: the variable and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment cannot be used: {}", .0.join("; "))]
pub struct EnvironmentError(pub Vec<String>);

impl Environment {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "a bootstrap reads it, once")]
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let values = values.into_iter().collect();
        Self { values, asked: RefCell::default(), faults: RefCell::default() }
    }

    /// What `read` makes of it, or everything that `read` missed or could not use.
    pub fn read<T>(self, read: impl FnOnce(&Self) -> T) -> Result<T, EnvironmentError> {
        let value = read(&self);
        let faults = self.faults.into_inner();
        if faults.is_empty() { Ok(value) } else { Err(EnvironmentError(faults)) }
    }

    /// A variable that must be there. Empty counts as missing: templates write empty texts.
    pub fn text(&self, name: &str) -> String {
        self.optional(name).map_or_else(
            || {
                self.fault(format!("{name} is missing: set it"));
                String::new()
            },
            str::to_owned,
        )
    }

    pub fn optional(&self, name: &str) -> Option<&str> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A variable in its own words, `default` where it is missing; `takes` says what it takes.
    pub fn parse<T: FromStr>(&self, name: &str, default: T, takes: &str) -> T {
        self.parse_if(name, default, takes, |_| true)
    }

    /// A whole number within bounds, `default` where it is missing.
    pub fn number(&self, name: &str, default: u32, least: u32, most: u32) -> u32 {
        let takes = format!("a whole number from {least} to {most}");
        self.parse_if(name, default, &takes, |number| (least..=most).contains(number))
    }

    fn parse_if<T: FromStr>(
        &self,
        name: &str,
        default: T,
        takes: &str,
        good: impl FnOnce(&T) -> bool,
    ) -> T {
        let Some(text) = self.optional(name) else {
            return default;
        };
        text.parse().ok().filter(good).unwrap_or_else(|| {
            self.fault(format!("{name}: give {takes}"));
            default
        })
    }

    /// Something else that is wrong. Values stay out of it: some are secret.
    pub fn fault(&self, fault: impl Display) {
        self.faults.borrow_mut().push(fault.to_string());
    }

    /// What was asked for by name so far.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// Every variable.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn what_is_there_is_used_and_the_rest_has_its_default() {
        let environment = environment(&[("STAGE", " dev "), ("LIMIT", "7"), ("NONE", "")]);
        let read = environment.read(|env| {
            assert_eq!(env.optional("NONE"), None);
            (env.text("STAGE"), env.number("LIMIT", 20, 1, 100), env.number("OTHER", 3, 1, 9))
        });
        assert_eq!(read, Ok(("dev".to_owned(), 7, 3)));
    }

    #[test]
    fn all_faults_are_told_at_once_without_a_value() {
        let environment = environment(&[("LIMIT", "s3cret"), ("BUCKET", " ")]);
        let error = environment.read(|env| {
            env.text("BUCKET");
            env.number("LIMIT", 20, 1, 100);
        });
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            "the environment cannot be used: BUCKET is missing: set it; \
             LIMIT: give a whole number from 1 to 100"
        );
    }
}

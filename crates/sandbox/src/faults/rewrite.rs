//! Answers in other words: fields that are missing or null, the other spellings in use, or no word at
//! all.

use serde_json::{Value, json};

use super::Fault;

impl Fault {
    pub fn without(fields: &[&str]) -> Self {
        Self::DropFields { fields: owned(fields) }
    }

    pub fn null(fields: &[&str]) -> Self {
        Self::NullFields { fields: owned(fields) }
    }

    /// A grant that is refused because the key is not, or no longer, the account's.
    pub fn wrong_key() -> Self {
        let description = "Invalid JWT Signature.".to_owned();
        Self::RefuseGrant { error: "invalid_grant".to_owned(), description }
    }

    pub(crate) const fn rewrites(&self) -> bool {
        matches!(
            self,
            Self::DropFields { .. } | Self::NullFields { .. } | Self::Respell | Self::Bare
        )
    }

    /// What becomes of an answer.
    pub(crate) fn rewritten(&self, mut answer: Value) -> Value {
        if *self == Self::Bare {
            return json!({});
        }
        if let (Self::NullFields { fields }, Some(top)) = (self, answer.as_object_mut()) {
            for field in fields {
                top.entry(field).or_insert(Value::Null);
            }
        }
        self.rewrite(&mut answer);
        answer
    }

    fn rewrite(&self, json: &mut Value) {
        match json {
            Value::Array(all) => all.iter_mut().for_each(|one| self.rewrite(one)),
            Value::Object(all) => {
                if let Self::DropFields { fields } = self {
                    all.retain(|name, _| !fields.contains(name));
                }
                for (name, value) in all {
                    match self {
                        Self::NullFields { fields } if fields.contains(name) => {
                            *value = Value::Null;
                        }
                        Self::Respell => respell(name, value),
                        _ => {}
                    }
                    self.rewrite(value);
                }
            }
            _ => {}
        }
    }
}

fn respell(name: &str, value: &mut Value) {
    let is_count = name.ends_with("Count") || name == "expires_in";
    let other = match value {
        Value::String(state) if name == "state" => {
            state.strip_prefix("BATCH_STATE_").map(|bare| format!("JOB_STATE_{bare}").into())
        }
        Value::String(count) if is_count => count.parse::<u64>().ok().map(Value::from),
        Value::Number(count) if is_count => Some(count.to_string().into()),
        _ => None,
    };
    if let Some(other) = other {
        *value = other;
    }
}

fn owned(fields: &[&str]) -> Vec<String> {
    fields.iter().copied().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_other_words() {
        let answer = json!({
            "name": "batches/b",
            "metadata": {"state": "BATCH_STATE_RUNNING", "batchStats": {"requestCount": "50"}},
            "rows": [{"usageMetadata": {"promptTokenCount": 7}, "state": "ACTIVE"}],
        });
        let of = |fault: Fault| fault.rewritten(answer.clone());
        assert_eq!(of(Fault::Bare), json!({}));
        assert_eq!(
            of(Fault::Respell),
            json!({
                "name": "batches/b",
                "metadata": {"state": "JOB_STATE_RUNNING", "batchStats": {"requestCount": 50}},
                "rows": [{"usageMetadata": {"promptTokenCount": "7"}, "state": "ACTIVE"}],
            })
        );
        assert_eq!(
            of(Fault::without(&["state", "usageMetadata", "name"])),
            json!({"metadata": {"batchStats": {"requestCount": "50"}}, "rows": [{}]})
        );
        assert_eq!(
            of(Fault::null(&["metadata", "usageMetadata", "error"])),
            json!({
                "name": "batches/b",
                "metadata": null,
                "rows": [{"usageMetadata": null, "state": "ACTIVE"}],
                "usageMetadata": null,
                "error": null,
            })
        );
    }
}

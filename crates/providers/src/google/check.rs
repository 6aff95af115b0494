//! A look at whether Google can be reached with what we have. It creates nothing and buys nothing:
//! tokens are fetched, models are asked after, jobs are listed.

use std::time::Duration;

use async_trait::async_trait;
use http::Request;
use tryon_core::ports::{Body, CallError, GoogleCheck, SecretName};

use super::{Auth, Connection, DEVELOPER_URL, Host, ServiceAccountKey, connection::Access};
use crate::{
    errors::Purpose,
    findings::{Finding, State, missing, refused},
    url::encode,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// What is looked at, and as whom.
#[derive(Clone, Debug)]
pub struct SelfCheck {
    pub connection: Connection,
    pub host: Host,
    pub batch_auth: Auth,
}

impl SelfCheck {
    /// Whether there are credentials, and a token where one is needed.
    pub async fn credentials(&self) -> Vec<Finding> {
        let auths = [self.host.auth(), self.batch_auth];
        let mut findings = Vec::new();
        if auths.contains(&Auth::Bearer) {
            let key = self.key().await;
            let token = if key.trouble().is_some() {
                State::Skipped("wants the key first".to_owned())
            } else {
                self.token().await
            };
            findings.push(Finding { what: "service account key".to_owned(), state: key });
            findings.push(Finding { what: "access token".to_owned(), state: token });
        }
        if auths.contains(&Auth::ApiKey) {
            // Read past the cache: a secret that is gone is missing, though some process still has it.
            let state = match self.connection.secrets.secret(SecretName::ApiKey, true).await {
                Ok(_) => State::Good("there".to_owned()),
                Err(error) => missing(error),
            };
            findings.push(Finding { what: "API key".to_owned(), state });
        }
        findings
    }

    /// Everything: the credentials, each of `models` where it can be asked after, and the list of jobs.
    pub async fn run(&self, models: &[&str]) -> Vec<Finding> {
        let mut findings = self.credentials().await;
        let ready = !findings.iter().any(|finding| finding.state.trouble().is_some());
        let skipped = || State::Skipped("wants the credentials first".to_owned());
        for model in models {
            let state = match self.host {
                _ if !ready => skipped(),
                // A token is all that can be had there without asking for a picture.
                Host::Vertex => State::Skipped("Vertex tells with the first render".to_owned()),
                Host::Developer(auth) => {
                    let path = format!("/v1beta/models/{}", encode(model));
                    self.asked(auth, &path, "the model answers").await
                }
            };
            findings.push(Finding { what: format!("model {model}"), state });
        }
        let jobs = if ready {
            let path = "/v1beta/batches?pageSize=1";
            self.asked(self.batch_auth, path, "jobs can be listed").await
        } else {
            skipped()
        };
        findings.push(Finding { what: "batch jobs".to_owned(), state: jobs });
        findings
    }

    async fn key(&self) -> State {
        match self.connection.secrets.secret(SecretName::ServiceAccount, true).await {
            Ok(secret) => match ServiceAccountKey::parse(secret.reveal()) {
                Ok(key) => State::Good(format!("of project {}", key.project_id())),
                Err(error) => missing(format!(
                    "it cannot be used: {error}; give the JSON file that Google gave out"
                )),
            },
            Err(error) => missing(error),
        }
    }

    async fn token(&self) -> State {
        match self.connection.tokens.token().await {
            Ok(token) => {
                let left = (token.expires_at() - self.connection.clock.now()).num_minutes();
                State::Good(format!("granted for {left} minutes"))
            }
            Err(error) => refused(error.into()),
        }
    }

    async fn asked(&self, auth: Auth, path: &str, good: &str) -> State {
        match self.ask(auth, path).await {
            Ok(()) => State::Good(good.to_owned()),
            Err(error) => refused(error),
        }
    }

    async fn ask(&self, auth: Auth, path: &str) -> Result<(), CallError> {
        let url = format!("{}{path}", self.connection.base(DEVELOPER_URL).await);
        let make = |_: &Access| Request::get(&url).body(Body::empty());
        let access = self.connection.access(auth).await?;
        self.connection.call(access, Purpose::Free, TIMEOUT, &make).await.map(drop)
    }
}

#[async_trait]
impl GoogleCheck for SelfCheck {
    async fn look(&self, models: &[&str]) -> Vec<Finding> {
        self.run(models).await
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use serde_json::json;

    use super::*;
    use crate::{
        google::testing::FakeSecrets,
        testing::{Play, Script, block_on},
    };

    fn check(
        script: &Arc<Script>,
        secrets: FakeSecrets,
        host: Host,
        batch_auth: Auth,
    ) -> SelfCheck {
        SelfCheck { connection: script.connection_with(secrets, ""), host, batch_auth }
    }

    fn states(findings: &[Finding]) -> BTreeMap<&str, &State> {
        findings.iter().map(|finding| (finding.what.as_str(), &finding.state)).collect()
    }

    #[test]
    fn all_is_there_and_nothing_is_made() {
        block_on(async {
            let script = Script::new([Play::json(200, &json!({})), Play::json(200, &json!({}))]);
            let host = Host::Developer(Auth::ApiKey);
            let found =
                check(&script, FakeSecrets::default(), host, Auth::Bearer).run(&["m/1"]).await;
            let good = |finding: &Finding| matches!(finding.state, State::Good(_));
            assert!(found.iter().all(good), "{found:?}");
            assert_eq!(
                states(&found)["service account key"],
                &State::Good("of project sample".into())
            );
            let sent: Vec<_> =
                script.sent().iter().map(|s| (s.method.to_string(), s.uri.to_string())).collect();
            let api = "https://generativelanguage.googleapis.com/v1beta";
            let expected = [format!("{api}/models/m%2F1"), format!("{api}/batches?pageSize=1")];
            assert_eq!(sent, expected.map(|uri| ("GET".to_owned(), uri)));
            let keyed = script.sent()[0].header("x-goog-api-key").is_some();
            assert!(keyed && script.sent()[1].header("authorization").is_some());
        });
    }

    #[test]
    fn what_is_missing_is_said_with_the_fix() {
        block_on(async {
            let secrets = FakeSecrets::default();
            *secrets.key.lock().unwrap() = ("{}".to_owned(), "{}".to_owned());
            let script = Script::new([]);
            let found = check(&script, secrets, Host::Vertex, Auth::Bearer).run(&["m"]).await;
            let states = states(&found);
            let State::Missing(fix) = states["service account key"] else { panic!("{found:?}") };
            assert!(fix.contains("field type is missing"), "{fix}");
            for after in ["access token", "model m", "batch jobs"] {
                assert!(matches!(states[after], State::Skipped(_)), "{found:?}");
            }
            assert!(script.sent().is_empty() && script.exchanges().is_empty());
        });
    }

    #[test]
    fn a_refusal_is_told_in_words_of_ours() {
        block_on(async {
            let error = json!({"error": {"status": "PERMISSION_DENIED", "message": "Prose.",
                                         "details": [{"reason": "SERVICE_DISABLED"}]}});
            let script = Script::new([Play::json(403, &error), Play::json(404, &json!({}))]);
            let host = Host::Developer(Auth::Bearer);
            let found =
                check(&script, FakeSecrets::default(), host, Auth::Bearer).run(&["m"]).await;
            let states = states(&found);
            let State::Missing(fix) = states["model m"] else { panic!("{found:?}") };
            assert!(fix.contains("enable this API") && !fix.contains("Prose"), "{fix}");
            let State::Missing(fix) = states["batch jobs"] else { panic!("{found:?}") };
            assert!(fix.contains("not there"), "{fix}");
        });
    }

    #[test]
    fn what_may_pass_by_itself_is_not_missing() {
        block_on(async {
            let script = Script::new([Play::json(503, &json!({}))]);
            let found = check(&script, FakeSecrets::default(), Host::Vertex, Auth::Bearer);
            let found = found.look(&[]).await;
            assert!(matches!(states(&found)["batch jobs"], State::Unanswered(_)), "{found:?}");
        });
    }
}

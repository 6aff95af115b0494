//! A custom resource of `CloudFormation`, which waits an hour for an answer: it always gets one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tryon_core::{
    ports::{Clock, HttpTransport, PortError},
    stages::{Invocation, Setup},
};

use crate::handler::{Handler, HandlerError, read};

/// What must be left of the invocation to answer in.
const MARGIN: Duration = Duration::from_secs(5);
/// How long the answer may take to be delivered.
const ANSWER: Duration = Duration::from_secs(4);
/// Before it is tried once more.
const PAUSE: Duration = Duration::from_secs(3);
/// The resource has no other identity: a new one would have the old one deleted.
const PHYSICAL_ID: &str = "tryon-migrations";

/// The migrations, as `CloudFormation` runs them.
#[derive(Debug)]
pub struct MigrateHandler {
    stage: Arc<Setup>,
    transport: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResourceEvent {
    request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum RequestType {
    Create,
    Update,
    Delete,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
}

impl MigrateHandler {
    pub fn new(
        stage: Arc<Setup>,
        transport: Arc<dyn HttpTransport>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { stage, transport, clock }
    }

    /// Nothing is taken down when the resource is deleted: the data stay.
    async fn work(&self, request: &ResourceEvent, call: Invocation) -> Result<(), String> {
        if request.request_type == RequestType::Delete {
            return Ok(());
        }
        let left = (call.deadline - self.clock.now()).to_std().unwrap_or_default();
        let patience = self.clock.sleep(left.saturating_sub(MARGIN));
        let mut last = "they are still running".to_owned();
        let done = tokio::select! {
            done = self.persist(&mut last) => Some(done),
            () = patience => None,
        };
        match done {
            Some(Ok(created)) => {
                tracing::info!(created, "the schema is up to date, and every knob exists");
                Ok(())
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err(format!("the migrations took too long: {last}")),
        }
    }

    /// Again while that may help: a database that has just been made is not there at once, and a
    /// blink would have the whole deployment undone. `last` is why it did not work so far.
    async fn persist(&self, last: &mut String) -> Result<usize, PortError> {
        loop {
            match self.stage.run().await {
                Err(PortError::Unavailable(reason)) => {
                    tracing::warn!(reason, "not yet");
                    *last = reason;
                    self.clock.sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn answer(&self, url: &str, answer: &Answer<'_>) -> Result<(), HandlerError> {
        let unsent = |_| HandlerError::new("CloudFormation could not be answered");
        let body = serde_json::to_vec(answer)
            .map_err(|_| HandlerError::new("the answer cannot be written"))?;
        // The address is signed for a request without a content type.
        let request = http::Request::builder()
            .method(Method::PUT)
            .uri(url)
            .body(body.into())
            .map_err(|_| HandlerError::event("ResponseURL is no URL"))?;
        let response = self.transport.send(request, ANSWER).await.map_err(unsent)?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(HandlerError::new(format!("CloudFormation took no answer: {}", response.status())))
    }
}

#[async_trait]
impl Handler for MigrateHandler {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        let request: ResourceEvent = read(event)?;
        let done = self.work(&request, invocation).await;
        if let Err(reason) = &done {
            tracing::error!(reason, "the migrations failed");
        }
        let answer = Answer {
            status: if done.is_ok() { "SUCCESS" } else { "FAILED" },
            reason: done.err(),
            physical_resource_id: request.physical_resource_id.as_deref().unwrap_or(PHYSICAL_ID),
            stack_id: &request.stack_id,
            request_id: &request.request_id,
            logical_resource_id: &request.logical_resource_id,
        };
        self.answer(&request.response_url, &answer).await?;
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::TimeDelta;
    use futures_util::{StreamExt, TryStreamExt, stream};
    use serde_json::json;
    use tryon_core::{
        contract::fixtures::start,
        memory::TokioClock,
        ports::{Body, ByteStream, KnobStore, PortError, Schema, TransportError},
    };

    use super::*;
    use crate::testing::{event, events};

    /// How the database is.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Database {
        /// It migrates in so many seconds.
        Good(u64),
        Broken,
        /// So many times.
        Away(usize),
    }

    /// A schema, a knob store that has one knob, and `CloudFormation`'s ear.
    #[derive(Debug)]
    struct Fake {
        clock: Arc<dyn Clock>,
        database: Database,
        asked: Mutex<usize>,
        created: Mutex<Vec<(String, String)>>,
        heard: Mutex<Vec<(String, Value)>>,
    }

    #[async_trait]
    impl Schema for Fake {
        async fn migrate(&self) -> Result<(), PortError> {
            *self.asked.lock().unwrap() += 1;
            match self.database {
                Database::Good(seconds) => self.clock.sleep(Duration::from_secs(seconds)).await,
                Database::Broken => return Err(PortError::Broken("22P02".to_owned())),
                Database::Away(times) if *self.asked.lock().unwrap() <= times => {
                    return Err(PortError::Unavailable("nobody answers".to_owned()));
                }
                Database::Away(_) => {}
            }
            Ok(())
        }
    }

    #[async_trait]
    impl KnobStore for Fake {
        async fn create(&self, name: &str, text: &str) -> Result<bool, PortError> {
            self.created.lock().unwrap().push((name.to_owned(), text.to_owned()));
            Ok(name != "traffic-percent")
        }
    }

    #[async_trait]
    impl HttpTransport for Fake {
        async fn send(
            &self,
            request: http::Request<Body>,
            _timeout: Duration,
        ) -> Result<http::Response<ByteStream>, TransportError> {
            assert_eq!(request.method(), Method::PUT);
            assert!(request.headers().get("content-type").is_none());
            let url = request.uri().to_string();
            let body: Vec<_> = request.into_body().into_stream().try_collect().await.unwrap();
            let heard = (url, serde_json::from_slice(&body.concat()).unwrap());
            self.heard.lock().unwrap().push(heard);
            Ok(http::Response::new(stream::empty().boxed()))
        }
    }

    async fn answer(kind: &str, database: Database) -> (Value, Vec<(String, String)>) {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start()));
        let fake = Fake {
            clock: clock.clone(),
            database,
            asked: Mutex::default(),
            created: Mutex::default(),
            heard: Mutex::default(),
        };
        let fake = Arc::new(fake);
        let defaults = [("traffic-percent", "0"), ("api-endpoint", ""), ("default-lane", "auto")];
        let stage = Setup {
            schema: fake.clone(),
            knobs: fake.clone(),
            defaults: defaults.map(|(name, text)| (name, text.to_owned())).to_vec(),
        };
        let handler = MigrateHandler::new(Arc::new(stage), fake.clone(), clock);
        let call = Invocation { deadline: start() + TimeDelta::seconds(50) };
        handler.call(event(&format!("migrate.{kind}")), call).await.unwrap();
        let (url, answer) = fake.heard.lock().unwrap().remove(0);
        assert!(url.starts_with("https://cloudformation-") && url.ends_with("=example"), "{url}");
        let mut created = fake.created.lock().unwrap().clone();
        created.sort();
        (answer, created)
    }

    #[tokio::test(start_paused = true)]
    async fn a_deploy_migrates_and_creates_what_is_missing() {
        let (answer, created) = answer("create", Database::Good(1)).await;
        let asked = event("migrate.create");
        assert_eq!(
            answer,
            json!({
                "Status": "SUCCESS",
                "PhysicalResourceId": "tryon-migrations",
                "StackId": asked["StackId"],
                "RequestId": asked["RequestId"],
                "LogicalResourceId": asked["LogicalResourceId"],
            })
        );
        let names: Vec<_> = created.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["default-lane", "traffic-percent"], "an empty text cannot be stored");
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_or_takes_too_long_is_told_in_time() {
        let (told, created) = answer("update", Database::Broken).await;
        assert_eq!((&told["Status"], &told["Reason"]), (&json!("FAILED"), &json!("22P02")));
        assert_eq!(created, [], "no knob before the schema");
        for (database, reason) in [
            (Database::Good(3_600), "they are still running"),
            (Database::Away(usize::MAX), "nobody answers"),
        ] {
            let (told, _) = answer("update", database).await;
            let reason = json!(format!("the migrations took too long: {reason}"));
            assert_eq!((&told["Status"], &told["Reason"]), (&json!("FAILED"), &reason));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_not_there_yet_is_waited_for() {
        let (told, created) = answer("create", Database::Away(10)).await;
        assert_eq!((&told["Status"], created.len()), (&json!("SUCCESS"), 2));
    }

    #[test]
    fn every_event_of_the_repository_is_a_request() {
        for name in events("migrate") {
            assert!(read::<ResourceEvent>(event(&name)).is_ok(), "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_taken_down() {
        let (told, created) = answer("delete", Database::Broken).await;
        assert_eq!((&told["Status"], created), (&json!("SUCCESS"), vec![]));
    }
}

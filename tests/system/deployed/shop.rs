//! The shop: uploads pictures and asks for renders, as a trusted backend does behind the API gateway.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use http::Request;
use serde_json::{Value, json};
use tryon_core::{
    ids::RenderId,
    ports::Body,
    routing::{Bucket, Percent, Route},
};
use tryon_local::arrivals::CANNED_PHOTO;

use super::stack::Stack;

/// Renders of one user, of whom an hour may bring twenty.
const A_USER: usize = 11;
/// More the emulator does not answer within the clients' time limits on a small machine.
const AT_ONCE: usize = 8;

/// A user with a picture.
pub(super) struct Shopper {
    pub(super) user: String,
    pub(super) photo: String,
}

impl Stack {
    /// Asks the router as the API gateway does for a trusted backend: the status and the answer.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        query: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> (u64, Value) {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/router.create.json")).unwrap();
        let route = match path {
            "/v1/renders" | "/v1/uploads" => format!("{method} {path}"),
            _ => format!("{method} /v1/renders/{{id}}"),
        };
        event["routeKey"] = json!(route);
        event["requestContext"]["routeKey"] = json!(route);
        event["rawPath"] = json!(path);
        event["rawQueryString"] = json!(query);
        event["requestContext"]["http"]["method"] = json!(method);
        event["requestContext"]["http"]["path"] = json!(path);
        event["headers"]["idempotency-key"] = key.map_or(Value::Null, |key| json!(key));
        let text = body.map(Value::to_string);
        event["headers"]["content-length"] =
            json!(text.as_ref().map_or(0, String::len).to_string());
        event["body"] = json!(text);
        if let Some(headers) = event["headers"].as_object_mut() {
            headers.retain(|_, value| !value.is_null());
        }
        let answer = self.invoke("router", &event).await;
        let body = answer["body"].as_str().unwrap_or_default();
        (
            answer["statusCode"].as_u64().unwrap_or_default(),
            serde_json::from_str(body).unwrap_or_default(),
        )
    }

    /// Uploads a picture for the user, at the address that the router signs.
    pub(super) async fn upload(&self, user: &str) -> String {
        let length = CANNED_PHOTO.len();
        let wish = json!({"user_id": user, "content_type": "image/jpeg", "bytes": length});
        let (status, place) = self.ask("POST", "/v1/uploads", "", None, Some(&wish)).await;
        assert_eq!(status, 201, "{place}");
        let mut request = Request::put(place["url"].as_str().unwrap());
        for (name, value) in place["headers"].as_object().unwrap() {
            // The transport counts for itself.
            if name != "content-length" {
                request = request.header(name, value.as_str().unwrap());
            }
        }
        let body = Body::from(Bytes::from_static(CANNED_PHOTO));
        let (status, answer) = self.call(request.body(body).unwrap()).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        place["key"].as_str().unwrap().to_owned()
    }

    /// A render of a new user whom the split sends to Google; `more` fields change what is asked for.
    pub(super) async fn render(&self, prompt: &str, more: &Value) -> RenderId {
        let shopper = self.shopper().await;
        self.render_for(&shopper, "key", prompt, more).await
    }

    pub(super) async fn render_for(
        &self,
        shopper: &Shopper,
        key: &str,
        prompt: &str,
        more: &Value,
    ) -> RenderId {
        for _ in 0..5 {
            let (status, answer) = self.accept(shopper, key, prompt, more).await;
            if let (200 | 202, Some(id)) = (status, answer["render_id"].as_str()) {
                return RenderId::from(id);
            }
            // Whoever gets no answer, or a server's error, asks again with the same key.
            assert!(status == 0 || status >= 500, "{status}: {answer}");
        }
        panic!("the router does not accept");
    }

    pub(super) async fn accept(
        &self,
        Shopper { user, photo }: &Shopper,
        key: &str,
        prompt: &str,
        more: &Value,
    ) -> (u64, Value) {
        let mut body = json!({
            "user_id": user,
            "person": {"photo": photo, "class_noun": "woman"},
            "garments": [{"photo": photo, "category": "shirt", "description": "a blue shirt"}],
            "quality": "sd",
            "prompt": prompt,
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.ask("POST", "/v1/renders", "", Some(key), Some(&body)).await
    }

    /// A new user whom the split sends to Google.
    pub(super) async fn shopper(&self) -> Shopper {
        self.shopper_of(Route::Gemini).await
    }

    /// A new user of this half of them.
    pub(super) async fn shopper_of(&self, route: Route) -> Shopper {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let half = Percent::from_basis_points(5_000).unwrap();
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let user = format!("shopper-{}-{n}", std::process::id());
            let is_gemini = Bucket::of("rollout", &user.as_str().into()).is_below(half);
            if is_gemini == (route == Route::Gemini) {
                let photo = self.upload(&user).await;
                return Shopper { user, photo };
            }
        }
    }

    /// So many renders of new users, all at once.
    pub(super) async fn many(&self, count: usize, more: &Value) -> Vec<RenderId> {
        let shoppers = join_all((0..count.div_ceil(A_USER)).map(|_| self.shopper())).await;
        let asks = (0..count).map(|n| {
            let (shopper, key) = (&shoppers[n / A_USER], format!("key-{n}"));
            async move { self.render_for(shopper, &key, "", more).await }
        });
        stream::iter(asks).buffered(AT_ONCE).collect().await
    }
}

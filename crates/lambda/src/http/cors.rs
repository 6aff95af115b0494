//! What pages of other origins may do (the Fetch standard's CORS protocol).

use super::{IDEMPOTENCY_KEY, REQUEST_ID, incoming::Incoming, reply::Header};

/// Deploy-time settings of the HTTP API.
#[derive(Clone, Debug, Default)]
pub struct HttpConfig {
    /// The origins whose pages may call it, such as `https://shop.example`, or `*` for all of them.
    /// Empty: none.
    pub cors_origins: Vec<String>,
    /// The ARNs of the roles and users that may use the ops routes. Empty: nobody.
    pub ops_principals: Vec<String>,
}

/// How long a browser may keep the answer to its preflight, in seconds.
const KEPT: &str = "3600";

impl HttpConfig {
    pub(super) fn answers_preflights(&self) -> bool {
        !self.cors_origins.is_empty()
    }

    /// What every answer says to the page that asked.
    pub(super) fn headers(&self, request: &Incoming) -> Vec<Header> {
        if !self.answers_preflights() {
            return Vec::new();
        }
        let all = self.cors_origins.iter().any(|allowed| allowed == "*");
        let origin = if all {
            Some("*")
        } else {
            let origin = request.header("origin");
            origin.filter(|origin| self.cors_origins.iter().any(|allowed| allowed == origin))
        };
        let mut headers = Vec::new();
        if !all {
            // Caches must not give one page's answer to another.
            headers.push(("vary", "origin".to_owned()));
        }
        if let Some(origin) = origin {
            let exposed = format!("location, retry-after, {REQUEST_ID}");
            headers.push(("access-control-allow-origin", origin.to_owned()));
            headers.push(("access-control-expose-headers", exposed));
        }
        headers
    }
}

/// What a preflight is told besides.
pub(super) fn preflight(methods: &str) -> Vec<Header> {
    let allowed = format!("authorization, content-type, {IDEMPOTENCY_KEY}, {REQUEST_ID}");
    vec![
        ("allow", methods.to_owned()),
        ("access-control-allow-methods", methods.to_owned()),
        ("access-control-allow-headers", allowed),
        ("access-control-max-age", KEPT.to_owned()),
    ]
}

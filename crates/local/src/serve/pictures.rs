//! The store of pictures, as far as signed addresses lead into it.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use tryon_core::{
    memory::{BadLink, Grant, MemoryLinks, MemoryObjects},
    picture::Mime,
    ports::Objects,
};

use super::problem::Problem;
use crate::world::World;

/// Where the pictures are.
pub(super) const PATH: &str = "/pictures";
/// Nothing else may be written from outside.
const UPLOADS: &str = "in/";

#[derive(Clone, Debug)]
pub(super) struct Pictures {
    links: Arc<MemoryLinks>,
    objects: Arc<MemoryObjects>,
}

impl Pictures {
    pub(super) fn of(world: &World) -> Self {
        Self { links: world.links.clone(), objects: world.objects.clone() }
    }

    async fn read(&self, key: &str) -> Result<Response, Problem> {
        let digest = self.objects.digest(key).ok_or_else(Problem::no_picture)?;
        let found = self.objects.get(key).await.map_err(|_| Problem::unavailable())?;
        let body = Body::from_stream(found.ok_or_else(Problem::no_picture)?);
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(digest.declared.as_str()));
        headers.insert(CONTENT_LENGTH, digest.bytes.into());
        headers.extend(etag(&digest.sha256).map(|tag| (ETAG, tag)));
        Ok(response)
    }

    async fn write(
        &self,
        key: &str,
        (mime, bytes): (Mime, u64),
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Problem> {
        if !key.starts_with(UPLOADS) {
            return Err(Problem::forbidden("nothing is written here"));
        }
        // Signed headers must be sent as they stand.
        let is = |name, value: &str| headers.get(name).is_some_and(|sent| sent == value);
        if !is(CONTENT_TYPE, mime.as_str()) {
            return Err(Problem::forbidden("send content-type as signed"));
        }
        if !headers.contains_key(CONTENT_LENGTH) {
            return Err(Problem::no_length());
        }
        if !is(CONTENT_LENGTH, &bytes.to_string()) {
            return Err(Problem::forbidden("send content-length as signed"));
        }
        if !is(IF_NONE_MATCH, "*") {
            return Err(Problem::forbidden("send if-none-match: * as signed"));
        }
        if self.objects.digest(key).is_some() {
            return Err(Problem::exists());
        }
        let most = usize::try_from(bytes).map_err(|_| Problem::too_large())?;
        let body = to_bytes(body, most).await.map_err(|_| Problem::incomplete())?;
        if body.len() != most {
            return Err(Problem::incomplete());
        }
        if !self.objects.put_new(key, body, mime) {
            return Err(Problem::exists());
        }
        let mut response = StatusCode::OK.into_response();
        let digest = self.objects.digest(key);
        let tag = digest.and_then(|digest| etag(&digest.sha256));
        response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
        Ok(response)
    }
}

/// Answers a request to a signed address.
pub(super) async fn handle(State(pictures): State<Pictures>, request: Request) -> Response {
    let grant = match pictures.links.check(request.uri()) {
        Ok(grant) => grant,
        Err(BadLink::Forged) => {
            return Problem::forbidden("the signature does not fit the address").into_response();
        }
        Err(BadLink::Expired) => {
            return Problem::forbidden("the address has expired; ask for a new one")
                .into_response();
        }
    };
    let (parts, body) = request.into_parts();
    let answer = match (grant, parts.method) {
        (Grant::Read { key }, Method::GET) => pictures.read(&key).await,
        (Grant::Write { key, mime, bytes }, Method::PUT) => {
            pictures.write(&key, (mime, bytes), &parts.headers, body).await
        }
        (_, Method::GET | Method::PUT) => {
            Err(Problem::forbidden("the address was signed for another method"))
        }
        _ => Err(Problem::method()),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

fn etag(sha256: &[u8; 32]) -> Option<HeaderValue> {
    let first = u128::from_be_bytes(*sha256.first_chunk()?);
    HeaderValue::try_from(format!("\"{first:032x}\"")).ok()
}

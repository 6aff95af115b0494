//! The HTTP API (payload v2). Every error is a problem document (RFC 9457) in our own words.

mod ask;
mod json;
mod problem;
#[cfg(test)]
mod tests;
mod view;

use aws_lambda_events::event::apigw::{
    ApiGatewayV2httpRequest as Request, ApiGatewayV2httpResponse as Response,
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION},
};
use serde::Serialize;
use tryon_core::{
    ids::RenderId,
    stages::{AcceptError, NewRender, Router},
};

use self::{problem::Problem, view::RenderView};

/// Longest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1_024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request.
pub async fn handle(request: Request, router: &Router) -> Response {
    let request_id = ask::request_id(&request);
    let reply = match route(&request, router).await {
        Ok(reply) => reply,
        Err(problem) => Reply::of_problem(&problem, &request_id),
    };
    let status = reply.status.as_u16();
    tracing::info!(http_request_id = request_id, status, "answered");
    reply.into_response(&request_id)
}

async fn route(request: &Request, router: &Router) -> Result<Reply, Problem> {
    let method = &request.request_context.http.method;
    let path = ask::path(request);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (segments.as_slice(), method) {
        (["v1", "renders"], &Method::POST) => create(request, router).await,
        (["v1", "renders"], _) => Err(Problem::method("POST")),
        (["v1", "renders", id], &Method::GET) => read(request, id, router).await,
        (["v1", "renders", _], _) => Err(Problem::method("GET")),
        _ => Err(Problem::not_found("there is nothing at this path")),
    }
}

async fn create(request: &Request, router: &Router) -> Result<Reply, Problem> {
    let idempotency_key = ask::idempotency_key(request)?;
    let (render, named) = ask::render(request)?;
    let user_id = ask::caller(request, named)?;
    let accepted = router
        .accept(NewRender { user_id, idempotency_key, request: render })
        .await
        .map_err(refused)?;
    let location = format!("/v1/renders/{}", accepted.render.id);
    Reply::json(StatusCode::ACCEPTED, &RenderView::of(&accepted.render))?.with(LOCATION, &location)
}

async fn read(request: &Request, id: &str, router: &Router) -> Result<Reply, Problem> {
    let user_id = ask::caller(request, ask::named_in_query(request))?;
    let unknown = || Problem::not_found("there is no such render of this user");
    let is_id = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if id.len() > 64 || !id.bytes().all(is_id) {
        return Err(unknown());
    }
    let found = router.read(&user_id, &RenderId::from(id)).await;
    let render = found.map_err(|error| unavailable(&error.to_string()))?.ok_or_else(unknown)?;
    Reply::json(StatusCode::OK, &RenderView::of(&render))
}

fn refused(error: AcceptError) -> Problem {
    match error {
        AcceptError::Field(error) => Problem::field(error.field, error.fix),
        AcceptError::KeyReused => Problem::key_reused(),
        AcceptError::RouteClosed => Problem::closed(),
        AcceptError::Unavailable(reason) => unavailable(&reason),
    }
}

/// The reason is for our eyes alone.
fn unavailable(reason: &str) -> Problem {
    tracing::error!(reason, "request failed");
    Problem::unavailable()
}

struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|_| unavailable("answer not written"))?;
        Ok(Self { status, content_type: "application/json", body, header: None })
    }

    fn of_problem(problem: &Problem, request_id: &str) -> Self {
        Self {
            status: problem.status(),
            content_type: "application/problem+json",
            body: problem.document(request_id).to_string(),
            header: problem.header(),
        }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Result<Self, Problem> {
        let value = HeaderValue::from_str(value).map_err(|_| unavailable("header not written"))?;
        self.header = Some((name, value));
        Ok(self)
    }

    fn into_response(self, request_id: &str) -> Response {
        let mut response = Response::default();
        response.status_code = self.status.as_u16().into();
        response.body = Some(self.body.into());
        let headers = &mut response.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(HeaderValue::from_str(request_id).map(|id| (REQUEST_ID, id)));
        headers.extend(self.header);
        response
    }
}

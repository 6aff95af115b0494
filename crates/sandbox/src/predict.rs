//! `:predict` on Vertex: the try-on model, and the Imagen family's customisation.

mod wire;

use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tryon_core::{
    catalogue::{Predict, Size},
    lane::Lane,
};

use self::wire::Order;
use crate::{
    Charge, Provider,
    app::{Answers, App},
    auth::Product,
    draw::{Drawing, Manner},
    faults::{Call, CallKind, Fault},
    generate::latency,
    lots,
    models::{Model, Tokens, nanos},
    rpc::{ApiError, ok},
    web,
};

const MAX_BODY: usize = 100_000_000;
/// Where the try-on model runs; it is not `global`.
const REGIONS: [&str; 17] = [
    "us-central1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
    "us-west4",
    "northamerica-northeast1",
    "europe-west1",
    "europe-west4",
    "europe-west8",
    "europe-west9",
    "europe-southwest1",
    "europe-north1",
    "asia-northeast1",
    "asia-southeast1",
    "me-central1",
];

/// `POST /v1/projects/P/locations/R/publishers/google/models/M:predict`
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    Path((project, location, call)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let id = call.strip_suffix(":predict").unwrap_or_default();
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return ApiError::invalid("The request is broken, or too long.").into_response();
    };
    let about = lots::hash(&[&body]);
    let key = web::text(&parts.headers, "x-request-id");
    let key = key.map_or_else(|| lots::name(0, "key", &about, 16), str::to_owned);
    let prompt = wire::prompt(&body);
    let call = Call {
        key: Some(&key),
        prompt: prompt.as_deref(),
        model: Some(id),
        ..Call::new(CallKind::Online, &about)
    };
    app.run(&call, async |fault| {
        app.tokens.check(&parts.headers, Product::Vertex, None, app.now())?;
        if project != app.config.project {
            return Err(ApiError::new(403, "The account has no permission in this project."));
        }
        let (model, predict) = app.predict_model(id)?;
        let multi = ["global", "us", "eu"].contains(&location.as_str());
        let regional = REGIONS.contains(&location.as_str());
        if !regional && (predict == Predict::TryOn || !multi) {
            return Err(ApiError::not_found(&format!("models/{id} in {location}")));
        }
        let order = wire::read(&body, predict, model, &app.shelf)?;
        let ending = Ending::of(fault.as_ref());
        // A picture is what is billed.
        let image_out = u64::from(ending == Ending::Picture);
        let price = model.price(Size::OneK).ok_or_else(|| ApiError::new(500, "No price."))?;
        let charge = app.charge(Charge {
            provider: Provider::Google,
            attempt: key.clone(),
            key: key.clone(),
            model: model.id.clone(),
            lane: Lane::Online,
            nanos: nanos(price, Lane::Online, Tokens { image_out, ..Tokens::default() }),
            answered: false,
            at: app.now(),
        });
        app.clock.sleep(latency(&app, Size::OneK, &about)).await;
        let mut response = ok(&answer(&app, model, &key, &order, ending));
        response.extensions_mut().insert(Answers::Charge(charge));
        Ok::<_, ApiError>(response)
    })
    .await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Picture,
    Filtered,
    Missing,
}

impl Ending {
    fn of(fault: Option<&Fault>) -> Self {
        match fault {
            Some(Fault::BlockPrompt { .. }) => Self::Filtered,
            Some(Fault::Finish { reason }) => {
                let content = ["SAFETY", "PROHIBITED", "RECITATION", "SPII", "BLOCKLIST"];
                let filtered = content.iter().any(|word| reason.contains(word));
                if filtered { Self::Filtered } else { Self::Missing }
            }
            _ => Self::Picture,
        }
    }
}

fn answer(app: &App, model: &Model, key: &str, order: &Order, ending: Ending) -> Value {
    match ending {
        Ending::Picture => {
            let drawing = Drawing {
                manner: Manner::Dressed,
                width: order.width,
                height: order.height,
                pictures: order.pictures.clone(),
                label: model.id.clone(),
                mime: order.mime,
            };
            let data = BASE64_STANDARD.encode(app.artist.picture(&drawing, key));
            let mime = order.mime.as_str();
            json!({"predictions": [{"mimeType": mime, "bytesBase64Encoded": data}]})
        }
        Ending::Filtered if order.tells_reason => {
            let reason = "The picture was filtered. Support codes: 58061214";
            json!({"predictions": [{"raiFilteredReason": reason}]})
        }
        Ending::Filtered | Ending::Missing => json!({}),
    }
}

//! The one paying call of an Online render: its request goes out while its pictures are read, and its
//! answer is read whole, all within the entry's time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, header::CONTENT_TYPE};
use tryon_core::{
    catalogue::Entry,
    ids::AttemptId,
    messages::RenderOrder,
    ports::{CallError, Objects},
};

use super::{
    Connection,
    body::{Broke, Segments},
    connection::Access,
};
use crate::{
    errors::{Purpose, ours_away},
    read::whole,
};

/// The largest answer that is read, in bytes; a 4K picture takes about 10 MB in base64.
const MOST: usize = 64 << 20;

/// Sends `body` to where `url` says and gives the answer's bytes.
pub(super) async fn pay(
    connection: &Connection,
    objects: &Arc<dyn Objects>,
    access: Access,
    (order, entry): (&RenderOrder, &Entry),
    body: &Segments,
    url: &(dyn Fn(&Access) -> String + Sync),
) -> Result<Bytes, CallError> {
    let broke = Broke::default();
    // For whoever reads both sides' logs; it makes the call no more repeatable than it is.
    let attempt = AttemptId::of(&order.render_id.as_batch(), order.step, order.n);
    let make = |access: &Access| {
        broke.reset();
        Request::post(url(access))
            .header(CONTENT_TYPE, "application/json")
            .header("x-request-id", attempt.as_str())
            .body(body.clone().into_body(objects.clone(), &broke))
    };
    let timeout = Duration::from_secs(entry.call_timeout_seconds.into());
    let call = async {
        let response = connection.call(access, Purpose::Purchase, timeout, &make).await?;
        let body = whole(response.into_body(), MOST).await;
        body.map_err(|error| CallError::Unknown(error.to_string()))
    };
    let result = match select(Box::pin(call), connection.clock.sleep(timeout)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(CallError::Unknown("no whole answer in time".to_owned())),
    };
    match result {
        // Without its end the request was none, and nobody can have carried it out.
        Err(CallError::Unknown(_)) if broke.happened() => {
            Err(ours_away("an input picture broke off while it was sent"))
        }
        result => result,
    }
}

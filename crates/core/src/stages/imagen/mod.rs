//! Buys pictures from Google: claims an attempt and its money, makes the one paying call, brings the
//! pictures home, settles, and tells.

mod check;
mod fetch;
mod health;
mod jobs;
mod online;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{Buyer, Consumer, Invocation, Pulse, StageError, buyer::Purchase};
use crate::{
    catalogue::Backend,
    messages::ToImagen,
    ports::{BatchProvider, GoogleCheck, OnlineProvider},
};

/// The `imagen` stage.
#[derive(Debug)]
pub struct Imagen {
    pub buyer: Buyer,
    pub pulse: Pulse,
    pub online: BTreeMap<Backend, Arc<dyn OnlineProvider>>,
    pub batch: Arc<dyn BatchProvider>,
    pub google: Arc<dyn GoogleCheck>,
}

#[async_trait]
impl Consumer<ToImagen> for Imagen {
    /// At once: each message is a render or a job of its own.
    async fn consume(
        &self,
        messages: Vec<ToImagen>,
        call: &Invocation,
    ) -> Vec<Result<(), StageError>> {
        self.buyer.catalogue.current().await;
        join_all(messages.into_iter().map(|message| self.handle(message, call))).await
    }
}

impl Imagen {
    async fn handle(&self, message: ToImagen, call: &Invocation) -> Result<(), StageError> {
        match message {
            ToImagen::Online { attempt_id, order, wait } => {
                self.buy_online(attempt_id, order, wait, call).await
            }
            ToImagen::Submit { attempt_id, batch_id, key, orders, wait } => {
                let entries = orders.iter().map(|order| &order.entry);
                let catalogue = self.buyer.catalogue.knowing(entries).await?;
                let purchase = Purchase::batch(attempt_id, batch_id, key, orders, wait, catalogue);
                self.buy_batch(purchase, call).await
            }
            ToImagen::Poll { attempt_id, seq } => self.poll(&attempt_id, seq, call).await,
            ToImagen::Resolve { attempt_id } => self.resolve(&attempt_id).await,
            ToImagen::Cancel { attempt_id, .. } => self.cancel(&attempt_id).await,
            ToImagen::Republish { attempt_id } => self.buyer.republish(&attempt_id).await,
            ToImagen::Check => {
                self.check().await;
                Ok(())
            }
        }
    }
}

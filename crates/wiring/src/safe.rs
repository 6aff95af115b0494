use std::{fmt, sync::Arc};

use async_trait::async_trait;
use tryon_core::ports::{PortError, Secret, SecretName, Secrets};
use tryon_postgres::SecretSource;

/// What opens the database, as it stands in its secret now: a rotation takes effect by itself.
pub(crate) struct DatabaseSecret(pub(crate) Arc<dyn Secrets>);

impl fmt::Debug for DatabaseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseSecret(..)")
    }
}

#[async_trait]
impl SecretSource for DatabaseSecret {
    async fn secret(&self) -> Result<Secret, PortError> {
        self.0.secret(SecretName::DatabaseUrl, true).await
    }
}

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use tryon_core::ports::{PortError, Secret, SecretName, Secrets};
use tryon_postgres::PasswordSource;

/// The database's password, as it stands in its secret now: a rotation takes effect by itself.
pub(crate) struct SecretPassword(pub(crate) Arc<dyn Secrets>);

impl fmt::Debug for SecretPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretPassword(..)")
    }
}

#[async_trait]
impl PasswordSource for SecretPassword {
    async fn password(&self) -> Result<Secret, PortError> {
        self.0.secret(SecretName::DatabaseUrl, true).await
    }
}

use std::{fmt, fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use tryon_core::ports::{PortError, Secret, SecretName, Secrets};
use tryon_lambda::environment::Environment;
use tryon_providers::{Detour, replicate::HOSTS};

use crate::{cli::LiveReplicate, google::Way, network};

const TOKEN: &str = "REPLICATE_API_TOKEN";

/// The real Replicate, with the token that the flags and the environment name.
pub fn live(args: &LiveReplicate, environment: &Environment) -> Result<Way> {
    let secrets = LocalToken {
        file: args.replicate_token_file.clone(),
        token: environment.optional(TOKEN).map(Secret::new),
    };
    ensure!(
        secrets.file.is_some() || secrets.token.is_some(),
        "no token: give --replicate-token-file, or {TOKEN}"
    );
    let mut transport = network::transport()?;
    if let Some(endpoint) = &args.replicate_endpoint {
        let detour = Detour::new(transport, HOSTS, endpoint)
            .context("--replicate-endpoint: give a base URL such as http://127.0.0.1:8090")?;
        transport = Arc::new(detour);
    }
    Ok(Way { transport, secrets: Arc::new(secrets) })
}

/// The user's token; a file is read anew each time, so that a replaced one counts at once.
struct LocalToken {
    file: Option<PathBuf>,
    token: Option<Secret>,
}

impl fmt::Debug for LocalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalToken(..)")
    }
}

#[async_trait]
impl Secrets for LocalToken {
    async fn secret(&self, name: SecretName, _fresh: bool) -> Result<Secret, PortError> {
        if name != SecretName::ReplicateToken {
            return Err(PortError::Broken("it was not given".to_owned()));
        }
        if let Some(file) = &self.file {
            let read = fs::read_to_string(file).map_err(|error| {
                PortError::Broken(format!("{} cannot be read: {}", file.display(), error.kind()))
            })?;
            return Ok(Secret::new(read.trim()));
        }
        let token = self.token.clone();
        token.ok_or_else(|| PortError::Broken("it was not given".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &LiveReplicate, pairs: &[(&str, &str)]) -> Result<Way> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        live(args, &Environment::new(pairs))
    }

    #[tokio::test]
    async fn the_token_comes_from_a_file_or_the_environment() {
        let plain = LiveReplicate::default();
        let told = of(&plain, &[]).unwrap_err().to_string();
        assert!(told.contains("--replicate-token-file") && told.contains(TOKEN), "{told}");
        let way = of(&plain, &[(TOKEN, "r8_s3cret")]).unwrap();
        assert!(!format!("{way:?}").contains("s3cret"));
        let token = way.secrets.secret(SecretName::ReplicateToken, true).await.unwrap();
        assert_eq!(token.reveal(), "r8_s3cret");
        assert!(way.secrets.secret(SecretName::ApiKey, true).await.is_err());

        let file = std::env::temp_dir().join(format!("tryon-token-{}", std::process::id()));
        let by_file = LiveReplicate { replicate_token_file: Some(file.clone()), ..plain.clone() };
        let way = of(&by_file, &[(TOKEN, "r8_s3cret")]).unwrap();
        for text in ["one", "two"] {
            fs::write(&file, format!("{text}\n")).unwrap();
            let token = way.secrets.secret(SecretName::ReplicateToken, false).await.unwrap();
            assert_eq!(token.reveal(), text);
        }
        fs::remove_file(&file).unwrap();
        let error = way.secrets.secret(SecretName::ReplicateToken, false).await.unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error}");

        let nowhere = LiveReplicate { replicate_endpoint: Some("8090".to_owned()), ..plain };
        let told = of(&nowhere, &[(TOKEN, "r8_s3cret")]).unwrap_err().to_string();
        assert!(told.contains("--replicate-endpoint"), "{told}");
    }
}

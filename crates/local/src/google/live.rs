use std::{fmt, fs, path::PathBuf, sync::Arc};

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use tryon_core::{
    ports::{PortError, Secret, SecretName, Secrets},
    settings::Settings,
};
use tryon_lambda::environment::Environment;
use tryon_providers::google::{Auth, Host, ImageForm};

use super::{Google, Way};
use crate::{
    cli::{AuthArg, FormArg, HostArg, LiveGoogle},
    network,
};

const KEY_FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const API_KEY: &str = "GEMINI_API_KEY";

/// The real Google, with the secrets that the flags and the environment name.
pub fn live(args: &LiveGoogle, environment: &Environment) -> Result<Google> {
    let secrets = LocalSecrets {
        key_file: args.google_key_file.clone().or(environment.optional(KEY_FILE).map(Into::into)),
        api_key_file: args.google_api_key_file.clone(),
        api_key: environment.optional(API_KEY).map(Secret::new),
    };
    let (account, api_key) = (secrets.key_file.is_some(), secrets.has_api_key());
    ensure!(
        account || api_key,
        "no credentials: give --google-key-file or {KEY_FILE} (a service account's JSON file), or \
         --google-api-key-file or {API_KEY}"
    );
    let by_account = if account { AuthArg::Bearer } else { AuthArg::ApiKey };
    let auth = match args.google_auth.unwrap_or(by_account) {
        AuthArg::Bearer => Auth::Bearer,
        AuthArg::ApiKey => Auth::ApiKey,
    };
    let vertex = account && auth == Auth::Bearer;
    let by_auth = if vertex { HostArg::Vertex } else { HostArg::Developer };
    let host = match args.google_host.unwrap_or(by_auth) {
        HostArg::Vertex => Host::Vertex,
        HostArg::Developer => Host::Developer(auth),
    };
    let bearer = auth == Auth::Bearer || host == Host::Vertex;
    ensure!(
        !bearer || account,
        "this wants a service account: give --google-key-file or {KEY_FILE}"
    );
    ensure!(
        auth == Auth::Bearer || api_key,
        "this wants an API key: give --google-api-key-file or {API_KEY}"
    );
    let region = match &args.google_region {
        None => Ok(tryon_providers::google::Region::default()),
        Some(region) => region.parse(),
    };
    let Ok(region) = region else {
        bail!("--google-region: give a region such as us-central1, or global, us or eu");
    };
    let way = Way { transport: network::transport()?, secrets: Arc::new(secrets) };
    let image_form = match args.google_image_form {
        None | Some(FormArg::ImageConfig) => ImageForm::ImageConfig,
        Some(FormArg::ResponseFormat) => ImageForm::ResponseFormat,
    };
    let user_project = args.google_user_project.clone();
    Ok(Google { way: Some(way), host, batch_auth: auth, region, image_form, user_project })
}

/// The knobs of a run that asks nothing but what the flags say.
pub fn settings(args: &LiveGoogle, settings: Settings) -> Result<Settings> {
    let Some(endpoint) = &args.google_endpoint else {
        return Ok(settings);
    };
    let mut settings = settings;
    if let Err(fix) = settings.set("api-endpoint", endpoint) {
        bail!("--google-endpoint: {fix}");
    }
    Ok(settings)
}

/// Secrets of the user: read anew each time, so that a replaced file counts at once.
struct LocalSecrets {
    key_file: Option<PathBuf>,
    api_key_file: Option<PathBuf>,
    api_key: Option<Secret>,
}

impl LocalSecrets {
    fn has_api_key(&self) -> bool {
        self.api_key_file.is_some() || self.api_key.is_some()
    }
}

impl fmt::Debug for LocalSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalSecrets(..)")
    }
}

#[async_trait]
impl Secrets for LocalSecrets {
    async fn secret(&self, name: SecretName, _fresh: bool) -> Result<Secret, PortError> {
        let file = match name {
            SecretName::ServiceAccount => self.key_file.as_ref(),
            SecretName::ApiKey => self.api_key_file.as_ref(),
            SecretName::ReplicateToken | SecretName::DatabaseUrl => None,
        };
        if let Some(file) = file {
            let read = fs::read_to_string(file);
            let read = read.map_err(|error| {
                PortError::Broken(format!("{} cannot be read: {}", file.display(), error.kind()))
            })?;
            return Ok(Secret::new(read.trim()));
        }
        let key = self.api_key.clone().filter(|_| name == SecretName::ApiKey);
        key.ok_or_else(|| PortError::Broken("it was not given".to_owned()))
    }
}

#[cfg(test)]
mod tests;

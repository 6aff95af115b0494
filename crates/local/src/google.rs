//! How a world reaches Google: the sandbox in this process, or the real one with the user's secrets.

mod live;

use std::sync::Arc;

use tryon_core::ports::{HttpTransport, Secrets};
use tryon_providers::google::{Auth, Host, ImageForm, Region};

pub use self::live::{live, settings};

/// How Google is reached.
#[derive(Clone, Debug, Default)]
pub struct Google {
    /// None: the sandbox, with a key of its own.
    pub way: Option<Way>,
    /// Which product answers Online calls, and how.
    pub host: Host,
    /// How the batch endpoints are told who asks.
    pub batch_auth: Auth,
    /// Where `:predict` models run.
    pub region: Region,
    /// How Vertex is told which picture is wished for.
    pub image_form: ImageForm,
    /// Whose quota calls with a token are counted by.
    pub user_project: Option<String>,
}

/// A way out of this process.
#[derive(Clone, Debug)]
pub struct Way {
    pub transport: Arc<dyn HttpTransport>,
    pub secrets: Arc<dyn Secrets>,
}

//! What the functions are told at deploy, in the groups in which they need it.

use tryon_aws::{QueueUrls, Tables, from_env_values};
use tryon_core::{lane::LaneRules, money::Micros, ports::QueueName, settings::Settings};
use tryon_lambda::environment::Environment;
use tryon_postgres::{DatabaseConfig, TlsMode};
use tryon_providers::google::{Auth, Host, ImageForm, Region};

/// What every function is told.
pub(crate) struct Base {
    pub(crate) stage: String,
    /// What counts for a knob that has no parameter.
    pub(crate) knobs: Settings,
}

/// Where a function's queues are.
pub(crate) type Queues = Vec<(QueueName, QueueUrls)>;

/// Where the database is. Without `url`, the secret is the whole of it.
pub(crate) struct DatabaseAt {
    /// With the user, without a password.
    pub(crate) url: Option<String>,
    /// The parameter that holds the password, or the URL.
    pub(crate) secret: String,
    pub(crate) tls: TlsMode,
}

impl Base {
    pub(crate) fn read(env: &Environment) -> Self {
        let knobs = from_env_values(env.pairs().filter(|(_, text)| !text.trim().is_empty()));
        let knobs = knobs.unwrap_or_else(|bad| {
            env.fault(format!("{}: {}", bad.name, bad.fix));
            Settings::default()
        });
        Self { stage: env.text("STAGE"), knobs }
    }
}

pub(crate) fn tables(env: &Environment) -> Tables {
    Tables { attempts: env.text("ATTEMPTS_TABLE"), budget: env.text("BUDGET_TABLE") }
}

/// The queues a function sends to, and those whose messages it puts aside.
pub(crate) fn queues(env: &Environment, sends: &[QueueName], rejects: &[QueueName]) -> Queues {
    let url = |known: &[QueueName], queue, prefix| {
        known.contains(&queue).then(|| env.text(&format!("{prefix}_{}", variable(queue))))
    };
    let urls =
        |queue| QueueUrls { queue: url(sends, queue, "QUEUE"), dead: url(rejects, queue, "DLQ") };
    QueueName::ALL.map(|queue| (queue, urls(queue))).to_vec()
}

const fn variable(queue: QueueName) -> &'static str {
    match queue {
        QueueName::Accumulator => "ACCUMULATOR",
        QueueName::ImagenOnline => "IMAGEN_ONLINE",
        QueueName::ImagenJobs => "IMAGEN_JOBS",
        QueueName::Replicate => "REPLICATE",
        QueueName::GeminiBatch => "GEMINI_BATCH",
    }
}

pub(crate) fn database(env: &Environment) -> DatabaseAt {
    let tls = match env.optional("DATABASE_TLS") {
        None | Some("verify-full") => TlsMode::Rds,
        Some("disabled") => TlsMode::Off,
        Some(_) => {
            env.fault("DATABASE_TLS: give verify-full or disabled");
            TlsMode::Rds
        }
    };
    let url = env.optional("DATABASE_URL").map(str::to_owned);
    if let Some(url) = &url
        && let Err(error) = DatabaseConfig::new(url, tls.clone())
    {
        env.fault(format!("DATABASE_URL: {error}"));
    }
    DatabaseAt { url, secret: env.text("DATABASE_SECRET"), tls }
}

pub(crate) fn lanes(env: &Environment) -> LaneRules {
    let rules = LaneRules::default();
    LaneRules {
        default_deadline: seconds(env, "DEFAULT_DEADLINE_SECONDS", rules.default_deadline),
        batch_default_deadline: seconds(
            env,
            "BATCH_DEFAULT_DEADLINE_SECONDS",
            rules.batch_default_deadline,
        ),
        ..later_lanes(env)
    }
}

/// As far as whoever opens another try must know them.
pub(crate) fn later_lanes(env: &Environment) -> LaneRules {
    let rules = LaneRules::default();
    LaneRules {
        batch_min_deadline: seconds(env, "BATCH_MIN_DEADLINE_SECONDS", rules.batch_min_deadline),
        rescue_lead: seconds(env, "RESCUE_LEAD_SECONDS", rules.rescue_lead),
        ..rules
    }
}

fn seconds(env: &Environment, name: &str, default: u32) -> u32 {
    env.number(name, default, 1, 7 * 86_400)
}

/// How Google's backends are reached.
pub(crate) struct GoogleAt {
    pub(crate) online: Host,
    pub(crate) batch_auth: Auth,
    pub(crate) region: Region,
    /// In place of the service account's own.
    pub(crate) project: Option<String>,
    pub(crate) user_project: Option<String>,
    /// Of tokens; empty for those that both products document.
    pub(crate) scopes: Vec<String>,
    pub(crate) image_form: ImageForm,
}

pub(crate) fn google(env: &Environment) -> GoogleAt {
    let auth = |name| env.parse(name, Auth::Bearer, "bearer or api-key");
    let online_auth = auth("GEMINI_ONLINE_AUTH");
    let online = match env.optional("GEMINI_ONLINE_HOST") {
        None | Some("vertex") => {
            if online_auth == Auth::ApiKey {
                env.fault("GEMINI_ONLINE_AUTH: give bearer, or GEMINI_ONLINE_HOST=developer");
            }
            Host::Vertex
        }
        Some("developer") => Host::Developer(online_auth),
        Some(_) => {
            env.fault("GEMINI_ONLINE_HOST: give vertex or developer");
            Host::Vertex
        }
    };
    GoogleAt {
        online,
        batch_auth: auth("GEMINI_BATCH_AUTH"),
        region: env.parse("VERTEX_REGION", Region::default(), "a region such as us-central1"),
        project: env.optional("GOOGLE_PROJECT").map(str::to_owned),
        user_project: env.optional("GOOGLE_USER_PROJECT").map(str::to_owned),
        scopes: env
            .optional("GOOGLE_SCOPES")
            .map(|scopes| scopes.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default(),
        image_form: env.parse(
            "VERTEX_IMAGE_FORM",
            ImageForm::default(),
            "image-config or response-format",
        ),
    }
}

/// What rescues may cost on a UTC day.
pub(crate) fn rescue_budget(env: &Environment) -> Micros {
    let text = env.optional("RESCUE_DAILY_BUDGET_USD").unwrap_or("10");
    text.parse().unwrap_or_else(|error| {
        env.fault(format!("RESCUE_DAILY_BUDGET_USD: {error}"));
        Micros::ZERO
    })
}

/// Origins whose pages may call the API.
pub(crate) fn origins(env: &Environment) -> Vec<String> {
    listed(env, "PUBLIC_CORS_ORIGINS")
}

/// What stands between commas.
pub(crate) fn listed(env: &Environment, name: &str) -> Vec<String> {
    let all = env.optional(name).unwrap_or_default().split(',');
    all.map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<GoogleAt, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Environment::new(pairs).read(google).map_err(|error| error.to_string())
    }

    #[test]
    fn google_is_reached_as_the_deployment_says() {
        let plain = read(&[("GOOGLE_PROJECT", "")]).unwrap();
        assert_eq!((plain.online, plain.batch_auth), (Host::Vertex, Auth::Bearer));
        assert_eq!((plain.region, plain.project), (Region::default(), None));
        assert_eq!((plain.user_project, plain.scopes.len()), (None, 0));
        assert_eq!(plain.image_form, ImageForm::ImageConfig);
        let told = read(&[
            ("GEMINI_ONLINE_HOST", "developer"),
            ("GEMINI_ONLINE_AUTH", "api-key"),
            ("VERTEX_REGION", "europe-west4"),
            ("GOOGLE_PROJECT", "shop"),
            ("GOOGLE_USER_PROJECT", "payer"),
            ("GOOGLE_SCOPES", " one  two "),
            ("VERTEX_IMAGE_FORM", "response-format"),
        ])
        .unwrap();
        assert_eq!(told.online, Host::Developer(Auth::ApiKey));
        assert_eq!(told.user_project.as_deref(), Some("payer"));
        assert_eq!(told.scopes, ["one", "two"]);
        assert_eq!(told.image_form, ImageForm::ResponseFormat);
        assert_eq!(
            (told.region.to_string(), told.project.as_deref()),
            ("europe-west4".to_owned(), Some("shop"))
        );
    }

    #[test]
    fn what_cannot_be_is_said_at_the_start() {
        for (pairs, fix) in [
            (&[("GEMINI_ONLINE_HOST", "aws")][..], "GEMINI_ONLINE_HOST: give vertex or developer"),
            (&[("GEMINI_ONLINE_AUTH", "api-key")], "GEMINI_ONLINE_AUTH: give bearer"),
            (&[("GEMINI_BATCH_AUTH", "key")], "GEMINI_BATCH_AUTH: give bearer or api-key"),
            (&[("VERTEX_IMAGE_FORM", "new")], "VERTEX_IMAGE_FORM: give image-config"),
            (&[("VERTEX_REGION", "Mars!")], "VERTEX_REGION: give a region"),
        ] {
            let error = read(pairs).err().unwrap();
            assert!(error.contains(fix), "{error}");
        }
    }
}

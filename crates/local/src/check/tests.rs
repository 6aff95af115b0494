//! The command against the sandbox: in this process, and as a server that stands in for the real providers.

mod replicate;

use std::{fs, path::PathBuf};

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::{
    cli::{Cli, Command},
    render_one,
};

/// The sandbox on a port, with a key file for it.
struct Stand {
    sandbox: Sandbox,
    base: String,
    key_file: PathBuf,
    name: &'static str,
}

impl Stand {
    /// Serves until the test's process ends.
    fn new(name: &'static str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
        let config = SandboxConfig {
            api_key: Some("sandbox-api-key".to_owned()),
            // Whoever called this address is led back to it.
            delivery_url: Some("https://replicate.delivery".to_owned()),
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::new(config.taking(Some(0)), clock);
        let (told, heard) = std::sync::mpsc::channel();
        let serving = sandbox.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let any = ([127, 0, 0, 1], 0).into();
                let server = serving.serve(any, std::future::pending()).await.unwrap();
                told.send(server.addr()).unwrap();
                server.run().await.unwrap();
            });
        });
        let base = format!("http://{}", heard.recv().unwrap());
        let key_file = std::env::temp_dir().join(format!("tryon-{name}-{}", std::process::id()));
        fs::write(&key_file, sandbox.service_account_json_at(&format!("{base}/token"))).unwrap();
        Self { sandbox, base, key_file, name }
    }

    fn key(&self) -> String {
        self.key_file.display().to_string()
    }

    /// The key file with one of its fields changed.
    fn change(&self, field: &str, value: &str) {
        let mut key: Value = serde_json::from_slice(&fs::read(&self.key_file).unwrap()).unwrap();
        key[field] = value.into();
        fs::write(&self.key_file, key.to_string()).unwrap();
    }

    fn out(&self) -> String {
        let out = format!("tryon-{}-{}.jpg", self.name, std::process::id());
        std::env::temp_dir().join(out).display().to_string()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        fs::remove_file(&self.key_file).ok();
        fs::remove_file(self.out()).ok();
    }
}

fn tryon(words: &[&str], variables: &[(&str, &str)]) -> (Result<()>, String) {
    let cli = Cli::try_parse_from(["tryon"].iter().chain(words)).unwrap();
    let pairs = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let environment = Environment::new(pairs);
    let mut out = Vec::new();
    let result = match cli.command {
        Command::Check(args) => run(&args, &environment, &mut out),
        Command::Render(args) => render_one::run(&args, &environment, &mut out),
        _ => panic!("another command"),
    };
    (result, String::from_utf8(out).unwrap())
}

const PERSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/person.jpg");
const SHIRT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/garment-shirt.jpg");

#[test]
fn the_sandbox_lacks_nothing() {
    let (result, shown) = tryon(&["check", "google"], &[]);
    result.unwrap();
    assert_eq!(shown.matches("good").count(), 4, "{shown}");
}

#[test]
fn a_catalogue_is_checked_as_the_functions_do() {
    let text = include_str!("../../../core/catalogue.toml");
    let file = std::env::temp_dir().join(format!("tryon-catalogue-{}", std::process::id()));
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        tryon(&["check", "catalogue", &file.display().to_string()], &[])
    };
    let (result, shown) = check(&text.replace("nano-banana-lite", "newcomer"));
    result.unwrap();
    assert!(shown.contains("gemini-nano-banana-2.1"), "{shown}");
    assert!(shown.contains("dropped: nano-banana-lite"), "{shown}");
    let (result, _) = check(&text.replace("gemini-nano-banana-2.1", "gemini-nano-banana-3"));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("give another one an entry of its own"), "{error}");
    let (result, _) = check("[quality]");
    assert!(result.unwrap_err().to_string().contains("line"));
    fs::remove_file(&file).ok();
    assert!(Cli::try_parse_from(["tryon", "check", "catalogue"]).is_err());
}

#[test]
fn a_server_that_stands_in_for_google_lacks_nothing_and_makes_nothing() {
    let stand = Stand::new("check");
    let live = ["check", "google", "--live", "--google-endpoint", &stand.base];
    let (result, shown) = tryon(&[&live[..], &["--google-key-file", &stand.key()]].concat(), &[]);
    result.unwrap();
    assert!(shown.contains("granted") && shown.contains("jobs can be listed"), "{shown}");
    let (result, shown) = tryon(&live, &[("GEMINI_API_KEY", "sandbox-api-key")]);
    result.unwrap();
    assert!(shown.contains("the model answers"), "{shown}");
    assert!(stand.sandbox.bill().charges.is_empty());
    assert!(!shown.contains("sandbox-api-key"));
}

#[test]
fn what_is_missing_is_said_with_the_fix() {
    let stand = Stand::new("missing");
    let live = ["check", "google", "--live", "--google-endpoint", &stand.base];
    let (result, shown) = tryon(&live, &[("GEMINI_API_KEY", "another-api-key")]);
    assert!(result.unwrap_err().to_string().contains("2 things are missing"));
    assert!(shown.contains("check the API key") && !shown.contains("another-api-key"), "{shown}");
    let key = stand.key();
    let with_key = [&live[..], &["--google-key-file", &key]].concat();
    stand.change("private_key_id", "rotated");
    let (result, shown) = tryon(&with_key, &[]);
    assert!(result.is_err() && shown.contains("rotated or deleted"), "{shown}");
    stand.change("client_email", "gone@sandbox.iam.gserviceaccount.com");
    let (_, shown) = tryon(&with_key, &[]);
    assert!(shown.contains("it was deleted, or the key is for another one"), "{shown}");
    let (result, _) = tryon(&live, &[]);
    assert!(result.unwrap_err().to_string().contains("GOOGLE_APPLICATION_CREDENTIALS"));
}

#[test]
fn a_service_account_gets_a_picture() {
    let stand = Stand::new("render");
    let (key, out) = (stand.key(), stand.out());
    let words =
        ["render", "--google", "live", "--google-endpoint", &stand.base, "--person", PERSON];
    let words = [&words[..], &["--garment", SHIRT, "--quality", "sd", "-o", &out]].concat();
    let by_file = [&words[..], &["--google-key-file", &key]].concat();
    let (result, shown) = tryon(&by_file, &[]);
    result.unwrap();
    assert!(shown.contains("picture after"), "{shown}");
    assert!(fs::read(&out).unwrap().starts_with(&[0xff, 0xd8, 0xff]));
    assert_eq!(stand.sandbox.bill().charges.len(), 1);
    // The same with an API key alone.
    let (result, _) = tryon(&words, &[("GEMINI_API_KEY", "sandbox-api-key")]);
    result.unwrap();
    assert_eq!(stand.sandbox.bill().charges.len(), 2);
}

#[test]
fn bad_credentials_are_told_before_anything_is_sent() {
    let stand = Stand::new("refused");
    stand.change("private_key", "nonsense");
    let (key, out) = (stand.key(), stand.out());
    let words =
        ["render", "--google", "live", "--google-endpoint", &stand.base, "--person", PERSON];
    let words = [&words[..], &["--garment", SHIRT, "-o", &out, "--google-key-file", &key]].concat();
    let (result, _) = tryon(&words, &[]);
    let error = result.unwrap_err().to_string();
    assert!(error.contains("private_key is no RSA private key"), "{error}");
    assert!(!error.contains("nonsense"));
    assert!(stand.sandbox.calls().is_empty());
}

#[test]
fn virtual_time_knows_no_real_provider() {
    for command in ["demo", "simulate"] {
        for provider in ["--google", "--replicate"] {
            let error = Cli::try_parse_from(["tryon", command, provider, "live"]).unwrap_err();
            assert!(error.to_string().contains(provider), "{error}");
        }
    }
}

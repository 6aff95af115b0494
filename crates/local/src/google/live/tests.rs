use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn of(args: &LiveGoogle, pairs: &[(&str, &str)]) -> Result<Google> {
    live(args, &environment(pairs))
}

#[test]
fn what_there_is_says_how_google_is_reached() {
    let plain = LiveGoogle::default();
    let account = of(&plain, &[(KEY_FILE, "key.json")]).unwrap();
    assert_eq!((account.host, account.batch_auth), (Host::Vertex, Auth::Bearer));
    let key = of(&plain, &[(API_KEY, "k")]).unwrap();
    assert_eq!((key.host, key.batch_auth), (Host::Developer(Auth::ApiKey), Auth::ApiKey));
    let both = [(KEY_FILE, "key.json"), (API_KEY, "k")];
    assert_eq!(of(&plain, &both).unwrap().host, Host::Vertex);
    let args = LiveGoogle { google_auth: Some(AuthArg::ApiKey), ..plain.clone() };
    assert_eq!(of(&args, &both).unwrap().host, Host::Developer(Auth::ApiKey));
    let args = LiveGoogle { google_host: Some(HostArg::Developer), ..plain };
    assert_eq!(of(&args, &both).unwrap().host, Host::Developer(Auth::Bearer));
}

#[test]
fn what_is_missing_is_named() {
    let plain = LiveGoogle::default();
    let fix = |args: &LiveGoogle, pairs: &[(&str, &str)]| of(args, pairs).unwrap_err().to_string();
    assert!(fix(&plain, &[]).contains("--google-key-file"));
    let vertex = LiveGoogle { google_host: Some(HostArg::Vertex), ..plain.clone() };
    assert!(fix(&vertex, &[(API_KEY, "s3cret")]).contains("wants a service account"));
    let by_key = LiveGoogle { google_auth: Some(AuthArg::ApiKey), ..plain.clone() };
    assert!(fix(&by_key, &[(KEY_FILE, "key.json")]).contains("wants an API key"));
    let nowhere = LiveGoogle { google_region: Some("Mars!".into()), ..plain };
    assert!(fix(&nowhere, &[(API_KEY, "s3cret")]).contains("--google-region"));
    assert!(!fix(&vertex, &[(API_KEY, "s3cret")]).contains("s3cret"));
}

#[tokio::test]
async fn files_are_read_anew_and_secrets_stay_unseen() {
    let file = std::env::temp_dir().join(format!("tryon-key-{}", std::process::id()));
    let secrets = LocalSecrets {
        key_file: Some(file.clone()),
        api_key_file: None,
        api_key: Some(Secret::new("s3cret")),
    };
    for text in ["one", "two"] {
        fs::write(&file, format!("{text}\n")).unwrap();
        let read = secrets.secret(SecretName::ServiceAccount, false).await.unwrap();
        assert_eq!(read.reveal(), text);
    }
    fs::remove_file(&file).unwrap();
    let error = secrets.secret(SecretName::ServiceAccount, true).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    assert_eq!(secrets.secret(SecretName::ApiKey, false).await.unwrap().reveal(), "s3cret");
    assert!(!format!("{secrets:?}").contains("s3cret"));
}

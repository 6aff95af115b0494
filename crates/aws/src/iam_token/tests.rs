use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use tryon_core::{contract::fixtures::start, memory::TokioClock};

use super::*;
use crate::testing::Wire;

fn token(config: SdkConfig) -> DatabaseToken {
    let database =
        DatabaseUser { host: "db.example.com".to_owned(), port: 5432, user: "tryon".to_owned() };
    DatabaseToken::new(config, Arc::new(TokioClock::starting_at(start())), database)
}

#[tokio::test(start_paused = true)]
async fn a_token_is_what_the_book_says() {
    let token = token(Wire::of([]).config());
    let secret = token.token().await.unwrap();
    let (address, query) = secret.reveal().split_once('?').unwrap();
    assert_eq!(address, "db.example.com:5432/");
    let mut fields: Vec<_> = query.split('&').collect();
    fields.sort_unstable();
    // The signature was computed apart from this program, from the specification of SigV4.
    let expected = [
        "Action=connect",
        "DBUser=tryon",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=AKIDEXAMPLE%2F20261123%2Feu-west-1%2Frds-db%2Faws4_request",
        "X-Amz-Date=20261123T120000Z",
        "X-Amz-Expires=900",
        "X-Amz-Signature=f548f82074f0fffb2dab73194ee7616225cc6dde973e67ec5e6dcf711466acea",
        "X-Amz-SignedHeaders=host",
    ];
    assert_eq!(fields, expected);
    let shown = format!("{token:?} {secret:?}");
    assert!(!shown.contains("AKID") && !shown.contains("X-Amz"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn temporary_credentials_ride_along() {
    let credentials = Credentials::new("AKIDEXAMPLE", "key", Some("session".to_owned()), None, "t");
    let provider = SharedCredentialsProvider::new(credentials);
    let config = Wire::of([]).config().into_builder().credentials_provider(provider).build();
    let secret = token(config).token().await.unwrap();
    assert!(secret.reveal().contains("X-Amz-Security-Token=session"));
}

#[tokio::test(start_paused = true)]
async fn without_credentials_there_is_none() {
    let config = SdkConfig::builder().build();
    assert!(matches!(token(config).token().await, Err(PortError::Broken(_))));
}

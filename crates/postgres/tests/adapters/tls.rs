use sqlx::Executor;
use tryon_core::ports::{Batches, PortError};
use tryon_postgres::{Database, DatabaseConfig, TlsMode};

use crate::support::Home;

/// An authority, and by it a certificate for `localhost`; made by the server, for its eyes only.
const CERTIFY: &str = "COPY (SELECT 1) TO PROGRAM '
    new=\"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2\"
    $new -keyout ca.key -out ca.crt -subj /CN=authority &&
    $new -keyout server.key -out server.crt -subj /CN=server -CA ca.crt -CAkey ca.key \
        -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost'";

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn only_a_known_authority_and_the_right_name_will_do() {
    let home = Home::new("tls").await;
    let mut session = home.session().await;
    for sql in [CERTIFY, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
        session.execute(sql).await.unwrap();
    }
    let authority: String =
        sqlx::query_scalar("SELECT pg_read_file('ca.crt')").fetch_one(&mut session).await.unwrap();
    let authority = TlsMode::Authorities(authority.into_bytes());
    let open = async |host, mode| {
        let url = home.url.replace("127.0.0.1", host);
        Database::new(DatabaseConfig::new(&url, mode).unwrap()).open().await
    };
    let refused = Err(PortError::Unavailable("database connection not secure".to_owned()));
    assert_eq!(open("localhost", authority.clone()).await, Ok(0));
    assert_eq!(open("127.0.0.1", authority).await, refused, "it is not called that");
    assert_eq!(open("localhost", TlsMode::Rds).await, refused, "Amazon knows nothing of it");
}

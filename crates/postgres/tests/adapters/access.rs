//! Getting in, and out: passwords that age, are refused, and are never shown.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tryon_core::{
    contract::fixtures::start,
    ports::{Batches, Clock, PortError, Secret},
};
use tryon_postgres::{Database, DatabaseConfig, SecretSource, TlsMode};

/// A server that asks for a password and refuses each, quoting it; the passwords it was told.
async fn doorkeeper() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let password = refuse(stream).await;
            heard.lock().unwrap().push(password);
        }
    });
    (port, told)
}

async fn refuse(mut stream: TcpStream) -> String {
    // The start-up message, then a request for a password in plain text.
    let length = stream.read_u32().await.unwrap() as usize;
    stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
    stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'p');
    let length = stream.read_u32().await.unwrap() as usize;
    let mut password = vec![0; length - 4];
    stream.read_exact(&mut password).await.unwrap();
    let password = String::from_utf8(password).unwrap().trim_end_matches('\0').to_owned();
    let fields = format!("SFATAL\0VFATAL\0C28P01\0Mno entry with {password}\0\0");
    stream.write_u8(b'E').await.unwrap();
    stream.write_u32(u32::try_from(fields.len()).unwrap() + 4).await.unwrap();
    stream.write_all(fields.as_bytes()).await.unwrap();
    password
}

fn config(port: u16) -> DatabaseConfig {
    let url = format!("postgres://user:hunter2@127.0.0.1:{port}/x");
    DatabaseConfig::new(&url, TlsMode::Off).unwrap()
}

#[tokio::test]
async fn a_refused_password_is_not_repeated() {
    let (port, told) = doorkeeper().await;
    let client = Database::new(config(port));
    let refused = Err(PortError::Unavailable("database refused: 28P01".to_owned()));
    assert_eq!(client.open().await, refused);
    assert_eq!(client.migrate().await, refused.map(|_| ()));
    assert_eq!(*told.lock().unwrap(), ["hunter2", "hunter2"]);
    let shown = format!("{client:?} {:?}", config(port));
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Hands out `password-1`, `password-2` and so on.
#[derive(Debug, Default)]
struct Source(Mutex<u32>);

#[async_trait]
impl SecretSource for Source {
    async fn secret(&self) -> Result<Secret, PortError> {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        Ok(Secret::new(format!("password-{asked}")))
    }
}

/// Time that moves when it is told to.
#[derive(Debug)]
struct Hands(Mutex<DateTime<Utc>>);

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
    async fn sleep(&self, _duration: std::time::Duration) {}
}

#[tokio::test]
async fn a_refused_password_is_asked_for_anew() {
    let (port, told) = doorkeeper().await;
    let clock = Arc::new(Hands(Mutex::new(start())));
    let client = Database::new(config(port).with_passwords(Arc::new(Source::default()), clock));
    assert!(client.open().await.is_err());
    assert!(client.migrate().await.is_err());
    assert!(client.open().await.is_err());
    assert_eq!(*told.lock().unwrap(), ["password-1", "password-2", "password-3"]);
}

/// Hands out these URLs, one after the other.
#[derive(Debug)]
struct Addresses(Mutex<Vec<String>>);

#[async_trait]
impl SecretSource for Addresses {
    async fn secret(&self) -> Result<Secret, PortError> {
        Ok(Secret::new(self.0.lock().unwrap().remove(0)))
    }
}

#[tokio::test]
async fn a_secret_url_is_read_when_a_connection_is_to_be_opened() {
    let ((port, told), (next, told_next)) = (doorkeeper().await, doorkeeper().await);
    let url = |port| format!("postgres://u:hunter{port}@127.0.0.1:{port}/db");
    let urls = vec![url(port), "hunter2".to_owned(), url(next)];
    let source = Arc::new(Addresses(Mutex::new(urls)));
    let clock = Arc::new(Hands(Mutex::new(start())));
    let client = Database::new(DatabaseConfig::in_secret(source.clone(), TlsMode::Off, clock));
    assert_eq!(source.0.lock().unwrap().len(), 3, "nothing is read ahead");
    assert!(client.open().await.is_err());
    // One that is none is asked for again, as is one that is refused.
    let none = "the database URL is not of the form postgres://user:password@host:port/name";
    assert_eq!(client.open().await, Err(PortError::Unavailable(none.to_owned())));
    assert!(client.open().await.is_err());
    let heard = [told.lock().unwrap().clone(), told_next.lock().unwrap().clone()];
    assert_eq!(heard, [[format!("hunter{port}")], [format!("hunter{next}")]]);
    assert!(!format!("{client:?}").contains("hunter"));
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn an_old_password_is_asked_for_anew_where_a_connection_is_to_be_opened() {
    let home = crate::support::Home::new("password").await;
    let (clock, source) = (Arc::new(Hands(Mutex::new(start()))), Arc::new(Source::default()));
    let config = DatabaseConfig::new(&home.url, TlsMode::Off).unwrap();
    let client = Database::new(config.with_passwords(source.clone(), clock.clone()));
    for (minutes, lost, asked) in
        [(0, false, 1), (9, true, 1), (11, false, 1), (11, true, 2), (20, true, 2), (22, true, 3)]
    {
        *clock.0.lock().unwrap() = start() + TimeDelta::minutes(minutes);
        if lost {
            home.run(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
            assert!(client.open().await.is_err());
        }
        assert_eq!(client.open().await, Ok(0));
        assert_eq!(*source.0.lock().unwrap(), asked, "after {minutes} minutes");
    }
}

#[derive(Debug)]
struct Closed;

#[async_trait]
impl SecretSource for Closed {
    async fn secret(&self) -> Result<Secret, PortError> {
        Err(PortError::Unavailable("the safe is closed".to_owned()))
    }
}

#[tokio::test]
async fn without_a_password_nothing_is_tried() {
    let (port, told) = doorkeeper().await;
    let clock = crate::support::clock();
    let client = Database::new(config(port).with_passwords(Arc::new(Closed), clock));
    let closed = PortError::Unavailable("the safe is closed".to_owned());
    assert_eq!(client.open().await, Err(closed));
    assert_eq!(*told.lock().unwrap(), [""; 0]);
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn who_says_goodbye_leaves_no_connection_behind() {
    let home = crate::support::Home::new("goodbye").await;
    let client = home.client();
    assert_eq!(client.open().await, Ok(0));
    client.close().await;
    let mut session = home.session().await;
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut left = 1_i64;
    for _ in 0..1_000 {
        left = sqlx::query_scalar(others).fetch_one(&mut session).await.unwrap();
        if left == 0 {
            break;
        }
    }
    assert_eq!(left, 0);
    assert_eq!(client.open().await, Ok(0), "it can come back");
}

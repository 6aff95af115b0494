//! Migrations are compiled in: a new file is a reason to build again. Queries are checked against the
//! committed `.sqlx`, whatever `DATABASE_URL` a developer's shell or `.env` may hold; `prepare` alone asks a
//! database.

#[expect(clippy::disallowed_methods, reason = "a build script is told by the environment")]
fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
    println!("cargo:rerun-if-env-changed=SQLX_OFFLINE");
    if std::env::var_os("SQLX_OFFLINE").is_none() {
        println!("cargo:rustc-env=SQLX_OFFLINE=true");
    }
}

//! `tryon ops`: the ops routes for people, and with `--json` for scripts.

mod client;
mod show;
mod sign;
#[cfg(test)]
mod tests;

use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::Arc,
};

use anyhow::{Result, bail};
use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use tryon_core::{
    memory::TokioClock,
    ops::{Receipt, Standing},
    ports::Clock,
    routing::Percent,
};
use tryon_lambda::environment::Environment;

use self::client::Client;
use crate::{
    cli::{self, OpsCommand, TrafficCommand, Waive},
    network,
};

/// Runs the command against the API, writing what it says to `out`.
pub fn run(args: &cli::Ops, environment: &Environment, out: &mut impl Write) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(args, environment, network::transport()?, clock.clone())?;
    runtime.block_on(Desk { client, clock, json: args.json }.answer(&args.command, out))
}

struct Desk {
    client: Client,
    clock: Arc<dyn Clock>,
    json: bool,
}

impl Desk {
    async fn answer(&self, command: &OpsCommand, out: &mut impl Write) -> Result<()> {
        match command {
            OpsCommand::Status => self.get("status", out, show::status).await,
            OpsCommand::Budget => self.get("budget", out, show::budget).await,
            OpsCommand::Batches => self.get("batches", out, show::batches).await,
            OpsCommand::Gates => self.get("gates", out, show::gates).await,
            OpsCommand::Explain { render } => {
                self.get(&format!("renders/{render}"), out, show::explanation).await
            }
            OpsCommand::Traffic(TrafficCommand::Get) => {
                self.get("traffic", out, show::traffic).await
            }
            OpsCommand::Traffic(TrafficCommand::Set { percent, reason, force, yes }) => {
                if !yes {
                    self.confirm_traffic(*percent).await?;
                }
                let body = json!({"percent": percent, "reason": reason, "force": force});
                let answer = self.client.call(Method::PUT, "traffic", Some(&body)).await?;
                self.show(answer, out, show::traffic)
            }
            OpsCommand::Waive(Waive { gate, reason, days }) => {
                let until = self.clock.now() + TimeDelta::days((*days).into());
                let body = json!({"gate": gate, "reason": reason, "until": until});
                let answer = self.client.call(Method::POST, "waivers", Some(&body)).await?;
                self.show(answer, out, show::waiver)
            }
            OpsCommand::Redrive { queue, yes } => {
                if !yes {
                    confirm(&format!("Send what was put aside from {queue} there again?"))?;
                }
                let body = json!({"queue": queue});
                let answer = self.client.call(Method::POST, "redrive", Some(&body)).await?;
                self.show(answer, out, show::redrive)
            }
            OpsCommand::Forget { user, yes } => {
                if !yes {
                    confirm(&format!("Erase everything of {user}? It cannot be brought back."))?;
                }
                let receipt = serde_json::to_value(self.forget(user).await?)?;
                self.show(receipt, out, show::receipt)
            }
        }
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        out: &mut impl Write,
        show: fn(&T) -> String,
    ) -> Result<()> {
        let answer = self.client.call(Method::GET, path, None).await?;
        self.show(answer, out, show)
    }

    fn show<T: serde::de::DeserializeOwned>(
        &self,
        answer: Value,
        out: &mut impl Write,
        show: fn(&T) -> String,
    ) -> Result<()> {
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        } else {
            writeln!(out, "{}", show(&serde_json::from_value(answer)?))?;
        }
        Ok(())
    }

    /// One call erases so many renders; asked again until all are.
    async fn forget(&self, user: &str) -> Result<Receipt> {
        let body = json!({"user_id": user});
        let mut sum = Receipt::default();
        loop {
            let answer = self.client.call(Method::POST, "forget", Some(&body)).await?;
            sum = sum.and(serde_json::from_value(answer)?);
            if !sum.more {
                return Ok(sum);
            }
        }
    }

    async fn confirm_traffic(&self, to: Percent) -> Result<()> {
        let answer = self.client.call(Method::GET, "traffic", None).await?;
        let now: Standing = serde_json::from_value(answer)?;
        let (percent, in_force) = (now.traffic_percent, now.in_force);
        confirm(&format!("Set traffic-percent from {percent} to {to} ({in_force} % is in force)?"))
    }
}

/// Asks whoever sits there.
fn confirm(question: &str) -> Result<()> {
    let mut input = io::stdin().lock();
    if !input.is_terminal() {
        bail!("nobody is there to be asked: give --yes");
    }
    let mut output = io::stderr();
    write!(output, "{question} [yes/no] ")?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { bail!("nothing was done") }
}

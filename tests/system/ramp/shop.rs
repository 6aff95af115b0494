//! A shop with some hundred customers, day after day, and ops who watch its ramp.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tryon_core::{
    audit::{Act, AuditEntry},
    gates::{BudgetDays, Gate, Mode, Report, Rules, Tally, Verdict, judge},
    ids::{AuditId, RenderId},
    ports::{Audit, Observations, Renders, StatusName},
    render::{Render, RenderStatus},
    routing::{Bucket, Percent, Route},
    settings::Settings,
    stages::RolloutReport,
};
use tryon_local::{
    cli::SALT,
    world::{World, WorldConfig},
};
use tryon_sandbox::Rule;

use crate::support::{self, body};

pub(super) const DAY: u64 = 24;

pub(super) fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

pub(super) struct Shop {
    pub(super) world: World,
    pub(super) users: Vec<String>,
    number: Cell<usize>,
    unrated: RefCell<Vec<RenderId>>,
}

impl Shop {
    /// Ops' percentage and the ceiling as given; the rollout looks so often.
    pub(super) async fn new(
        (traffic, ceiling): (&str, &str),
        mode: Mode,
        every: Duration,
        faults: Vec<Rule>,
    ) -> Self {
        let settings = Settings {
            traffic_percent: percent(traffic),
            traffic_ceiling: percent(ceiling),
            ..support::settings()
        };
        let config = WorldConfig {
            seed: 1,
            settings,
            sandbox: support::quick(1, faults),
            rollout: mode,
            rollout_every: every,
            ..WorldConfig::default()
        };
        let world = support::world_of(config).await;
        let users = (0..300).map(|n| format!("customer-{n}")).collect();
        Self { world, users, number: Cell::new(0), unrated: RefCell::default() }
    }

    /// Renders by the hour: each customer comes once a day, and asks for so many; the others come at
    /// every third day, for one.
    pub(super) async fn hours(&self, hours: u64, eager: usize) {
        let script = async {
            for _ in 0..hours {
                self.hour(eager).await;
            }
            Ok(())
        };
        self.world.serve_until(script).await.unwrap();
    }

    async fn hour(&self, eager: usize) {
        let in_force = self.in_force().await;
        let hour = self.world.clock.now().timestamp() / 3_600;
        for (place, user) in self.users.iter().enumerate() {
            let place = i64::try_from(place).unwrap();
            if place % 24 != hour % 24 {
                continue;
            }
            let gemini = Bucket::of(SALT, &user.as_str().into()).is_below(in_force);
            let turn = (place / 24) % 3 == (hour / 24) % 3;
            let count = if gemini { eager } else { usize::from(turn) };
            for n in 0..count {
                // A few can wait.
                let lane = if n % 5 == 4 { "batch" } else { "online" };
                let mut body = body(lane, "");
                body["user_id"] = json!(user);
                if lane == "batch" {
                    body["deadline_seconds"] = json!(7_200);
                }
                let number = self.number.replace(self.number.get() + 1);
                let id = support::accept(&self.world, &body, &format!("key-{number}")).await;
                self.unrated.borrow_mut().push(id);
                self.world.clock.sleep(Duration::from_secs(30)).await;
            }
        }
        self.rate().await;
        let now = self.world.clock.now().timestamp();
        let rest = u64::try_from((hour + 1) * 3_600 - now).unwrap_or_default();
        self.world.clock.sleep(Duration::from_secs(rest)).await;
    }

    /// Everybody says what they think of what they got.
    async fn rate(&self) {
        let asked = self.unrated.take();
        let rows = Renders::get(self.world.database.as_ref(), &asked).await.unwrap();
        for row in rows {
            match row.status {
                RenderStatus::Succeeded { .. } => {
                    let mood = row.id.as_str().bytes().map(u64::from).sum::<u64>() % 10;
                    let stars = [3, 4, 4, 4][..].get(usize::try_from(mood).unwrap());
                    self.world.rate(&row, stars.copied().unwrap_or(5)).await.unwrap();
                }
                RenderStatus::Failed { .. } => {}
                _ => self.unrated.borrow_mut().push(row.id),
            }
        }
    }

    pub(super) async fn in_force(&self) -> Percent {
        let settings = tryon_core::ports::SettingsSource::settings(self.world.settings.as_ref());
        let settings = settings.await;
        settings.traffic_percent.min(settings.traffic_ceiling)
    }

    pub(super) fn status(&self) -> RolloutReport {
        let text = self.world.board.posted(StatusName::Rollout).unwrap();
        assert!(text.len() <= 4_096);
        serde_json::from_str(&text).unwrap()
    }

    /// What was done so far, the oldest first.
    pub(super) async fn acts(&self) -> Vec<AuditEntry> {
        let epoch = DateTime::UNIX_EPOCH;
        let mut acts = self.world.audit.recent(epoch, 100).await.unwrap();
        acts.reverse();
        acts
    }

    /// Ops do something, and say why.
    pub(super) async fn record(&self, act: Act) {
        let (now, id) = (self.world.clock.now(), format!("ops-{}", self.acts().await.len()));
        let entry =
            AuditEntry::new(AuditId::new(id), now, "ops", act, "by hand", serde_json::Value::Null);
        assert_eq!(self.world.audit.record(&entry.unwrap()).await, Ok(true));
    }

    pub(super) async fn waive(&self, gate: Gate, hours: i64) {
        let until = self.world.clock.now() + TimeDelta::hours(hours);
        self.record(Act::Waived { gate, until }).await;
    }

    /// What the gates say of the evidence since `since` at this moment.
    pub(super) async fn judge(&self, since: DateTime<Utc>) -> Report {
        let now = self.world.clock.now();
        let tally = Tally::new(Rules::default(), now);
        let tally = self.world.database.observe(since, tally).await.unwrap();
        let budget = BudgetDays { days: 1, open: 0 };
        let evidence = tally.evidence(since, self.in_force().await, budget);
        judge(&evidence, &Rules::default(), &[], now)
    }

    pub(super) fn rows(&self) -> Vec<Render> {
        support::renders(&self.world)
    }

    /// Who was on the Gemini route among the renders accepted at that time.
    pub(super) fn on_gemini(&self, time: Range<DateTime<Utc>>) -> BTreeSet<String> {
        let mut routes: BTreeMap<String, BTreeSet<Route>> = BTreeMap::new();
        for row in self.rows().into_iter().filter(|row| time.contains(&row.accepted_at)) {
            routes.entry(row.user_id.to_string()).or_default().insert(row.assigned);
        }
        let both = routes.values().filter(|routes| routes.len() > 1).count();
        assert_eq!(both, 0, "nobody is on two routes at one percentage");
        let gemini = |routes: &BTreeSet<Route>| routes.contains(&Route::Gemini);
        routes.into_iter().filter(|(_, routes)| gemini(routes)).map(|(user, _)| user).collect()
    }
}

pub(super) fn verdict(report: &Report, gate: Gate) -> Verdict {
    report.findings.iter().find(|finding| finding.gate == gate).unwrap().figures.verdict
}

//! Random lives: outcomes in any order, twice, late; every invariant after each step.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    /// The `which`-th attempt there ever was gives this, perhaps once more.
    Give {
        which: usize,
        outcome: Outcome,
        cost: u64,
    },
    /// The owed sends are made.
    Strike,
    /// The accumulator gathers it.
    Join,
    Nudge,
    Overdue,
    Rescue {
        possible: bool,
    },
    Generating,
}

fn class() -> impl Strategy<Value = FailClass> {
    use FailClass::{
        Account, Cancelled, Deferred, Diverted, Exhausted, Expired, Invalid, Missing, NoImage,
        Provider, Retired, Unfunded, Unknown,
    };
    prop::sample::select(vec![
        Provider, Provider, Provider, Missing, Missing, Expired, NoImage, Unknown, Invalid,
        Account, Cancelled, Unfunded, Deferred, Diverted, Unknown, Retired, Exhausted,
    ])
}

fn op() -> impl Strategy<Value = Op> {
    let given = prop_oneof![
        2 => prop_oneof![Just(Size::OneK), Just(Size::FourK)].prop_map(|size| {
            Outcome::Image { picture: picture(), fidelity: Fidelity::Exact, size }
        }),
        1 => Just(Outcome::Refused),
        12 => class().prop_map(|class| Outcome::Failed { class }),
    ];
    let cost = prop_oneof![Just(0), 1..90_000u64];
    prop_oneof![
        6 => (0..8usize, given, cost).prop_map(|(which, outcome, cost)| Op::Give { which, outcome, cost }),
        3 => Just(Op::Strike),
        3 => Just(Op::Join),
        1 => Just(Op::Nudge),
        1 => Just(Op::Overdue),
        3 => any::<bool>().prop_map(|possible| Op::Rescue { possible }),
        1 => Just(Op::Generating),
    ]
}

struct Life {
    render: Render,
    rules: ChainRules,
    now: DateTime<Utc>,
    /// Every attempt that was ever open, in order.
    attempts: Vec<AttemptId>,
    /// The last bill of each.
    bills: BTreeMap<AttemptId, u64>,
    batches: u64,
    ends: u32,
    news: u32,
    /// Tries that bought nothing for lack of time or room: they count for none.
    unbought: u32,
    rescues: u32,
}

impl Life {
    fn of(render: Render, rules: ChainRules) -> Self {
        let attempts = render.open_attempts.iter().cloned().collect();
        let bills = BTreeMap::new();
        Self {
            render,
            rules,
            now: at(0),
            attempts,
            bills,
            batches: 0,
            ends: 0,
            news: 0,
            unbought: 0,
            rescues: 0,
        }
    }

    fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let before = self.render.clone();
        let applied = self.act(op);
        if applied == Applied::Ignored {
            // The store is not written, so nothing may have changed.
            prop_assert_eq!(&self.render, &before, "{:?}", op);
        }
        for attempt in &self.render.open_attempts {
            if !self.attempts.contains(attempt) {
                self.attempts.push(attempt.clone());
            }
        }
        if self.render.is_ended() && !before.is_ended() {
            self.ends += 1;
            let cancelled = |a: &AttemptId| self.render.owed.contains(&Owed::Cancel(a.clone()));
            prop_assert!(self.render.open_attempts.iter().all(cancelled));
        }
        if before.is_ended() {
            prop_assert_eq!(&self.render.status, &before.status);
            prop_assert!(self.render.open_attempts.is_subset(&before.open_attempts));
            let known = |owed: &Owed| {
                before.owed.contains(owed)
                    || matches!(owed, Owed::Ask(a) if before.open_attempts.contains(a))
            };
            prop_assert!(self.render.owed.iter().all(known), "{:?}", self.render.owed);
        }
        if let Some(Rescue::Last { .. }) = before.rescue {
            prop_assert!(self.render.open_attempts.is_subset(&before.open_attempts));
        }
        let announces = |render: &Render| render.owed.contains(&Owed::Announce);
        self.news += u32::from(announces(&self.render) && !announces(&before));
        self.check()
    }

    fn act(&mut self, op: &Op) -> Applied {
        let render = &mut self.render;
        match op {
            Op::Give { which, outcome, cost } => {
                let Some(attempt) = self.attempts.get(*which) else { return Applied::Ignored };
                if *cost > 0 {
                    self.bills.insert(attempt.clone(), *cost);
                }
                let unbought = [FailClass::Expired, FailClass::Deferred]
                    .map(|class| Outcome::Failed { class })
                    .contains(outcome);
                self.unbought += u32::from(unbought);
                let given = gave(render, outcome.clone(), *cost);
                render.apply(attempt, &given, self.now, &self.rules)
            }
            Op::Strike if render.owed.is_empty() => Applied::Ignored,
            Op::Strike => {
                let done = render.owed.clone();
                *render = render.clone().struck(&done, self.now);
                Applied::Changed
            }
            Op::Join if !render.to_join || render.is_ended() => Applied::Ignored,
            Op::Join => {
                self.batches += 1;
                *render = render.clone().joined(batch_attempt(self.batches));
                Applied::Changed
            }
            Op::Nudge => render.nudge(self.now),
            Op::Overdue => render.overdue(self.now),
            Op::Rescue { possible } => {
                let due = render.rescue_at().is_some_and(|at| at <= self.now);
                let applied = render.rescued(self.now, *possible);
                self.rescues += u32::from(due && render.rescue.is_some());
                applied
            }
            Op::Generating => render.generating(),
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let render = &self.render;
        let bills: u64 = self.bills.values().sum();
        prop_assert_eq!(render.cost(), Micros::new(bills));
        prop_assert_eq!(self.ends, u32::from(render.is_ended()));
        prop_assert_eq!(self.news, self.ends);
        prop_assert!(self.rescues <= 1);
        // Three tries, and one by grant.
        prop_assert!((1..=4 + self.unbought).contains(&render.n));
        prop_assert!(self.rules.available.contains(&render.step));
        // Google's capacity is Nano Banana's, too.
        prop_assert!(!(render.google_failed && render.step == Step::NanoBanana));
        prop_assert_eq!(render.step == Step::Upscale, render.interim.is_some());
        prop_assert!(render.run_until <= render.give_up_at);
        let has_picture =
            render.interim.is_some() || matches!(render.status, RenderStatus::Succeeded { .. });
        let drawn = render.course.as_ref().and_then(|course| course.drawn_by);
        prop_assert_eq!(drawn.is_some(), has_picture);
        prop_assert!(drawn != Some(Step::Upscale));
        if let RenderStatus::Failed { .. } = render.status {
            prop_assert!(render.interim.is_none(), "a picture was thrown away");
        }
        if render.is_ended() {
            prop_assert!(!render.to_join && !render.owed.contains(&render.hand_on()));
            let unheard = !render.open_attempts.is_empty();
            prop_assert_eq!(render.due_at.is_some(), !render.owed.is_empty() || unheard);
        } else {
            let under_way = render.to_join || !render.open_attempts.is_empty();
            prop_assert!(under_way, "nobody works on it: {:?}", render);
            prop_assert!(!render.to_join || render.open_attempts.is_empty());
            prop_assert!(render.due_at.is_some_and(|due| due <= render.give_up_at), "{:?}", render);
            let soon = self.now + TimeDelta::seconds(60);
            prop_assert!(render.owed.is_empty() || render.due_at.is_some_and(|due| due <= soon));
        }
        Ok(())
    }
}

fn chains() -> impl Strategy<Value = &'static [Step]> {
    prop_oneof![Just(&WHOLE_CHAIN[..1]), Just(WHOLE_CHAIN), Just(&Step::ALL[..])]
}

fn policies() -> impl Strategy<Value = WhenBudgetExhausted> {
    use WhenBudgetExhausted::{Fallback, Legacy, Reject};
    prop::sample::select(vec![Fallback, Legacy, Reject])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn every_life_has_one_end(
        route in 0..3u8,
        large: bool,
        accept_described: bool,
        available in chains(),
        when_budget_exhausted in policies(),
        ops in prop::collection::vec((0..20_000i64, op()), 0..60),
    ) {
        let mut render = match route {
            0 => fixtures::online_render(1),
            1 => fixtures::render(1),
            _ => fixtures::legacy_render(1),
        };
        let available = if route == 2 { &Step::ALL[..] } else { available };
        render.request.accept_described = accept_described;
        render.request.quality = if large { Quality::FourK } else { Quality::Hd };
        let rules = ChainRules { available, when_budget_exhausted, ..fixtures::rules() };
        let mut life = Life::of(render, rules);
        life.check()?;
        for (after, op) in &ops {
            // Most steps come soon after one another.
            life.now += TimeDelta::seconds(if after % 3 == 0 { *after } else { after % 30 });
            life.step(op)?;
        }
        let json = serde_json::to_string(&life.render).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Render>(&json).unwrap(), &life.render);
        life.now = life.now.max(life.render.give_up_at);
        life.step(&Op::Overdue)?;
        prop_assert!(life.render.is_ended());
        // Whatever still runs gives in the end, and then nothing is left to do.
        for which in 0..life.attempts.len() {
            life.step(&Op::Give { which, outcome: Outcome::Refused, cost: 1 })?;
        }
        life.step(&Op::Strike)?;
        prop_assert!(life.render.open_attempts.is_empty());
        prop_assert_eq!(life.render.due_at, None);
    }
}

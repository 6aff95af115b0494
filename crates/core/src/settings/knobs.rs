use chrono::TimeDelta;

use super::{Settings, WhenBudgetExhausted, default_lane};
use crate::{money::Micros, routing::Percent};

/// One knob.
#[derive(Debug)]
pub struct Knob {
    /// Below `/garmaxai/gemini/${Stage}/`.
    pub name: &'static str,
    /// The environment variable with the value for a missing parameter.
    pub env: &'static str,
    pub default: &'static str,
    /// What values it takes, in words.
    pub bounds: &'static str,
    /// Which functions read it.
    pub readers: &'static str,
    pub effect: &'static str,
    pub(super) set: fn(&mut Settings, &str) -> Result<(), ()>,
}

/// Every knob.
pub const KNOBS: [Knob; 10] = [
    Knob {
        name: "enable-gemini-batch",
        env: "ENABLE_GEMINI_BATCH",
        default: "false",
        bounds: "true or false",
        readers: "router, rollout",
        effect: "Opens the Gemini route, both lanes, to new renders. Off: what is in flight finishes.",
        set: |s, text| set(&mut s.enable_gemini_batch, text.parse()),
    },
    Knob {
        name: "traffic-percent",
        env: "GEMINI_TRAFFIC_PERCENT",
        default: "0",
        bounds: "0 to 100 with at most two decimals",
        readers: "router, rollout",
        effect: "The share of users on the Gemini route; written by ops alone.",
        set: |s, text| set(&mut s.traffic_percent, text.parse::<Percent>()),
    },
    Knob {
        name: "traffic-ceiling",
        env: "GEMINI_TRAFFIC_CEILING",
        default: "100",
        bounds: "0 to 100 with at most two decimals",
        readers: "router, rollout",
        effect: "Written by the rollout alone; the lower of the two percentages counts.",
        set: |s, text| set(&mut s.traffic_ceiling, text.parse::<Percent>()),
    },
    Knob {
        name: "daily-budget-usd",
        env: "GEMINI_DAILY_BUDGET_USD",
        default: "200",
        bounds: "dollars up to 1000000, such as 200 or 12.50",
        readers: "imagen, reconciler, rollout",
        effect: "What Google may cost on a UTC day; 90 % of it is never passed.",
        set: |s, text| dollars(&mut s.daily_budget, text),
    },
    Knob {
        name: "max-batch-size",
        env: "GEMINI_MAX_BATCH_SIZE",
        default: "50",
        bounds: "a whole number from 1 to 50",
        readers: "accumulator",
        effect: "How many renders seal a batch.",
        set: |s, text| set(&mut s.max_batch_size, whole(text, 1, 50).map(|n| n as usize)),
    },
    Knob {
        name: "batch-timeout-ms",
        env: "GEMINI_BATCH_TIMEOUT_MS",
        default: "45000",
        bounds: "a whole number from 1000 to 900000",
        readers: "accumulator",
        effect: "How long a batch stays open, in milliseconds; fixed for a batch when it opens.",
        set: |s, text| {
            let millis = whole(text, 1_000, 900_000).map(|n| TimeDelta::milliseconds(n.into()));
            set(&mut s.batch_timeout, millis)
        },
    },
    Knob {
        name: "api-endpoint",
        env: "GEMINI_API_ENDPOINT",
        default: "",
        bounds: "nothing, or a base URL that begins with https:// or http://",
        readers: "imagen",
        effect: "Empty: each backend's own host. Set: the base URL of every Google backend.",
        set: |s, text| set(&mut s.api_endpoint, endpoint(text)),
    },
    Knob {
        name: "default-lane",
        env: "GEMINI_DEFAULT_LANE",
        default: "auto",
        bounds: "auto, online or batch",
        readers: "router",
        effect: "The lane of a request that names neither lane nor deadline; Batch costs half.",
        set: |s, text| set(&mut s.default_lane, default_lane(text)),
    },
    Knob {
        name: "when-budget-exhausted",
        env: "GEMINI_WHEN_BUDGET_EXHAUSTED",
        default: "fallback",
        bounds: "fallback, legacy or reject",
        readers: "router, distributor",
        effect: "Where a Google-bound render goes once the day's money is spent.",
        set: |s, text| {
            let choice = match text {
                "fallback" => Ok(WhenBudgetExhausted::Fallback),
                "legacy" => Ok(WhenBudgetExhausted::Legacy),
                "reject" => Ok(WhenBudgetExhausted::Reject),
                _ => Err(()),
            };
            set(&mut s.when_budget_exhausted, choice)
        },
    },
    Knob {
        name: "replicate-daily-budget-usd",
        env: "REPLICATE_DAILY_BUDGET_USD",
        default: "1500",
        bounds: "dollars up to 1000000, such as 1500",
        readers: "replicate, reconciler",
        effect: "A guard against a runaway; must not bind at 0 % Gemini.",
        set: |s, text| dollars(&mut s.replicate_daily_budget, text),
    },
];

fn set<T, E>(field: &mut T, value: Result<T, E>) -> Result<(), ()> {
    *field = value.map_err(|_| ())?;
    Ok(())
}

fn dollars(field: &mut Micros, text: &str) -> Result<(), ()> {
    let amount: Micros = text.parse().map_err(|_| ())?;
    if amount > Micros::new(1_000_000_000_000) {
        return Err(());
    }
    *field = amount;
    Ok(())
}

fn whole(text: &str, least: u32, most: u32) -> Result<u32, ()> {
    let number: u32 = text.parse().map_err(|_| ())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(()) }
}

fn endpoint(text: &str) -> Result<String, ()> {
    let uri = text.parse::<http::Uri>();
    let usable = uri.is_ok_and(|uri| uri.host().is_some() && uri.query().is_none())
        && (text.starts_with("https://") || text.starts_with("http://"));
    if text.is_empty() || usable { Ok(text.trim_end_matches('/').to_owned()) } else { Err(()) }
}

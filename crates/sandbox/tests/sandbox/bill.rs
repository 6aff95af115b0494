use serde_json::json;
use tryon_core::{
    catalogue::{Catalogue, Usage},
    lane::Lane,
    money::Micros,
};
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::support::{Bench, config, request};

fn usage(answer: &serde_json::Value) -> Usage {
    let count = |name: &str| answer["usageMetadata"][name].as_u64().unwrap_or_default();
    Usage {
        input: count("promptTokenCount"),
        image: count("candidatesTokenCount"),
        text: count("thoughtsTokenCount"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_usage_costs_is_what_is_charged() {
    let catalogue = Catalogue::built_in().unwrap();
    let bench = Bench::new(config().priced_by(&catalogue)).await;
    let (_, entry) = catalogue.entries().next().unwrap();

    let answer = bench.generate(&request("a")).await.json();
    let online = entry.price.of(Lane::Online, usage(&answer));
    let job = bench.job("b/gemini/1", &["r-1", "r-2"]).await;
    bench.pass(100).await;
    let rows = bench.results(&job).await;
    let batch: Micros =
        rows.iter().map(|row| entry.price.of(Lane::Batch, usage(&row["response"]))).sum();

    let bill = bench.sandbox.bill();
    assert_eq!(bill.total(), online + batch);
    assert_eq!(bill.of("b/gemini/1").map(tryon_sandbox::Charge::micros).sum::<Micros>(), batch);
    assert_eq!(bill.by_answer(), (online + batch, Micros::ZERO));
    let lanes: Vec<Lane> = bill.charges.iter().map(|charge| charge.lane).collect();
    assert_eq!(lanes, [Lane::Online, Lane::Batch, Lane::Batch]);
}

#[tokio::test(start_paused = true)]
async fn refusals_cost_input_and_thinking() {
    let bench = Bench::new(config()).await;
    let online = || When::kind(CallKind::Online);
    bench.sandbox.faults().push(Rule::new(online().prompt("unsafe"), Fault::refused()));
    bench.sandbox.faults().push(Rule::new(online().prompt("block"), Fault::blocked("SAFETY")));
    let unsafe_ = usage(&bench.generate(&request("unsafe..")).await.json());
    assert!(unsafe_.text > 0);
    bench.generate(&request("blocked!")).await;
    let nanos: Vec<u128> = bench.sandbox.bill().charges.iter().map(|c| c.nanos).collect();
    let input = 2_242 * 1_500;
    assert_eq!(nanos, [input + u128::from(unsafe_.text) * 7_500, input]);
}

#[tokio::test(start_paused = true)]
async fn sizes_count_their_tokens() {
    let bench = Bench::new(config()).await;
    for (size, tokens) in [("1K", 1_120), ("2K", 1_680), ("4K", 3_780)] {
        let mut body = request("a");
        body["generationConfig"]["imageConfig"]["imageSize"] = json!(size);
        body["generationConfig"]["maxOutputTokens"] = json!(8_192);
        assert_eq!(usage(&bench.generate(&body).await.json()).image, tokens);
    }
    let mut tight = request("a");
    tight["generationConfig"]["maxOutputTokens"] = json!(1_200);
    let answer = bench.generate(&tight).await.json();
    assert_eq!(answer["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(usage(&answer).text, 1_200);
}

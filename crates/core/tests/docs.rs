//! The tables in `docs/` are what the code says. They stand between `<!-- table: NAME -->` and
//! `<!-- end -->`; `UPDATE_DOCS=1 cargo test -p tryon-core --test docs` writes them anew.

use std::{collections::BTreeMap, error::Error, fmt::Write, fs, path::PathBuf};

use tryon_core::{
    budget::CAP_PERCENT,
    catalogue::{Catalogue, Entry, PredictionPrice, Quality, Usage},
    chain::{Fidelity, Step},
    failures::{ClassMeaning, CodeMeaning},
    lane::Lane,
    metrics::TABLE,
    money::Micros,
    outcome::FailClass,
    picture::{Mime, PictureRef},
    render::FailureCode,
    request::{
        AspectRatio, Garment, MAX_DESCRIPTION_CHARS, MAX_GARMENTS, MAX_PROMPT_CHARS, Person,
        RenderRequest,
    },
    settings::{KNOBS, Settings},
};

type Any<T> = Result<T, Box<dyn Error>>;

/// Files with tables of ours, below `docs/`.
const FILES: [&str; 5] = ["knobs.md", "prices.md", "differences.md", "metrics.md", "failures.md"];
const OPEN: &str = "<!-- table: ";
const CLOSE: &str = "<!-- end -->";

/// A day's requests by quality (sd, hd, 4k), in percent.
const MIXES: [(&str, [u64; 3]); 3] = [
    ("all SD", [100, 0, 0]),
    ("everyday: 70 % SD, 25 % HD, 5 % 4K", [70, 25, 5]),
    ("rich: 40 % SD, 50 % HD, 10 % 4K", [40, 50, 10]),
];
/// Percent of the day's renders that ride in Batch.
const BATCH_SHARES: [u64; 4] = [0, 50, 85, 100];
/// What the prompt of a typical request comes to, in tokens.
const TYPICAL_PROMPT_TOKENS: u64 = 200;

#[test]
fn the_tables_are_what_the_code_says() -> Any<()> {
    let tables = tables()?;
    let mut used = Vec::new();
    for name in FILES {
        let path = docs().join(name);
        let committed = fs::read_to_string(&path)?;
        let fresh = filled(&committed, &tables, &mut used)?;
        if update() {
            fs::write(&path, &fresh)?;
        } else {
            assert_eq!(
                committed, fresh,
                "docs/{name} is behind the code: run UPDATE_DOCS=1 cargo test -p tryon-core --test docs"
            );
        }
    }
    for name in tables.keys() {
        assert!(used.contains(name), "no document shows table {name}");
    }
    Ok(())
}

#[test]
fn links_lead_somewhere() -> Any<()> {
    let decisions = fs::read_dir(docs().join("decisions"))?.map(|entry| Ok(entry?.path()));
    let files = fs::read_dir(docs())?.map(|entry| Ok(entry?.path()));
    for path in files.chain(decisions).collect::<Any<Vec<_>>>()? {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        for rest in text.split("](").skip(1) {
            let link = rest.split([')', '#']).next().unwrap_or_default();
            let target = path.with_file_name(link);
            let found = link.is_empty() || link.starts_with("https://") || target.exists();
            assert!(found, "{} links to {link}", path.display());
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the switch of this test; nothing else reads it")]
fn update() -> bool {
    std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1")
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// `text` with the contents of its tables replaced.
fn filled(
    text: &str,
    tables: &BTreeMap<&'static str, String>,
    used: &mut Vec<&'static str>,
) -> Any<String> {
    let mut pieces = text.split(OPEN);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(" -->").ok_or("a table's name does not end")?;
        let (_, after) = rest.split_once(CLOSE).ok_or(format!("table {name} does not end"))?;
        let (name, table) = tables.get_key_value(name).ok_or(format!("no table {name}"))?;
        used.push(name);
        write!(out, "{OPEN}{name} -->\n{table}{CLOSE}{after}")?;
    }
    Ok(out)
}

fn tables() -> Any<BTreeMap<&'static str, String>> {
    let catalogue = Catalogue::built_in()?;
    let offers = Offers::of(&catalogue)?;
    let cap = Settings::default().daily_budget.percent(CAP_PERCENT);
    Ok(BTreeMap::from([
        ("knobs", knobs()),
        ("images", images(&offers)),
        ("days", days(&offers, cap)),
        ("shares", shares(&offers, cap)),
        ("cap", capacity(&offers, cap)),
        ("predictions", predictions(&catalogue)),
        ("metrics", metrics()),
        ("codes", codes()),
        ("classes", classes()),
    ]))
}

fn metrics() -> String {
    let rows = TABLE.iter().map(|line| {
        vec![
            format!("`{}`", line.name),
            line.kind.as_str().to_owned(),
            line.dimensions.join(", "),
            line.meaning.to_owned(),
        ]
    });
    table(&["metric", "kind", "split by", "what it says"], rows)
}

fn codes() -> String {
    let rows = FailureCode::ALL.into_iter().map(|code| {
        let CodeMeaning { customer, ops } = code.meaning();
        [&format!("`{}`", code.as_str()), customer, ops].map(ToOwned::to_owned).to_vec()
    });
    table(&["code", "to the customer", "to ops: look at"], rows)
}

fn classes() -> String {
    let rows = FailClass::ALL.into_iter().map(|class| {
        let ClassMeaning { happened, ops } = class.meaning();
        let tries = [Step::Gemini, Step::NanoBanana].map(|step| step.tries(class).to_string());
        let [google, replicate] = tries;
        vec![
            format!("`{}`", class.as_str()),
            happened.to_owned(),
            google,
            replicate,
            ops.to_owned(),
        ]
    });
    table(&["class", "what happened", "tries at Google", "on Replicate", "ops look at"], rows)
}

fn knobs() -> String {
    let rows = KNOBS.iter().map(|knob| {
        let default = if knob.default.is_empty() { "(empty)" } else { knob.default };
        vec![
            format!("`{}`", knob.name),
            format!("`{}`", knob.env),
            default.to_owned(),
            knob.bounds.to_owned(),
            knob.readers.to_owned(),
            knob.effect.to_owned(),
        ]
    });
    table(&["knob", "environment variable", "default", "takes", "read by", "what it does"], rows)
}

/// The catalogue's entries by quality, with what enlarging their pictures costs.
struct Offers<'a>(Vec<(Quality, &'a Entry, Micros)>);

impl<'a> Offers<'a> {
    fn of(catalogue: &'a Catalogue) -> Any<Self> {
        // Before any entry retires: the tables must not change by themselves.
        let day = chrono::NaiveDate::MIN;
        let entry = |quality| {
            let (_, entry) = catalogue.entry_for(quality, day)?;
            Some((quality, entry, catalogue.enlarging(quality, entry)))
        };
        let entries: Option<Vec<_>> = Quality::ALL.into_iter().map(entry).collect();
        Ok(Self(entries.ok_or("a quality without an entry")?))
    }

    /// What `images` images cost together, `batch` percent of them in Batch; rounded up once.
    fn cost(
        &self,
        mix: [u64; 3],
        batch: u64,
        images: u64,
        of: fn(&Entry, Lane) -> Micros,
    ) -> Micros {
        let parts = self.0.iter().zip(mix).map(|((_, entry, enlarging), percent)| {
            let lanes = (100 - batch) * of(entry, Lane::Online).get()
                + batch * of(entry, Lane::Batch).get();
            images * percent * (lanes + 100 * enlarging.get())
        });
        Micros::new(parts.sum::<u64>().div_ceil(10_000))
    }
}

fn images(offers: &Offers<'_>) -> String {
    let lanes = [Lane::Online, Lane::Batch];
    let rows = offers.0.iter().flat_map(|(quality, entry, enlarging)| {
        lanes.map(|lane| {
            let thinking = entry.thinking.map_or("-", |thinking| thinking.as_str());
            let enlarged = if *enlarging > Micros::ZERO { ", enlarged" } else { "" };
            vec![
                quality.to_string(),
                lane.to_string(),
                format!("`{}`, {}, {thinking}{enlarged}", entry.model, entry.size.as_str()),
                (typical(entry, lane) + *enlarging).to_string(),
                (reserved(entry, lane) + *enlarging).to_string(),
                (entry.maximum(lane, &largest_request()) + *enlarging).to_string(),
            ]
        })
    });
    let head =
        ["quality", "lane", "model, size, thinking", "typical", "reserved", "reserved at most"];
    table(&head, rows)
}

fn days(offers: &Offers<'_>, cap: Micros) -> String {
    let rows = MIXES.iter().flat_map(|(name, mix)| {
        BATCH_SHARES.map(|share| {
            let day = |images| {
                let cost = offers.cost(*mix, share, images, typical);
                format!("{}{}", cents(cost), if cost > cap { " (over)" } else { "" })
            };
            let million = offers.cost(*mix, share, 1_000_000, typical);
            let average = Micros::new(million.get().div_ceil(1_000_000));
            vec![
                (*name).to_owned(),
                format!("{share} %"),
                average.to_string(),
                day(4_000),
                day(8_000),
            ]
        })
    });
    let head = ["mix", "in Batch", "average an image", "4,000 images a day", "8,000 images a day"];
    table(&head, rows)
}

/// What a picture costs at each step that is not Google's.
fn predictions(catalogue: &Catalogue) -> String {
    let rows = catalogue.predictions().map(|(step, model)| {
        let price = match model.price {
            PredictionPrice::PictureMicros(_) => "a picture".to_owned(),
            PredictionPrice::SecondNanos(nanos) => {
                format!("a second (${}.{:06})", nanos / 1_000_000_000, nanos / 1_000 % 1_000_000)
            }
        };
        let sees = match step.fidelity() {
            Fidelity::Exact => "exact",
            Fidelity::Described => "described",
        };
        vec![
            step.to_string(),
            format!("`{}`", model.model),
            sees.to_owned(),
            price,
            model.maximum().to_string(),
            format!("{} s", model.max_seconds),
        ]
    });
    table(&["step", "model", "fidelity", "priced by", "reserved", "ended after"], rows)
}

/// The least share in Batch with which a day stays below the cap.
fn shares(offers: &Offers<'_>, cap: Micros) -> String {
    let rows = MIXES.iter().map(|(name, mix)| {
        let needed = |images| {
            let fits = |share: &u64| offers.cost(*mix, *share, images, typical) <= cap;
            (0..=100).find(fits).map_or("none is enough".to_owned(), |share| format!("{share} %"))
        };
        vec![(*name).to_owned(), needed(4_000), needed(6_000), needed(8_000)]
    });
    table(&["mix", "4,000 a day", "6,000 a day", "8,000 a day"], rows)
}

/// How many images the cap admits: as billed, and while nothing is settled yet.
fn capacity(offers: &Offers<'_>, cap: Micros) -> String {
    let rows = MIXES.iter().flat_map(|(name, mix)| {
        [(0, "Online"), (100, "Batch")].map(|(share, lane)| {
            let admits = |of| {
                let million = offers.cost(*mix, share, 1_000_000, of);
                thousands(cap.get() * 1_000_000 / million.get())
            };
            vec![(*name).to_owned(), lane.to_owned(), admits(typical), admits(reserved)]
        })
    });
    let head = ["mix", "lane", "images a day as billed", "admitted while nothing is settled"];
    table(&head, rows)
}

/// One person, one garment, and the thinking the catalogue expects.
fn typical(entry: &Entry, lane: Lane) -> Micros {
    let price = &entry.price;
    let usage = Usage {
        input: 2 * u64::from(price.tokens_per_picture) + TYPICAL_PROMPT_TOKENS,
        image: price.image_tokens.into(),
        text: entry.typical_text_tokens.into(),
    };
    price.of(lane, usage)
}

fn reserved(entry: &Entry, lane: Lane) -> Micros {
    entry.maximum(lane, &request(1, 5, 60, 0))
}

fn largest_request() -> RenderRequest {
    request(MAX_GARMENTS, 40, MAX_DESCRIPTION_CHARS, MAX_PROMPT_CHARS)
}

fn request(garments: usize, category: usize, description: usize, prompt: usize) -> RenderRequest {
    let photo = || PictureRef { key: "in/p".to_owned(), bytes: 1, mime: Mime::Jpeg };
    let garment = || Garment {
        photo: photo(),
        category: "x".repeat(category),
        description: "x".repeat(description),
    };
    RenderRequest {
        person: Person { photo: photo(), class_noun: "person".to_owned() },
        garments: (0..garments).map(|_| garment()).collect(),
        quality: Quality::Sd,
        aspect_ratio: AspectRatio::default(),
        prompt: "x".repeat(prompt),
        deadline_seconds: None,
        give_up_seconds: None,
        lane: None,
        accept_described: true,
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rule = "---|".repeat(head.len());
    let rows: String = rows.map(|row| line(&row)).collect();
    format!("{}|{rule}\n{rows}", line(head))
}

fn line<S: AsRef<str>>(cells: &[S]) -> String {
    cells.iter().fold("|".to_owned(), |line, cell| line + " " + cell.as_ref() + " |") + "\n"
}

/// Dollars and cents, rounded up.
fn cents(amount: Micros) -> String {
    let cents = amount.get().div_ceil(10_000);
    format!("${}.{:02}", thousands(cents / 100), cents % 100)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

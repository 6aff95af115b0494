//! The models on offer: what each one takes and what it costs.

use chrono::{DateTime, NaiveDate, Utc};
use tryon_core::{
    catalogue::{Entry, Predict, Price, Size, Thinking},
    lane::Lane,
};

/// A model as Google documents it.
#[derive(Clone, Debug)]
pub struct Model {
    pub id: String,
    /// How `:predict` asks it; none for a model of `generateContent`.
    pub predict: Option<Predict>,
    /// Sizes, with the price that holds for each.
    pub sizes: Vec<ModelSize>,
    /// Thinking levels it takes; the first is its default.
    pub thinking: Vec<Thinking>,
    pub max_pictures: usize,
    /// The first day on which it answers 404.
    pub retires: Option<NaiveDate>,
}

/// A size a model draws, and the price of that.
#[derive(Clone, Debug)]
pub struct ModelSize {
    pub size: Size,
    pub price: Price,
}

impl Model {
    /// The living models of the image family, at list prices.
    pub fn documented() -> Vec<Self> {
        use Size::{FourK, OneK, TwoK};
        use Thinking::{High, Medium, Minimal};
        let banana = [(OneK, 1_120), (TwoK, 1_680), (FourK, 3_780)];
        let pro = [(OneK, 1_120), (TwoK, 1_120), (FourK, 2_000)];
        let model =
            |id: &str, sizes: &[(Size, u32)], nanos: [u64; 3], per_picture, levels: &[_]| {
                let size = |&(size, image_tokens): &(Size, u32)| ModelSize {
                    size,
                    price: Price {
                        input_nanos: nanos[0],
                        text_nanos: nanos[1],
                        image_nanos: nanos[2],
                        tokens_per_picture: per_picture,
                        image_tokens,
                        batch_percent: 50,
                    },
                };
                Self {
                    id: id.to_owned(),
                    predict: None,
                    sizes: sizes.iter().map(size).collect(),
                    thinking: levels.to_vec(),
                    max_pictures: 14,
                    retires: None,
                }
            };
        let levels = [Medium, Minimal, High];
        vec![
            model("gemini-nano-banana-2.1", &banana, [1_500, 7_500, 30_000], 1_120, &levels),
            model("gemini-3-pro-image", &pro, [2_000, 12_000, 120_000], 560, &[High]),
            model(
                "gemini-3.1-flash-lite-image",
                &banana[..1],
                [250, 1_500, 30_000],
                1_120,
                &[Minimal, High],
            ),
            Self {
                id: "virtual-try-on-001".to_owned(),
                predict: Some(Predict::TryOn),
                sizes: vec![ModelSize { size: OneK, price: Price::by_picture(60_000) }],
                thinking: Vec::new(),
                max_pictures: 2,
                retires: None,
            },
        ]
    }

    /// Lets a catalogue's entry rule: its price, size, level and retirement.
    pub(crate) fn adopt(models: &mut Vec<Self>, entry: &Entry) {
        let known = models.iter().position(|model| model.id == entry.model);
        let at = known.unwrap_or_else(|| {
            models.push(Self {
                id: entry.model.clone(),
                predict: entry.predict,
                sizes: Vec::new(),
                thinking: Vec::new(),
                max_pictures: 0,
                retires: None,
            });
            models.len() - 1
        });
        let Some(model) = models.get_mut(at) else { return };
        model.sizes.retain(|size| size.size != entry.size);
        model.sizes.push(ModelSize { size: entry.size, price: entry.price.clone() });
        if let Some(level) = entry.thinking.filter(|level| !model.thinking.contains(level)) {
            model.thinking.push(level);
        }
        model.max_pictures = model.max_pictures.max(entry.max_pictures as usize);
        model.retires = entry.retires;
    }

    pub(crate) fn is_alive(&self, now: DateTime<Utc>) -> bool {
        self.retires.is_none_or(|day| now.date_naive() < day)
    }

    pub(crate) fn price(&self, size: Size) -> Option<&Price> {
        self.sizes.iter().find(|offer| offer.size == size).map(|offer| &offer.price)
    }
}

/// Tokens as the answer counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) text_in: u64,
    pub(crate) pictures_in: u64,
    pub(crate) image_out: u64,
    pub(crate) thinking: u64,
}

/// Unrounded nano-dollars for `tokens`; a fraction of one, which list prices never give, counts as a
/// whole.
pub(crate) fn nanos(price: &Price, lane: Lane, tokens: Tokens) -> u128 {
    let part = |tokens: u64, nanos: u64| u128::from(tokens) * u128::from(nanos);
    let full = part(tokens.text_in + tokens.pictures_in, price.input_nanos)
        + part(tokens.image_out, price.image_nanos)
        + part(tokens.thinking, price.text_nanos);
    match lane {
        Lane::Online => full,
        Lane::Batch => (full * u128::from(price.batch_percent)).div_ceil(100),
    }
}

#[cfg(test)]
mod tests {
    use tryon_core::{catalogue::Catalogue, money::Micros};

    use super::*;
    use crate::SandboxConfig;

    #[test]
    fn the_worked_example_of_the_price_list() {
        let models = Model::documented();
        let price = models[0].price(Size::OneK).unwrap();
        let tokens = Tokens { text_in: 200, pictures_in: 2_240, image_out: 1_120, thinking: 0 };
        assert_eq!(nanos(price, Lane::Online, tokens), 37_260_000);
        assert_eq!(nanos(price, Lane::Batch, tokens), 18_630_000);
        let pro = models[1].price(Size::FourK).unwrap();
        let drawn = Tokens { image_out: pro.image_tokens.into(), ..Tokens::default() };
        let cost = Micros::from_nanos_rounded_up(nanos(pro, Lane::Online, drawn));
        assert_eq!(cost, "0.24".parse().unwrap());
    }

    #[test]
    fn the_catalogue_and_the_list_agree() {
        let listed = Model::documented();
        let catalogue = Catalogue::built_in().unwrap();
        for (id, entry) in catalogue.entries() {
            let model = listed.iter().find(|model| model.id == entry.model).unwrap();
            assert_eq!(model.price(entry.size), Some(&entry.price), "{id}");
        }
        let adopted = SandboxConfig::default().priced_by(&catalogue).models;
        assert_eq!(adopted.len(), listed.len());
    }
}

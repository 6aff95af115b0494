//! The models on offer, and what they cost.

use tryon_core::catalogue::{PredictionModel, PredictionPrice, Size};

/// A model as Replicate offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicateModel {
    /// `owner/name`.
    pub model: String,
    /// Whether it can be had by name alone, always in its current version.
    pub official: bool,
    /// 64 hex digits each, the current one first: it answers for the older ones.
    pub versions: Vec<String>,
    /// Sizes that can be asked for, with their price; a model that cannot be asked has one.
    pub prices: Vec<(Size, PredictionPrice)>,
}

impl ReplicateModel {
    /// The models of the chain, and another that enlarges, at the prices reported for them.
    pub fn documented() -> Vec<Self> {
        use PredictionPrice::{PictureMicros, SecondNanos};
        use Size::{FourK, OneK, TwoK};
        let model = |model: &str, official, versions: &[&str], prices: &[_]| Self {
            model: model.to_owned(),
            official,
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            prices: prices.to_vec(),
        };
        let pro = [(OneK, 150_000), (TwoK, 150_000), (FourK, 300_000)];
        let pro = pro.map(|(size, micros)| (size, PictureMicros(micros)));
        let l40s = [(OneK, SecondNanos(975_000))];
        let photomaker = "ddfc2b08d209f9fa8c1eca692712918bd449f695dabb4a958da31802a9570fe4";
        let sdxl = [
            "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc",
            "39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b",
        ];
        let esrgan = "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa";
        vec![
            model("google/nano-banana-pro", true, &[], &pro),
            model("tencentarc/photomaker", false, &[photomaker], &l40s),
            model("stability-ai/sdxl", false, &sdxl, &l40s),
            model("nightmareai/real-esrgan", true, &[esrgan], &[(FourK, PictureMicros(2_000))]),
            model("recraft-ai/recraft-crisp-upscale", true, &[], &[(FourK, PictureMicros(6_000))]),
        ]
    }

    /// Lets a catalogue's step rule: its version and its price at its size. A model that nothing is
    /// known of here stays unknown.
    pub(crate) fn adopt(models: &mut [Self], step: &PredictionModel) {
        let Some(model) = models.iter_mut().find(|model| model.model == step.model) else {
            tracing::warn!(model = step.model, "the sandbox does not know this model");
            return;
        };
        if let Some(version) = step.version.as_ref().filter(|v| !model.versions.contains(v)) {
            model.versions.insert(0, version.clone());
        }
        match model.prices.iter_mut().find(|(size, _)| *size == step.size) {
            Some((_, price)) => *price = step.price,
            None => model.prices.insert(0, (step.size, step.price)),
        }
    }

    /// The price at `size`, where one can be asked for.
    pub(super) fn price(&self, size: Option<Size>) -> Option<PredictionPrice> {
        let asked = self.prices.iter().find(|(offered, _)| Some(*offered) == size);
        asked.or_else(|| self.prices.first()).map(|(_, price)| *price)
    }
}

#[cfg(test)]
mod tests {
    use tryon_core::catalogue::Catalogue;

    use super::*;
    use crate::SandboxConfig;

    #[test]
    fn the_catalogue_and_the_list_agree() {
        let listed = ReplicateModel::documented();
        let catalogue = Catalogue::built_in().unwrap();
        let adopted = SandboxConfig::default().priced_by(&catalogue).predictions;
        assert_eq!(adopted, listed);
    }

    #[test]
    fn a_catalogue_rules() {
        let mut models = ReplicateModel::documented();
        let catalogue = Catalogue::built_in().unwrap();
        let (_, step) = catalogue.predictions().find(|(_, step)| step.version.is_some()).unwrap();
        let price = PredictionPrice::SecondNanos(7);
        let step = PredictionModel { version: Some("a".repeat(64)), price, ..step.clone() };
        ReplicateModel::adopt(&mut models, &step);
        let model = models.iter().find(|model| model.model == step.model).unwrap();
        assert_eq!(model.versions[0], "a".repeat(64));
        assert_eq!(model.price(None), Some(price));
    }
}

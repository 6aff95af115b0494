//! What each model takes, as data, and how it behaves.

use super::check::{Field, Takes};

#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) model: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) work: Work,
    /// Whether its output is an array.
    pub(super) several: bool,
    /// Seconds that it runs, at least and at most.
    pub(super) run: (f64, f64),
    /// Whether it falls asleep, and then takes long to start.
    pub(super) sleeps: bool,
}

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Dresses a person in garments that it sees.
    Dress,
    /// Draws the face it is shown, as told in words with a trigger word.
    DrawFace,
    /// Redraws a picture as told in words; without one, whatever the words say.
    Redraw,
    Enlarge,
}

impl Sheet {
    pub(super) fn of(model: &str) -> Option<&'static Self> {
        SHEETS.iter().find(|sheet| sheet.model == model)
    }

    /// The names of the fields that hold addresses of pictures.
    pub(super) fn pictures(&self) -> impl Iterator<Item = &'static str> {
        let pictures = self.fields.iter();
        pictures.filter(|field| matches!(field.takes, Takes::Uri | Takes::Uris(_))).map(|f| f.name)
    }
}

const fn may(name: &'static str, takes: Takes) -> Field {
    Field { name, takes, required: false }
}

const fn must(name: &'static str, takes: Takes) -> Field {
    Field { name, takes, required: true }
}

const SEED: Takes = Takes::Integer(0, 2_147_483_647);

const NANO_BANANA: &[Field] = &[
    must("prompt", Takes::Text),
    may("image_input", Takes::Uris(14)),
    may(
        "aspect_ratio",
        Takes::OneOf(&[
            "match_input_image",
            "1:1",
            "2:3",
            "3:2",
            "3:4",
            "4:3",
            "4:5",
            "5:4",
            "9:16",
            "16:9",
            "21:9",
        ]),
    ),
    may("resolution", Takes::OneOf(&["1K", "2K", "4K"])),
    may("output_format", Takes::OneOf(&["jpg", "png"])),
    may(
        "safety_filter_level",
        Takes::OneOf(&["block_low_and_above", "block_medium_and_above", "block_only_high"]),
    ),
    may("allow_fallback_model", Takes::Bool),
];

const PHOTOMAKER: &[Field] = &[
    must("input_image", Takes::Uri),
    may("input_image2", Takes::Uri),
    may("input_image3", Takes::Uri),
    may("input_image4", Takes::Uri),
    may("prompt", Takes::Text),
    may(
        "style_name",
        Takes::OneOf(&[
            "(No style)",
            "Cinematic",
            "Disney Charactor",
            "Digital Art",
            "Photographic (Default)",
            "Fantasy art",
            "Neonpunk",
            "Enhance",
            "Comic book",
            "Lowpoly",
            "Line art",
        ]),
    ),
    may("negative_prompt", Takes::Text),
    may("num_steps", Takes::Integer(1, 100)),
    may("style_strength_ratio", Takes::Number(15.0, 50.0)),
    may("num_outputs", Takes::Integer(1, 4)),
    may("guidance_scale", Takes::Number(1.0, 10.0)),
    may("seed", SEED),
    may("disable_safety_checker", Takes::Bool),
];

const SDXL: &[Field] = &[
    may("prompt", Takes::Text),
    may("negative_prompt", Takes::Text),
    may("image", Takes::Uri),
    may("mask", Takes::Uri),
    may("width", Takes::AnyInteger),
    may("height", Takes::AnyInteger),
    may("num_outputs", Takes::Integer(1, 4)),
    may(
        "scheduler",
        Takes::OneOf(&[
            "DDIM",
            "DPMSolverMultistep",
            "HeunDiscrete",
            "KarrasDPM",
            "K_EULER_ANCESTRAL",
            "K_EULER",
            "PNDM",
        ]),
    ),
    may("num_inference_steps", Takes::Integer(1, 500)),
    may("guidance_scale", Takes::Number(1.0, 50.0)),
    may("prompt_strength", Takes::Number(0.0, 1.0)),
    may("seed", Takes::AnyInteger),
    may("refine", Takes::OneOf(&["no_refiner", "expert_ensemble_refiner", "base_image_refiner"])),
    may("high_noise_frac", Takes::Number(0.0, 1.0)),
    may("refine_steps", Takes::AnyInteger),
    may("apply_watermark", Takes::Bool),
    may("lora_scale", Takes::Number(0.0, 1.0)),
    may("replicate_weights", Takes::Text),
    may("disable_safety_checker", Takes::Bool),
];

const REAL_ESRGAN: &[Field] = &[
    must("image", Takes::Uri),
    may("scale", Takes::Number(0.0, 10.0)),
    may("face_enhance", Takes::Bool),
];

static SHEETS: [Sheet; 5] = [
    Sheet {
        model: "google/nano-banana-pro",
        fields: NANO_BANANA,
        work: Work::Dress,
        several: false,
        run: (15.0, 60.0),
        sleeps: false,
    },
    Sheet {
        model: "tencentarc/photomaker",
        fields: PHOTOMAKER,
        work: Work::DrawFace,
        several: true,
        run: (11.0, 13.0),
        sleeps: true,
    },
    Sheet {
        model: "stability-ai/sdxl",
        fields: SDXL,
        work: Work::Redraw,
        several: true,
        run: (4.0, 6.0),
        sleeps: false,
    },
    Sheet {
        model: "nightmareai/real-esrgan",
        fields: REAL_ESRGAN,
        work: Work::Enlarge,
        several: false,
        run: (2.0, 4.0),
        sleeps: false,
    },
    Sheet {
        model: "recraft-ai/recraft-crisp-upscale",
        fields: &[must("image", Takes::Uri)],
        work: Work::Enlarge,
        several: false,
        run: (2.0, 4.0),
        sleeps: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReplicateModel;

    #[test]
    fn every_model_on_offer_has_a_sheet() {
        for model in ReplicateModel::documented() {
            assert!(Sheet::of(&model.model).is_some(), "{}", model.model);
        }
        assert!(Sheet::of("google/upscaler").is_none());
    }
}

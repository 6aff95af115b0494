//! What a model makes of its input.

use std::sync::Arc;

use serde_json::{Map, Value};
use tryon_core::{catalogue::Size, picture::Mime};

use super::sheet::{Sheet, Work};
use crate::{
    draw::{Drawing, Manner},
    generate::{nearest, shape},
    shelf::{self, Input},
};

/// Beyond this token a prompt is cut off; the style's own words before and after count too.
const LAST_TOKEN: usize = 74;
/// The side of pictures whose size cannot be asked for.
const SIDE: u32 = 1_024;

/// An input with its pictures, by the field that named each.
#[derive(Debug)]
pub(super) struct Material<'a> {
    pub(super) input: &'a Map<String, Value>,
    pub(super) pictures: Vec<(&'static str, Arc<Input>)>,
}

/// The size asked for, of a model that can be asked.
pub(super) fn size(sheet: &Sheet, input: &Map<String, Value>) -> Option<Size> {
    let asked = input.get("resolution").and_then(Value::as_str);
    (sheet.work == Work::Dress).then_some(match asked {
        Some("1K") => Size::OneK,
        Some("4K") => Size::FourK,
        _ => Size::TwoK,
    })
}

/// How many pictures are asked for.
pub(super) fn count(input: &Map<String, Value>) -> usize {
    let count = input.get("num_outputs").and_then(Value::as_u64);
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
}

impl Material<'_> {
    fn text(&self, field: &str) -> Option<&str> {
        self.input.get(field).and_then(Value::as_str)
    }

    /// What is drawn, or the error that the model ends with.
    pub(super) fn drawing(&self, sheet: &Sheet) -> Result<Drawing, String> {
        let drawing = |manner, (width, height), pictures, how: &str| Drawing {
            manner,
            width,
            height,
            pictures,
            label: format!("{}  {how}", sheet.model),
            mime: Mime::Png,
        };
        Ok(match sheet.work {
            Work::Dress => {
                let (ratio, width, height) = self.shape();
                let size = size(sheet, self.input).unwrap_or(Size::TwoK);
                let times = match size {
                    Size::OneK => 1,
                    Size::TwoK => 2,
                    Size::FourK => 4,
                };
                let how = format!("{} {ratio}", size.as_str());
                let png = self.text("output_format") == Some("png");
                let pictures = self.pictures.iter().map(|(_, input)| input.clone()).collect();
                let drawing =
                    drawing(Manner::Dressed, (width * times, height * times), pictures, &how);
                Drawing { mime: if png { Mime::Png } else { Mime::Jpeg }, ..drawing }
            }
            Work::DrawFace => {
                self.trigger_word()?;
                let face = self.picture("input_image");
                drawing(Manner::Described, (SIDE, SIDE), face, "described")
            }
            Work::Redraw => {
                drawing(Manner::Described, self.sides()?, self.picture("image"), "described")
            }
            Work::Enlarge => {
                let times = self.input.get("scale").and_then(Value::as_f64).unwrap_or(4.0);
                drawing(Manner::Enlarged { times }, (0, 0), self.picture("image"), "enlarged")
            }
        })
    }

    fn picture(&self, field: &str) -> Vec<Arc<Input>> {
        let named = self.pictures.iter().filter(|(name, _)| *name == field);
        named.map(|(_, input)| input.clone()).take(1).collect()
    }

    /// The ratio asked for, or that nearest to the first picture's.
    fn shape(&self) -> (&'static str, u32, u32) {
        let asked = self.text("aspect_ratio").and_then(shape);
        let like = || {
            let (_, first) = self.pictures.first()?;
            shelf::dimensions(&first.bytes).map(|(width, height)| nearest(width, height))
        };
        asked.or_else(like).unwrap_or(("1:1", SIDE, SIDE))
    }

    fn sides(&self) -> Result<(u32, u32), String> {
        let side = |name: &str| match self.input.get(name) {
            Some(side) => side.as_i64().unwrap_or_default(),
            None => SIDE.into(),
        };
        let (width, height) = (side("width"), side("height"));
        if width % 8 != 0 || height % 8 != 0 {
            return Err(format!(
                "`height` and `width` have to be divisible by 8 but are {height} and {width}."
            ));
        }
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(wide @ 8..=2_048), Ok(high @ 8..=2_048)) => Ok((wide, high)),
            _ => Err("CUDA out of memory. (E1001)".to_owned()),
        }
    }

    /// The word that stands for the face must be there once, where the model still sees it.
    fn trigger_word(&self) -> Result<(), String> {
        let prompt = self.text("prompt").unwrap_or("A photo of a person img");
        let places: Vec<usize> = triggers(prompt).collect();
        match places.as_slice() {
            [] => return Err("Cannot find the trigger word 'img' in text prompt!".to_owned()),
            [place] if *place > LAST_TOKEN => {
                return Err("PhotoMaker currently does not support multiple trigger words in a \
                            single prompt. Trigger word: img"
                    .to_owned());
            }
            [_] => {}
            _ => {
                let error = "Cannot use multiple trigger words 'img' in text prompt!";
                return Err(error.to_owned());
            }
        }
        if triggers(self.text("negative_prompt").unwrap_or_default()).next().is_some() {
            return Err("Cannot use trigger word 'img' in negative prompt!".to_owned());
        }
        Ok(())
    }
}

/// At which tokens the trigger word stands; a word or a mark counts as one.
fn triggers(prompt: &str) -> impl Iterator<Item = usize> {
    let tokens = prompt.split_whitespace().flat_map(|word| {
        word.split_inclusive(|letter: char| !letter.is_alphanumeric()).map(|token| {
            let plain = token.trim_end_matches(|letter: char| !letter.is_alphanumeric());
            // The mark behind a word is a token of its own.
            (plain, usize::from(!plain.is_empty()) + usize::from(plain.len() < token.len()))
        })
    });
    let mut place = 0;
    tokens.filter_map(move |(word, tokens)| {
        let at = place;
        place += tokens;
        word.eq_ignore_ascii_case("img").then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_word_is_a_word() {
        let places = |prompt: &str| triggers(prompt).collect::<Vec<_>>();
        assert_eq!(places("A photo of a woman img wearing a dress"), [5]);
        assert_eq!(places("a man IMG, and an img."), [2, 6]);
        assert!(places("an image of imgs and img2").is_empty());
        assert_eq!(places("(img)"), [1]);
    }
}

//! What a customer asks for, checked field by field before anything is stored or bought.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{catalogue::Quality, lane::Lane, picture::PictureRef};

pub const MAX_PROMPT_CHARS: usize = 2_000;
pub const MAX_DESCRIPTION_CHARS: usize = 500;
pub const MAX_GARMENTS: usize = 5;
pub const MAX_PICTURE_BYTES: u64 = 7_000_000;
/// What one queue message takes for one render, so that a batch of 50 fits a 1 MiB message.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1_024;

/// A render request as the chain needs it, pictures by reference. `P` is how a picture is named: by
/// upload key when it comes in, by [`PictureRef`] once it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderRequest<P = PictureRef> {
    pub person: Person<P>,
    pub garments: Vec<Garment<P>>,
    pub quality: Quality,
    #[serde(default)]
    pub aspect_ratio: AspectRatio,
    /// A wish in the customer's words, added to the model's instruction.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// Whether a picture by a model that knew the garment from words alone is welcome.
    #[serde(default = "yes")]
    pub accept_described: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person<P = PictureRef> {
    pub photo: P,
    /// What the person is called in a prompt: `woman`, `man`, `person`.
    #[serde(default = "person")]
    pub class_noun: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garment<P = PictureRef> {
    pub photo: P,
    /// What kind of garment: `shirt`, `dress`, `shoes`.
    pub category: String,
    /// The garment in words, for models that cannot be shown it.
    #[serde(default)]
    pub description: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AspectRatio {
    #[serde(rename = "1:1")]
    Square,
    #[serde(rename = "2:3")]
    TwoThree,
    #[default]
    #[serde(rename = "3:4")]
    ThreeFour,
    #[serde(rename = "4:3")]
    FourThree,
    #[serde(rename = "4:5")]
    FourFive,
    #[serde(rename = "9:16")]
    NineSixteen,
    #[serde(rename = "16:9")]
    SixteenNine,
}

impl AspectRatio {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Square => "1:1",
            Self::TwoThree => "2:3",
            Self::ThreeFour => "3:4",
            Self::FourThree => "4:3",
            Self::FourFive => "4:5",
            Self::NineSixteen => "9:16",
            Self::SixteenNine => "16:9",
        }
    }
}

impl fmt::Display for AspectRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn yes() -> bool {
    true
}

fn person() -> String {
    "person".to_owned()
}

/// A field that is wrong, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fix}")]
pub struct FieldError {
    pub field: String,
    pub fix: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { field: field.into(), fix: fix.into() }
    }
}

impl<P> RenderRequest<P> {
    /// Checks everything that needs no look at the pictures themselves.
    pub fn check(&self) -> Result<(), FieldError> {
        noun("person.class_noun", &self.person.class_noun)?;
        if !(1..=MAX_GARMENTS).contains(&self.garments.len()) {
            return Err(FieldError::new("garments", format!("give 1 to {MAX_GARMENTS} garments")));
        }
        for (i, garment) in self.garments.iter().enumerate() {
            noun(&format!("garments[{i}].category"), &garment.category)?;
            text(
                &format!("garments[{i}].description"),
                &garment.description,
                MAX_DESCRIPTION_CHARS,
            )?;
        }
        text("prompt", &self.prompt, MAX_PROMPT_CHARS)
    }

    /// The same request with every picture named another way.
    pub fn try_map<Q, E>(
        self,
        mut f: impl FnMut(String, P) -> Result<Q, E>,
    ) -> Result<RenderRequest<Q>, E> {
        let photo = f("person.photo".to_owned(), self.person.photo)?;
        let mut garments = Vec::with_capacity(self.garments.len());
        for (i, garment) in self.garments.into_iter().enumerate() {
            garments.push(Garment {
                photo: f(format!("garments[{i}].photo"), garment.photo)?,
                category: garment.category,
                description: garment.description,
            });
        }
        Ok(RenderRequest {
            person: Person { photo, class_noun: self.person.class_noun },
            garments,
            quality: self.quality,
            aspect_ratio: self.aspect_ratio,
            prompt: self.prompt,
            deadline_seconds: self.deadline_seconds,
            give_up_seconds: self.give_up_seconds,
            lane: self.lane,
            accept_described: self.accept_described,
        })
    }

    /// Every picture, the person first.
    pub fn pictures(&self) -> impl Iterator<Item = &P> {
        std::iter::once(&self.person.photo).chain(self.garments.iter().map(|g| &g.photo))
    }
}

fn noun(field: &str, value: &str) -> Result<(), FieldError> {
    let plain = value.chars().all(|c| c.is_alphabetic() || c == ' ' || c == '-');
    if plain && !value.trim().is_empty() && value.chars().count() <= 40 {
        return Ok(());
    }
    Err(FieldError::new(field, "give a word of 1 to 40 letters, such as shirt"))
}

fn text(field: &str, value: &str, most: usize) -> Result<(), FieldError> {
    if value.chars().count() > most {
        return Err(FieldError::new(field, format!("shorten it to {most} characters")));
    }
    // Queues refuse the last two.
    let unsendable = |c: char| matches!(c, '\u{fffe}' | '\u{ffff}');
    if value.chars().any(|c| c.is_control() && c != '\n' && c != '\t' || unsendable(c)) {
        return Err(FieldError::new(field, "remove the control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RenderRequest<String> {
        serde_json::from_str(
            r#"{"person": {"photo": "in/p"}, "garments": [{"photo": "in/g", "category": "shirt"}],
                "quality": "hd"}"#,
        )
        .unwrap()
    }

    #[test]
    fn defaults() {
        let request = request();
        assert_eq!(request.aspect_ratio, AspectRatio::ThreeFour);
        assert_eq!(request.person.class_noun, "person");
        assert!(request.accept_described);
        assert_eq!(request.check(), Ok(()));
    }

    #[test]
    fn names_the_field_and_the_fix() {
        let mut many = request();
        many.garments = vec![many.garments[0].clone(); 6];
        let mut long = request();
        long.prompt = "x".repeat(MAX_PROMPT_CHARS + 1);
        let mut control = request();
        control.garments[0].description = "a\u{7}b".to_owned();
        let mut unsendable = request();
        unsendable.prompt = "\u{ffff}".to_owned();
        let mut category = request();
        category.garments[0].category = "<script>".to_owned();
        let fields =
            [many, long, control, unsendable, category].map(|r| r.check().unwrap_err().field);
        let expected =
            ["garments", "prompt", "garments[0].description", "prompt", "garments[0].category"];
        assert_eq!(fields, expected);
    }
}

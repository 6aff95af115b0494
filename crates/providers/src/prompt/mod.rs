//! The instruction to a model: the catalogue's template with the request's words in it.

mod words;

use std::fmt::Write;

use tryon_core::request::{Garment, RenderRequest};

/// What a template's blanks are filled with.
struct Blanks {
    person: String,
    garments: String,
    wish: String,
}

/// For a model that is shown every picture: garments are named by the number of theirs.
pub(crate) fn shown(template: &str, request: &RenderRequest) -> String {
    let blanks = Blanks {
        person: request.person.class_noun.trim().to_owned(),
        garments: by_number(&request.garments),
        wish: request.prompt.trim().to_owned(),
    };
    blanks.fill(template)
}

/// For a model that is told of the garments in words, and hears no more than the first of them.
pub(crate) fn told(template: &str, request: &RenderRequest) -> String {
    let blanks = Blanks {
        person: words::noun(&request.person.class_noun),
        garments: words::garments(&request.garments),
        wish: words::wish(&request.prompt),
    };
    blanks.fill(template)
}

impl Blanks {
    /// Fills the template in one pass, so that placeholders in the customer's words stay words.
    fn fill(&self, template: &str) -> String {
        let blanks =
            [("{person}", &self.person), ("{garments}", &self.garments), ("{wish}", &self.wish)];
        let mut prompt = String::with_capacity(template.len() + self.wish.len() + 128);
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            prompt.push_str(before);
            let filled = blanks.iter().find_map(|(blank, text)| {
                from.strip_prefix(blank).map(|after| (text.as_str(), after))
            });
            let (text, after) = filled.unwrap_or(("{", &from[1..]));
            prompt.push_str(text);
            rest = after;
        }
        prompt.push_str(rest);
        prompt.truncate(prompt.trim_end().len());
        prompt
    }
}

/// `the shirt of image 2 (blue linen), the shoes of image 3`: the person is image 1.
fn by_number(garments: &[Garment]) -> String {
    let mut text = String::new();
    for (garment, image) in garments.iter().zip(2..) {
        let comma = if image == 2 { "" } else { ", " };
        let description = garment.description.trim();
        let category = garment.category.trim();
        let written = if description.is_empty() {
            write!(text, "{comma}the {category} of image {image}")
        } else {
            write!(text, "{comma}the {category} of image {image} ({description})")
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::order;

    #[test]
    fn names_every_garment_by_its_image() {
        let prompt = shown("Dress a {person} in {garments}. {wish}", &order("r-1").request);
        let expected =
            "Dress a person in the shirt of image 2 (blue linen), the shoes of image 3. Smile";
        assert_eq!(prompt, expected);
    }

    #[test]
    fn tells_of_garments_in_words() {
        let prompt = told("A {person} in {garments}. {wish}", &order("r-1").request);
        assert_eq!(prompt, "A person in shirt (blue linen), shoes. smile");
    }

    #[test]
    fn customers_words_are_inert() {
        let mut request = order("r-1").request;
        request.prompt = "{garments} {wish} {".to_owned();
        request.garments.truncate(1);
        request.garments[0].description = "{wish}".to_owned();
        let prompt = shown("{garments}; {wish}; {other}", &request);
        assert_eq!(prompt, "the shirt of image 2 ({wish}); {garments} {wish} {; {other}");
        let prompt = told("{garments}; {wish}; {other}", &request);
        assert_eq!(prompt, "shirt (wish); garments wish; {other}");
    }

    proptest! {
        #[test]
        fn a_wish_is_found_unchanged(wish in "\\PC{0,40}") {
            let mut request = order("r-1").request;
            request.prompt.clone_from(&wish);
            let prompt = shown("{garments}|{wish}|", &request);
            let expected = format!("|{}|", wish.trim());
            prop_assert!(prompt.ends_with(&expected));
        }
    }
}

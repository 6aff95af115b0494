//! The instruction to the model: the catalogue's template with the request's words in it.

use std::fmt::Write;

use tryon_core::request::{Garment, RenderRequest};

const GARMENTS: &str = "{garments}";
const WISH: &str = "{wish}";

/// Fills the template in one pass, so that placeholders in the customer's words stay words.
pub(super) fn fill(template: &str, request: &RenderRequest) -> String {
    let mut prompt = String::with_capacity(template.len() + request.prompt.len() + 128);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        prompt.push_str(before);
        rest = if let Some(after) = from.strip_prefix(GARMENTS) {
            garments(&mut prompt, &request.garments);
            after
        } else if let Some(after) = from.strip_prefix(WISH) {
            prompt.push_str(request.prompt.trim());
            after
        } else {
            prompt.push('{');
            &from[1..]
        };
    }
    prompt.push_str(rest);
    prompt.truncate(prompt.trim_end().len());
    prompt
}

/// `the shirt of image 2 (blue linen), the shoes of image 3`: the person is image 1.
fn garments(prompt: &mut String, garments: &[Garment]) {
    for (garment, image) in garments.iter().zip(2..) {
        let comma = if image == 2 { "" } else { ", " };
        let description = garment.description.trim();
        let category = garment.category.trim();
        let written = if description.is_empty() {
            write!(prompt, "{comma}the {category} of image {image}")
        } else {
            write!(prompt, "{comma}the {category} of image {image} ({description})")
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::google::testing::order;

    #[test]
    fn names_every_garment_by_its_image() {
        let prompt = fill("Dress in {garments}. {wish}", &order("r-1").request);
        let expected = "Dress in the shirt of image 2 (blue linen), the shoes of image 3. Smile";
        assert_eq!(prompt, expected);
    }

    #[test]
    fn customers_words_are_inert() {
        let mut request = order("r-1").request;
        request.prompt = "{garments} {wish} {".to_owned();
        request.garments.truncate(1);
        request.garments[0].description = "{wish}".to_owned();
        let prompt = fill("{garments}; {wish}; {other}", &request);
        assert_eq!(prompt, "the shirt of image 2 ({wish}); {garments} {wish} {; {other}");
    }

    proptest! {
        #[test]
        fn a_wish_is_found_unchanged(wish in "\\PC{0,40}") {
            let mut request = order("r-1").request;
            request.prompt.clone_from(&wish);
            let prompt = fill("{garments}|{wish}|", &request);
            let expected = format!("|{}|", wish.trim());
            prop_assert!(prompt.ends_with(&expected));
        }
    }
}

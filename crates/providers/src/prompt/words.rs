//! Customers' words for a model that reads them through CLIP: 77 tokens, the rest is not seen. A
//! token takes at least a byte, and some four of plain English.

use tryon_core::request::Garment;

/// The most that the person's noun takes, in bytes: what follows it has to be seen.
const NOUN: usize = 40;
/// The most that all garments take together.
const GARMENTS: usize = 160;
const WISH: usize = 80;

pub(super) fn noun(text: &str) -> String {
    or_else(plain(text, NOUN), "person")
}

pub(super) fn wish(text: &str) -> String {
    plain(text, WISH)
}

/// `shirt (blue linen), shoes`: each garment has an equal share of the room.
pub(super) fn garments(garments: &[Garment]) -> String {
    let room = GARMENTS / garments.len().max(1);
    let told = garments.iter().map(|garment| {
        let category = or_else(plain(&garment.category, room), "garment");
        let left = room.saturating_sub(category.len());
        match plain(&garment.description, left).as_str() {
            "" => category,
            description => format!("{category} ({description})"),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

fn or_else(text: String, other: &str) -> String {
    if text.is_empty() { other.to_owned() } else { text }
}

/// As many whole words as `most` bytes hold, in small letters as CLIP reads them anyway.
///
/// `PhotoMaker` finds its trigger word `img` even inside of words, such as swimgear, and refuses a
/// prompt with a second one; a hyphen keeps it apart. Other signs are left out, and with them all
/// that CLIP's reader would turn into letters first: entities, and letters of full width.
fn plain(text: &str, most: usize) -> String {
    let is_plain =
        |c: char| c < '\u{ff00}' && c.is_alphanumeric() || matches!(c, '-' | '\'' | '\u{2019}');
    let mut plain = String::with_capacity(most);
    for word in text.split(|c| !is_plain(c)) {
        let word = word.to_lowercase().replace("img", "im-g");
        let word = word.trim_matches('-');
        if word.is_empty() {
            continue;
        }
        let space = usize::from(!plain.is_empty());
        if plain.len() + space + word.len() > most {
            if plain.is_empty() {
                // Some languages write without spaces.
                plain.push_str(&word[..word.floor_char_boundary(most)]);
            }
            break;
        }
        if space > 0 {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_trigger_word_is_kept_apart() {
        let of = |text| plain(text, 100);
        assert_eq!(of("Swimgear"), "swim-gear");
        assert_eq!(of("an IMG, two imgs"), "an im-g two im-gs");
        assert_eq!(of("iimgmg"), "iim-gmg");
        assert_eq!(of("&#105;mg i\u{200b}mg ｉｍｇ 𝐢𝐦𝐠"), "105 mg i mg");
        assert_eq!(of("a women's T-shirt, größer"), "a women's t-shirt größer");
    }

    #[test]
    fn words_are_left_whole() {
        assert_eq!(plain("blue linen shirt", 12), "blue linen");
        assert_eq!(plain("連衣裙連衣裙", 10), "連衣裙");
        assert_eq!(plain("blue", 0), "");
        assert_eq!(noun("img \u{ff01}"), "im-g");
        assert_eq!(noun("\u{ff01}"), "person");
    }

    proptest! {
        #[test]
        fn any_words_fit(text: String, most in 0..90_usize) {
            let plain = plain(&text, most);
            prop_assert!(plain.len() <= most);
            prop_assert!(!plain.contains("img"));
            prop_assert_eq!(plain.trim(), &plain);
        }
    }
}

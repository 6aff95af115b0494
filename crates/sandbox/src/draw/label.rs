use font8x8::UnicodeFonts;

use super::canvas::{Canvas, Place};

const GROUND: [u8; 3] = [18, 18, 24];
const INK: [u8; 3] = [244, 244, 244];

/// A dark strip along the lower edge with `text` in it.
pub(super) fn strip(canvas: &mut Canvas, text: &str) {
    let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX).max(1);
    let dot = (canvas.width() * 9 / 10 / 8 / letters).clamp(1, canvas.height().div_ceil(240));
    let high = 14 * dot;
    let top = i64::from(canvas.height()) - i64::from(high);
    let whole = Place { left: 0, top, width: canvas.width(), height: high };
    canvas.tint(whole, GROUND, 200);
    let mut left = i64::from(canvas.width().saturating_sub(letters * 8 * dot) / 2);
    for letter in text.chars() {
        let rows = font8x8::BASIC_FONTS.get(letter).unwrap_or_default();
        for (row, y) in rows.into_iter().zip(0..) {
            for x in (0..8).filter(|x| row >> x & 1 == 1) {
                let place = Place {
                    left: left + i64::from(x * dot),
                    top: top + i64::from((3 + y) * dot),
                    width: dot,
                    height: dot,
                };
                canvas.tint(place, INK, 255);
            }
        }
        left += i64::from(8 * dot);
    }
}

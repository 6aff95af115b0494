use fast_image_resize::FilterType;

use super::canvas::Canvas;

/// How much of the person may be cut off: a photo whose shape differs by more is shown whole, on a
/// blurred ground of itself.
const MOST_CROPPED: f64 = 1.4;

/// The person photo in the shape asked for.
pub(super) fn fitted(person: &Canvas, width: u32, height: u32) -> Canvas {
    let shape = |width: u32, height: u32| f64::from(width) / f64::from(height.max(1));
    let (has, wants) = (shape(person.width(), person.height()), shape(width, height));
    if (has / wants).max(wants / has) <= MOST_CROPPED {
        return person.covering(width, height, FilterType::CatmullRom);
    }
    // Scaled down to very little and up again: blurred.
    let mut ground = person
        .covering((width / 64).max(2), (height / 64).max(2), FilterType::Bilinear)
        .scaled(width, height);
    let (inner_width, inner_height) =
        if has > wants { (width, share(width, has.recip())) } else { (share(height, has), height) };
    let inner = person.scaled(inner_width, inner_height);
    let opaque = vec![255; inner.pixels().len() / 3];
    let middle = |outer: u32, inner: u32| (i64::from(outer) - i64::from(inner)) / 2;
    ground.blend(&inner, &opaque, middle(width, inner_width), middle(height, inner_height));
    ground
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a picture's side"
)]
fn share(side: u32, part: f64) -> u32 {
    (f64::from(side) * part).round().max(1.0) as u32
}

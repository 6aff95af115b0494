use fast_image_resize::FilterType;

use super::canvas::{self, Canvas, Place, share};

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

/// Nobody that was asked for: a head above shoulders.
pub(super) fn stranger(width: u32, height: u32) -> Canvas {
    let mut canvas = Canvas::filled(width, height, canvas::GREY);
    let middle = |part: u32| i64::from(width.saturating_sub(part) / 2);
    for (part, top, high, colour) in [(6, 4, 5, [150, 118, 100]), (2, 9, 11, [96, 104, 120])] {
        let side = width / part.max(1);
        let (top, high) = (height * top / 20, height * high / 20);
        let place = Place { left: middle(side), top: top.into(), width: side, height: high };
        canvas.tint(place, colour, 255);
    }
    canvas
}

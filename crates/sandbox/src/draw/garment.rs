//! Garments laid on the person: cut out where their ground is plain, framed where it is not.

use std::collections::VecDeque;

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions};

use super::canvas::{self, Canvas, Place};

/// The longest side at which a garment is cut out; its mask is scaled up afterwards.
const WORK: u32 = 512;
/// How far two colours may be apart to count as one ground (squared, over three channels).
const NEAR: u32 = 26 * 26 * 3;

/// A garment and what of it is cloth, cropped to the cloth.
struct Cutout {
    canvas: Canvas,
    /// 255 = cloth, one byte a pixel.
    mask: Vec<u8>,
}

/// The first garment goes on the torso, the others stand in a row below.
pub(super) fn lay_on(person: &mut Canvas, garments: &[Canvas]) {
    let Some((worn, carried)) = garments.split_first() else { return };
    let (width, height) = (person.width(), person.height());
    // The width of a person in the picture: all of an upright picture, less of a broad one.
    let body = width.min(height * 3 / 4);
    // As wide as the person; what is long goes on below the picture.
    put(person, worn, body, height * 85 / 100, (width / 2, height * 37 / 100));
    let Ok(count @ 1..) = u32::try_from(carried.len()) else { return };
    let side = (width / (count + 1)).min(body * 30 / 100);
    let gap = side / 12;
    let row = count * (side + gap);
    let top = height * 94 / 100 - side;
    for (garment, i) in carried.iter().zip(0..) {
        let centre = (width + i * 2 * (side + gap) + side + gap).saturating_sub(row) / 2;
        let left = i64::from(centre) - i64::from(side / 2);
        let card = Place { left, top: top.into(), width: side, height: side };
        person.tint(card, [255, 255, 255], 190);
        put(person, garment, side * 9 / 10, side * 9 / 10, (centre, top + side / 20));
    }
}

/// Draws `garment` within `most_wide` x `most_high`, hanging from the middle of its upper edge.
fn put(person: &mut Canvas, garment: &Canvas, most_wide: u32, most_high: u32, at: (u32, u32)) {
    let Cutout { canvas, mask } = cut_out(garment);
    let (w, h) = (u64::from(canvas.width()), u64::from(canvas.height()));
    let by_width = h * u64::from(most_wide) <= w * u64::from(most_high);
    let (width, height) = if by_width {
        (u64::from(most_wide), h * u64::from(most_wide) / w.max(1))
    } else {
        (w * u64::from(most_high) / h.max(1), u64::from(most_high))
    };
    let side = |length: u64| u32::try_from(length.max(1)).unwrap_or(1);
    let (width, height) = (side(width), side(height));
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let from = (canvas.width(), canvas.height());
    let mask = canvas::resize(&mask, from, (width, height), PixelType::U8, &options);
    let left = i64::from(at.0) - i64::from(width / 2);
    let shadow = Canvas::filled(width, height, [0, 0, 0]);
    let dim: Vec<u8> = mask.iter().map(|alpha| alpha / 4).collect();
    let drop = i64::from(height / 80);
    person.blend(&shadow, &dim, left + drop / 2, i64::from(at.1) + drop);
    person.blend(&canvas.scaled(width, height), &mask, left, at.1.into());
}

fn cut_out(garment: &Canvas) -> Cutout {
    let longest = garment.width().max(garment.height());
    let canvas = if longest > WORK {
        let side = |length: u32| (length * WORK / longest).max(1);
        garment.scaled(side(garment.width()), side(garment.height()))
    } else {
        garment.clone()
    };
    match ground(&canvas) {
        Some(ground) => {
            // The outermost pixels are half ground: they would show as a fringe.
            let cloth = around(&flood(&canvas, ground), canvas.width(), |least, _| least);
            let mask = around(&cloth, canvas.width(), |_, mean| mean);
            crop(&canvas, &mask)
        }
        None => Cutout { mask: vec![255; canvas.pixels().len() / 3], canvas },
    }
}

fn edge(canvas: &Canvas) -> impl Iterator<Item = (u32, u32)> {
    let (right, bottom) = (canvas.width() - 1, canvas.height() - 1);
    let level = (0..=right).flat_map(move |x| [(x, 0), (x, bottom)]);
    level.chain((0..=bottom).flat_map(move |y| [(0, y), (right, y)]))
}

fn apart(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.into_iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

/// The colour of the edge, where nearly all of it has one.
fn ground(canvas: &Canvas) -> Option<[u8; 3]> {
    let mut channels = [const { Vec::new() }; 3];
    for (x, y) in edge(canvas) {
        for (channel, value) in channels.iter_mut().zip(canvas.pixel(x, y)) {
            channel.push(value);
        }
    }
    let median = channels.map(|mut values| {
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    });
    let alike = edge(canvas).filter(|(x, y)| apart(canvas.pixel(*x, *y), median) <= NEAR).count();
    (alike * 10 >= edge(canvas).count() * 9).then_some(median)
}

/// What is ground: everything near its colour that is connected with the edge.
fn flood(canvas: &Canvas, ground: [u8; 3]) -> Vec<u8> {
    let (width, height) = (canvas.width(), canvas.height());
    let mut mask = vec![255; canvas.pixels().len() / 3];
    let mut next: VecDeque<(u32, u32)> = edge(canvas).collect();
    while let Some((x, y)) = next.pop_front() {
        let place = &mut mask[y as usize * width as usize + x as usize];
        if *place == 0 || apart(canvas.pixel(x, y), ground) > NEAR {
            continue;
        }
        *place = 0;
        let around = [
            (x.checked_sub(1), Some(y)),
            (Some(x), y.checked_sub(1)),
            (Some(x + 1).filter(|x| *x < width), Some(y)),
            (Some(x), Some(y + 1).filter(|y| *y < height)),
        ];
        next.extend(around.into_iter().filter_map(|(x, y)| x.zip(y)));
    }
    mask
}

/// Gives each pixel of cloth what `f` makes of the least and the mean of its eight neighbours.
fn around(mask: &[u8], width: u32, f: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    let line = isize::try_from(width).unwrap_or_default();
    let offsets = [-line - 1, -line, 1 - line, -1, 1, line - 1, line, line + 1];
    let at = |place: usize, offset| {
        place.checked_add_signed(offset).and_then(|place| mask.get(place)).copied().unwrap_or(0)
    };
    let pixel = |(place, alpha): (usize, &u8)| {
        if *alpha == 0 {
            return 0;
        }
        let near = offsets.map(|offset| at(place, offset));
        let mean = near.into_iter().map(u32::from).sum::<u32>() / 8;
        f(near.into_iter().min().unwrap_or(0), u8::try_from(mean).unwrap_or(u8::MAX))
    };
    mask.iter().enumerate().map(pixel).collect()
}

/// Cuts away the ground around; what is all ground stays as it is.
fn crop(canvas: &Canvas, mask: &[u8]) -> Cutout {
    let width = canvas.width() as usize;
    let rows = || mask.chunks(width).map(|row| row.iter().any(|alpha| *alpha > 0));
    let column = |x: usize| mask.iter().skip(x).step_by(width).any(|alpha| *alpha > 0);
    let tall = (rows().position(|cloth| cloth), rows().rposition(|cloth| cloth));
    let wide = ((0..width).position(column), (0..width).rposition(column));
    let ((Some(top), Some(bottom)), (Some(left), Some(right))) = (tall, wide) else {
        return Cutout { canvas: canvas.clone(), mask: vec![255; mask.len()] };
    };
    let (w, h) = (right - left + 1, bottom - top + 1);
    let row = |y: usize| y * width + left..y * width + left + w;
    let mask = (top..=bottom).flat_map(|y| &mask[row(y)]).copied().collect();
    let pixels = |y| {
        let row = row(y);
        &canvas.pixels()[row.start * 3..row.end * 3]
    };
    let pixels = (top..=bottom).flat_map(pixels).copied().collect();
    let side = |length: usize| u32::try_from(length).unwrap_or_default();
    Cutout { canvas: Canvas::from_pixels(side(w), side(h), pixels), mask }
}

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;

use super::*;
use crate::{contract::fixtures, request::MAX_PICTURE_BYTES};

const FORMATS: [(ImageFormat, Mime); 3] = [
    (ImageFormat::Jpeg, Mime::Jpeg),
    (ImageFormat::Png, Mime::Png),
    (ImageFormat::WebP, Mime::Webp),
];

/// A picture as a real encoder writes it.
fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn look_at(bytes: &[u8]) -> Result<Look, Flaw> {
    look(bytes.len() as u64, bytes)
}

fn png_chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length, name.as_slice(), data, &[0; 4]].concat()
}

fn png(width: u32, height: u32, before_data: &[u8]) -> Vec<u8> {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = png_chunk(*b"IHDR", &[sides.as_slice(), &[8, 2, 0, 0, 0]].concat());
    let data = png_chunk(*b"IDAT", &[0]);
    [b"\x89PNG\r\n\x1a\n".as_slice(), &header, before_data, &data].concat()
}

fn webp_chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let padding = vec![0; data.len() % 2];
    [name.as_slice(), &length, data, &padding].concat()
}

fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    let length = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
    [b"RIFF".as_slice(), &length, b"WEBP", &chunks].concat()
}

fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let (width, height) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
    webp_chunk(*b"VP8X", &[&[flags, 0, 0, 0], &width[..3], &height[..3]].concat())
}

fn vp8(width: u16, height: u16) -> Vec<u8> {
    let (width, height) = (width.to_le_bytes(), height.to_le_bytes());
    webp_chunk(*b"VP8 ", &[&[0x10, 0, 0, 0x9d, 0x01, 0x2a], &width[..], &height, &[0; 7]].concat())
}

#[test]
fn sniffs_by_magic_bytes() {
    assert_eq!(Mime::sniff(&[0xff, 0xd8, 0xff, 0xe0]), Some(Mime::Jpeg));
    assert_eq!(Mime::sniff(b"\x89PNG\r\n\x1a\n...."), Some(Mime::Png));
    assert_eq!(Mime::sniff(b"RIFF\0\0\0\0WEBPVP8 "), Some(Mime::Webp));
    assert_eq!(Mime::sniff(b"<svg/>"), None);
    assert_eq!(Mime::sniff(b""), None);
}

#[test]
fn pictures_of_real_encoders_are_good() {
    for (format, mime) in FORMATS {
        let expected = Look::Good(mime, Frame { width: 300, height: 400 });
        assert_eq!(look_at(&encoded(format, 300, 400)), Ok(expected));
    }
    let photo = include_bytes!("../../../local/assets/person.jpg");
    assert!(matches!(look_at(photo), Ok(Look::Good(Mime::Jpeg, _))));
}

#[test]
fn the_limits_themselves_are_good() {
    let sizes = [
        ((256, 256), None),
        ((255, 4_000), Some(Flaw::Small)),
        ((4_000, 255), Some(Flaw::Small)),
        ((8_192, 4_882), None),
        ((8_192, 4_883), Some(Flaw::Large)),
        ((8_193, 300), Some(Flaw::Long)),
        ((300, 8_193), Some(Flaw::Long)),
        ((65_535, 65_535), Some(Flaw::Long)),
        ((0, 300), Some(Flaw::Broken)),
    ];
    for ((width, height), flaw) in sizes {
        let pictures = [fixtures::jpeg(width, height), png(width.into(), height.into(), &[])];
        for picture in pictures {
            assert_eq!(look_at(&picture).err(), flaw, "{width}x{height}");
        }
    }
    // Twenty gigabytes once decoded, in a file of a hundred bytes.
    assert_eq!(look_at(&png(100_000, 70_000, &[])), Err(Flaw::Long));
    let heavy = look(MAX_PICTURE_BYTES + 1, &fixtures::jpeg(512, 768));
    assert_eq!(heavy, Err(Flaw::Heavy));
    assert_eq!(look_at(b"GIF89a"), Err(Flaw::NoPicture));
}

#[test]
fn a_header_behind_large_data_needs_a_further_look() {
    let head = fixtures::jpeg(512, 768);
    let profile = [&[0xff, 0xff, 0xe2, 0xff, 0xff][..], &vec![0; 65_533]].concat();
    let far = [&head[..20], &profile, &profile, &head[20..]].concat();
    let good = Look::Good(Mime::Jpeg, Frame { width: 512, height: 768 });
    let whole = far.len() as u64;
    assert_eq!(look(whole, &far[..FIRST_LOOK]), Ok(Look::Further));
    assert_eq!(look(whole, &far), Ok(good));
    let exif = png_chunk(*b"eXIf", &vec![0; 70_000]);
    let far = png(512, 768, &exif);
    assert_eq!(look(far.len() as u64, &far[..FIRST_LOOK]), Ok(Look::Further));
    assert!(matches!(look_at(&far), Ok(Look::Good(..))));
}

#[test]
fn animations_are_refused() {
    let animated = png(512, 768, &png_chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
    assert_eq!(look_at(&animated), Err(Flaw::Animated));
    assert_eq!(look_at(&webp(&[vp8x(2, 512, 768), vp8(512, 768)])), Err(Flaw::Animated));
    let unsaid = webp(&[vp8x(0, 512, 768), webp_chunk(*b"ANMF", &[0; 16])]);
    assert_eq!(look_at(&unsaid), Err(Flaw::Animated));
}

#[test]
fn a_canvas_and_its_frame_agree() {
    let profile = webp_chunk(*b"ICCP", &[0; 7]);
    let good = webp(&[vp8x(0x20, 512, 768), profile.clone(), vp8(512, 768)]);
    let expected = Look::Good(Mime::Webp, Frame { width: 512, height: 768 });
    assert_eq!(look_at(&good), Ok(expected));
    let small = webp(&[vp8x(0x20, 512, 768), profile, vp8(16_383, 768)]);
    assert_eq!(look_at(&small), Err(Flaw::TwoSizes));
}

#[test]
fn broken_headers_are_refused() {
    let mut lossless_jpeg = fixtures::jpeg(512, 768);
    lossless_jpeg[21] = 0xc3;
    let mut twelve_bits = fixtures::jpeg(512, 768);
    twelve_bits[24] = 12;
    let mut odd_depth = png(512, 768, &[]);
    odd_depth[24] = 3;
    let mut inter_frame = webp(&[vp8(512, 768)]);
    inter_frame[20] |= 1;
    let mut longer = webp(&[vp8(512, 768)]);
    longer[4] += 2;
    let no_data = [&png(512, 768, &[])[..33], &png_chunk(*b"IEND", &[])].concat();
    let data_first = [&fixtures::jpeg(512, 768)[..20], &[0xff, 0xda, 0, 2]].concat();
    let broken = [lossless_jpeg, twelve_bits, odd_depth, inter_frame, longer, no_data, data_first];
    for (case, bytes) in broken.iter().enumerate() {
        assert_eq!(look_at(bytes), Err(Flaw::Broken), "case {case}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_looked_at_without_harm(
        magic in 0..4_usize,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        bits in any::<u64>(),
    ) {
        let starts: [&[u8]; 4] =
            [&[0xff, 0xd8, 0xff], b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP", b""];
        let bytes = [starts[magic], &bytes].concat();
        for whole in [bytes.len() as u64, bits] {
            if let Ok(Look::Good(_, frame)) = look(whole, &bytes) {
                prop_assert!(frame.width.min(frame.height) >= MIN_SIDE);
                prop_assert!(frame.width.max(frame.height) <= MAX_SIDE);
            }
        }
    }

    /// One changed byte of a good header never gives a frame beyond the limits, and a piece of it
    /// never gives another frame than the whole.
    #[test]
    fn a_damaged_header_is_read_as_carefully(
        format in 0..3_usize,
        at in 0..64_usize,
        byte in any::<u8>(),
        cut in 0..400_usize,
    ) {
        let (format, _) = FORMATS[format];
        let good = encoded(format, 256, 300);
        let piece = &good[..cut.min(good.len())];
        match look(good.len() as u64, piece) {
            Ok(Look::Good(_, frame)) => prop_assert_eq!(frame, Frame { width: 256, height: 300 }),
            Ok(Look::Further) | Err(Flaw::NoPicture) => {}
            Err(flaw) => prop_assert!(false, "{flaw:?} after {cut} bytes"),
        }
        let mut damaged = good;
        damaged[at] = byte;
        if let Ok(Look::Good(_, frame)) = look_at(&damaged) {
            prop_assert!(u64::from(frame.width) * u64::from(frame.height) <= MAX_PIXELS);
        }
    }
}

use super::*;
use crate::shelf::Shelf;

fn drawing(manner: Manner, (width, height): (u32, u32), pictures: Vec<Vec<u8>>) -> Drawing {
    let shelf = Shelf::new(true);
    Drawing {
        manner,
        width,
        height,
        pictures: pictures.into_iter().map(|bytes| shelf.put(bytes)).collect(),
        label: "gemini-nano-banana-2.1  1K 3:4  MINIMAL".to_owned(),
        mime: Mime::Jpeg,
    }
}

fn dressed(width: u32, height: u32, pictures: Vec<Vec<u8>>) -> Drawing {
    drawing(Manner::Dressed, (width, height), pictures)
}

fn plain(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    jpeg::encode(&Canvas::filled(width, height, colour)).to_vec()
}

/// A red cloth on white ground.
fn garment() -> Vec<u8> {
    let mut canvas = Canvas::filled(100, 100, [250, 250, 250]);
    canvas.tint(canvas::Place { left: 35, top: 25, width: 30, height: 50 }, [200, 20, 20], 255);
    jpeg::encode(&canvas).to_vec()
}

#[test]
fn the_garment_lies_on_the_person_at_true_size() {
    let artist = Artist::new(Pictures::Drawn, 1 << 20);
    let drawing = dressed(896, 1_200, vec![plain(300, 400, [20, 60, 200]), garment()]);
    let jpeg = artist.picture(&drawing, "r-1");
    let picture = image::load_from_memory(&jpeg).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (896, 1_200));
    let near = |at: (u32, u32), colour: [i32; 3]| {
        let pixel = picture.get_pixel(at.0, at.1).0;
        pixel.into_iter().zip(colour).all(|(a, b)| (i32::from(a) - b).abs() < 16)
    };
    assert!(near((448, 100), [20, 60, 200]), "the face is the person's");
    assert!(near((448, 800), [200, 20, 20]), "the torso is the garment's");
    assert!(near((10, 800), [20, 60, 200]), "the garment's ground is cut away");
}

#[test]
fn the_same_picture_is_drawn_once_and_told_apart_by_its_comment() {
    let artist = Artist::new(Pictures::Drawn, 1 << 20);
    let drawing = dressed(128, 128, vec![plain(64, 64, [9, 9, 9])]);
    let (a, b) = (artist.picture(&drawing, "r-1"), artist.picture(&drawing, "r-2"));
    assert_ne!(a, b);
    let find = |jpeg: &[u8], text: &[u8]| jpeg.windows(text.len()).any(|part| part == text);
    assert!(find(&a, b"r-1") && find(&b, b"r-2"));
    let pixels = |jpeg: &[u8]| image::load_from_memory(jpeg).unwrap().into_rgb8();
    assert_eq!(pixels(&a), pixels(&b));
}

#[test]
fn canned_pictures_are_valid_and_as_long_as_wished() {
    let artist = Artist::new(Pictures::Canned { bytes: 100_000 }, 0);
    let jpeg = artist.picture(&dressed(896, 1_200, Vec::new()), "r-1");
    assert!((99_990..=100_000).contains(&jpeg.len()), "{}", jpeg.len());
    assert_eq!(image::load_from_memory(&jpeg).unwrap().width(), 8);
    let plain = dressed(896, 1_200, Vec::new());
    let png = artist.picture(&Drawing { mime: Mime::Png, ..plain }, "r-1");
    assert_eq!((Mime::sniff(&png), png.len()), (Some(Mime::Png), 100_000));
    assert_eq!(image::load_from_memory(&png).unwrap().width(), 8);
}

#[test]
fn what_cannot_be_decoded_is_grey() {
    let artist = Artist::new(Pictures::Drawn, 0);
    for (width, height) in [(64, 64), (3, 200), (200, 3)] {
        let drawing = dressed(width, height, vec![b"ftyp".to_vec(), plain(1, 1, [0; 3]), vec![1]]);
        let jpeg = artist.picture(&drawing, "");
        assert_eq!(image::load_from_memory(&jpeg).unwrap().width(), width);
    }
}

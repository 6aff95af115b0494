use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};
use tryon_sandbox::{Pictures, SandboxConfig};

use super::{Desk, NANO_BANANA, PHOTOMAKER, SDXL, UPSCALE, album, config, dress, face, plain};

const PERSON: &str = "https://shop.example/person.jpg";
const GARMENT: &str = "https://shop.example/garment.jpg";
const BLUE: [u8; 3] = [20, 60, 200];
const RED: [u8; 3] = [200, 20, 20];

/// A desk that draws, with a blue person and a red garment.
fn studio() -> Desk {
    let desk = Desk::new(SandboxConfig { pictures: Pictures::Drawn, ..config() });
    let bad = ("https://shop.example/bad.jpg", b"no picture".to_vec());
    let pictures = [(PERSON, plain(300, 400, BLUE)), (GARMENT, plain(90, 90, RED)), bad];
    desk.bench.sandbox.set_bucket(album(&pictures));
    desk
}

async fn drawn(desk: &Desk, version: &str, input: Value) -> (RgbImage, ImageFormat) {
    let id = desk.made(version, input).await;
    let object = desk.get(&id).await;
    assert_eq!(object["status"], "succeeded", "{object}");
    let output = object["output"].as_str().or_else(|| object["output"][0].as_str()).unwrap();
    let bytes = desk.try_get(output).await.unwrap().body;
    let format = image::guess_format(&bytes).unwrap();
    (image::load_from_memory(&bytes).unwrap().into_rgb8(), format)
}

fn near(picture: &RgbImage, at: (u32, u32), colour: [u8; 3]) -> bool {
    let pixel = picture.get_pixel(at.0, at.1).0;
    pixel.into_iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 16)
}

#[tokio::test(start_paused = true)]
async fn nano_banana_dresses_at_the_size_asked_for() {
    let desk = studio();
    let (picture, format) = drawn(&desk, NANO_BANANA, dress("a")).await;
    assert_eq!((picture.dimensions(), format), ((896, 1_200), ImageFormat::Jpeg));
    assert!(near(&picture, (448, 100), BLUE) && near(&picture, (448, 700), RED));
    // As large as it says, and shaped like the person.
    let like = json!({"prompt": "dress her", "image_input": [PERSON, GARMENT],
                      "output_format": "png"});
    let (picture, format) = drawn(&desk, NANO_BANANA, like).await;
    assert_eq!((picture.dimensions(), format), ((1_792, 2_400), ImageFormat::Png));
}

#[tokio::test(start_paused = true)]
async fn what_is_only_described_is_not_worn() {
    let desk = studio();
    let (picture, format) = drawn(&desk, PHOTOMAKER, face("a woman img")).await;
    assert_eq!((picture.dimensions(), format), ((1_024, 1_024), ImageFormat::Png));
    let second = json!({"input_image": PERSON, "input_image2": GARMENT, "prompt": "a woman img"});
    let (blended, _) = drawn(&desk, PHOTOMAKER, second).await;
    let redrawn = json!({"image": PERSON, "mask": GARMENT, "width": 768, "height": 1_024});
    let (redrawn, _) = drawn(&desk, SDXL, redrawn).await;
    assert_eq!(redrawn.dimensions(), (768, 1_024));
    for picture in [picture, blended, redrawn] {
        assert!(near(&picture, (384, 300), BLUE) && near(&picture, (384, 600), BLUE));
    }
    let (stranger, _) = drawn(&desk, SDXL, json!({"prompt": "a woman"})).await;
    assert!(!near(&stranger, (512, 300), BLUE) && !near(&stranger, (512, 700), BLUE));
    let id = desk.made(SDXL, json!({"width": 1_001})).await;
    let error = desk.get(&id).await["error"].clone();
    assert!(error.as_str().unwrap().contains("divisible by 8"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn pictures_are_enlarged_fourfold_up_to_4k() {
    let desk = studio();
    let (picture, _) = drawn(&desk, UPSCALE, json!({"image": PERSON})).await;
    assert_eq!(picture.dimensions(), (1_200, 1_600));
    assert!(near(&picture, (600, 800), BLUE));
    let (picture, _) = drawn(&desk, UPSCALE, json!({"image": PERSON, "scale": 2})).await;
    assert_eq!(picture.dimensions(), (600, 800));
    let large = ("https://shop.example/large.jpg", plain(768, 2_048, BLUE));
    desk.bench.sandbox.set_bucket(album(&[large]));
    let (picture, _) =
        drawn(&desk, UPSCALE, json!({"image": "https://shop.example/large.jpg"})).await;
    assert_eq!(picture.dimensions(), (1_536, 4_096));
}

#[tokio::test(start_paused = true)]
async fn pictures_may_come_in_the_address_itself() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let desk = studio();
    let data = BASE64_STANDARD.encode(plain(100, 50, RED));
    let input = json!({"image": format!("data:image/png;base64,{data}")});
    let (picture, _) = drawn(&desk, UPSCALE, input).await;
    assert_eq!(picture.dimensions(), (400, 200));
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_cannot_be_read_fails_the_prediction() {
    let desk = studio();
    for (image, error) in [
        ("https://shop.example/gone.jpg?x=1", "404 Client Error: Not Found for url: https://"),
        ("https://shop.example/bad.jpg", "cannot identify image file"),
        ("data:image/png;base64,***", "Incorrect padding"),
        ("s3://shop/person.jpg", "No connection adapters were found for 's3://"),
    ] {
        let id = desk.made(UPSCALE, json!({"image": image})).await;
        let object = desk.get(&id).await;
        assert_eq!(object["status"], "failed", "{image}");
        assert!(object["error"].as_str().unwrap().starts_with(error), "{object}");
    }
    // Where nothing is drawn from them they are not even looked for.
    let canned = Desk::new(config());
    let id = canned.made(UPSCALE, json!({"image": "https://shop.example/gone.jpg"})).await;
    assert_eq!(canned.status(&id).await, "succeeded");
}

use serde_json::json;
use tryon_core::{
    picture::Mime,
    ports::Objects,
    render::{Render, RenderStatus},
    routing::Percent,
    settings::Settings,
};

use super::{
    super::keeper::{Keeper, keep},
    *,
};

const HOUR: Duration = Duration::from_hours(1);

/// A world with two uploads, in which every render takes ten seconds.
async fn world() -> World {
    Logs::install();
    let world = World::new(
        WorldConfig {
            settings: Settings {
                enable_gemini_batch: true,
                traffic_percent: Percent::FULL,
                ..Settings::default()
            },
            sandbox: SandboxConfig {
                latency: tryon_sandbox::Latency::Fixed(Duration::from_secs(10)),
                pictures: Drawing::Canned { bytes: 1_000 },
                ..SandboxConfig::default()
            },
            ..WorldConfig::default()
        },
        clock(),
    )
    .unwrap();
    for key in ["in/person.jpg", "in/shirt.jpg"] {
        let picture = bytes::Bytes::from_static(crate::arrivals::CANNED_PHOTO);
        world.objects.put(key, picture, Mime::Jpeg).await.unwrap();
    }
    world
}

async fn end_one(world: &World, key: &str) -> Render {
    let body = json!({
        "user_id": "alice",
        "person": {"photo": "in/person.jpg"},
        "garments": [{"photo": "in/shirt.jpg", "category": "shirt"}],
        "quality": "sd",
        "lane": "online",
    });
    let id = world.accept(&body, key).await.unwrap();
    world.clock.sleep(Duration::from_secs(20)).await;
    world.database.renders().into_iter().find(|render| render.id.as_str() == id).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_forgotten_with_its_picture() {
    let world = world().await;
    let mut keeper = Keeper::default();
    let story = async {
        let old = end_one(&world, "old").await;
        let RenderStatus::Succeeded { picture, .. } = old.status else {
            panic!("{:?}", old.status)
        };
        world.clock.sleep(23 * HOUR).await;
        let young = end_one(&world, "young").await;
        keeper.sweep(&world).await;
        assert_eq!(world.database.renders().len(), 2);
        world.clock.sleep(2 * HOUR).await;
        keeper.sweep(&world).await;
        let left: Vec<_> = world.database.renders().into_iter().map(|render| render.id).collect();
        assert_eq!(left, [young.id]);
        assert_eq!(world.attempts.attempts().len(), 1);
        assert!(world.objects.digest(&picture.key).is_none());
        assert_eq!(world.objects.list("out/").await.unwrap().len(), 1);
        Ok(())
    };
    world.serve_until(story).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_line_is_logged_for_each_render_that_ended() {
    let world = world().await;
    Logs::watch();
    let kept = keep(&world);
    let story = async { Ok(end_one(&world, "one").await) };
    let render = world.serve_until(first(story, kept)).await.unwrap();
    let text = Logs::text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("render ended")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let id = format!("render={} status=\"succeeded\"", render.id);
    for part in [&id, "route=gemini", "lane=online", "step=gemini", "cents=", "seconds=10.0"] {
        assert!(lines[0].contains(part), "{part}: {text}");
    }
    assert!(!text.contains("alice"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_upload_lives_seven_days() {
    let world = world().await;
    let mut keeper = Keeper::default();
    keeper.sweep(&world).await;
    world.clock.sleep(167 * HOUR).await;
    world.objects.put("in/late.jpg", bytes::Bytes::new(), Mime::Jpeg).await.unwrap();
    keeper.sweep(&world).await;
    assert_eq!(world.objects.list("in/").await.unwrap().len(), 3);
    world.clock.sleep(HOUR).await;
    keeper.sweep(&world).await;
    assert_eq!(world.objects.list("in/").await.unwrap(), [("in/late.jpg".to_owned(), 0)]);
}

//! What the made-up shoppers think of their pictures.

use anyhow::Result;
use tryon_core::{
    chain::Fidelity,
    ids::RenderId,
    memory::SeededRandom,
    ports::Random,
    render::{Render, RenderStatus},
    routing::murmur3_x86_32,
};

use crate::world::World;

/// Of twenty shoppers, how many say what they think.
const SAY: u64 = 8;

/// Has those who want to rate the pictures that they have not rated yet.
pub async fn rate(world: &World, renders: &[Render]) -> Result<()> {
    let rated = world.database.ratings();
    for render in renders {
        let RenderStatus::Succeeded { fidelity, .. } = render.status else { continue };
        if let Some(stars) = stars(&render.id, fidelity)
            && !rated.contains_key(&render.id)
        {
            world.rate(render, stars).await?;
        }
    }
    Ok(())
}

/// What the one who asked for the picture gives it, where they say so at all: the same whenever they
/// are asked.
fn stars(id: &RenderId, fidelity: Fidelity) -> Option<u8> {
    let random = SeededRandom::new(murmur3_x86_32(id.as_str().as_bytes()).into());
    if random.next_u64() % 20 >= SAY {
        return None;
    }
    let mood = random.next_u64() % 20;
    let stars = match mood {
        0 => 1,
        1 => 2,
        2..=4 => 3,
        5..=10 => 4,
        _ => 5,
    };
    // A garment that the model never saw is somebody else's.
    Some(if fidelity == Fidelity::Described { (stars - 1).max(1) } else { stars })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_five_say_what_they_think_and_like_what_is_exact_better() {
        let stars_of = |fidelity| -> Vec<u8> {
            let ids = (0..1_000).map(|n| RenderId::new(format!("render-{n}")));
            ids.filter_map(|id| stars(&id, fidelity)).collect()
        };
        let mean = |stars: &[u8]| {
            stars.iter().map(|stars| f64::from(*stars)).sum::<f64>() / stars.len() as f64
        };
        let (exact, described) = (stars_of(Fidelity::Exact), stars_of(Fidelity::Described));
        assert!((350..450).contains(&exact.len()), "{}", exact.len());
        assert!(mean(&exact) > 4.0 && mean(&described) < 3.5);
        assert!(exact.iter().chain(&described).all(|stars| (1..=5).contains(stars)));
    }
}

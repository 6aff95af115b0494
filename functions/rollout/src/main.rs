#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), tryon_lambda::bootstrap::Error> {
    tryon_lambda::bootstrap::start(Box::pin(tryon_wiring::rollout())).await
}

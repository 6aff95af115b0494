use aws_sdk_s3::primitives::ByteStream;
use tryon_aws::S3Catalogue;
use tryon_core::contract;

use crate::{objects::bucket, support::clients};

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn the_suite() {
    let (clients, bucket) = (clients().await, bucket("catalogue").await);
    let (s3, key) = (clients.s3(), "config/catalogue.toml");
    let store = S3Catalogue::new(s3.clone(), &bucket);
    contract::catalogue::suite(&store, async |text| {
        if let Some(text) = text {
            let body = ByteStream::from(text.as_bytes().to_vec());
            s3.put_object().bucket(&bucket).key(key).body(body).send().await.unwrap();
        } else {
            s3.delete_object().bucket(&bucket).key(key).send().await.unwrap();
        }
    })
    .await;
}

//! A service that takes connections and says nothing, as a frozen emulator does.

use std::net::TcpListener;

use chrono::TimeDelta;
use tryon_aws::{EventBridgeBus, ParameterSecrets, ParameterSettings, QueueUrls, SqsQueues};
use tryon_core::{
    ports::{
        Announcement, Bus, Outgoing, PortError, Queue, QueueName, SecretName, Secrets,
        SettingsSource,
    },
    routing::Percent,
    settings::Settings,
};

use crate::support::{clients, random, real_clock};

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn every_call_ends_in_time() {
    // The system takes the connections; nobody answers them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (clients, clock) = (clients().await, real_clock());
    let ssm = clients.ssm().config().to_builder().endpoint_url(&endpoint).build();
    let sqs = clients.sqs().config().to_builder().endpoint_url(&endpoint).build();
    let events = clients.eventbridge().config().to_builder().endpoint_url(&endpoint).build();
    let ssm = aws_sdk_ssm::Client::from_conf(ssm);

    let base = Settings { traffic_percent: Percent::FULL, ..Settings::default() };
    let settings = ParameterSettings::new(ssm.clone(), clock.clone(), "frozen", base);
    let secrets = ParameterSecrets::new(ssm, clock.clone(), "frozen");
    let urls = QueueUrls { queue: Some(format!("{endpoint}/1/q")), dead: None };
    let queue = QueueName::ImagenJobs;
    let sqs = aws_sdk_sqs::Client::from_conf(sqs);
    let queues = SqsQueues::new(sqs, clock.clone(), random(), [(queue, urls)]);
    let events = aws_sdk_eventbridge::Client::from_conf(events);
    let bus = EventBridgeBus::new(events, clock.clone(), random(), "frozen");
    let (source, detail_type, detail) = ("render", "render.failed", "{}".to_owned());

    let began = clock.now();
    let settings = async { (settings.settings().await, clock.now() - began) };
    let ((settings, read), secret, sent, published) = tokio::join!(
        settings,
        secrets.secret(SecretName::ApiKey, false),
        queues.send(queue, vec![Outgoing::now("a".to_owned())]),
        bus.publish(vec![Announcement { source, detail_type, detail }]),
    );
    let took = clock.now() - began;
    assert!(took < TimeDelta::seconds(10), "{took}");
    assert!(read < TimeDelta::seconds(3), "a shopper waits for the knobs: {read}");
    assert_eq!(settings.traffic_percent, Percent::ZERO);
    for met in [secret.map(drop), sent, published] {
        assert!(
            matches!(&met, Err(PortError::Unavailable(text)) if text.ends_with("timed out")),
            "{met:?}"
        );
    }
}

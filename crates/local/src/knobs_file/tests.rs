use std::process;

use tryon_core::{memory::TokioClock, money::Micros, routing::Percent};

use super::*;

/// A folder of its own for a test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tryon-knobs-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("tryon.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Knobs with a cache of 15 seconds, and what passes them.
fn open(folder: &Folder) -> Result<(FileSettings, Arc<dyn Clock>)> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(DateTime::UNIX_EPOCH));
    let settings = FileSettings::open(&folder.file(), Duration::from_secs(15), clock.clone())?;
    Ok((settings, clock))
}

/// What is in force once the file has been read again.
async fn after(settings: &FileSettings, clock: &Arc<dyn Clock>) -> Settings {
    clock.sleep(Duration::from_secs(15)).await;
    settings.settings().await
}

async fn faults(settings: &FileSettings) -> Vec<String> {
    settings.state.lock().await.faults.iter().cloned().collect()
}

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_made_and_never_overwritten() {
    let folder = Folder::new("made");
    let (settings, _) = open(&folder).unwrap();
    let expected = Settings {
        enable_gemini_batch: true,
        traffic_percent: percent("50"),
        ..Settings::default()
    };
    assert_eq!(settings.settings().await, expected);
    let text = fs::read_to_string(folder.file()).unwrap();
    for knob in &KNOBS {
        assert!(text.contains(&format!("\n{} = ", knob.name)), "{text}");
        assert!(text.contains(knob.effect) && text.contains(knob.bounds), "{text}");
    }
    let own = "traffic-percent = 7 # mine\n";
    folder.write(own);
    let (settings, _) = open(&folder).unwrap();
    assert_eq!(settings.settings().await.traffic_percent, percent("7"));
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), own);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_in_force_after_the_cache_time() {
    let folder = Folder::new("change");
    folder.write("traffic-percent = 12.5\ndaily-budget-usd = \"12.50\"\n");
    let (settings, clock) = open(&folder).unwrap();
    let before = settings.settings().await;
    assert_eq!(before.traffic_percent, percent("12.5"));
    assert_eq!(before.daily_budget, Micros::new(12_500_000));
    folder.write("traffic-percent = \"100\"\nenable-gemini-batch = true\nmax-batch-size = 8\n");
    clock.sleep(Duration::from_secs(14)).await;
    assert_eq!(settings.settings().await, before);
    clock.sleep(Duration::from_secs(1)).await;
    // What is left out has its default again.
    let expected = Settings {
        enable_gemini_batch: true,
        traffic_percent: Percent::FULL,
        max_batch_size: 8,
        ..Settings::default()
    };
    assert_eq!(settings.settings().await, expected);
    assert!(faults(&settings).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_leaves_the_last_good_value() {
    let folder = Folder::new("bad");
    folder.write("traffic-percent = 10\nmax-batch-size = 8\n");
    let (settings, clock) = open(&folder).unwrap();
    folder.write("traffic-percent = 101\nmax-batch-size = 9\nspeed = 1\ndefault-lane = []\n");
    let now = after(&settings, &clock).await;
    assert_eq!((now.traffic_percent, now.max_batch_size), (percent("10"), 9));
    let told = faults(&settings).await;
    assert_eq!(told.len(), 3, "{told:?}");
    for part in ["traffic-percent: give 0 to 100", "speed: there is no", "default-lane: give auto"]
    {
        assert!(told.iter().any(|fault| fault.contains(part)), "{told:?}");
    }
    folder.write("traffic-percent = 20\nmax-batch-size = = 10\n");
    assert_eq!(after(&settings, &clock).await, now);
    let told = faults(&settings).await;
    assert!(told[0].starts_with("line 2 is no TOML"), "{told:?}");
    fs::remove_file(folder.file()).unwrap();
    assert_eq!(after(&settings, &clock).await, now);
    assert!(faults(&settings).await[0].contains("cannot be read"));
    folder.write("traffic-percent = 20\n");
    assert_eq!(after(&settings, &clock).await.traffic_percent, percent("20"));
    assert!(faults(&settings).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_told_of_once() {
    let folder = Folder::new("once");
    let (settings, _) = open(&folder).unwrap();
    let mut state = settings.state.lock().await;
    let mut told = |text: &str| state.take(Reading::of(text)).len();
    assert_eq!([told("speed = 1"), told("speed = 1"), told("speed = 1\nspin = 2")], [1, 0, 1]);
    assert_eq!(
        [told("="), told("="), told("speed = 1"), told(""), told("speed = 1")],
        [1, 0, 1, 0, 1]
    );
}

#[tokio::test(start_paused = true)]
async fn callers_at_once_share_one_reading() {
    let folder = Folder::new("shared");
    let (settings, clock) = open(&folder).unwrap();
    folder.write("max-batch-size = 3\n");
    clock.sleep(Duration::from_secs(15)).await;
    let all = futures_util::future::join_all((0..50).map(|_| settings.settings())).await;
    assert!(all.iter().all(|settings| settings.max_batch_size == 3));
    assert_eq!(settings.state.lock().await.read_at, clock.now());
}

#[test]
fn a_wrong_file_at_the_start_is_refused_with_the_fix() {
    let folder = Folder::new("start");
    let cases = [
        ("traffic-percent = -1", "traffic-percent: give 0 to 100"),
        ("speed = 1", "speed: there is no such knob"),
        ("\n\nno TOML", "line 3 is no TOML"),
        ("max-batch-size = 5\nmax-batch-size = 6", "line 2 is no TOML"),
    ];
    for (text, fix) in cases {
        folder.write(text);
        let error = open(&folder).unwrap_err();
        assert!(error.to_string().contains(fix), "{error}");
    }
    fs::remove_file(folder.file()).unwrap();
    fs::create_dir(folder.file()).unwrap();
    assert!(open(&folder).unwrap_err().to_string().contains("give a TOML file"));
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let nowhere = folder.0.join("no/such/tryon.toml");
    let error = FileSettings::open(&nowhere, Duration::from_secs(1), clock).unwrap_err();
    assert!(error.to_string().contains("a folder that exists"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_knob_that_is_turned_stands_in_the_file() {
    let folder = Folder::new("turned");
    folder.write("# mine\ntraffic-percent = 7\ntraffic-ceiling=100 # high\n");
    let (settings, _) = open(&folder).unwrap();
    settings.turn("traffic-ceiling", "10").await.unwrap();
    settings.turn("default-lane", "batch").await.unwrap();
    assert_eq!(settings.settings().await.traffic_ceiling, percent("10"), "at once");
    let text = fs::read_to_string(folder.file()).unwrap();
    let expected = "# mine\ntraffic-percent = 7\ntraffic-ceiling = 10\ndefault-lane = \"batch\"\n";
    assert_eq!(text, expected);
    assert!(settings.turn("traffic-ceiling", "101").await.is_err());
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), expected);
}

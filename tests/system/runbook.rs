//! docs/runbook.md has a section for each alarm, and what it tells of the deployment is there. Its `ops`
//! commands are run by a test of the crate `tryon-local`.

use std::collections::BTreeSet;

use tryon_core::settings::{KNOBS, Settings};
use yaml_serde::Value;

const RUNBOOK: &str = include_str!("../../docs/runbook.md");
/// Secrets below `/garmaxai/`, and what the system writes itself.
const OTHERS: [&str; 6] = [
    "gemini/$STAGE/service-account-json",
    "gemini/$STAGE/api-key",
    "gemini/$STAGE/database-url",
    "replicate/$STAGE/api-token",
    "gemini/$STAGE/budget-status",
    "gemini/$STAGE/rollout-status",
];

fn template() -> Value {
    yaml_serde::from_str(include_str!("../../template.yaml")).unwrap()
}

/// What a `!Sub` is given.
fn sub(value: &Value) -> &str {
    let Value::Tagged(tagged) = value else { panic!("{value:?} is no !Sub") };
    tagged.value.as_str().unwrap()
}

/// The alarms by name, with what their descriptions say.
fn alarms(template: &Value) -> Vec<(String, String)> {
    let resources = template["Resources"].as_mapping().unwrap().iter();
    let alarms = resources.filter(|(_, r)| r["Type"] == "AWS::CloudWatch::Alarm");
    let of = |(_, resource): (&Value, &Value)| {
        let properties = &resource["Properties"];
        let name = sub(&properties["AlarmName"]).strip_prefix("tryon-${Stage}-").unwrap();
        let says = properties["AlarmDescription"].as_str().unwrap();
        (name.to_owned(), says.to_owned())
    };
    alarms.map(of).collect()
}

/// The sections that alarms have, with their lines.
fn sections() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut sections = Vec::new();
    for part in RUNBOOK.split("\n#").skip(1) {
        let mut lines = part.trim_start_matches(['#', ' ']).lines();
        sections.push((lines.next().unwrap(), lines.collect()));
    }
    sections
}

/// The commands of the code blocks but those of alarms that this release does not have.
fn commands() -> Vec<&'static str> {
    let template = template();
    let known: BTreeSet<String> =
        alarms(&template).into_iter().map(|(name, _)| format!("Alarm {name}")).collect();
    let mut commands = Vec::new();
    for (title, lines) in sections() {
        if title.starts_with("Alarm ") && !known.contains(title) {
            continue;
        }
        let mut in_block = false;
        for line in lines {
            if line.starts_with("```") {
                in_block = line == "```sh";
            } else if in_block {
                commands.push(line);
            }
        }
    }
    commands
}

#[test]
fn each_alarm_has_its_section() {
    let titles: Vec<&str> = sections().into_iter().map(|(title, _)| title).collect();
    for (name, says) in alarms(&template()) {
        let section = format!("Alarm {name}");
        assert_eq!(titles.iter().filter(|title| **title == section).count(), 1, "{section}");
        if let Some((_, anchor)) = says.split_once("docs/runbook.md#") {
            let anchor = anchor.split(|c: char| c.is_whitespace()).next().unwrap();
            assert_eq!(anchor.trim_end_matches('.'), format!("alarm-{name}"), "{says}");
        }
    }
    for (title, lines) in sections() {
        let text = lines.join(" ");
        assert!(!title.starts_with("Alarm ") || text.len() > 60, "{title} says next to nothing");
    }
}

#[test]
fn links_within_the_runbook_lead_somewhere() {
    let anchor = |title: &str| {
        let kept = title.to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let anchors: BTreeSet<String> = sections().iter().map(|(title, _)| anchor(title)).collect();
    for link in RUNBOOK.split("](#").skip(1) {
        let link = link.split(')').next().unwrap();
        assert!(anchors.contains(link), "#{link} leads nowhere");
    }
    for link in RUNBOOK.split("](").skip(1).filter(|link| !link.starts_with('#')) {
        let file = link.split([')', '#']).next().unwrap();
        let path = format!("{}/../docs/{file}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&path).exists(), "{file}");
    }
}

#[test]
fn commands_name_what_the_template_has() {
    let template = template();
    let has = |section: &str, name: &str| !template[section][name].is_null();
    let mut seen = BTreeSet::new();
    for command in commands() {
        let mut words = command.split_whitespace();
        let program = words.next().unwrap();
        for output in command.split("OutputKey=='").skip(1) {
            let output = output.split('\'').next().unwrap();
            assert!(has("Outputs", output), "{output} in {command}");
        }
        for pair in command.split_whitespace().skip_while(|w| *w != "--parameter-overrides").skip(1)
        {
            let (name, value) = pair.split_once('=').unwrap();
            assert!(has("Parameters", name), "{name} in {command}");
            let allowed = &template["Parameters"][name]["AllowedValues"];
            let fits = |values: &Vec<Value>| values.iter().any(|v| v.as_str() == Some(value));
            assert!(allowed.as_sequence().is_none_or(fits), "{pair}");
        }
        if let Some(name) = after(command, "--name ") {
            parameter(command, name.strip_prefix("/garmaxai/").unwrap());
        }
        if let Some(function) = after(command, "/aws/lambda/tryon-") {
            let function = function.trim_end_matches("-$STAGE");
            let name = format!("{}{}Function", function[..1].to_uppercase(), &function[1..]);
            assert!(has("Resources", &name), "{name} in {command}");
        }
        seen.insert(match program {
            "ops" | "aws" | "sam" => program,
            "alias" | "eval" => "shell",
            // Assignments.
            _ if program.contains('=') => "shell",
            _ => panic!("{command} is no command that a test knows"),
        });
    }
    assert_eq!(seen, BTreeSet::from(["aws", "ops", "sam", "shell"]));
}

fn after<'a>(command: &'a str, flag: &str) -> Option<&'a str> {
    command.split_once(flag)?.1.split_whitespace().next()
}

/// A parameter is a knob with a value that it takes, or one of the others.
fn parameter(command: &str, name: &str) {
    let knob = KNOBS.iter().find(|knob| name == format!("gemini/$STAGE/{}", knob.name));
    let Some(knob) = knob else {
        assert!(OTHERS.contains(&name), "{name} in {command}");
        let secret = command.contains("put-parameter");
        assert!(!secret || command.contains("SecureString") && command.contains("file://"));
        return;
    };
    if let Some(value) = after(command, "--value ") {
        assert_eq!(Settings::default().set(knob.name, value), Ok(()), "{command}");
        assert!(command.contains("--type String") && command.contains("--overwrite"), "{command}");
    }
}

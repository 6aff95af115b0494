//! The template tells each function what it asks for, and nothing else.

use std::collections::BTreeSet;

use tryon_core::settings::KNOBS;
use tryon_lambda::environment::Environment;
use yaml_serde::Value;

/// What is read before the wiring begins.
const READ_EARLIER: [&str; 2] = ["AWS_ENDPOINT_URL", "RUST_LOG"];

/// The names of the variables at a place of the template.
fn variables(place: &Value) -> impl Iterator<Item = String> {
    let variables = place["Environment"]["Variables"].as_mapping().unwrap().iter();
    variables.map(|(name, _)| name.as_str().unwrap().to_owned())
}

fn told<T>(function: &str, read: impl FnOnce(&Environment) -> T) {
    let template: Value = yaml_serde::from_str(include_str!("../../../../template.yaml")).unwrap();
    let resource = &template["Resources"][format!("{function}Function").as_str()];
    let given: BTreeSet<_> = variables(&template["Globals"]["Function"])
        .chain(variables(&resource["Properties"]))
        .filter(|name| !READ_EARLIER.contains(&name.as_str()))
        .collect();
    let environment = Environment::new([]);
    read(&environment);
    let mut asked = environment.asked();
    // Every function reads the knobs as one. The ceiling is lowered by the system, and by no deployment.
    asked.extend(KNOBS.iter().map(|knob| knob.env.to_owned()));
    asked.remove("GEMINI_TRAFFIC_CEILING");
    assert_eq!(given, asked, "{function}");
}

#[test]
fn the_template_tells_each_function_what_it_asks_for() {
    told("Router", super::router::Told::read);
    told("Accumulator", super::accumulator::Told::read);
    told("Imagen", super::imagen::Told::read);
    told("Replicate", super::replicate::Told::read);
    told("Distributor", super::distributor::Told::read);
    told("Reconciler", super::reconciler::Told::read);
    told("Rollout", super::rollout::Told::read);
    told("Migrate", super::migrate::Told::read);
}

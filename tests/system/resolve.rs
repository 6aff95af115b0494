//! What names in template.yaml stand for, in a stage called `dev`.

use std::collections::BTreeMap;

use yaml_serde::Value;

pub(crate) const STAGE: &str = "dev";

pub(crate) fn template() -> Value {
    yaml_serde::from_str(include_str!("../../template.yaml")).unwrap()
}

/// The resources of a kind, by name.
pub(crate) fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = template["Resources"].as_mapping().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str().unwrap(), &resource["Properties"]))
        .collect()
}

/// A text, a number, or what `!Ref`, `!GetAtt` and `!Sub` make of one.
pub(crate) fn text(template: &Value, value: &Value) -> String {
    let Value::Tagged(tagged) = value else {
        let number = || value.as_f64().map(|number| number.to_string());
        let plain = value.as_str().map(str::to_owned).or_else(number);
        return plain.unwrap_or_else(|| panic!("{value:?} is no text"));
    };
    let given = tagged.value.as_str().unwrap_or_else(|| panic!("{value:?}"));
    match tagged.tag.to_string().trim_start_matches('!') {
        "Ref" | "GetAtt" => named(template, given),
        "Sub" => filled(template, given),
        other => panic!("what does {other} mean"),
    }
}

/// `text` with what stands between `${` and `}` filled in.
pub(crate) fn filled(template: &Value, text: &str) -> String {
    filled_with(template, text, &BTreeMap::new())
}

/// The same where some names are given besides.
pub(crate) fn filled_with(
    template: &Value,
    text: &str,
    given: &BTreeMap<String, String>,
) -> String {
    let mut pieces = text.split("${");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap();
        out.push_str(&given.get(name).cloned().unwrap_or_else(|| named(template, name)));
        out.push_str(rest);
    }
    out
}

/// What a parameter or a resource is called; a resource without a name goes by its logical one.
fn named(template: &Value, name: &str) -> String {
    match name {
        "Stage" => return STAGE.to_owned(),
        "AWS::Region" => return "us-east-1".to_owned(),
        "AWS::Partition" => return "aws".to_owned(),
        "AWS::AccountId" => return "000000000000".to_owned(),
        _ => {}
    }
    let (logical, attribute) = name.split_once('.').unwrap_or((name, ""));
    let resource = &template["Resources"][logical];
    assert!(!resource.is_null(), "the template has no {logical}");
    let property = match (resource["Type"].as_str().unwrap(), attribute) {
        ("AWS::SQS::Queue", "QueueName") => "QueueName",
        ("AWS::Serverless::Function", "") => "FunctionName",
        ("AWS::DynamoDB::Table", "") => "TableName",
        ("AWS::Events::Rule", "") => "Name",
        ("AWS::ApiGatewayV2::Api", "") => return logical.to_owned(),
        (kind, attribute) => panic!("{attribute} of {kind} {logical}"),
    };
    text(template, &resource["Properties"][property])
}

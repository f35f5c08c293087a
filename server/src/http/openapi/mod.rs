//! The description of this API in OpenAPI 3.1, made from [the endpoints](endpoints), the table of errors and the limits of the
//! code, and served to everybody: it says nothing of this installation.

mod endpoints;
mod parameters;
mod responses;

use std::sync::OnceLock;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use super::{Answer, answer};
use endpoints::{ENDPOINTS, Endpoint, Needs};

/// The description.
pub(super) fn served() -> Answer {
    // the same for as long as the process lives
    static DESCRIPTION: OnceLock<Bytes> = OnceLock::new();
    let bytes = DESCRIPTION.get_or_init(|| Bytes::from(format!("{:#}\n", description())));
    let mut answer = answer::text(bytes.clone());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}

fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(endpoint.method.to_lowercase(), operation(endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bulla",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Content trust of container images: the API of Notary v1, and what Bulla adds to it",
            "description": "A repository's name (GUN) and a delegation's hold slashes, as they are or percent-encoded. What a path leads \
                to that is not here is refused as catalog access, then 404. Bodies of metadata are JSON under the type that the \
                reference sends, which is text/plain; their bytes are signed, and clients hold their digest against other documents. \
                Without auth in the configuration nothing wants a token.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "parameters": parameters::all(),
            "schemas": responses::schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of docker's registry token flow: the challenge of a 401 names where it is had and for what.",
                },
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut operation = json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "responses": responses::of(endpoint),
        "security": match endpoint.needs {
            Needs::Nothing => json!([]),
            // with and without: whether tokens are wanted is for the configuration to say
            Needs::Catalog | Needs::Pull | Needs::Push | Needs::Admin => json!([{"token": []}, {}]),
        },
        "parameters": endpoint.parameters.iter().map(|parameter| parameter.reference()).collect::<Vec<_>>(),
    });
    if let (Some(access), Some(members)) = (endpoint.needs.told(), operation.as_object_mut()) {
        members.insert("description".to_owned(), json!(format!("A token must grant {access}.")));
    }
    if let (true, Some(members)) = (endpoint.is_upload(), operation.as_object_mut()) {
        members.insert("requestBody".to_owned(), parameters::upload());
    }
    operation
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::error::ErrorCode;

    /// Each `$ref` in a value.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn whatever_is_referred_to_is_there_and_whatever_is_there_is_referred_to() {
        let description = description();
        let mut found = BTreeSet::new();
        references(&description, &mut found);
        let named = |part: &str| {
            let names = description["components"][part].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            names.into_iter().map(move |name| format!("#/components/{part}/{name}")).collect::<Vec<_>>()
        };
        assert_eq!(found, ["parameters", "schemas"].into_iter().flat_map(named).collect());
    }

    #[test]
    fn each_parameter_of_a_path_is_described_with_it() {
        for endpoint in ENDPOINTS {
            let described: BTreeSet<&str> =
                endpoint.parameters.iter().filter(|one| one.is_of_path()).map(|one| one.name()).collect();
            let in_path: BTreeSet<&str> =
                endpoint.path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
            assert_eq!(described, in_path, "{}", endpoint.id);
        }
    }

    #[test]
    fn an_operation_is_named_once_and_every_error_belongs_to_one() {
        let ids: BTreeSet<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.id).collect();
        assert_eq!(ids.len(), ENDPOINTS.len());
        for code in ErrorCode::EVERY {
            assert!(ENDPOINTS.iter().any(|endpoint| endpoint.refusals().contains(&code)), "{}", code.as_str());
        }
    }

    #[test]
    fn the_description_is_served_as_json() {
        let answer = served();
        assert_eq!(answer.headers().get(CONTENT_TYPE).unwrap(), "application/json; charset=utf-8");
    }
}

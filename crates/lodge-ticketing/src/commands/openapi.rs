//! The description of the calls (OpenAPI 3.1), written by hand and held against the table of routes by a test.

/// The document, to be served as `/openapi.json` with media type `application/json`.
#[must_use]
pub fn openapi() -> &'static str {
    include_str!("openapi.json")
}

#[cfg(test)]
mod tests {
    use super::super::ROUTES;
    use serde_json::Value;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document: Value = serde_json::from_str(super::openapi()).unwrap();
        let mut described = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"]["401"].is_object(), "{method} {path}");
                assert!(operation["responses"]["503"].is_object(), "{method} {path}");
                described.push((method.to_uppercase(), path.clone()));
            }
        }
        let mut routes: Vec<_> = ROUTES.map(|(method, path)| (method.to_string(), path.to_owned())).to_vec();
        routes.sort();
        described.sort();
        assert_eq!(described, routes);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(super::openapi()).unwrap();
        let mut open = vec![&document];
        let mut seen = 0;
        while let Some(value) = open.pop() {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
                seen += 1;
            }
            match value {
                Value::Array(items) => open.extend(items),
                Value::Object(members) => open.extend(members.values()),
                _ => {}
            }
        }
        assert!(seen > 10);
    }
}

//! How fields look: the schemas that are derived from the types of the wire, and on top of them the
//! rules that a type can't express. Their figures are the port's.

use std::collections::BTreeMap;

use conduit::{
    Article, ArticleSummary, ArticleUpdate, Comment, Credentials, DEFAULT_LIMIT, Export, Job,
    MAX_LIMIT, NewArticle, NewComment, Password, Queue, Registration, User, UserUpdate,
    limits::{
        MAX_ARTICLE, MAX_BIO, MAX_COMMENT, MAX_DESCRIPTION, MAX_EMAIL, MAX_IMAGE, MAX_OFFSET,
        MAX_PASSWORD, MAX_TAG, MAX_TAGS, MAX_TITLE, MAX_USERNAME, MIN_PASSWORD,
    },
    wire::{ErrorBody, OPERATOR_NAME},
};
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{Parameter, operation::Place};

/// The schemas of a type and of all that it is made of, with their names.
fn of<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas
}

/// The schema of a type, without its name.
pub(super) fn inline<T: ToSchema>() -> Value {
    json!(T::schema())
}

/// How a schema is referred to.
pub(super) fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

/// Every schema that others refer to by its name, each once, as it is derived.
fn derived() -> BTreeMap<String, Value> {
    let all = [
        of::<User>(),
        of::<Registration>(),
        of::<Credentials>(),
        of::<UserUpdate>(),
        of::<Article>(),
        of::<ArticleSummary>(),
        of::<NewArticle>(),
        of::<ArticleUpdate>(),
        of::<Comment>(),
        of::<NewComment>(),
        of::<Export>(),
        of::<Job>(),
        of::<Queue>(),
        of::<ErrorBody>(),
    ];
    all.into_iter().flatten().map(|(name, schema)| (name, json!(schema))).collect()
}

/// The same with the rules for their fields.
pub(super) fn components() -> Value {
    let mut schemas = derived();
    // The rules for the fields that hold one say it all.
    schemas.remove(&*Password::name());
    let mut rules = rules();
    for (name, schema) in &mut schemas {
        match rules.remove(name.as_str()) {
            Some(Rules::Whole(rule)) => *schema = rule,
            Some(Rules::Fields { required, fields }) => sent(schema, &required, fields),
            None => answered(schema),
        }
    }
    json!(schemas)
}

/// What the API answers has all its fields, also those that are `null`.
fn answered(schema: &mut Value) {
    // (To ask by an index for what is not there would put it there.)
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for field in fields.values_mut() {
            // Of a type of its own, or `null`: what is said of the field stands one level too low.
            if let Some(told) = field.pointer("/oneOf/0/description").cloned() {
                field["description"] = told;
            }
        }
        let required = fields.keys().cloned().collect();
        schema["required"] = required;
    }
}

/// What the API is sent has the fields that it must have, and they are as they must be.
fn sent(schema: &mut Value, required: &[&str], fields: Vec<(&str, Value)>) {
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    for (name, mut rule) in fields {
        let field = &mut schema["properties"][name];
        // A field of a type of its own that may be left out is "one of these, described, or nothing".
        let told = field.get("description").or_else(|| field.pointer("/oneOf/0/description"));
        if let (true, Some(told)) = (rule["description"].is_null(), told) {
            rule["description"] = told.clone();
        }
        *field = rule;
    }
}

/// What a type does not say about itself.
enum Rules {
    /// The whole schema.
    Whole(Value),
    /// Which fields have to be there, and how each of them has to look.
    Fields { required: Vec<&'static str>, fields: Vec<(&'static str, Value)> },
}

/// The rules for each type that has any.
fn rules() -> BTreeMap<&'static str, Rules> {
    let fields = |required: &[&'static str], fields: Vec<(&'static str, Value)>| Rules::Fields {
        required: required.to_vec(),
        fields,
    };
    let article = || {
        vec![
            ("title", line(MAX_TITLE)),
            ("description", line(MAX_DESCRIPTION)),
            ("body", text(MAX_ARTICLE)),
            ("tagList", json!({"type": "array", "items": line(MAX_TAG), "maxItems": MAX_TAGS})),
        ]
    };
    let account =
        || vec![("username", username()), ("email", email()), ("password", new_password())];
    let mut update = account();
    update.push(("bio", optional("A few words", MAX_BIO, NO_CONTROL_BUT_LINES)));
    update.push(("image", optional("Address of a picture", MAX_IMAGE, NO_CONTROL)));
    let given = || json!({"type": "string", "minLength": 1, "pattern": r"\S"});
    BTreeMap::from([
        ("Registration", fields(&["username", "email", "password"], account())),
        ("UserUpdate", fields(&[], update)),
        (
            "Credentials",
            fields(&["email", "password"], vec![("email", given()), ("password", given())]),
        ),
        ("NewArticle", fields(&["title", "description", "body"], article())),
        ("ArticleUpdate", fields(&[], article())),
        ("NewComment", fields(&["body"], vec![("body", text(MAX_COMMENT))])),
        ("Timestamp", Rules::Whole(timestamp())),
        ("Token", Rules::Whole(token())),
        ("Problems", Rules::Whole(problems())),
    ])
}

// Patterns are those of ECMA-262 that all common engines read alike.

/// Every character but control characters.
const NO_CONTROL: &str = r"[^\x00-\x1f\x7f-\x9f]";
/// The same, and no white space either.
const VISIBLE: &str = r"[^\s\x00-\x1f\x7f-\x9f]";
/// Every character but control characters that are no line breaks or tabs.
const NO_CONTROL_BUT_LINES: &str = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]";

/// A text on one line, with something in it that can be seen.
fn line(most: usize) -> Value {
    bounded(1, most, &format!("^{NO_CONTROL}*{VISIBLE}{NO_CONTROL}*$"))
}

/// The same on any number of lines.
fn text(most: usize) -> Value {
    bounded(1, most, &format!("^{NO_CONTROL_BUT_LINES}*{VISIBLE}{NO_CONTROL_BUT_LINES}*$"))
}

/// A text that may be blank, or not there at all.
fn optional(what: &str, most: usize, character: &str) -> Value {
    let mut schema = bounded(0, most, &format!("^{character}*$"));
    schema["type"] = json!(["string", "null"]);
    schema["description"] = json!(format!("{what}; a blank one or `null` takes it away."));
    schema
}

fn username() -> Value {
    let pattern = format!("^{VISIBLE}({NO_CONTROL}*{VISIBLE})?$");
    let mut schema = bounded(1, MAX_USERNAME, &pattern);
    schema["not"] = json!({"enum": [".", ".."]});
    schema
}

fn email() -> Value {
    const HOST: &str = r"[^@.\s\x00-\x1f\x7f-\x9f]+";
    let pattern = format!(r"^[^@\s\x00-\x1f\x7f-\x9f]+@{HOST}(\.{HOST})*$");
    bounded(3, MAX_EMAIL, &pattern)
}

fn new_password() -> Value {
    bounded(MIN_PASSWORD, MAX_PASSWORD, r"\S")
}

/// A text of so many characters.
fn bounded(least: usize, most: usize, pattern: &str) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most, "pattern": pattern})
}

fn token() -> Value {
    let description = "Proof of identity, for the header `Authorization` of what is asked next.";
    json!({"type": "string", "minLength": 1, "description": description})
}

fn timestamp() -> Value {
    json!({
        "type": "string",
        "format": "date-time",
        "description": "A point in time, in UTC, always with three digits after the second.",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    })
}

fn problems() -> Value {
    let messages = json!({"type": "array", "items": {"type": "string"}, "minItems": 1});
    json!({
        "type": "object",
        "description": "Field or resource → what is wrong with it.",
        "minProperties": 1,
        "additionalProperties": messages,
    })
}

/// The parts of a path that are not always the same.
pub(super) fn path_parameters(path: &'static str) -> Vec<Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let name_of = |description, name| Parameter {
        name,
        place: Place::Path,
        description,
        schema: json!({"type": "string", "minLength": 1}),
    };
    names
        .map(|name| match name {
            "username" => name_of("Whose account.", name),
            "slug" => name_of("The article's name in addresses.", name),
            "number" => Parameter {
                schema: json!({"type": "integer", "format": "int32", "minimum": 0}),
                ..name_of("Which chunk; the first is number 0.", name)
            },
            _ => Parameter {
                schema: json!({"type": "integer", "format": "int64", "minimum": 1}),
                ..name_of("Its number.", name)
            },
        })
        .collect()
}

/// What operators show.
pub(super) fn operator() -> Parameter {
    Parameter {
        name: OPERATOR_NAME,
        place: Place::Header,
        description: "The operators' token, as the server is configured with it.",
        schema: json!({"type": "string", "minLength": 1}),
    }
}

/// The parameters that choose from all articles.
pub(super) fn filters() -> [Parameter; 3] {
    [
        ("tag", "Only articles with this tag."),
        ("author", "Only articles by this username."),
        ("favorited", "Only articles that this username has favourited."),
    ]
    .map(|(name, description)| in_query(name, description, json!({"type": "string"})))
}

/// The parameters that choose a part of a list.
pub(super) fn window() -> [Parameter; 2] {
    let number = |least: u32, most: u32, default: u32| json!({"type": "integer", "minimum": least, "maximum": most, "default": default});
    [
        in_query("limit", "How many at most.", number(1, MAX_LIMIT, DEFAULT_LIMIT)),
        in_query("offset", "How many of the newest to pass over first.", number(0, MAX_OFFSET, 0)),
    ]
}

fn in_query(name: &'static str, description: &'static str, schema: Value) -> Parameter {
    Parameter { name, place: Place::Query, description, schema }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_described() {
        let components = components();
        for (name, schema) in components.as_object().unwrap() {
            for (field, look) in schema["properties"].as_object().into_iter().flatten() {
                assert!(look["description"].is_string(), "{name}.{field}: {look}");
            }
        }
    }

    #[test]
    fn every_rule_is_for_a_field_that_there_is() {
        let document = crate::document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let derived = derived();
        for (name, rules) in rules() {
            assert!(schemas.contains_key(name), "{name}");
            let Rules::Fields { required, fields } = rules else { continue };
            let there = derived[name]["properties"].as_object().unwrap();
            let ruled = fields.iter().map(|(field, _)| *field);
            for field in ruled.clone().chain(required) {
                assert!(there.contains_key(field), "{name}.{field}");
            }
            let forgotten: Vec<_> =
                there.keys().filter(|name| !ruled.clone().any(|field| field == *name)).collect();
            assert!(forgotten.is_empty(), "{name}: {forgotten:?} has no rule");
        }
    }
}

//! What texts look like, as patterns of the specification that accept what `fairlead_domain::text` accepts.
//!
//! utoipa takes patterns as literals alone, so schemas name these functions through `schema_with`.

use fairlead_domain::identity::Password;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// White space, as Rust trims it, and what shows nothing, which is left out before.
const SPACE: &str = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200b\\u2028-\\u202f\\u205f\\u2060\\u2066-\\u2069\\u3000\\ufeff\\ufff9-\\ufffb";
/// Control characters.
const CONTROL: &str = "\\u0000-\\u001f\\u007f-\\u009f";
/// Any text that PostgreSQL can hold.
const NO_NUL: &str = "^[^\\u0000]*$";

/// One of these words.
pub fn one_of(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(words))
}

fn text(max: usize, pattern: Option<&str>) -> ObjectBuilder {
    let text = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length(Some(1))
        .max_length(Some(max));
    text.pattern(pattern)
}

/// White space around the text is cut off before it is measured, so the pattern bounds it and not `maxLength`.
fn one_line(max: usize) -> ObjectBuilder {
    let inner = max.saturating_sub(2);
    let pattern =
        format!("^[{SPACE}]*[^{SPACE}{CONTROL}]([^{CONTROL}]{{0,{inner}}}[^{SPACE}{CONTROL}])?[{SPACE}]*$");
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length(Some(1))
        .pattern(Some(pattern))
        .description(Some(format!(
            "One line of at most {max} characters; white space around it is cut off."
        )))
}

/// Prose: like a line, with line breaks and tabs within.
pub const PROSE: &str =
    "[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

/// One line of at most `MAX` characters, or `null`.
pub fn line_or_null<const MAX: usize>() -> RefOr<Schema> {
    or_null(one_line(MAX))
}

/// An e-mail address, or `null`.
pub fn email_or_null() -> RefOr<Schema> {
    or_null(text(254, Some(EMAIL)))
}

/// A phone number as people write it, with 5 to 20 digits, or `null`.
pub fn phone_or_null() -> RefOr<Schema> {
    or_null(text(40, Some(PHONE)))
}

/// Prose of at most `MAX` characters, or `null`.
pub fn prose<const MAX: usize>() -> RefOr<Schema> {
    text(MAX, Some(PROSE)).into()
}

/// The same, or `null`.
pub fn prose_or_null<const MAX: usize>() -> RefOr<Schema> {
    or_null(text(MAX, Some(PROSE)))
}

fn or_null(text: ObjectBuilder) -> RefOr<Schema> {
    text.schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
        .into()
}

const EMAIL: &str = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?\
(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?){1,4}$";
const PHONE: &str = "^\\+?([ ()./-]?[0-9]){5,20}$";

/// One line of at most `MAX` characters.
pub fn line<const MAX: usize>() -> RefOr<Schema> {
    one_line(MAX).into()
}

/// An e-mail address.
pub fn email() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Email);
    text(254, None).format(Some(format)).into()
}

/// A password that a person chooses: at least four different characters.
pub fn password() -> RefOr<Schema> {
    const DISTINCT: &str = r"^(?=[^\u0000]*$)(?=[\s\S]*?([\s\S])[\s\S]*?(?!\1)([\s\S])[\s\S]*?(?!\1|\2)([\s\S])[\s\S]*?(?!\1|\2|\3)[\s\S])[\s\S]*$";
    let format = SchemaFormat::KnownFormat(KnownFormat::Password);
    text(Password::MAX, Some(DISTINCT))
        .min_length(Some(Password::MIN))
        .format(Some(format))
        .into()
}

/// A text that is compared with what is stored, and therefore of no certain form.
pub fn opaque<const MAX: usize>() -> RefOr<Schema> {
    text(MAX, Some(NO_NUL)).into()
}

/// Like [`opaque`], or `null`.
pub fn opaque_or_null<const MAX: usize>() -> RefOr<Schema> {
    or_null(text(MAX, Some(NO_NUL)))
}

/// A secret as it was told; anything else is refused as unknown.
pub fn token() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some(NO_NUL))
        .into()
}

/// At most `COUNT` lines of at most `MAX` characters.
pub fn lines<const COUNT: usize, const MAX: usize>() -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(line::<MAX>())
        .max_items(Some(COUNT))
        .into()
}

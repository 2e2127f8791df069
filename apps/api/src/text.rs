//! What texts look like, as patterns of the specification that accept what `fairlead_domain::text` accepts.
//!
//! utoipa takes patterns as literals alone, so schemas name these functions through `schema_with`.

use fairlead_domain::identity::Password;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// One line: white space around it is cut off, no control characters within, not empty.
pub const LINE: &str = "^[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*\
[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]\
([^\\u0000-\\u001f\\u007f-\\u009f]*\
[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000])?\
[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*$";

fn text(max: usize, pattern: Option<&str>) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).min_length(Some(1)).max_length(Some(max));
    text.pattern(pattern)
}

/// Prose: like a line, with line breaks and tabs within.
pub const PROSE: &str = "[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

/// One line of at most `MAX` characters, or `null`.
pub fn line_or_null<const MAX: usize>() -> RefOr<Schema> {
    or_null(text(MAX, Some(LINE)))
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
pub fn prose_or_null<const MAX: usize>() -> RefOr<Schema> {
    or_null(text(MAX, Some(PROSE)))
}

fn or_null(text: ObjectBuilder) -> RefOr<Schema> {
    text.schema_type(SchemaType::Array(vec![Type::String, Type::Null])).into()
}

const EMAIL: &str = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?\
(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?){1,4}$";
const PHONE: &str = "^\\+?([ ()./-]?[0-9]){5,20}$";

/// One line of at most `MAX` characters.
pub fn line<const MAX: usize>() -> RefOr<Schema> {
    text(MAX, Some(LINE)).into()
}

/// An e-mail address.
pub fn email() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Email);
    text(254, None).format(Some(format)).into()
}

/// A password that a person chooses: at least four different characters.
pub fn password() -> RefOr<Schema> {
    const DISTINCT: &str = r"^(?=[\s\S]*?([\s\S])[\s\S]*?(?!\1)([\s\S])[\s\S]*?(?!\1|\2)([\s\S])[\s\S]*?(?!\1|\2|\3)[\s\S])[\s\S]*$";
    let format = SchemaFormat::KnownFormat(KnownFormat::Password);
    text(Password::MAX, Some(DISTINCT)).min_length(Some(Password::MIN)).format(Some(format)).into()
}

/// A text that is compared with what is stored, and therefore of no certain form.
pub fn opaque<const MAX: usize>() -> RefOr<Schema> {
    text(MAX, None).into()
}

/// At most `COUNT` lines of at most `MAX` characters.
pub fn lines<const COUNT: usize, const MAX: usize>() -> RefOr<Schema> {
    ArrayBuilder::new().items(line::<MAX>()).max_items(Some(COUNT)).into()
}

use std::fmt;

/// Longer ones are not told apart behind so many bytes.
const LONGEST: usize = 120;
/// As many parts of a path are told apart.
const MOST_PARTS: usize = 8;

/// A page as its path tells it from others, with `:id` for what names one thing among many: of a thousand leads there is
/// one page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page(Box<str>);

/// A text that is no path of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the path of a page, as /leads/42, or its address")]
pub struct InvalidPage;

impl Page {
    /// Stands for all pages that are not told apart.
    pub fn others() -> Self {
        Self("*".into())
    }

    /// Takes a path, or the address of a page: its query and fragment may tell of persons, and are never kept.
    pub fn parse(text: &str) -> Result<Self, InvalidPage> {
        let path = match text.split_once("://") {
            Some(("http" | "https", rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
            _ => text,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if !path.starts_with('/') || path.contains(|character: char| character.is_control()) {
            return Err(InvalidPage);
        }
        let mut page = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()).take(MOST_PARTS) {
            page.push('/');
            page.push_str(if names_one(part) { ":id" } else { part });
        }
        if page.is_empty() {
            page.push('/');
        }
        page.truncate(page.floor_char_boundary(LONGEST));
        Ok(Self(page.into()))
    }

    /// One as it was written down.
    pub fn kept(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a part of a path is an id, a number, an address or a token, and no word.
fn names_one(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits == part.len();
    // `v1` and `step-2` are words; `k3v9x2ma` and UUIDs are not.
    let is_token = digits >= 3 && part.len() >= 8;
    let is_long = part.len() > 40;
    is_number || is_token || is_long || part.contains('@') || part.contains('%')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_many_things_there_is_one_page() {
        let page = |text| Page::parse(text).unwrap().as_str().to_owned();

        for (sent, kept) in [
            ("/", "/"),
            ("/leads", "/leads"),
            ("/leads/", "/leads"),
            ("//leads//new", "/leads/new"),
            ("/leads/42", "/leads/:id"),
            (
                "/leads/01934f6e-7b1a-7cc3-98a4-0242ac120001/edit",
                "/leads/:id/edit",
            ),
            ("/t/acme-insurance-k3v9x2ma/leads", "/t/:id/leads"),
            ("/people/ann@acme.test", "/people/:id"),
            ("/people/J%C3%BCrgen", "/people/:id"),
            ("/v1/step-2", "/v1/step-2"),
            ("/search?q=Ann+Miller#top", "/search"),
            ("https://app.example.com/leads/7?x=1", "/leads/:id"),
            ("https://app.example.com", "/"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h"),
        ] {
            assert_eq!(page(sent), kept, "{sent}");
        }
        for wrong in ["", "leads", "ftp://a/b", "/a\u{0}b", "?q=1", "*"] {
            assert_eq!(Page::parse(wrong), Err(InvalidPage), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_a_page_is_short_and_tells_no_query(text in "/.{0,300}") {
            if let Ok(page) = Page::parse(&text) {
                prop_assert!(page.as_str().len() <= LONGEST && page.as_str().starts_with('/'));
                prop_assert!(!page.as_str().contains(['?', '#']));
            }
        }
    }
}

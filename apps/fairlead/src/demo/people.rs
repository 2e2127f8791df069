use super::places::Place;
use super::random::Random;
use super::words::{COMPANY_FORMS, COMPANY_STEMS, COMPANY_TRADES, FIRST_NAMES, LAST_NAMES};

/// Somebody with a name, and mostly with a company.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) phone: Option<String>,
    pub(super) company: Option<String>,
}

impl Person {
    /// Addresses are under `.example` (RFC 2606) and numbers between 555-0100 and 555-0199, so none is anybody's.
    pub(super) fn at(place: Place, has_company: bool, random: &mut Random) -> Self {
        let (first, last) = (random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        let line = format!("({}) 555-01{:02}", place.area_code, random.below(100));
        let (domain, company, phone) = if has_company {
            let (stem, trade) = (random.pick(&COMPANY_STEMS), random.pick(&COMPANY_TRADES));
            let form = random.weighted(&COMPANY_FORMS);
            let extension = random.between(100, 9999);
            let phone = random.percent(92).then(|| format!("{line} x{extension}"));
            (
                format!("{}.example", label(&format!("{stem}{trade}"))),
                Some(format!("{stem} {trade}{form}")),
                phone,
            )
        } else {
            (
                "mail.example".to_owned(),
                None,
                random.percent(55).then_some(line),
            )
        };
        // Away from a company there are many of each name.
        let number = if company.is_some() {
            String::new()
        } else {
            random.between(10, 99_999).to_string()
        };
        let email = format!("{}.{}{number}@{domain}", label(first), label(last));
        Self {
            name: format!("{first} {last}"),
            email,
            phone,
            company,
        }
    }
}

/// Lower case letters alone, as in an address.
pub(super) fn label(words: &str) -> String {
    words
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

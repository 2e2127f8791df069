//! New leads, as clients send them and as the statements of the limit write them.

use serde_json::{Value, json};

/// The texts of one new lead.
#[derive(Clone, Debug)]
pub(crate) struct NewLead {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) company: String,
    pub(crate) source: &'static str,
    pub(crate) insurance_type: &'static str,
    pub(crate) zip_code: String,
    pub(crate) budget: usize,
}

const FIRST: [&str; 8] = [
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Tony",
];
const LAST: [&str; 8] = [
    "Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Allen", "Hoare",
];
const SOURCES: [&str; 4] = ["website", "referral", "campaign", "partner"];
const TYPES: [&str; 4] = ["auto", "home", "life", "commercial"];

impl NewLead {
    pub(crate) fn of(index: usize) -> Self {
        let (first, last) = (FIRST[index % 8], LAST[index / 8 % 8]);
        Self {
            name: format!("{first} {last}"),
            email: format!("{first}.{last}.{index}@example.com").to_lowercase(),
            phone: format!("+1 555 {:03} {:04}", index / 10_000 % 1_000, index % 10_000),
            company: format!("{last} & Partners {}", index % 100),
            source: SOURCES[index % 4],
            insurance_type: TYPES[index / 4 % 4],
            zip_code: format!("{:05}", 10_000 + index % 80_000),
            budget: 500 + index % 5_000,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name, "email": self.email, "phone": self.phone, "company": self.company,
            "source": self.source, "insuranceType": self.insurance_type, "zipCode": self.zip_code,
            "customFields": { "budget": self.budget, "currency": "USD" },
        })
    }
}

/// The body of a bulk request: one transaction for all.
pub(crate) fn bulk(first: usize, count: usize) -> Value {
    let leads: Vec<Value> = (first..first + count)
        .map(|index| NewLead::of(index).to_json())
        .collect();
    json!({ "leads": leads, "batchSize": count })
}

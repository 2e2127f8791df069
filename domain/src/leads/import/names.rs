//! The names that columns have in the exports of the systems we know.

use super::headers::Format;

/// What a column is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    FullName,
    FirstName,
    LastName,
    /// What the lead is about: stands in for a name.
    Title,
    Field(Field),
    /// A custom field of this name.
    Custom(String),
    /// All custom fields, as one JSON object.
    CustomObject,
    /// The platform decides it.
    Ignored,
}

/// A field of the lead that is taken from one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Email,
    Phone,
    Company,
    Status,
    CloseReason,
    Source,
    InsuranceType,
    ZipCode,
    QualityScore,
    AssignedTo,
    CreatedAt,
}

impl Field {
    pub(super) const COUNT: usize = 11;

    /// The field's own name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Company => "company",
            Self::Status => "status",
            Self::CloseReason => "closeReason",
            Self::Source => "source",
            Self::InsuranceType => "insuranceType",
            Self::ZipCode => "zipCode",
            Self::QualityScore => "qualityScore",
            Self::AssignedTo => "assignedTo",
            Self::CreatedAt => "createdAt",
        }
    }
}

/// The columns of our own export; custom fields may also have a column each, `customFields.` before their name.
pub(super) const OURS: [&str; 16] = [
    "id",
    "name",
    "email",
    "phone",
    "company",
    "status",
    "closeReason",
    "source",
    "insuranceType",
    "zipCode",
    "qualityScore",
    "assignedTo",
    "customFields",
    "version",
    "createdAt",
    "updatedAt",
];

/// Those of them that tell our export from any other.
pub(super) const OURS_ALONE: [&str; 7] = [
    "closeReason",
    "insuranceType",
    "zipCode",
    "qualityScore",
    "assignedTo",
    "customFields",
    "createdAt",
];

/// Reduces a header to what is the same in all its spellings: `Zip/Postal Code`, `zip_postal_code`, `ZipPostalCode`.
pub(super) fn key(header: &str) -> String {
    // Salesforce marks the API names of fields that its customers made.
    let header = header.strip_suffix("__c").unwrap_or(header);
    header
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Finds what a column is good for by the key of its header; `None` when the name says nothing to us.
///
/// Scores of other systems are not here: their scales differ, so they stay custom fields.
pub(super) fn target(key: &str) -> Option<Target> {
    let field = match key {
        "name" | "fullname" | "leadname" | "contactname" | "personname" | "leadcontactperson"
        | "dealcontactperson" => {
            return Some(Target::FullName);
        }
        "firstname" | "givenname" | "personfirstname" => return Some(Target::FirstName),
        "lastname" | "surname" | "familyname" | "personlastname" => return Some(Target::LastName),
        "leadtitle" | "dealtitle" => return Some(Target::Title),

        "email" | "emailaddress" | "workemail" | "businessemail" | "contactemail" | "secondaryemail"
        | "otheremail" | "personemail" | "personemailwork" | "personemailhome" | "personemailother" => {
            Field::Email
        }

        "phone"
        | "phonenumber"
        | "telephone"
        | "workphone"
        | "businessphone"
        | "officephone"
        | "contactphone"
        | "mobile"
        | "mobilephone"
        | "mobilephonenumber"
        | "mobilenumber"
        | "cellphone"
        | "homephone"
        | "otherphone"
        | "personphone"
        | "personphonework"
        | "personphonemobile"
        | "personphonehome"
        | "personphoneother"
        | "whatsappphonenumber" => Field::Phone,

        "company"
        | "companyname"
        | "companyaccount"
        | "associatedcompany"
        | "primaryassociatedcompany"
        | "account"
        | "accountname"
        | "organization"
        | "organisation"
        | "organizationname"
        | "organisationname"
        | "leadorganization"
        | "dealorganization" => Field::Company,

        "status" | "leadstatus" | "hsleadstatus" | "dealstatus" => Field::Status,
        "closereason" => Field::CloseReason,

        "source"
        | "leadsource"
        | "originalsource"
        | "originaltrafficsource"
        | "hsanalyticssource"
        | "leadsourcechannel"
        | "leadsourceorigin"
        | "dealsourcechannel"
        | "dealsourceorigin" => Field::Source,

        "insurancetype" | "typeofinsurance" | "insurance" | "insuranceproduct" | "lineofbusiness"
        | "policytype" | "coveragetype" => Field::InsuranceType,

        "zip"
        | "zipcode"
        | "postalcode"
        | "postcode"
        | "zippostalcode"
        | "zipcodepostalcode"
        | "mailingzip"
        | "mailingpostalcode"
        | "mailingzippostalcode"
        | "personzippostalcodeofpostaladdress"
        | "organizationzippostalcodeofaddress" => Field::ZipCode,

        "qualityscore" => Field::QualityScore,

        "createdat"
        | "createdate"
        | "createddate"
        | "createdtime"
        | "creationdate"
        | "datecreated"
        | "created"
        | "leadcreated"
        | "leadcreatedtime"
        | "leadleadcreated"
        | "leadleadcreatedtime"
        | "dealcreated"
        | "dealdealcreated" => Field::CreatedAt,

        // Automatic assignment looks for the state under this name.
        "state" | "stateprovince" | "stateregion" | "mailingstate" | "mailingstateprovince" => {
            return Some(Target::Custom("state".to_owned()));
        }
        "city" | "mailingcity" => return Some(Target::Custom("city".to_owned())),
        _ => return None,
    };
    Some(Target::Field(field))
}

/// Tells which system's export has a column of this key. What all of them have says nothing.
pub(super) fn told_by(key: &str) -> &'static [Format] {
    use Format::{HubSpot, Salesforce, Zoho};
    match key {
        "recordid" => &[HubSpot, Zoho],
        "contactowner"
        | "lifecyclestage"
        | "marketingcontactstatus"
        | "associatedcompany"
        | "associatedcompanyids"
        | "primaryassociatedcompanyid"
        | "stateregion"
        | "mobilephonenumber"
        | "lastactivitydate"
        | "originaltrafficsource"
        | "originalsource"
        | "hubspotscore"
        | "numberofsalesactivities" => &[HubSpot],
        "leadsource" | "leadowner" | "leadid" => &[Salesforce, Zoho],
        "companyaccount" | "stateprovince" | "zippostalcode" | "ownerid" | "createddate" | "isconverted"
        | "converteddate" | "isdeleted" | "systemmodstamp" | "mobilephone" | "lastmodifieddate"
        | "createdbyid" | "numberofemployees" | "leadrecordtype" => &[Salesforce],
        "leadownerid" | "zipcode" | "createdtime" | "modifiedtime" | "modifiedbyid" | "secondaryemail"
        | "emailoptout" | "noofemployees" | "unsubscribedmode" | "convertedaccount" | "lastactivitytime" => {
            &[Zoho]
        }
        _ if key.starts_with("hs") && key.len() > 4 => &[HubSpot],
        _ => &[],
    }
}

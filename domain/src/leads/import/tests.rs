use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

use super::{Columns, Format, ImportError, dates, read_json, statuses};
use crate::leads::{LeadDraft, RawLead};

/// Parts a line at its commas: enough for rows without quotation marks.
fn cells(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

fn columns(header: &str) -> Columns {
    Columns::recognise(cells(header)).unwrap()
}

fn lead(header: &str, row: &str) -> RawLead {
    columns(header).read(cells(row).into_iter()).unwrap()
}

/// The faults of a row, as `field: detail`.
fn faults(header: &str, row: &str) -> String {
    columns(header)
        .read(cells(row).into_iter())
        .unwrap_err()
        .to_string()
}

/// What a lead says, field by field; absent ones are left out.
fn shown(lead: &RawLead) -> Value {
    let created_at = lead.created_at.map(|moment| moment.format(&Rfc3339).unwrap());
    let all = json!({
        "name": lead.name, "email": lead.email, "phone": lead.phone, "company": lead.company, "status": lead.status,
        "closeReason": lead.close_reason, "source": lead.source, "insuranceType": lead.insurance_type,
        "zipCode": lead.zip_code, "qualityScore": lead.quality_score, "assignedTo": lead.assigned_to,
        "customFields": lead.custom_fields, "createdAt": created_at,
    });
    let Value::Object(all) = all else { unreachable!() };
    all.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

#[test]
fn our_own_export_is_read_back() {
    let header = "id,name,email,phone,company,status,closeReason,source,insuranceType,zipCode,qualityScore,assignedTo,\
                  customFields.state,customFields.budget,version,createdAt,updatedAt";
    let row = "01890000-0000-7000-8000-000000000001,Ann Lee,ann@acme.example,+1 555 010 0123,Acme,CLOSED,WON,referral,auto,\
               02139,87,01890000-0000-7000-8000-000000000002,MA,1000,3,2026-01-31T09:30:00Z,2026-02-01T00:00:00Z";

    assert_eq!(columns(header).format(), Format::Fairlead);
    assert_eq!(
        shown(&lead(header, row)),
        json!({
            "name": "Ann Lee", "email": "ann@acme.example", "phone": "+1 555 010 0123", "company": "Acme",
            "status": "CLOSED", "closeReason": "WON", "source": "referral", "insuranceType": "auto", "zipCode": "02139",
            "qualityScore": 87, "assignedTo": "01890000-0000-7000-8000-000000000002",
            "customFields": { "state": "MA", "budget": "1000" }, "createdAt": "2026-01-31T09:30:00Z",
        })
    );
}

#[test]
fn custom_fields_in_one_column_are_a_json_object() {
    let columns = Columns::recognise(["name", "customFields"]).unwrap();

    let lead = columns
        .read(["Ann", r#"{"rooms": 3, "tags": ["a"]}"#].into_iter())
        .unwrap();
    let refused = columns.read(["Ann", "rooms=3"].into_iter()).unwrap_err();

    assert_eq!(
        Value::Object(lead.custom_fields.unwrap()),
        json!({ "rooms": 3, "tags": ["a"] })
    );
    assert_eq!(
        refused.to_string(),
        "customFields: is \"rooms=3\"; must be a JSON object"
    );
}

#[test]
fn a_hubspot_export_is_recognised() {
    let header = "Record ID,First Name,Last Name,Email,Phone Number,Mobile Phone Number,Contact owner,Company Name,\
                  Lead Status,Lifecycle Stage,Marketing contact status,Create Date,Postal Code,State/Region,Original Source";
    let row = "51,Maria,Johnson (Sample Contact),emailmaria@hubspot.example,,+1 555 010 0199,Joe Doe,HubSpot,Open Deal,Lead,\
               Marketing contact,2026-03-04 16:20,02141,Massachusetts,Organic Search";

    assert_eq!(columns(header).format(), Format::HubSpot);
    assert_eq!(
        shown(&lead(header, row)),
        json!({
            "name": "Maria Johnson (Sample Contact)", "email": "emailmaria@hubspot.example", "phone": "+1 555 010 0199",
            "company": "HubSpot", "status": "QUALIFIED", "source": "Organic Search", "zipCode": "02141",
            "createdAt": "2026-03-04T16:20:00Z",
            "customFields": {
                "Record ID": "51", "Contact owner": "Joe Doe", "Lifecycle Stage": "Lead",
                "Marketing contact status": "Marketing contact", "state": "Massachusetts",
            },
        })
    );
}

#[test]
fn hubspot_property_names_are_recognised() {
    let header = "hs_object_id,firstname,lastname,email,phone,mobilephone,company,hs_lead_status,lifecyclestage,createdate,zip";
    let row = "1,Ann,Lee,ann@acme.example,555-010-0101,555-010-0102,Acme,ATTEMPTED_TO_CONTACT,lead,2026-03-04T16:20:11.250Z,94103";

    assert_eq!(columns(header).format(), Format::HubSpot);
    assert_eq!(
        shown(&lead(header, row)),
        json!({
            "name": "Ann Lee", "email": "ann@acme.example", "phone": "555-010-0101", "company": "Acme",
            "status": "CONTACTED", "zipCode": "94103", "createdAt": "2026-03-04T16:20:11.25Z",
            "customFields": { "hs_object_id": "1", "lifecyclestage": "lead", "mobilephone": "555-010-0102" },
        })
    );
}

#[test]
fn a_salesforce_report_is_recognised() {
    let header = "Lead Owner,First Name,Last Name,Title,Company / Account,Email,Phone,Mobile,Lead Source,Lead Status,Street,\
                  City,State/Province,Zip/Postal Code,Create Date,Rating";
    let row = "Sam Rep,Bertha,Boxer,Director,Farmers Coop,bertha@fcof.example,(850) 555-0100,,Web,Working - Contacted,\
               321 Westcott,Tallahassee,FL,32306,3/4/2026,Hot";

    assert_eq!(columns(header).format(), Format::Salesforce);
    assert_eq!(
        shown(&lead(header, row)),
        json!({
            "name": "Bertha Boxer", "email": "bertha@fcof.example", "phone": "(850) 555-0100", "company": "Farmers Coop",
            "status": "CONTACTED", "source": "Web", "zipCode": "32306", "createdAt": "2026-03-04T00:00:00Z",
            "customFields": {
                "Lead Owner": "Sam Rep", "Title": "Director", "Street": "321 Westcott", "city": "Tallahassee",
                "state": "FL", "Rating": "Hot",
            },
        })
    );
}

#[test]
fn a_salesforce_data_export_is_recognised() {
    let header = "Id,IsDeleted,LastName,FirstName,Salutation,Name,Company,State,PostalCode,Phone,MobilePhone,Email,LeadSource,\
                  Status,OwnerId,IsConverted,CreatedDate,Insurance_Type__c";
    let row = "00Q1,false,Boxer,Bertha,Ms,Bertha Boxer,Farmers Coop,FL,32306,,850-555-0101,bertha@fcof.example,Web,\
               Closed - Not Converted,005,false,2026-03-04T16:20:00.000+0000,Crop";

    assert_eq!(columns(header).format(), Format::Salesforce);
    assert_eq!(
        shown(&lead(header, row)),
        json!({
            "name": "Bertha Boxer", "email": "bertha@fcof.example", "phone": "850-555-0101", "company": "Farmers Coop",
            "status": "CLOSED", "closeReason": "LOST", "source": "Web", "zipCode": "32306", "insuranceType": "Crop",
            "createdAt": "2026-03-04T16:20:00Z",
            "customFields": {
                "Id": "00Q1", "IsDeleted": "false", "Salutation": "Ms", "state": "FL", "OwnerId": "005", "IsConverted": "false",
            },
        })
    );
}

#[test]
fn a_pipedrive_export_is_recognised() {
    let header = "Lead - ID,Lead - Title,Lead - Owner,Lead - Label,Lead - Source,Lead - Lead created,Lead - Value,Person - Name,\
                  Person - Email - Work,Person - Email - Home,Person - Phone - Work,Person - Phone - Mobile,Organization - Name";
    let row = "77,Acme fleet,Sam Rep,Hot,Manually created,2026-03-04 16:20:00,9000,Ann Lee,,ann@home.example,555-010-0101,,Acme";

    assert_eq!(columns(header).format(), Format::Pipedrive);
    assert_eq!(
        shown(&lead(header, row)),
        json!({
            "name": "Ann Lee", "email": "ann@home.example", "phone": "555-010-0101", "company": "Acme",
            "source": "Manually created", "createdAt": "2026-03-04T16:20:00Z",
            "customFields": { "Lead - ID": "77", "Lead - Owner": "Sam Rep", "Lead - Label": "Hot", "Lead - Value": "9000" },
        })
    );
    assert_eq!(
        lead(
            "Lead - Title,Person - Name,Organization - Name",
            "Acme fleet,,Acme"
        )
        .name,
        "Acme fleet"
    );
    assert_eq!(
        lead("Deal - Title,Deal - Status,Person - Name", "Fleet,Won,Ann")
            .close_reason
            .as_deref(),
        Some("WON")
    );
}

#[test]
fn a_zoho_export_is_recognised() {
    let header = "Record Id,Lead Owner.id,Lead Owner,Company,First Name,Last Name,Email,Phone,Mobile,Lead Source,Lead Status,\
                  Created Time,Modified Time,Lead Name,State,Zip Code,Secondary Email,Email Opt Out";
    let row = "zcrm_1,zcrm_2,Sam Rep,King (Sample),Christopher,Maclead (Sample),chris@noemail.example,555-555-5555,555-555-1212,\
               Cold Call,Junk Lead,2026-03-04 16:20:00,2026-03-05 08:00:00,Christopher Maclead (Sample),FL,33101,c@x.example,false";

    assert_eq!(columns(header).format(), Format::Zoho);
    assert_eq!(
        shown(&lead(header, row)),
        json!({
            "name": "Christopher Maclead (Sample)", "email": "chris@noemail.example", "phone": "555-555-5555",
            "company": "King (Sample)", "status": "CLOSED", "closeReason": "DISQUALIFIED", "source": "Cold Call",
            "zipCode": "33101", "createdAt": "2026-03-04T16:20:00Z",
            "customFields": {
                "Record Id": "zcrm_1", "Lead Owner.id": "zcrm_2", "Lead Owner": "Sam Rep", "Mobile": "555-555-1212",
                "Modified Time": "2026-03-05 08:00:00", "state": "FL", "Secondary Email": "c@x.example",
                "Email Opt Out": "false",
            },
        })
    );
}

#[test]
fn a_short_header_row_tells_its_system_too() {
    let table = [
        (
            "Lead Id,First Name,Last Name,Email,Phone,Company,Lead Source,Lead Status,Zip Code,Lead Owner",
            Format::Zoho,
        ),
        (
            "First Name,Last Name,Company / Account,Lead Status,Lead Owner",
            Format::Salesforce,
        ),
        ("Record ID,First Name,Last Name,Lifecycle Stage", Format::HubSpot),
        ("Person - Name,Person - Email", Format::Pipedrive),
        ("name,email,status", Format::Fairlead),
        ("Name,Email,insuranceType", Format::Fairlead),
        ("Name,Email,Lead Source", Format::Other),
    ];

    for (header, format) in table {
        assert_eq!(columns(header).format(), format, "{header}");
    }
}

#[test]
fn every_column_is_accounted_for() {
    let columns = columns("\u{feff}FULL name, E-Mail ,Zip/Postal Code,Shoe Size,,id,Shoe Size");

    let uses: Vec<String> = columns
        .uses()
        .map(|used| {
            let custom = used
                .custom_field
                .map(|name| format!(".{name}"))
                .unwrap_or_default();
            format!("{} > {}{custom}", used.header, used.field.unwrap_or("-"))
        })
        .collect();

    assert_eq!(columns.format(), Format::Other);
    assert_eq!(
        uses,
        [
            "FULL name > name",
            "E-Mail > email",
            "Zip/Postal Code > zipCode",
            "Shoe Size > customFields.Shoe Size",
            "Column 5 > customFields.Column 5",
            "id > customFields.id",
            "Shoe Size (2) > customFields.Shoe Size (2)",
        ]
    );
}

#[test]
fn of_columns_for_one_field_the_first_that_is_not_empty_wins_and_the_others_are_kept() {
    let header = "Name,Phone,Mobile,Home Phone,Email,Email,State,Mailing State";

    let lead = lead(
        header,
        "Ann,,555-010-0101,555-010-0102,,a@x.example; b@x.example,MA,NY",
    );

    assert_eq!(lead.phone.as_deref(), Some("555-010-0101"));
    assert_eq!(lead.email.as_deref(), Some("a@x.example"));
    assert_eq!(
        Value::Object(lead.custom_fields.unwrap()),
        json!({
            "Home Phone": "555-010-0102", "Email (2)": "a@x.example; b@x.example", "state": "MA", "Mailing State": "NY",
        })
    );
}

#[test]
fn a_lead_without_a_name_is_called_after_its_company_or_address() {
    let header = "First Name,Last Name,Company,Email";

    assert_eq!(lead(header, "Ann,,Acme,").name, "Ann");
    assert_eq!(lead(header, ",,Acme,ann@acme.example").name, "Acme");
    assert_eq!(lead(header, ",,,ann@acme.example").name, "ann@acme.example");
    assert_eq!(
        faults(header, ", ,,"),
        "name: must not be empty: the row has no name, company or e-mail address"
    );
}

#[test]
fn a_file_that_names_nobody_is_refused_with_what_it_has_and_what_would_do() {
    assert_eq!(
        Columns::recognise(["Shoe size", "Phone"])
            .unwrap_err()
            .to_string(),
        "no column tells the name of a lead; there must be one of: name; first name, last name; company; email. \
         The first row has: Shoe size, Phone"
    );
    assert_eq!(Columns::recognise(["", " "]).unwrap_err(), ImportError::NoHeader);
    assert_eq!(Columns::recognise([]).unwrap_err(), ImportError::NoHeader);
}

#[test]
fn every_fault_of_a_row_is_told() {
    let faults = faults("name,status,qualityScore,createdAt", ",Hot,high,31/1/2026");

    assert_eq!(
        faults,
        format!(
            "status: is \"Hot\"; must be {}; qualityScore: is \"high\"; must be a whole number; \
             createdAt: is \"31/1/2026\"; must be {}; \
             name: must not be empty: the row has no name, company or e-mail address",
            statuses::ACCEPTED,
            dates::ACCEPTED
        )
    );
}

#[test]
fn a_row_of_another_length_is_refused() {
    assert_eq!(
        faults("name,email", "Ann"),
        "row: must have 2 cells like the first row, has 1"
    );
    assert_eq!(
        faults("name,email", "Ann,,x"),
        "row: must have 2 cells like the first row, has 3"
    );
}

#[test]
fn phones_and_scores_are_read_as_spreadsheets_write_them() {
    let lead = |phone: &str, score: &str| {
        let columns = Columns::recognise(["name", "phone", "qualityScore"]).unwrap();
        LeadDraft::parse(columns.read(["Ann", phone, score].into_iter()).unwrap()).unwrap()
    };

    let phone = |cell: &str| lead(cell, "").phone.unwrap().as_str().to_owned();
    assert_eq!(phone("'+1 555 010 0123"), "+1 555 010 0123");
    assert_eq!(phone("tel:+15550100123"), "+15550100123");
    assert_eq!(phone("(555) 010\u{2011}0123 ext. 5"), "(555) 010-0123 x 5");
    assert_eq!(phone("555-010-0101, 555-010-0102"), "555-010-0101");
    assert_eq!(lead("", "85.00").quality_score, 85);
}

#[test]
fn the_statuses_of_other_systems_have_a_place_in_the_pipeline() {
    let table = [
        ("NEW", "NEW"),
        ("OPEN", "NEW"),
        ("IN_PROGRESS", "CONTACTED"),
        ("OPEN_DEAL", "QUALIFIED"),
        ("UNQUALIFIED", "CLOSED DISQUALIFIED"),
        ("ATTEMPTED_TO_CONTACT", "CONTACTED"),
        ("CONNECTED", "CONTACTED"),
        ("BAD_TIMING", "CONTACTED"),
        ("Open - Not Contacted", "NEW"),
        ("Working - Contacted", "CONTACTED"),
        ("Closed - Converted", "CLOSED WON"),
        ("Closed - Not Converted", "CLOSED LOST"),
        ("Attempted to Contact", "CONTACTED"),
        ("Contact in Future", "CONTACTED"),
        ("Contacted", "CONTACTED"),
        ("Junk Lead", "CLOSED DISQUALIFIED"),
        ("Lost Lead", "CLOSED LOST"),
        ("Not Contacted", "NEW"),
        ("Pre-Qualified", "QUALIFIED"),
        ("Not Qualified", "CLOSED DISQUALIFIED"),
        ("open", "NEW"),
        ("won", "CLOSED WON"),
        ("lost", "CLOSED LOST"),
        ("Duplicate", "CLOSED DUPLICATE"),
        ("CLOSED", "CLOSED"),
        ("Hot", "unknown"),
    ];

    for (text, expected) in table {
        let place = match statuses::parse(text) {
            None => "unknown".to_owned(),
            Some((name, None)) => name.as_str().to_owned(),
            Some((name, Some(reason))) => format!("{name} {}", reason.as_str()),
        };
        assert_eq!(place, expected, "{text}");
    }
}

#[test]
fn a_close_reason_of_its_own_goes_before_the_one_the_status_says() {
    let lead = lead(
        "name,Lead Status,closeReason",
        "Ann,Closed - Not Converted,duplicate",
    );

    assert_eq!(
        (lead.status.as_deref(), lead.close_reason.as_deref()),
        (Some("CLOSED"), Some("DUPLICATE"))
    );
}

#[test]
fn moments_are_read_in_the_usual_forms() {
    let table: [(&str, Option<OffsetDateTime>); 22] = [
        ("2026-01-31T09:30:00Z", Some(datetime!(2026-01-31 09:30 UTC))),
        (
            "2026-01-31T09:30:00.123456789+02:00",
            Some(datetime!(2026-01-31 07:30:00.123456 UTC)),
        ),
        (
            "2026-01-31T09:30:00.000-0500",
            Some(datetime!(2026-01-31 14:30 UTC)),
        ),
        ("2026-01-31", Some(datetime!(2026-01-31 0:00 UTC))),
        ("2026-1-3", Some(datetime!(2026-01-03 0:00 UTC))),
        ("2026/01/31", Some(datetime!(2026-01-31 0:00 UTC))),
        ("2026-01-31 09:30", Some(datetime!(2026-01-31 09:30 UTC))),
        (
            "2026-01-31 09:30:15 UTC",
            Some(datetime!(2026-01-31 09:30:15 UTC)),
        ),
        ("1/31/2026", Some(datetime!(2026-01-31 0:00 UTC))),
        ("01/31/26", Some(datetime!(2026-01-31 0:00 UTC))),
        ("1/31/2026 9:30", Some(datetime!(2026-01-31 09:30 UTC))),
        ("1/31/2026, 12:05 AM", Some(datetime!(2026-01-31 00:05 UTC))),
        ("1/31/2026 12:05:06 pm", Some(datetime!(2026-01-31 12:05:06 UTC))),
        ("31/1/2026", None),
        ("31-01-2026", None),
        ("2026-02-30", None),
        ("2026-01-31 24:00", None),
        ("2026-01-31 13:00 PM", None),
        ("0000-00-00", None),
        ("46053", None),
        ("yesterday", None),
        ("2026-01-31T09:30:00+é1", None),
    ];

    for (text, expected) in table {
        assert_eq!(dates::parse(text), expected, "{text}");
    }
}

#[test]
fn a_line_of_json_is_a_lead_under_our_names() {
    let line = r#"{"id": "x", "version": 1, "updatedAt": null, "name": "Ann Lee", "email": "ann@acme.example", "company": "",
        "status": "NEW", "qualityScore": 87, "customFields": {"rooms": 3}, "createdAt": "2026-01-31T09:30:00+01:00"}"#;

    assert_eq!(
        shown(&read_json(line).unwrap()),
        json!({
            "name": "Ann Lee", "email": "ann@acme.example", "status": "NEW", "qualityScore": 87,
            "customFields": { "rooms": 3 }, "createdAt": "2026-01-31T08:30:00Z",
        })
    );
}

#[test]
fn a_line_of_json_that_is_no_lead_is_refused_field_by_field() {
    let refused = |line: &str| read_json(line).unwrap_err().to_string();

    assert_eq!(
        refused(
            r#"{"name": 7, "qualityScore": "high", "createdAt": "1/31/2026", "customFields": [], "shoeSize": 40}"#
        ),
        "createdAt: must be RFC 3339 such as 2026-01-31T09:30:00Z; customFields: must be a JSON object; \
         name: must be a text; qualityScore: must be a whole number; shoeSize: is not a field of a lead; use customFields"
    );
    assert_eq!(refused("[]"), "row: must be a JSON object");
    assert_eq!(
        refused("{\"name\": "),
        "row: must be JSON: it breaks off or is wrong at column 9"
    );
}

#[test]
fn a_custom_field_of_two_columns_keeps_its_name_and_a_number() {
    let columns = columns("name,customFields.budget,customFields.budget");

    let names: Vec<_> = columns.uses().filter_map(|column| column.custom_field).collect();

    assert_eq!(names, ["budget", "budget (2)"]);
}

#[test]
fn a_name_that_stands_twice_in_a_line_is_a_fault_of_its_own() {
    let faults = |line: &str| read_json(line).unwrap_err().to_string();

    assert_eq!(
        faults(r#"{"name": "Ann", "email": "a@a.example", "email": "b@b.example"}"#),
        "email: must stand there only once"
    );
    assert_eq!(
        faults(r#"{"name": "Ann", "customFields": {"budget": 1, "more": [{"a": 1, "a": 2}], "budget": 1}}"#),
        "customFields.more.a: must stand there only once; customFields.budget: must stand there only once"
    );
    assert!(
        faults(r#"{"name": "Ann", "name": null, "nme": 1}"#)
            .contains("name: must stand there only once; nme: ")
    );
    let many: Vec<String> = (0..100)
        .map(|number| format!(r#""{number}": 0, "{number}": 1"#))
        .collect();
    let many = format!(r#"{{"name": "Ann", "customFields": {{{}}}}}"#, many.join(", "));
    assert_eq!(faults(&many).matches("only once").count(), 10);
    assert!(faults(r#"{"name": "Ann"} {}"#).starts_with("row: must be JSON"));
    assert!(
        read_json(r#"{"name": "Ann", "customFields": {"name": {"name": [1.5, -1, true, null, "x"]}}}"#)
            .is_ok()
    );
}

use serde_json::json;

use super::grammar::understand;
use super::prompt::read;
use super::*;

/// What was understood, in short.
fn told(command: Option<VoiceCommand>) -> String {
    match command {
        None => "nothing".to_owned(),
        Some(VoiceCommand::CreateLead(draft)) => {
            let mut told = format!("create {}", draft.name);
            let fields = [
                ("email", draft.email.map(crate::text::Email::into_string)),
                ("phone", draft.phone.map(crate::text::Phone::into_string)),
                ("company", draft.company),
                ("insurance", draft.insurance_type),
                ("zip", draft.zip_code),
            ];
            for (name, value) in fields {
                told.extend(value.map(|value| format!(", {name} {value}")));
            }
            told
        }
        Some(VoiceCommand::AddNote { lead, text }) => format!("note on {lead}: {text}"),
        Some(VoiceCommand::ChangeStatus { lead, status }) => format!("{lead} is {status}"),
        Some(VoiceCommand::Assign { lead, to }) => format!("{lead} to {to:?}"),
        Some(VoiceCommand::Search(text)) => format!("search {text}"),
        Some(VoiceCommand::Statistics) => "count".to_owned(),
    }
}

#[test]
fn rules_understand_what_is_said_as_it_is_documented() {
    for (said, expected) in [
        ("How many leads do we have?", "count"),
        ("Show me the statistics.", "count"),
        ("lead statistics", "count"),
        ("what are our stats", "count"),
        ("Create a lead named Ann Ferris.", "create Ann Ferris"),
        ("new lead Ann Ferris", "create Ann Ferris"),
        (
            "Please add a new lead called Ann Ferris from Ferris & Daughters, with email ann@ferris.example and phone +1 555 \
             010 0123",
            "create Ann Ferris, email ann@ferris.example, phone +1 555 010 0123, company Ferris & Daughters",
        ),
        (
            "register a lead for Bob with email bob dot ross at paint dot example interested in auto insurance",
            "create Bob, email bob.ross@paint.example, insurance auto",
        ),
        (
            "create a lead Éva Nagy zip code 94107",
            "create Éva Nagy, zip 94107",
        ),
        (
            "Add a note to Ann Ferris: wants a quote, by Friday.",
            "note on Ann Ferris: wants a quote, by Friday",
        ),
        (
            "hey Fairlead, leave a note for the lead Ann saying she called back",
            "note on Ann: she called back",
        ),
        ("note on Ann Ferris, call again", "note on Ann Ferris: call again"),
        ("Mark Ann Ferris as qualified", "Ann Ferris is QUALIFIED"),
        ("change the status of Ann to contacted", "Ann is CONTACTED"),
        ("set the lead Ann to closed as lost", "Ann is CLOSED (LOST)"),
        ("Close Ann Ferris as won!", "Ann Ferris is CLOSED (WON)"),
        ("mark Ann as a duplicate", "Ann is CLOSED (DUPLICATE)"),
        ("reopen Ann", "Ann is CONTACTED"),
        ("Assign Ann Ferris to me", "Ann Ferris to Me"),
        ("give the lead Ann to Bob Agent", "Ann to Named(\"Bob Agent\")"),
        ("assign Ann to the best agent", "Ann to Best"),
        ("assign Ann to nobody", "Ann to Nobody"),
        ("unassign Ann", "Ann to Nobody"),
        ("Search for Ann Ferris", "search ann ferris"),
        ("find all leads named O'Neil", "search o neil"),
        ("show me leads called Ann", "search ann"),
    ] {
        assert_eq!(told(understand(said)), expected, "{said}");
    }
}

#[test]
fn rules_understand_nothing_else() {
    for said in [
        "",
        "...",
        "good morning",
        "delete all leads",
        "create",
        "create a lead",
        "create a leader",
        "create a lead Ann with email nonsense",
        "create a lead Ann with phone 12345 and phone 67890",
        "add a note to Ann",
        "add a note to: hello",
        "mark Ann as happy",
        "close Ann",
        "close Ann as contacted",
        "assign Ann",
        "search for",
        "İ mark \u{1F600} as",
    ] {
        assert_eq!(told(understand(said)), "nothing", "{said}");
    }
}

#[test]
fn what_a_model_says_is_taken_for_a_command_alone() {
    let said = "close ann ferris as lost and note that bob agent has her";
    for (answer, expected) in [
        (json!({"intent": "statistics"}), "count"),
        (json!({"intent": "none", "lead": null}), "nothing"),
        (
            json!({"intent": "change-status", "lead": "Ann Ferris", "status": "CLOSED", "closeReason": "LOST"}),
            "Ann Ferris is CLOSED (LOST)",
        ),
        (
            json!({"intent": "add-note", "lead": "Ann", "note": "Bob Agent has her."}),
            "note on Ann: Bob Agent has her.",
        ),
        (
            json!({"intent": "assign", "lead": "ann", "assignee": "Bob Agent"}),
            "ann to Named(\"Bob Agent\")",
        ),
        (
            json!({"intent": "assign", "lead": "ann", "assignee": "me"}),
            "ann to Me",
        ),
        (json!({"intent": "search", "query": "Ferris"}), "search ferris"),
        (
            json!({"intent": "create-lead", "name": "Ann Ferris", "email": "ann@ferris.example"}),
            "create Ann Ferris, email ann@ferris.example",
        ),
    ] {
        let read = read(&answer.to_string(), said).unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(told(read.into_command()), expected, "{answer}");
    }
}

#[test]
fn what_is_no_command_or_names_what_nobody_said_is_no_answer() {
    let said = "close ann ferris as lost";
    for answer in [
        json!(null),
        json!([]),
        json!({}),
        json!({"intent": "delete-lead", "lead": "ann"}),
        json!({"intent": "statistics", "lead": "ann"}),
        json!({"intent": "statistics", "confirmed": true}),
        json!({"intent": "change-status", "lead": "ann", "status": "LOST"}),
        json!({"intent": "change-status", "lead": "ann", "status": "CLOSED"}),
        json!({"intent": "change-status", "lead": "ann", "status": "QUALIFIED", "closeReason": "WON"}),
        json!({"intent": "change-status", "status": "CONTACTED"}),
        // Nobody has said so.
        json!({"intent": "change-status", "lead": "bob", "status": "CLOSED", "closeReason": "LOST"}),
        json!({"intent": "assign", "lead": "ann", "assignee": "Mallory"}),
        json!({"intent": "search", "query": "everybody"}),
        json!({"intent": "add-note", "lead": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "note": "x"}),
        json!({"intent": "add-note", "lead": "ann", "note": "\u{0}"}),
        json!({"intent": "create-lead", "name": "ann", "email": "none"}),
    ] {
        assert_eq!(read(&answer.to_string(), said), None, "{answer}");
    }
    assert_eq!(read("I would close the lead.", said), None);
}

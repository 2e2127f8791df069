use super::{CsvRecords, MAX_CELLS, MAX_RECORD_BYTES, NdjsonRecords, RecordFault};

type Row = (u64, Result<Vec<String>, RecordFault>);

/// Reads a file that arrives in chunks of `size` bytes.
fn csv_in_chunks(file: &[u8], size: usize) -> Vec<Row> {
    fn drain(records: &mut CsvRecords, rows: &mut Vec<Row>) {
        while let Some(record) = records.read() {
            let cells = record
                .content
                .map(|cells| cells.iter().map(str::to_owned).collect());
            rows.push((record.line, cells));
        }
    }
    let mut records = CsvRecords::new();
    let mut rows = Vec::new();
    for chunk in file.chunks(size) {
        records.push(chunk);
        drain(&mut records, &mut rows);
    }
    records.finish();
    drain(&mut records, &mut rows);
    rows
}

/// Reads a file whole, and asserts that its parting into chunks makes no difference.
fn csv(file: impl AsRef<[u8]>) -> Vec<Row> {
    let file = file.as_ref();
    let whole = csv_in_chunks(file, file.len().max(1));
    for size in [1, 2, 3, 7, 64] {
        if file.len() / size < 5_000 {
            assert_eq!(csv_in_chunks(file, size), whole, "in chunks of {size}");
        }
    }
    whole
}

fn cells(line: u64, cells: &[&str]) -> Row {
    (line, Ok(cells.iter().map(|cell| (*cell).to_owned()).collect()))
}

fn ndjson_in_chunks(file: &[u8], size: usize) -> Vec<(u64, Result<String, RecordFault>)> {
    let mut records = NdjsonRecords::new();
    let mut lines = Vec::new();
    for chunk in file.chunks(size) {
        records.push(chunk);
        while let Some(record) = records.read() {
            lines.push((record.line, record.content.map(str::to_owned)));
        }
    }
    records.finish();
    while let Some(record) = records.read() {
        lines.push((record.line, record.content.map(str::to_owned)));
    }
    lines
}

fn ndjson(file: impl AsRef<[u8]>) -> Vec<(u64, Result<String, RecordFault>)> {
    let file = file.as_ref();
    let whole = ndjson_in_chunks(file, file.len().max(1));
    for size in [1, 2, 3, 7] {
        if file.len() / size < 5_000 {
            assert_eq!(ndjson_in_chunks(file, size), whole, "in chunks of {size}");
        }
    }
    whole
}

#[test]
fn rows_end_with_any_line_end_and_the_last_needs_none() {
    let expected = vec![
        cells(1, &["a", "b"]),
        cells(2, &["1", "2"]),
        cells(3, &["3", "4"]),
    ];

    assert_eq!(csv("a,b\n1,2\n3,4\n"), expected);
    assert_eq!(csv("a,b\r\n1,2\r\n3,4\r\n"), expected);
    assert_eq!(csv("a,b\r1,2\r3,4"), expected);
    assert_eq!(csv("a,b\n1,2\n3,4"), expected);
    assert_eq!(csv("\u{feff}a,b\n1,2\n3,4"), expected);
    assert_eq!(csv(""), vec![]);
    assert_eq!(csv("\u{feff}\r\n"), vec![]);
}

#[test]
fn quoted_cells_keep_delimiters_line_ends_and_quotation_marks() {
    let file = "name,note\r\n\"Doe, Ann\",\"first\r\nsecond \"\"so\"\"\"\r\n\r\nBob,\"\"\r\n";

    assert_eq!(
        csv(file),
        vec![
            cells(1, &["name", "note"]),
            cells(2, &["Doe, Ann", "first\r\nsecond \"so\""]),
            cells(5, &["Bob", ""]),
        ]
    );
}

#[test]
fn the_delimiter_is_the_most_frequent_one_of_the_first_record() {
    assert_eq!(
        csv("a;b;\"c,d,e,f\"\n1;2;3,5"),
        vec![cells(1, &["a", "b", "c,d,e,f"]), cells(2, &["1", "2", "3,5"])]
    );
    assert_eq!(
        csv("a\tb\n1\t2;2"),
        vec![cells(1, &["a", "b"]), cells(2, &["1", "2;2"])]
    );
    assert_eq!(csv("name\nAnn"), vec![cells(1, &["name"]), cells(2, &["Ann"])]);
}

#[test]
fn blank_lines_are_no_records_but_are_counted() {
    assert_eq!(
        csv("\n\na,b\n\n  \n,,\n1,2\n"),
        vec![cells(3, &["a", "b"]), cells(7, &["1", "2"])]
    );
}

#[test]
fn a_row_that_is_not_utf8_costs_that_row_alone() {
    let rows = csv(b"a,b\nM\xfcller,1\nAnn,2\n\xc3,\xbcx\nBob,3\n");

    assert_eq!(
        rows,
        vec![
            cells(1, &["a", "b"]),
            (2, Err(RecordFault::NotUtf8)),
            cells(3, &["Ann", "2"]),
            (4, Err(RecordFault::NotUtf8)),
            cells(5, &["Bob", "3"]),
        ]
    );
}

#[test]
fn a_quotation_mark_that_is_never_closed_costs_its_line_alone() {
    assert_eq!(
        csv("a,b\n1,\"2\n3,4\n5,6"),
        vec![
            cells(1, &["a", "b"]),
            (2, Err(RecordFault::UnclosedQuote)),
            cells(3, &["3", "4"]),
            cells(4, &["5", "6"])
        ]
    );
    assert_eq!(
        csv("a,b\n1,\"2"),
        vec![cells(1, &["a", "b"]), (2, Err(RecordFault::UnclosedQuote))]
    );
}

#[test]
fn a_quotation_mark_that_is_never_closed_takes_what_follows_and_no_memory() {
    let file = format!("a,b\n1,\"2\n{}", "1234,x\n".repeat(50_000));
    let mut records = CsvRecords::new();
    let (mut good, mut bad, mut most) = (0, 0, 0);
    for chunk in file.as_bytes().chunks(1_000) {
        records.push(chunk);
        most = most.max(records.window.bytes.len());
        while let Some(record) = records.read() {
            match record.content {
                Ok(_) => good += 1,
                Err(_) => bad += 1,
            }
        }
    }

    // What stands behind it may be text.
    assert_eq!((good, bad), (1, 1));
    assert!(most <= MAX_RECORD_BYTES + 2_000, "{most}");
}

#[test]
fn a_record_that_is_too_long_is_refused_and_reading_goes_on_with_the_next_line() {
    let fits = "x".repeat(MAX_RECORD_BYTES - 2);
    let too_long = "x".repeat(MAX_RECORD_BYTES + 1);

    assert_eq!(
        csv_in_chunks(format!("a,b\n1,{fits}\n2,3\n").as_bytes(), 900)[1],
        cells(2, &["1", &fits])
    );
    for size in [900, 1_000_000] {
        assert_eq!(
            csv_in_chunks(format!("a,b\n1,{too_long}\r\n3,4\n").as_bytes(), size),
            vec![
                cells(1, &["a", "b"]),
                (2, Err(RecordFault::TooLong)),
                cells(3, &["3", "4"])
            ]
        );
    }
    assert_eq!(
        csv(format!("{too_long}\na,b")),
        vec![(1, Err(RecordFault::TooLong)), cells(2, &["a", "b"])]
    );
}

#[test]
fn what_stands_in_a_cell_that_is_too_long_never_becomes_a_record() {
    let text = "x".repeat(MAX_RECORD_BYTES);
    let file = format!("a,b\n1,\"{text}\nMallory,2\n{text}\"\"\nMallory,3\n\"\n4,5\n");
    for size in [900, 1_000_000] {
        assert_eq!(
            csv_in_chunks(file.as_bytes(), size),
            vec![
                cells(1, &["a", "b"]),
                (2, Err(RecordFault::TooLong)),
                cells(7, &["4", "5"])
            ]
        );
    }

    let most = vec!["x"; MAX_CELLS].join(",");
    assert_eq!(
        csv(format!("a,b\n{most},x,\"\nMallory,2\n\"\n4,5\n")),
        vec![
            cells(1, &["a", "b"]),
            (2, Err(RecordFault::TooManyCells)),
            cells(5, &["4", "5"])
        ]
    );
}

#[test]
fn a_record_of_too_many_cells_is_refused() {
    let most = vec!["x"; MAX_CELLS].join(",");

    assert!(csv(format!("{most}\n"))[0].1.is_ok());
    assert_eq!(
        csv(format!("{most},x\na,b\n{most},x,x,x,x\n1,2")),
        vec![
            (1, Err(RecordFault::TooManyCells)),
            cells(2, &["a", "b"]),
            (3, Err(RecordFault::TooManyCells)),
            cells(4, &["1", "2"]),
        ]
    );
}

#[test]
fn lines_of_json_are_told_with_their_number() {
    assert_eq!(
        ndjson("\u{feff}{\"name\":\"Ann\"}\r\n\n  \n {\"name\":\"Bob\"} \n{}"),
        vec![
            (1, Ok("{\"name\":\"Ann\"}".to_owned())),
            (4, Ok("{\"name\":\"Bob\"}".to_owned())),
            (5, Ok("{}".to_owned())),
        ]
    );
    assert_eq!(ndjson(""), vec![]);
}

#[test]
fn a_line_of_json_that_cannot_be_read_costs_that_line_alone() {
    let too_long = "x".repeat(MAX_RECORD_BYTES + 1);
    let file = [
        b"{}\n\xff{}\n".as_slice(),
        too_long.as_bytes(),
        b"\n[]\n",
        too_long.as_bytes(),
    ]
    .concat();

    for size in [900, 1_000_000] {
        assert_eq!(
            ndjson_in_chunks(&file, size),
            vec![
                (1, Ok("{}".to_owned())),
                (2, Err(RecordFault::NotUtf8)),
                (3, Err(RecordFault::TooLong)),
                (4, Ok("[]".to_owned())),
                (5, Err(RecordFault::TooLong)),
            ]
        );
    }
}

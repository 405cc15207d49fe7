//! The book's tables of rows and registers are those that the kinds' files yield.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

/// Where the tables stand in the page.
const MARKS: [&str; 2] = ["<!-- begin: rows -->\n", "<!-- end: rows -->"];

#[test]
fn the_tables_of_rows_are_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/book/circuits.md");
    let text = std::fs::read_to_string(&page).expect("the book has a page about circuits");
    let [begin, end] = MARKS.map(|mark| text.find(mark).expect("the page marks the tables"));
    let written = &text[begin + MARKS[0].len()..end];
    let tables = dn_circuits::tables();
    if std::env::var_os("DN_UPDATE_ROWS").is_some() {
        let head = &text[..begin + MARKS[0].len()];
        std::fs::write(&page, format!("{head}{tables}{}", &text[end..]))
            .expect("the page can be written");
        return;
    }
    assert!(
        written == tables,
        "the tables of docs/book/circuits.md are stale: DN_UPDATE_ROWS=1 cargo test -p dn-circuits --test rows"
    );
}

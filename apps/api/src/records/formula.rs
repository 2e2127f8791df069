//! Cells that a spreadsheet would run as a formula when somebody opens an export.

use std::borrow::Cow;

/// Puts an apostrophe before a cell that a spreadsheet would take for a formula. Phone numbers and negative numbers,
/// which begin alike, stay as they are.
pub fn guarded(cell: &str) -> Cow<'_, str> {
    if is_formula(cell) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// Takes the apostrophe of [`guarded`] away again.
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(bare) if is_formula(bare) => bare,
        _ => cell,
    }
}

fn is_formula(cell: &str) -> bool {
    let number = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | ',' | '(' | ')' | '-' | '/' | 'x');
    match cell.chars().next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => !cell[1..].chars().all(number),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_guarded_and_comes_back() {
        for formula in ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "-2+cmd|x"] {
            assert_eq!(guarded(formula), format!("'{formula}"));
            assert_eq!(unguarded(&guarded(formula)), formula);
        }
        for harmless in ["+1 (555) 010-0123", "-2", "O'Neil", "'quoted", "", "a=b"] {
            assert_eq!(guarded(harmless), harmless);
            assert_eq!(unguarded(harmless), harmless);
        }
    }
}

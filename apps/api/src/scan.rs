//! One pass over the bytes of a JSON body before it is parsed.

/// Why a body is not worth parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    TooDeep,
    /// A text holds U+0000 (as `\u0000`), which PostgreSQL cannot store.
    Nul,
}

/// Checks how deep arrays and objects are nested, and that no text holds U+0000. Says nothing about syntax.
pub(crate) fn check(body: &[u8], max_depth: usize) -> Result<(), Unfit> {
    let mut depth = 0_usize;
    let mut bytes = body.iter().enumerate();
    let mut in_text = false;
    while let Some((index, byte)) = bytes.next() {
        match (in_text, byte) {
            (true, b'\\') => {
                if body[index..].starts_with(br"\u0000") {
                    return Err(Unfit::Nul);
                }
                // The escaped byte has no meaning of its own.
                bytes.next();
            }
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > max_depth {
                    return Err(Unfit::TooDeep);
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_arrays_and_objects_that_are_open_at_once() {
        assert_eq!(check(br#"{"a": [[1], [2], {"b": []}]}"#, 4), Ok(()));
        assert_eq!(check(br#"{"a": [[1], [2], {"b": []}]}"#, 3), Err(Unfit::TooDeep));
        assert_eq!(check("[".repeat(100_000).as_bytes(), 32), Err(Unfit::TooDeep));
    }

    #[test]
    fn brackets_within_texts_do_not_count() {
        assert_eq!(check(br#"["[[[[{{{{", "\"[[[[", "\\"]"#, 1), Ok(()));
    }

    #[test]
    fn the_null_character_is_found_and_only_that() {
        assert_eq!(check(br#"["a\u0000"]"#, 8), Err(Unfit::Nul));
        assert_eq!(check(br#"["a\\u0000", "\u0001"]"#, 8), Ok(()));
    }
}

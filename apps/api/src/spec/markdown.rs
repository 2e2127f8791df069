use std::fmt::Write as _;

use crate::problem::Kind;

/// Describes every problem type, as `openapi/problems.md` and `/docs/problems` show it.
pub fn problems_markdown() -> String {
    let mut text = String::from(
        "# Problem types\n\n\
         What Fairlead answers when it cannot do what was asked: `application/problem+json` (RFC 9457).\n\
         `type` is stable; decide by it, or by the status, and never by `title` or `detail`.\n\
         `instance` is the trace id to name in reports.\n\
         `errors` lists each value that cannot be accepted, by `pointer` into the body or by `parameter`.\n",
    );
    for kind in Kind::ALL {
        let row = kind.row();
        write!(
            text,
            "\n## {slug}\n\n**{status} {title}** · `{uri}`\n\n{when}\n\n*What to do:* {mend}\n",
            slug = row.slug,
            status = row.status.as_u16(),
            title = row.title,
            uri = kind.uri(),
            when = row.when,
            mend = row.mend,
        )
        .expect("writing to a text cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_type_is_described() {
        let text = problems_markdown();

        for kind in Kind::ALL {
            assert!(text.contains(&format!("\n## {}\n", kind.slug())), "{kind:?}");
        }
    }
}

//! Conditions as they are compared with each other: those of statements, and those of the indexes that the catalog has.

use sqlparser::ast::{BinaryOperator, Expr, SetExpr, Statement, UnaryOperator, Value};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// Takes a condition apart: all of these are to be met.
pub(super) fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    let mut all = Vec::new();
    let mut left = vec![condition];
    while let Some(next) = left.pop() {
        match next {
            Expr::BinaryOp {
                left: one,
                op: BinaryOperator::And,
                right: other,
            } => left.extend([&**other, &**one]),
            Expr::Nested(inner) => left.push(inner),
            other => all.push(other),
        }
    }
    all
}

/// The predicate of an index, taken apart and in order.
pub(crate) fn predicate(text: &str) -> Vec<String> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &format!("SELECT 1 WHERE {text}"));
    let select = parsed
        .ok()
        .and_then(|statements| match statements.into_iter().next() {
            Some(Statement::Query(query)) => match *query.body {
                SetExpr::Select(select) => select.selection,
                _ => None,
            },
            _ => None,
        });
    let mut all = match &select {
        // What is not understood is equal to itself alone.
        None => vec![text.to_owned()],
        Some(condition) => conjuncts(condition)
            .into_iter()
            .map(|of| fixed(of).map_or_else(|| of.to_string(), |(_, sql)| sql))
            .collect(),
    };
    all.sort();
    all
}

/// The column of a condition without a parameter, and how that is written here; `None`: it is none, or compares more than
/// one column.
pub(super) fn fixed(condition: &Expr) -> Option<(&Expr, String)> {
    match condition {
        Expr::IsNull(of) => Some((of, format!("{} IS NULL", column(of)?))),
        Expr::IsNotNull(of) => Some((of, format!("{} IS NOT NULL", column(of)?))),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Some((condition, column(condition)?)),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => Some((expr, format!("NOT {}", column(expr)?))),
        Expr::BinaryOp { left, op, right } => {
            let op = match op {
                BinaryOperator::Eq => "=",
                BinaryOperator::NotEq => "<>",
                _ => return None,
            };
            Some((left, format!("{} {op} {}", column(left)?, literal(right)?)))
        }
        Expr::InList {
            expr,
            list,
            negated: false,
        } => Some((expr, one_of(expr, list)?)),
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => match bare(right) {
            Expr::Array(array) => Some((left, one_of(left, &array.elem)?)),
            _ => None,
        },
        _ => None,
    }
}

fn one_of(of: &Expr, list: &[Expr]) -> Option<String> {
    let mut values = list.iter().map(literal).collect::<Option<Vec<_>>>()?;
    values.sort();
    Some(format!("{} IN ({})", column(of)?, values.join(", ")))
}

/// The name of a column, whatever table it is said to be of.
pub(super) fn column(of: &Expr) -> Option<String> {
    let name = match of {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(names) => names.last()?,
        Expr::Nested(inner) => return column(inner),
        _ => return None,
    };
    let is_plain = name
        .value
        .bytes()
        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_');
    is_plain.then(|| name.value.clone())
}

/// A value that does not vary, as it is written here.
fn literal(of: &Expr) -> Option<String> {
    let Expr::Value(value) = bare(of) else {
        return None;
    };
    match &value.value {
        Value::SingleQuotedString(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        Value::Number(number, _) => Some(number.clone()),
        Value::Boolean(is_so) => Some(is_so.to_string()),
        _ => None,
    }
}

/// Without parentheses, and without the types that PostgreSQL writes behind values.
pub(super) fn bare(of: &Expr) -> &Expr {
    match of {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => bare(inner),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates_of_the_catalog_are_written_as_those_of_statements() {
        let all = [
            "(status = ANY (ARRAY['QUALIFIED'::text, 'NEW'::text]))",
            "((status <> 'CLOSED'::text) AND (assigned_to IS NOT NULL))",
            "is_agent",
            "(NOT done)",
            "(fault IS NULL)",
        ];
        let written: Vec<_> = all.iter().map(|text| predicate(text)).collect();

        assert_eq!(written[0], ["status IN ('NEW', 'QUALIFIED')"]);
        assert_eq!(written[1], ["assigned_to IS NOT NULL", "status <> 'CLOSED'"]);
        assert_eq!(written[2], ["is_agent"]);
        assert_eq!(written[3], ["NOT done"]);
        assert_eq!(written[4], ["fault IS NULL"]);
        assert_eq!(predicate("open_leads <> 1"), predicate("(l.open_leads <> 1)"));
    }

    #[test]
    fn what_is_not_understood_is_equal_to_itself_alone() {
        assert_eq!(predicate("a +++ )"), ["a +++ )"]);
        assert_eq!(
            predicate("(lower(name) = 'x'::text)"),
            ["lower(name) = 'x'::TEXT"]
        );
    }
}

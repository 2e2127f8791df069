//! What a statement asks of each table that it reads.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use fairlead_domain::performance::index_advice::{Fixed, Key, Search, Shape, Sorted, Table, Term};
use sqlparser::ast::{
    BinaryOperator, Expr, FromTable, GroupByExpr, JoinConstraint, JoinOperator, LimitClause, OrderByKind,
    OrderBySort, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Value,
    Visit as _, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::conditions::{bare, column, conjuncts, fixed};

/// A statement that was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran<'a> {
    pub(crate) fingerprint: &'a str,
    pub(crate) text: &'a str,
    pub(crate) calls: f64,
    pub(crate) mean_ms: f64,
    /// Returned or changed, by one call.
    pub(crate) rows: f64,
}

/// What PostgreSQL takes to be found by a pattern, by words and by containment, if it knows no better:
/// `DEFAULT_MATCH_SEL`, `DEFAULT_TS_MATCH_SEL`, `contsel`.
const MATCH: f64 = 0.005;
const WORDS: f64 = 0.001;
const CONTAINS: f64 = 0.001;

/// The shapes of a statement; `None`: it is not read as one. Where it reads several tables, its time is shared out among
/// them: which one it went to is not known. The selectivity of what is fixed is left at 1.
pub(crate) fn shapes(ran: Ran<'_>, tables: &HashMap<&str, &Table>) -> Option<Vec<Shape>> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, ran.text).ok()?;
    let mut reader = Reader {
        ran,
        tables,
        named: BTreeSet::new(),
        shapes: Vec::new(),
    };
    let _ = statements.visit(&mut reader);
    let mut shapes = reader.shapes;
    let among = f64::from(u32::try_from(shapes.len().max(1)).unwrap_or(u32::MAX));
    for shape in &mut shapes {
        shape.mean_ms /= among;
    }
    Some(shapes)
}

struct Reader<'a> {
    ran: Ran<'a>,
    tables: &'a HashMap<&'a str, &'a Table>,
    /// What the statement itself gives a name to is no table.
    named: BTreeSet<String>,
    shapes: Vec<Shape>,
}

/// A table that is read, by the name that it has there.
struct Source<'a> {
    name: String,
    table: &'a Table,
}

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        let (from, condition) = match statement {
            Statement::Update(update) => (std::slice::from_ref(&update.table), &update.selection),
            Statement::Delete(delete) => match &delete.from {
                FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from) => {
                    (from.as_slice(), &delete.selection)
                }
            },
            _ => return ControlFlow::Continue(()),
        };
        self.add(from, condition.as_ref(), |_| None, |_, _| {});
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for named in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.named.insert(named.alias.name.value.clone());
        }
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Select(select) => {
                    // The order of a union is not that of its parts.
                    let own = matches!(&*query.body, SetExpr::Select(_)).then_some(query);
                    self.select(select, own);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

impl Reader<'_> {
    fn select(&mut self, select: &Select, query: Option<&Query>) {
        let groups = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
            || select.distinct.is_some()
            || select.projection.iter().any(aggregates);
        let locks = query.is_some_and(|query| !query.locks.is_empty());
        let rows = self.ran.rows;
        self.add(
            &select.from,
            select.selection.as_ref(),
            |sources| (!locks).then(|| reads(select, query, sources)).flatten(),
            |shape, sources| {
                let (Some(query), [source], false) = (query, sources, groups) else {
                    return;
                };
                shape.order = order(query, source).unwrap_or_default();
                shape.limit = limit(query, rows);
            },
        );
    }

    fn add(
        &mut self,
        from: &[TableWithJoins],
        condition: Option<&Expr>,
        reads: impl Fn(&[Source<'_>]) -> Option<Vec<Vec<String>>>,
        order: impl Fn(&mut Shape, &[Source<'_>]),
    ) {
        let joins = || from.iter().flat_map(|from| &from.joins);
        let factors = from
            .iter()
            .map(|from| &from.relation)
            .chain(joins().map(|join| &join.relation));
        let factors: Vec<&TableFactor> = factors.collect();
        let sources: Vec<Source<'_>> = factors.iter().filter_map(|factor| self.source(factor)).collect();
        let on = joins().filter_map(|join| match &join.join_operator {
            JoinOperator::Join(JoinConstraint::On(on))
            | JoinOperator::Inner(JoinConstraint::On(on))
            | JoinOperator::Left(JoinConstraint::On(on))
            | JoinOperator::LeftOuter(JoinConstraint::On(on)) => Some(on),
            _ => None,
        });
        let conditions: Vec<&Expr> = condition.into_iter().chain(on).flat_map(conjuncts).collect();
        // A table beside which others are read whose columns are not known may have been meant by none of its names.
        let is_alone = factors.len() == 1;
        let columns = reads(&sources);
        let mut shapes = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let mut shape = Shape {
                fingerprint: self.ran.fingerprint.to_owned(),
                table: source.table.name.clone(),
                calls: self.ran.calls,
                mean_ms: self.ran.mean_ms,
                equals: Vec::new(),
                any_of: Vec::new(),
                ranges: Vec::new(),
                fixed: Vec::new(),
                search: None,
                order: Vec::new(),
                limit: None,
                reads: columns.as_ref().and_then(|columns| columns.get(at).cloned()),
            };
            for condition in &conditions {
                compare(&mut shape, condition, source, &sources);
            }
            if is_alone {
                order(&mut shape, &sources);
            }
            shapes.push(shape);
        }
        drop(sources);
        self.shapes.extend(shapes);
    }

    fn source(&self, factor: &TableFactor) -> Option<Source<'_>> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return None;
        };
        let table = &name.0.last()?.as_ident()?.value;
        if self.named.contains(table) {
            return None;
        }
        Some(Source {
            name: alias.as_ref().map_or(table, |alias| &alias.name.value).clone(),
            table: self.tables.get(table.as_str())?,
        })
    }
}

impl Source<'_> {
    fn has(&self, column: &str) -> bool {
        self.table.columns.iter().any(|of| of.name == column)
    }

    /// The column of this table that is meant.
    fn column(&self, of: &Expr, sources: &[Source<'_>]) -> Option<String> {
        let name = column(of)?;
        let is_own = match of {
            Expr::Nested(inner) => return self.column(inner, sources),
            Expr::CompoundIdentifier(names) => {
                let [.., table, _] = &names[..] else { return None };
                table.value == self.name
            }
            _ => sources
                .iter()
                .find(|source| source.has(&name))
                .is_some_and(|source| source.name == self.name),
        };
        (is_own && self.has(&name)).then_some(name)
    }

    /// The key of this table that is compared, and what it is compared with is none of its own.
    fn key(&self, of: &Expr, with: &Expr, sources: &[Source<'_>]) -> Option<Key> {
        let column = self.column(of, sources)?;
        self.column(bare(with), sources)
            .is_none()
            .then_some(Key::Column(column))
    }
}

fn compare(shape: &mut Shape, condition: &Expr, source: &Source<'_>, sources: &[Source<'_>]) {
    let term = |key| Term {
        key,
        selectivity: None,
    };
    let own = |of: &Expr| source.column(of, sources).map(Key::Column);
    match condition {
        Expr::BinaryOp { left, op, right } => {
            let either = || {
                let left_key = source.key(left, right, sources);
                left_key.or_else(|| source.key(right, left, sources))
            };
            match op {
                BinaryOperator::Eq => shape.equals.extend(either().map(term)),
                BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => {
                    // Of several that are compared one after the other the first one decides nearly always.
                    let first = match &**left {
                        Expr::Tuple(several) => several.first().and_then(own),
                        _ => either(),
                    };
                    shape.ranges.extend(first.map(term));
                }
                BinaryOperator::AtAt if mentions(left, source, sources) => {
                    let key = own(left).unwrap_or_else(|| Key::Expression(left.to_string()));
                    shape.search = Some((Search::Words(key), WORDS));
                }
                BinaryOperator::AtArrow => {
                    shape.search = own(left).map(|key| (Search::Contains(key), CONTAINS));
                }
                _ => {}
            }
        }
        Expr::Between {
            expr, negated: false, ..
        } => shape.ranges.extend(own(expr).map(term)),
        Expr::InList {
            expr,
            list,
            negated: false,
        } => {
            let terms = if list.len() == 1 {
                &mut shape.equals
            } else {
                &mut shape.any_of
            };
            terms.extend(own(expr).map(term));
        }
        Expr::InSubquery {
            expr, negated: false, ..
        } => shape.any_of.extend(own(expr).map(term)),
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            ..
        } => shape.any_of.extend(own(left).map(term)),
        Expr::Like {
            expr, negated: false, ..
        }
        | Expr::ILike {
            expr, negated: false, ..
        } => {
            if let Some(key) = own(expr) {
                shape.search = Some((Search::Part(key), MATCH));
            }
        }
        _ => {}
    }
    if let Some((of, sql)) = fixed(condition)
        && source.column(of, sources).is_some()
    {
        shape.fixed.push(Fixed {
            sql,
            selectivity: 1.0,
        });
    }
}

fn mentions(of: &Expr, source: &Source<'_>, sources: &[Source<'_>]) -> bool {
    let mut found = false;
    let _: ControlFlow<()> = sqlparser::ast::visit_expressions(of, |part: &Expr| {
        found |= source.column(part, sources).is_some();
        ControlFlow::Continue(())
    });
    found
}

/// The columns of each table that are read, whatever for; `None`: all.
fn reads(select: &Select, query: Option<&Query>, sources: &[Source<'_>]) -> Option<Vec<Vec<String>>> {
    let is_all =
        |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    if select.projection.iter().any(is_all) {
        return None;
    }
    let mut columns = vec![BTreeSet::new(); sources.len()];
    let mut note = |part: &Expr| {
        for (source, columns) in sources.iter().zip(&mut columns) {
            columns.extend(source.column(part, sources));
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = sqlparser::ast::visit_expressions(select, &mut note);
    if let Some(by) = query.and_then(|query| query.order_by.as_ref()) {
        let _ = sqlparser::ast::visit_expressions(by, &mut note);
    }
    Some(columns.into_iter().map(|of| of.into_iter().collect()).collect())
}

/// What a select is sorted by, if that all are columns.
fn order(query: &Query, source: &Source<'_>) -> Option<Vec<Sorted>> {
    let OrderByKind::Expressions(by) = &query.order_by.as_ref()?.kind else {
        return None;
    };
    let sorted = by.iter().map(|by| {
        Some(Sorted {
            key: Key::Column(source.column(&by.expr, std::slice::from_ref(source))?),
            is_descending: matches!(by.options.sort, Some(OrderBySort::Desc)),
        })
    });
    sorted.collect()
}

/// How many rows are wanted; where that varies, as many as there were.
fn limit(query: &Query, rows: f64) -> Option<f64> {
    let Some(LimitClause::LimitOffset {
        limit: Some(limit), ..
    }) = &query.limit_clause
    else {
        return None;
    };
    match limit {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse().ok(),
            Value::Placeholder(_) => Some(rows.max(1.0)),
            _ => None,
        },
        _ => Some(rows.max(1.0)),
    }
}

const AGGREGATES: [&str; 10] = [
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "json_agg",
    "jsonb_agg",
    "max",
    "min",
    "sum",
];

fn aggregates(item: &SelectItem) -> bool {
    let mut found = false;
    let _: ControlFlow<()> = sqlparser::ast::visit_expressions(item, |part: &Expr| {
        if let Expr::Function(function) = part
            && function.over.is_none()
        {
            let name = function.name.to_string().to_ascii_lowercase();
            found |= AGGREGATES.contains(&name.as_str());
        }
        ControlFlow::Continue(())
    });
    found
}

//! Lets through what can be nothing but one SELECT on tables of the product.
//!
//! A statement is cut into tokens, of which only plain ones pass, and what the server is sent is written anew from exactly
//! those that were judged. So comments, escapes, other quotes and letters that look alike are gone before the server
//! reads anything, and it cannot read it otherwise than it was read here. What is behind that holds all the same: a role
//! without rights, a transaction that writes nothing, and a limit of time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr,
    Statement, TableFactor, Visit as _, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Word};

use super::conditions::column;

/// More than any statement that people write has.
const MOST_TOKENS: usize = 4_000;
/// Beyond some tables more to plan takes longer than to run.
const MOST_TABLES: usize = 16;
/// What is made of something else can be twice as long, or more: a text as hexadecimal digits, or with its quotes doubled.
const DEEPEST: usize = 8;
/// What a statement may come to once its parts are put into each other: bytes of text that are folded together.
const MOST_EXPANDED: u64 = 16 << 20;

/// A statement that may be planned.
#[derive(Debug)]
pub(super) struct Screened {
    /// As it is sent.
    pub(super) text: String,
    pub(super) functions: BTreeSet<String>,
    /// Every word that could be a function's name somewhere,
    pub(super) words: BTreeSet<String>,
    /// and those behind a dot: of columns, if they are of no functions.
    pub(super) behind_dots: BTreeSet<String>,
    pub(super) tables: BTreeSet<String>,
    /// The highest number of a parameter; 0: it has none.
    pub(super) parameters: u8,
    pub(super) compares_tenant: bool,
    pub(super) is_recursive: bool,
}

/// Judges a statement; says in words what is wrong with one that is refused.
pub(super) fn screen(sql: &str) -> Result<Screened, String> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize()
        .map_err(|error| format!("it cannot be read: {}", error.message))?;
    let mut tokens: Vec<Token> = tokens
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF))
        .collect();
    if tokens.last() == Some(&Token::SemiColon) {
        tokens.pop();
    }
    if tokens.len() > MOST_TOKENS {
        return Err(format!("it has more than {MOST_TOKENS} words and signs"));
    }
    let mut text = String::with_capacity(sql.len());
    for token in &tokens {
        write_token(&mut text, token)?;
        text.push(' ');
    }
    let (mut words, mut behind_dots) = (BTreeSet::new(), BTreeSet::new());
    let mut before = None;
    for token in &tokens {
        match token {
            Token::Word(word) => {
                words.insert(folded(word));
                if before == Some(&Token::Period) {
                    behind_dots.insert(folded(word));
                }
            }
            Token::SingleQuotedString(_) => refuse_as_name(before)?,
            _ => {}
        }
        before = Some(token);
    }
    let texts = tokens.iter().map(|token| match token {
        Token::SingleQuotedString(text) => text.len() as u64,
        _ => 1,
    });
    let texts: u64 = texts.sum();
    let parameters = tokens.iter().filter_map(|token| match token {
        Token::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
        _ => None,
    });
    let parameters: u8 = parameters.max().unwrap_or_default();
    let mut parser = Parser::new(&dialect).with_tokens(tokens);
    let statements = parser
        .parse_statements()
        .map_err(|error| format!("it is no SELECT that can be read: {error}"))?;
    let [statement @ Statement::Query(_)] = &statements[..] else {
        return Err("it must be exactly one SELECT".to_owned());
    };
    let mut judge = Judge::default();
    if let ControlFlow::Break(refused) = statement.visit(&mut judge) {
        return Err(refused);
    }
    let Judge {
        functions,
        tables,
        named,
        references,
        relations,
        escapes,
        compares_tenant,
        is_recursive,
        ..
    } = judge;
    if relations > MOST_TABLES {
        return Err(format!("it reads more than {MOST_TABLES} tables"));
    }
    // Each select may be put into the next as often as that refers to it, and what it writes as text be twice as long.
    let doubled = 1_u64.checked_shl(escapes).unwrap_or(u64::MAX);
    let expanded = references
        .iter()
        .fold(texts.saturating_mul(doubled), |all, most| {
            all.saturating_mul((*most).max(1))
        });
    if expanded > MOST_EXPANDED {
        return Err(
            "its parts refer to each other so often that to plan it takes too much memory".to_owned(),
        );
    }
    Ok(Screened {
        text,
        functions,
        words,
        behind_dots,
        tables: tables.difference(&named).cloned().collect(),
        parameters,
        compares_tenant,
        is_recursive,
    })
}

/// Refuses a text where it names something or is of a type: `1 AS 'x'` is a name to one and an error to the other, and
/// `regclass 'x'` a name to one and a value of that type to the other.
fn refuse_as_name(before: Option<&Token>) -> Result<(), String> {
    let is_value = match before {
        Some(Token::Word(word)) => {
            word.quote_style.is_none() && {
                let name = folded(word);
                BEFORE_TEXTS.contains(&&*name) || TYPES.contains(&&*name)
            }
        }
        Some(
            Token::RParen
            | Token::RBracket
            | Token::SingleQuotedString(_)
            | Token::Number(..)
            | Token::Placeholder(_)
            | Token::Period,
        ) => false,
        _ => true,
    };
    if is_value {
        return Ok(());
    }
    Err(
        "a text stands where a name does, or for a value of a type: write AS name, or 'text'::type"
            .to_owned(),
    )
}

/// Writes a token as the server reads it in one way only.
fn write_token(out: &mut String, token: &Token) -> Result<(), String> {
    match token {
        Token::Word(word) => match word.quote_style {
            None if is_plain(&word.value) => out.push_str(&word.value),
            Some('"') if is_plain(&word.value) => {
                out.push('"');
                out.push_str(&word.value);
                out.push('"');
            }
            _ => return Err("names are made of the letters a to z, digits and underscores".to_owned()),
        },
        Token::Number(number, false)
            if number
                .bytes()
                .all(|digit| digit.is_ascii_digit() || matches!(digit, b'.' | b'e' | b'E' | b'+' | b'-')) =>
        {
            out.push_str(number);
        }
        // The protocol ends texts with it.
        Token::SingleQuotedString(text) if text.contains('\0') => {
            return Err("texts have no character of code 0".to_owned());
        }
        Token::SingleQuotedString(text) => {
            out.push('\'');
            out.push_str(&text.replace('\'', "''"));
            out.push('\'');
        }
        Token::Placeholder(name)
            if name
                .strip_prefix('$')
                .is_some_and(|number| number.parse::<u8>().is_ok_and(|number| number > 0)) =>
        {
            out.push_str(name);
        }
        token if SIGNS.contains(token) => out.push_str(&token.to_string()),
        Token::SemiColon => return Err("it must be exactly one SELECT".to_owned()),
        Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::DollarQuotedString(_) => {
            return Err("texts are written as 'text', in no other way".to_owned());
        }
        other => return Err(format!("it has a sign that is not taken here: {other}")),
    }
    Ok(())
}

/// The signs that pass. Others that PostgreSQL knows are of types that the product has no columns of.
static SIGNS: [Token; 42] = [
    Token::Comma,
    Token::Eq,
    Token::Neq,
    Token::Lt,
    Token::Gt,
    Token::LtEq,
    Token::GtEq,
    Token::Plus,
    Token::Minus,
    Token::Mul,
    Token::Div,
    Token::Mod,
    Token::StringConcat,
    Token::LParen,
    Token::RParen,
    Token::Period,
    Token::Colon,
    Token::DoubleColon,
    Token::LBracket,
    Token::RBracket,
    Token::Ampersand,
    Token::Pipe,
    Token::Caret,
    Token::Tilde,
    Token::TildeAsterisk,
    Token::ExclamationMarkTilde,
    Token::ExclamationMarkTildeAsterisk,
    Token::DoubleTilde,
    Token::DoubleTildeAsterisk,
    Token::ExclamationMarkDoubleTilde,
    Token::ExclamationMarkDoubleTildeAsterisk,
    Token::Overlap,
    Token::Arrow,
    Token::LongArrow,
    Token::HashArrow,
    Token::HashLongArrow,
    Token::AtArrow,
    Token::ArrowAt,
    Token::AtAt,
    Token::Question,
    Token::QuestionAnd,
    Token::QuestionPipe,
];

/// Behind these words a text is a value.
const BEFORE_TEXTS: [&str; 34] = [
    "all",
    "and",
    "between",
    "both",
    "by",
    "case",
    "date",
    "distinct",
    "else",
    "escape",
    "for",
    "from",
    "having",
    "ilike",
    "in",
    "interval",
    "leading",
    "like",
    "limit",
    "not",
    "offset",
    "on",
    "or",
    "placing",
    "precision",
    "select",
    "symmetric",
    "then",
    "to",
    "trailing",
    "using",
    "when",
    "where",
    "zone",
];

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

/// A word as the server folds it.
fn folded(word: &Word) -> String {
    match word.quote_style {
        None => word.value.to_ascii_lowercase(),
        Some(_) => word.value.clone(),
    }
}

/// Looks at each part of a statement, and breaks off with what is wrong.
#[derive(Default)]
struct Judge {
    functions: BTreeSet<String>,
    tables: BTreeSet<String>,
    /// What the statement itself gives a name to.
    named: BTreeSet<String>,
    /// Of each select how often it refers to what it refers to most.
    references: Vec<u64>,
    relations: usize,
    statements: usize,
    compares_tenant: bool,
    is_recursive: bool,
    /// How many functions and casts are around what is looked at.
    depth: usize,
    /// Of each query that is looked into how many casts to text are around it, and how many there were at most.
    casts: Vec<(u32, u32)>,
    /// These of all queries.
    escapes: u32,
}

fn refuse<T>(why: impl Into<String>) -> ControlFlow<String, T> {
    ControlFlow::Break(why.into())
}

impl Visitor for Judge {
    type Break = String;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<String> {
        self.statements += 1;
        if self.statements > 1 || !matches!(statement, Statement::Query(_)) {
            return refuse("it must be exactly one SELECT, and nothing within it may write");
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        if let Some((_, most)) = self.casts.pop() {
            self.escapes += most;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        self.casts.push((0, 0));
        if !query.locks.is_empty() {
            return refuse("it must not lock rows");
        }
        let is_foreign = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if is_foreign {
            return refuse("it has clauses that PostgreSQL does not have");
        }
        self.is_recursive |= query.with.as_ref().is_some_and(|with| with.recursive);
        for named in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = named.alias.name.value.to_ascii_lowercase();
            // Where it is not in sight, its name would be that of a catalog.
            if name.starts_with("pg_") {
                return refuse("names that begin with pg_ are the server's");
            }
            self.named.insert(name);
        }
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
                _ => return refuse("it must be made of SELECT and VALUES alone"),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        if select.into.is_some() {
            return refuse("it must not make a table");
        }
        let is_foreign = select.flavor != SelectFlavor::Standard
            || select.top.is_some()
            || select.exclude.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some()
            || matches!(select.group_by, GroupByExpr::All(_));
        if is_foreign {
            return refuse("it has clauses that PostgreSQL does not have");
        }
        if !self.reads_parts(select) {
            return ControlFlow::Continue(());
        }
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        let _: ControlFlow<()> = sqlparser::ast::visit_expressions(select, |part: &Expr| {
            let name = match part {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            if let Some(name) = name {
                *counted.entry(name.value.to_ascii_lowercase()).or_default() += 1;
            }
            ControlFlow::Continue(())
        });
        // Each of these is everything once more.
        let wildcards = select
            .projection
            .iter()
            .filter(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        self.references
            .push(counted.into_values().max().unwrap_or_default() + wildcards.count() as u64);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        let parts: Option<Vec<String>> = relation
            .0
            .iter()
            .map(|part| part.as_ident().map(|name| name.value.to_ascii_lowercase()))
            .collect();
        let table = match parts.as_deref() {
            Some([table]) => table,
            Some([schema, table]) if schema == "public" => table,
            _ => return refuse(format!("{relation} is no table of the product")),
        };
        self.tables.insert(table.clone());
        self.relations += 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        match factor {
            // A function stands there as a table with arguments.
            TableFactor::Table {
                name,
                args,
                with_hints,
                version,
                partitions,
                json_path,
                sample,
                index_hints,
                ..
            } => {
                let is_foreign = !with_hints.is_empty()
                    || version.is_some()
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || sample.is_some()
                    || !index_hints.is_empty();
                if is_foreign {
                    return refuse("samples, hints and versions of tables are not taken here");
                }
                if args.is_some() {
                    return self.call(name);
                }
            }
            TableFactor::Derived { sample: None, .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => {}
            TableFactor::Function { name, .. } => return self.call(name),
            other => return refuse(format!("{other} is not taken here")),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        self.depth -= usize::from(is_call(expr));
        if is_written(expr)
            && let Some((now, _)) = self.casts.last_mut()
        {
            *now -= 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        self.depth += usize::from(is_call(expr));
        if self.depth > DEEPEST {
            return refuse(format!(
                "its functions and casts are nested more than {DEEPEST} deep"
            ));
        }
        if is_written(expr)
            && let Some((now, most)) = self.casts.last_mut()
        {
            *now += 1;
            *most = (*most).max(*now);
        }
        match expr {
            Expr::Function(function) => {
                if function.uses_odbc_syntax {
                    return refuse("it has clauses that PostgreSQL does not have");
                }
                return self.call(&function.name);
            }
            Expr::Cast { data_type, .. } => return plain_type(&data_type.to_string()),
            Expr::TypedString(typed) => return plain_type(&typed.data_type.to_string()),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => {
                self.compares(left);
                self.compares(right);
            }
            Expr::InList { expr, .. } => self.compares(expr),
            Expr::AnyOp { left, .. } => self.compares(left),
            Expr::Convert { .. }
            | Expr::Prefixed { .. }
            | Expr::MatchAgainst { .. }
            | Expr::Struct { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::Lambda(_)
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::MemberOf(_) => return refuse("it has expressions that PostgreSQL does not have"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Whether it makes something else of what it is given.
fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(_) | Expr::Cast { .. })
}

/// Whether it may be what is given with its quotes doubled: a list, a row or a document as text.
fn is_written(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { data_type, .. } => {
            let name = data_type.to_string().to_ascii_lowercase();
            ["text", "varchar", "character", "json"]
                .iter()
                .any(|written| name.starts_with(written))
        }
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("concat"),
        // Of a chain the first: behind it there is a text.
        Expr::BinaryOp {
            left,
            op: BinaryOperator::StringConcat,
            ..
        } => !matches!(
            **left,
            Expr::BinaryOp {
                op: BinaryOperator::StringConcat,
                ..
            }
        ),
        _ => false,
    }
}

impl Judge {
    fn call(&mut self, name: &ObjectName) -> ControlFlow<String> {
        let parts: Option<Vec<String>> = name
            .0
            .iter()
            .map(|part| part.as_ident().map(|name| name.value.to_ascii_lowercase()))
            .collect();
        match parts.as_deref() {
            Some([function]) => {
                self.functions.insert(function.clone());
            }
            Some([schema, function]) if schema == "pg_catalog" => {
                self.functions.insert(function.clone());
            }
            _ => return refuse(format!("{name} is no function that may be called here")),
        }
        ControlFlow::Continue(())
    }

    fn compares(&mut self, of: &Expr) {
        self.compares_tenant |= column(of).as_deref() == Some("tenant_id");
    }

    /// Whether what a select reads is made by another one, whose expressions the planner puts in the place of its columns.
    fn reads_parts(&self, select: &Select) -> bool {
        let factors = select.from.iter().flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
        });
        let is_part = |factor: &TableFactor| match factor {
            TableFactor::Table { name, args: None, .. } => name
                .0
                .last()
                .and_then(|part| part.as_ident())
                .is_some_and(|name| self.named.contains(&name.value.to_ascii_lowercase())),
            _ => true,
        };
        factors.into_iter().any(is_part)
    }
}

/// Types whose values are as long as they are written: others are filled up, to millions of bytes.
pub(super) const TYPES: [&str; 30] = [
    "text",
    "varchar",
    "character varying",
    "uuid",
    "int",
    "int2",
    "int4",
    "int8",
    "integer",
    "bigint",
    "smallint",
    "boolean",
    "bool",
    "numeric",
    "decimal",
    "real",
    "float",
    "float4",
    "float8",
    "double precision",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "timestamp with time zone",
    "timestamp without time zone",
    "interval",
    "json",
    "jsonb",
    "tsquery",
];

fn plain_type(written: &str) -> ControlFlow<String> {
    let name = written.to_ascii_lowercase();
    let name = name.trim_end_matches("[]");
    let name = name.split('(').next().unwrap_or_default().trim();
    if TYPES.contains(&name) {
        ControlFlow::Continue(())
    } else {
        refuse(format!("values are not made into {written} here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str) -> bool {
        screen(sql).is_err()
    }

    #[test]
    fn a_select_is_written_anew_from_its_own_tokens() {
        let screened = screen(
            "select l.id, count(*) /* all */ from public.leads l -- of them\n where tenant_id = $1 and name like 'o''x%' \
             group by l.id;",
        )
        .unwrap();

        assert_eq!(
            screened.text,
            "select l . id , count ( * ) from public . leads l where tenant_id = $1 and name like 'o''x%' group by l . id "
        );
        assert_eq!(screened.functions, ["count".to_owned()].into());
        assert_eq!(screened.tables, ["leads".to_owned()].into());
        assert_eq!((screened.parameters, screened.compares_tenant), (1, true));
    }

    #[test]
    fn what_grows_with_each_level_is_refused() {
        let columns = |of: &str| vec![of; 60].join(", ");
        let mut sql = "SELECT name AS s FROM leads".to_owned();
        for _ in 0..5 {
            let all = (0..60).map(|number| format!("a{number}")).collect::<Vec<_>>();
            sql = format!(
                "SELECT {} AS s FROM (SELECT {} FROM ({sql}) AS q) AS r({})",
                all.join(" || "),
                columns("q.*"),
                all.join(", "),
            );
        }
        assert!(refused(&sql), "wildcards are everything once more");

        let nested = |depth| format!("SELECT {}'x'{}", "lower(".repeat(depth), ")".repeat(depth));
        assert!(!refused(&nested(DEEPEST)));
        assert!(refused(&nested(DEEPEST + 1)));
        assert!(refused("SELECT 'a\0b'"));
    }

    #[test]
    fn what_is_written_as_text_again_and_again_is_refused() {
        let written = |levels| {
            let mut sql = "SELECT '\"\\' AS s".to_owned();
            for _ in 0..levels {
                sql = format!("SELECT ARRAY[s]::text AS s FROM ({sql}) AS q");
            }
            format!("SELECT id FROM leads, ({sql}) AS q WHERE name > s")
        };

        assert!(!refused(&written(3)));
        assert!(refused(&written(24)));
    }

    #[test]
    fn a_text_is_no_name_and_of_no_type_but_those_that_are_known() {
        for sql in [
            "SELECT 1 AS 'x'",
            "SELECT 1 'x'",
            "SELECT id 'x' FROM leads",
            "SELECT count(*) 'x' FROM leads",
            "SELECT regclass 'pg_authid'",
            "SELECT bit(83886080) '1'",
            "SELECT bpchar(10485760) 'x'",
            "SELECT \"regclass\" 'leads'",
            "SELECT id FROM leads AS 'x'",
            "SELECT id FROM leads 'x'",
            "WITH 'x' AS (SELECT 1) SELECT 1",
            "SELECT 'a' 'b'",
            "SELECT $1 'b'",
        ] {
            assert!(refused(sql), "{sql}");
        }
        for sql in [
            "SELECT 'x', 'y' || 'z'",
            "SELECT date '2026-11-22', interval '1 day', timestamptz '2026-11-22 00:00Z'",
            "SELECT id FROM leads WHERE name LIKE 'x%' ESCAPE '\\' AND name NOT ILIKE 'y%' OR name = ANY (ARRAY['x'])",
            "SELECT CASE name WHEN 'x' THEN 'y' ELSE 'z' END FROM leads",
            "SELECT created_at AT TIME ZONE 'UTC' FROM leads WHERE name BETWEEN 'a' AND 'b'",
            "SELECT position('x' in name), trim(both 'x' from name) FROM leads",
            "SELECT id FROM leads WHERE name IS DISTINCT FROM 'x' ORDER BY name COLLATE \"C\" LIMIT '1'",
        ] {
            assert_eq!(screen(sql).err(), None, "{sql}");
        }
    }

    #[test]
    fn what_the_statement_names_itself_is_no_table() {
        let screened =
            screen("WITH recent AS (SELECT id FROM leads) SELECT * FROM recent JOIN users u ON true")
                .unwrap();

        assert_eq!(screened.tables, ["leads".to_owned(), "users".to_owned()].into());
        assert!(!screened.compares_tenant);
    }

    #[test]
    fn a_quote_behind_a_backslash_ends_no_text() {
        let screened = screen(r"SELECT '\' AS a, ' OR 1=1 --'").unwrap();
        assert_eq!(screened.text, r"SELECT '\' AS a , ' OR 1=1 --' ");
        assert!(refused(r"SELECT E'\'' , '; DELETE FROM leads; --'"));
    }

    #[test]
    fn nothing_but_one_select_passes() {
        for sql in [
            "",
            ";",
            "DELETE FROM leads",
            "SELECT 1; SELECT 2",
            "SELECT 1;; SELECT 2",
            "WITH gone AS (DELETE FROM leads RETURNING *) SELECT * FROM gone",
            "WITH made AS (INSERT INTO leads DEFAULT VALUES RETURNING *) SELECT * FROM made",
            "SELECT * INTO copy FROM leads",
            "SELECT * FROM leads FOR UPDATE",
            "SELECT * FROM (SELECT * FROM leads FOR SHARE) x",
            "TABLE leads",
            "EXPLAIN ANALYZE SELECT 1",
            "COPY leads TO '/tmp/x'",
            "DO $$ BEGIN END $$",
            "SET ROLE postgres",
            "SELECT * FROM pg_catalog.pg_authid",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM perf.samples",
            "WITH pg_authid AS (SELECT 1) SELECT * FROM pg_authid",
            "SELECT U&'\\0041'",
            "SELECT X'41'",
            "SELECT $$text$$",
            "SELECT '1'::bit(80000000)",
            "SELECT CAST('x' AS char(10000000))",
            "SELECT * FROM leads TABLESAMPLE SYSTEM (1)",
            "SELECT public.search_leads('x')",
            "SELECT ѕet_config('a', 'b', true)",
            "SELECT \"se\"\"t\" FROM leads",
            "VALUES (1); DROP TABLE leads",
        ] {
            assert!(refused(sql), "{sql}");
        }
    }

    #[test]
    fn bombs_are_not_let_off() {
        let mut doubling = "SELECT 'x' || 'x' AS s".to_owned();
        for _ in 0..40 {
            doubling = format!("SELECT s || s AS s FROM ({doubling}) q");
        }
        let deep = format!("SELECT {}1{}", "(".repeat(1_500), ")".repeat(1_500));
        let long = format!("SELECT 1{}", " + 1".repeat(3_000));
        let chain = format!("SELECT 1{}", " + 1".repeat(1_900));
        let unions = format!("SELECT 1{}", " UNION SELECT 1".repeat(1_300));
        let joins = format!("SELECT 1 FROM leads{}", " CROSS JOIN leads".repeat(20));
        for bomb in [&doubling, &deep, &long, &joins] {
            assert!(refused(bomb), "{}", &bomb[..60]);
        }
        // These are long, and no more.
        assert!(screen(&chain).is_ok());
        assert!(screen(&unions).is_ok());
    }
}

use std::time::Duration;

use fairlead_domain::upstreams::{BreakerNews, Hold, Numbered};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// News as they stand in Redis, behind their number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Record {
    Opened {
        for_us: u64,
    },
    Closed,
    Held {
        operator: String,
        reason: String,
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339::option")]
        until: Option<OffsetDateTime>,
    },
    LetGo,
}

pub(super) fn write(news: &BreakerNews) -> String {
    let record = match news {
        BreakerNews::Opened(left) => Record::Opened {
            for_us: micros(*left),
        },
        BreakerNews::Closed => Record::Closed,
        BreakerNews::Held(hold) => Record::Held {
            operator: hold.operator.clone(),
            reason: hold.reason.clone(),
            since: hold.since,
            until: hold.until,
        },
        BreakerNews::LetGo => Record::LetGo,
    };
    serde_json::to_string(&record).expect("a record is plain data")
}

/// Reads what was written; `now_us` is the server's moment, by which the numbers go. `None`: another version wrote it.
pub(super) fn read(text: &str, now_us: u64) -> Option<Numbered> {
    let (number, record) = text.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    let news = match serde_json::from_str(record).ok()? {
        Record::Opened { for_us } => {
            let until = number.saturating_add(for_us);
            BreakerNews::Opened(Duration::from_micros(until.saturating_sub(now_us)))
        }
        Record::Closed => BreakerNews::Closed,
        Record::Held {
            operator,
            reason,
            since,
            until,
        } => BreakerNews::Held(Hold {
            operator,
            reason,
            since,
            until,
        }),
        Record::LetGo => BreakerNews::LetGo,
    };
    Some(Numbered { number, news })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let hold = Hold {
            operator: "olga".to_owned(),
            reason: "it bills twice".to_owned(),
            since: OffsetDateTime::UNIX_EPOCH,
            until: None,
        };
        for news in [BreakerNews::Closed, BreakerNews::LetGo, BreakerNews::Held(hold)] {
            let read = read(&format!("7 {}", write(&news)), 9).unwrap();
            assert_eq!(read, Numbered { number: 7, news });
        }
    }

    #[test]
    fn a_service_that_is_not_to_be_called_for_a_while_is_so_for_what_is_left_of_it() {
        let text = format!("1000000 {}", write(&BreakerNews::Opened(Duration::from_secs(3))));
        let left = |now| read(&text, now).unwrap().news;

        assert_eq!(left(1_000_000), BreakerNews::Opened(Duration::from_secs(3)));
        assert_eq!(left(3_500_000), BreakerNews::Opened(Duration::from_millis(500)));
        assert_eq!(left(9_000_000), BreakerNews::Opened(Duration::ZERO));
    }

    #[test]
    fn what_another_version_wrote_is_passed_over() {
        for text in [
            "",
            "7",
            "7 {}",
            "x {\"kind\":\"closed\"}",
            "7 {\"kind\":\"rusted\"}",
        ] {
            assert_eq!(read(text, 0), None, "{text:?}");
        }
    }
}

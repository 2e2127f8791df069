use serde::{Deserialize, Serialize};

/// What is watched. Its unit is part of its name, as it is everywhere where a bare number crosses a border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    ResponseP95Ms,
    ErrorShare,
    QueryP95Ms,
    PoolShare,
    MemoryShare,
    /// By how many bytes the process has grown in an hour.
    MemoryGrowthBytes,
    CpuShare,
    Sockets,
    SocketMessagesPerMinute,
    CacheHitShare,
    /// How many entries had to go for others, of those that were stored.
    CacheEvictionShare,
    QueueDepth,
    QueueWaitSeconds,
    /// How much is used of what there is.
    CapacityShare,
    /// In how many days a limit is likely to be reached.
    CapacityDaysLeft,
    BreakersOpen,
}

/// On which side of its thresholds a value is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bad {
    Above,
    Below,
}

impl Metric {
    pub const ALL: [Self; 16] = [
        Self::ResponseP95Ms,
        Self::ErrorShare,
        Self::QueryP95Ms,
        Self::PoolShare,
        Self::MemoryShare,
        Self::MemoryGrowthBytes,
        Self::CpuShare,
        Self::Sockets,
        Self::SocketMessagesPerMinute,
        Self::CacheHitShare,
        Self::CacheEvictionShare,
        Self::QueueDepth,
        Self::QueueWaitSeconds,
        Self::CapacityShare,
        Self::CapacityDaysLeft,
        Self::BreakersOpen,
    ];

    /// As it is stored, and told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResponseP95Ms => "responseP95Ms",
            Self::ErrorShare => "errorShare",
            Self::QueryP95Ms => "queryP95Ms",
            Self::PoolShare => "poolShare",
            Self::MemoryShare => "memoryShare",
            Self::MemoryGrowthBytes => "memoryGrowthBytes",
            Self::CpuShare => "cpuShare",
            Self::Sockets => "sockets",
            Self::SocketMessagesPerMinute => "socketMessagesPerMinute",
            Self::CacheHitShare => "cacheHitShare",
            Self::CacheEvictionShare => "cacheEvictionShare",
            Self::QueueDepth => "queueDepth",
            Self::QueueWaitSeconds => "queueWaitSeconds",
            Self::CapacityShare => "capacityShare",
            Self::CapacityDaysLeft => "capacityDaysLeft",
            Self::BreakersOpen => "breakersOpen",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == text)
    }

    /// On which side it is bad.
    pub fn bad(self) -> Bad {
        match self {
            Self::CacheHitShare | Self::CapacityDaysLeft => Bad::Below,
            _ => Bad::Above,
        }
    }
}

impl Bad {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }

    /// Whether one value is worse than another.
    pub fn is_worse(self, value: f64, than: f64) -> bool {
        match self {
            Self::Above => value > than,
            Self::Below => value < than,
        }
    }
}

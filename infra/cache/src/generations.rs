//! Which tags were bumped, and up to where a load must read for it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;

use crate::hash::Mixer;

/// A power of two. Two tags that share a slot invalidate each other, which costs a load. Where a thousand changes a second
/// bump two tags each of which nobody has heard before, an answer of four tags is so lost once in two minutes; the slots
/// take 4 MiB, once all pages of them are in use.
const SLOTS: usize = 1 << 20;
/// Slots of a page, of which each takes memory from the first bump on.
const PAGE: usize = 1 << 10;
/// A power of two, of at most as many. Two tags that share a fence ask for the later position of both.
const FENCES: usize = 1 << 16;
/// Fences are read and raised under a lock, of which there are this many.
const STRIPES: usize = 64;
/// How many commits this process knows to be told here; a power of two.
const SETTLED: usize = 1 << 13;

/// A tag of a tenant, as the processes tell it to each other: 64 bits of a hash that is the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagHash(pub(crate) u64);

impl TagHash {
    pub(crate) fn of(tenant: TenantId, tag: Tag) -> Self {
        let mixer = Mixer::new(tenant.as_uuid().as_u128());
        Self(mixer.mix(code_of_tag(tag)).mix_wide(tag.id_bits()).finish())
    }

    /// The tag that every answer of a namespace has without saying so.
    pub(crate) fn of_namespace(tenant: TenantId, namespace: Namespace) -> Self {
        let mixer = Mixer::new(tenant.as_uuid().as_u128());
        Self(mixer.mix(1_000 + code_of_namespace(namespace)).finish())
    }

    /// The tag of an answer itself, by which it alone is dropped.
    pub(crate) fn of_key(tenant: TenantId, key: &CacheKey) -> Self {
        let mixer = Mixer::new(tenant.as_uuid().as_u128()).mix(2_000 + code_of_namespace(key.namespace()));
        let words = key.variant().as_bytes().chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        Self(words.fold(mixer, Mixer::mix).finish())
    }

    fn slot(self) -> usize {
        usize::try_from(self.0 & (SLOTS as u64 - 1)).expect("there are fewer slots")
    }
}

/// Processes of different releases tell each other of tags, so the number of a kind is never another's.
fn code_of_tag(tag: Tag) -> u64 {
    match tag {
        Tag::Whole => 1,
        Tag::Leads => 2,
        Tag::Lead(_) => 3,
        Tag::Statistics => 4,
        Tag::Activities => 5,
        Tag::LeadActivities(_) => 6,
        Tag::Users => 7,
        Tag::User(_) => 8,
        Tag::Agents => 9,
        Tag::Carriers => 10,
        Tag::Carrier(_) => 11,
        Tag::Tenant => 12,
        Tag::ApiKeys => 13,
    }
}

/// The same of namespaces.
fn code_of_namespace(namespace: Namespace) -> u64 {
    match namespace {
        Namespace::LeadList => 0,
        Namespace::Lead => 1,
        Namespace::LeadStatistics => 2,
        Namespace::LeadSearch => 3,
        Namespace::ActivityList => 4,
        Namespace::Activity => 5,
        Namespace::UserList => 6,
        Namespace::User => 7,
        Namespace::AgentList => 8,
        Namespace::CarrierList => 9,
        Namespace::Carrier => 10,
        Namespace::Tenant => 11,
        Namespace::Me => 12,
    }
}

/// A generation per tag, and the position of the commit that bumped it last. Of constant size, whatever is cached.
pub(crate) struct Generations {
    /// They may overflow: an answer is gone long before a slot was bumped as often.
    counts: Box<[OnceLock<Box<[AtomicU32]>>]>,
    /// Those of a stripe begin with the first that is raised.
    fences: Box<[Mutex<Box<[LogPosition]>>]>,
    settled: Box<[Settled]>,
    began: Instant,
    /// Bumped to invalidate everything at once.
    era: AtomicU64,
}

/// A commit that this process knows to be told here.
#[derive(Default)]
struct Settled {
    commit: AtomicU64,
    /// In milliseconds since this process began.
    at: AtomicU64,
}

/// The generations of an answer's tags at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    era: u64,
    slots: Box<[(u32, u32)]>,
}

impl Snapshot {
    /// Roughly what it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<(u32, u32)>()
    }
}

impl Generations {
    pub(crate) fn new() -> Self {
        Self {
            counts: (0..SLOTS / PAGE).map(|_| OnceLock::new()).collect(),
            fences: (0..STRIPES).map(|_| Mutex::default()).collect(),
            settled: (0..SETTLED).map(|_| Settled::default()).collect(),
            began: Instant::now(),
            era: AtomicU64::new(0),
        }
    }

    /// Invalidates what depends on `tags`; what is loaded next must see at least `position`, if it is known.
    pub(crate) fn bump(&self, tags: impl IntoIterator<Item = TagHash>, position: LogPosition) {
        for tag in tags {
            let slot = tag.slot();
            // Invariant: the fence is raised before the generation. Who sees the new generation sees the fence, too.
            if position != LogPosition::UNKNOWN {
                let (mut stripe, place) = self.fence_of(slot);
                if stripe.is_empty() {
                    *stripe = vec![LogPosition::UNKNOWN; FENCES / STRIPES].into();
                }
                stripe[place] = stripe[place].latest(position);
            }
            let page =
                self.counts[slot / PAGE].get_or_init(|| (0..PAGE).map(|_| AtomicU32::new(0)).collect());
            page[slot % PAGE].fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Invalidates everything.
    pub(crate) fn bump_everything(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
    }

    /// Reads the generations of `tags`: to be done before the load, and before [`Generations::fence`].
    pub(crate) fn snapshot(&self, tags: impl Iterator<Item = TagHash>) -> Snapshot {
        let era = self.era.load(Ordering::Acquire);
        let slots = tags.map(|tag| {
            let slot = tag.slot();
            let number = u32::try_from(slot).expect("there are fewer slots");
            (number, self.count(slot))
        });
        Snapshot {
            era,
            slots: slots.collect(),
        }
    }

    /// The generation of a tag alone.
    pub(crate) fn mark(&self, tag: TagHash) -> u32 {
        self.count(tag.slot())
    }

    /// Whether no tag of the snapshot has been bumped since.
    pub(crate) fn holds(&self, snapshot: &Snapshot) -> bool {
        snapshot.era == self.era.load(Ordering::Acquire)
            && snapshot
                .slots
                .iter()
                .all(|&(slot, generation)| self.now(slot) == generation)
    }

    fn now(&self, slot: u32) -> u32 {
        self.count(slot as usize)
    }

    fn count(&self, slot: usize) -> u32 {
        let page = self.counts[slot / PAGE].get();
        page.map_or(0, |page| page[slot % PAGE].load(Ordering::Acquire))
    }

    /// The generations of a snapshot, and those of now.
    pub(crate) fn compare(&self, snapshot: &Snapshot) -> Vec<(u64, u64)> {
        let slots = snapshot.slots.iter();
        slots
            .map(|&(slot, generation)| (u64::from(generation), u64::from(self.now(slot))))
            .collect()
    }

    /// Up to where a load must read that depends on the tags of `snapshot`.
    pub(crate) fn fence(&self, snapshot: &Snapshot) -> LogPosition {
        let fences = snapshot.slots.iter().map(|&(slot, _)| {
            let (stripe, place) = self.fence_of(slot as usize);
            stripe.get(place).copied().unwrap_or(LogPosition::UNKNOWN)
        });
        fences.fold(LogPosition::UNKNOWN, LogPosition::latest)
    }

    /// Notes that the bumps of a commit, and all that were told before them, have arrived here.
    pub(crate) fn settle(&self, tenant: TenantId, position: LogPosition) {
        if position.mark == 0 {
            return;
        }
        let hash = commit_hash(tenant, position);
        let settled = &self.settled[settled_slot(hash)];
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Invariant: whoever reads the commit reads its moment, or a later one.
        settled.at.fetch_max(at, Ordering::AcqRel);
        settled.commit.store(hash, Ordering::Release);
    }

    /// When [`Generations::settle`] was called for this commit; `None` also when that is long ago, and when no commit is
    /// meant: two that ended at one place are told one after the other.
    pub(crate) fn settled_at(&self, tenant: TenantId, position: LogPosition) -> Option<Instant> {
        if position.mark == 0 {
            return None;
        }
        let hash = commit_hash(tenant, position);
        let settled = &self.settled[settled_slot(hash)];
        if settled.commit.load(Ordering::Acquire) != hash {
            return None;
        }
        // The next whole millisecond.
        let at = settled.at.load(Ordering::Acquire).saturating_add(1);
        self.began.checked_add(Duration::from_millis(at))
    }

    /// Where the fence of a slot lies. Those of neighbouring slots lie in different stripes.
    fn fence_of(&self, slot: usize) -> (MutexGuard<'_, Box<[LogPosition]>>, usize) {
        let fence = slot % FENCES;
        let stripe = self.fences[fence % STRIPES].lock();
        (stripe.unwrap_or_else(PoisonError::into_inner), fence / STRIPES)
    }
}

impl std::fmt::Debug for Generations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generations").finish_non_exhaustive()
    }
}

fn commit_hash(tenant: TenantId, position: LogPosition) -> u64 {
    Mixer::new(tenant.as_uuid().as_u128())
        .mix(u64::from(position.timeline))
        .mix(position.lsn)
        .mix(u64::from(position.mark))
        .finish()
        // Zero is the empty slot.
        | 1 << 63
}

fn settled_slot(hash: u64) -> usize {
    usize::try_from(hash & (SETTLED as u64 - 1)).expect("there are fewer slots")
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    const TENANT: u128 = 0x0193_4f6e_7b1a_7cc3_98a4_0242_ac12_0001;
    const ID: u128 = 0x0193_4f6e_7b1a_7cc3_98a4_0242_ac12_0002;

    fn tenant() -> TenantId {
        Id::from_uuid(Uuid::from_u128(TENANT))
    }

    fn id<T>() -> Id<T> {
        Id::from_uuid(Uuid::from_u128(ID))
    }

    /// Tags of other tenants' new things are all new, and their slots are any.
    #[test]
    fn what_others_change_seldom_drops_an_answer() {
        let lead = |number: u128| Tag::Lead(Id::from_uuid(Uuid::from_u128(number)));
        let other = Id::from_uuid(Uuid::from_u128(TENANT + 1));
        let generations = Generations::new();
        let answers: Vec<_> = (0..1_000)
            .map(|answer| {
                let tags = (0..4).map(|tag| TagHash::of(tenant(), lead(4 * answer + tag)));
                generations.snapshot(tags)
            })
            .collect();

        let changed = (0..10_000).map(|number| TagHash::of(other, lead(number)));
        generations.bump(changed, LogPosition::UNKNOWN);

        let left = answers.iter().filter(|answer| generations.holds(answer)).count();
        assert!(left > 900, "{left} of 1,000 are left");
    }

    /// While a new release is rolled out, the old one must know what the new one tells it of, and the other way round.
    #[test]
    fn what_is_told_of_a_tag_is_the_same_in_every_release() {
        let tags = [
            Tag::Whole,
            Tag::Leads,
            Tag::Lead(id()),
            Tag::Statistics,
            Tag::Activities,
            Tag::LeadActivities(id()),
            Tag::Users,
            Tag::User(id()),
            Tag::Agents,
            Tag::Carriers,
            Tag::Carrier(id()),
            Tag::Tenant,
            Tag::ApiKeys,
        ];
        let of_tags = tags.map(|tag| TagHash::of(tenant(), tag).0);
        let of_namespaces = Namespace::ALL.map(|namespace| TagHash::of_namespace(tenant(), namespace).0);
        let of_key = TagHash::of_key(tenant(), &CacheKey::new(Namespace::LeadList, "status=NEW"));

        assert_eq!(of_tags, OF_TAGS);
        assert_eq!(of_namespaces, OF_NAMESPACES);
        assert_eq!(of_key.0, OF_KEY);
    }

    /// As the first release that shared a cache told them.
    const OF_TAGS: [u64; 13] = [
        0xae93_1e16_20ed_647a,
        0x7e7f_6abf_dba7_81c1,
        0x99f3_0e57_8664_59c8,
        0xfd20_92ee_65f5_baf0,
        0xe56e_03f1_1be3_e659,
        0xbee6_728c_6af1_e463,
        0xf786_781b_833f_5319,
        0x6639_a5e8_4863_9646,
        0xdf03_8eb0_2064_7044,
        0x90b0_e613_d153_d332,
        0xb3bb_e734_fb24_e554,
        0x8dcf_f96e_a68a_6330,
        0x4cb9_b3c2_05cd_e599,
    ];
    const OF_NAMESPACES: [u64; 13] = [
        0x51b7_16d2_066a_3148,
        0x9d5c_39fa_fb14_22e6,
        0xb7b1_48ac_da04_d2d4,
        0xd9b7_2537_9ef1_4254,
        0xea22_a4c4_9af6_480d,
        0xcc79_d631_d817_1018,
        0x7e5f_f839_d344_efba,
        0x0f9c_42b6_f016_defb,
        0x472c_b588_0035_af28,
        0x7948_27d2_0d83_3067,
        0xb925_caf6_6bea_8738,
        0x17a4_a3a4_577c_b66d,
        0x51e7_6fb3_5b14_3c4d,
    ];
    const OF_KEY: u64 = 0x72da_71d2_928e_87e0;
}

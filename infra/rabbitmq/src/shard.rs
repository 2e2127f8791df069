use fairlead_domain::identity::TenantId;

/// How many queues share the work.
pub(crate) const SHARDS: u32 = 10;

/// The queue that a tenant's events go to. One tenant has one, so its events keep their order.
///
/// A 32-bit hash over the characters of the id, `h × 31 + c`, without its sign, modulo the number of queues.
pub(crate) fn shard(tenant: TenantId) -> u32 {
    let text = tenant.to_string();
    let hash = text.chars().fold(0_i32, |hash, character| {
        // Characters of an id are ASCII.
        hash.wrapping_mul(31).wrapping_add(character as i32)
    });
    hash.unsigned_abs() % SHARDS
}

#[cfg(test)]
mod tests {
    use fairlead_domain::identity::TenantId;

    use super::*;

    #[test]
    fn a_tenant_has_the_same_shard_for_ever() {
        // By String.hashCode() of Java, which is the same function: abs(hash) % 10.
        let tenant: TenantId = "01934f6e-7b1a-7cc3-98a4-0242ac120002".parse().unwrap();
        let nil: TenantId = "00000000-0000-0000-0000-000000000000".parse().unwrap();

        assert_eq!((shard(tenant), shard(nil)), (4, 8));
    }

    #[test]
    fn tenants_spread_over_all_shards() {
        let mut counts = [0; SHARDS as usize];
        for number in 0..10_000_u64 {
            // Numbers that have nothing in common: the golden ratio, multiplied.
            let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let text = format!("01934f6e-0000-7000-8000-{:012x}", scattered >> 16);
            let tenant: TenantId = text.parse().unwrap();
            counts[shard(tenant) as usize] += 1;
        }

        assert!(
            counts.iter().all(|count| (700..1300).contains(count)),
            "{counts:?}"
        );
    }
}

use super::{CREATED, Case, btree, leads, there, workload};
use crate::performance::index_advice::{ExistingIndex, Index};

/// What several statements share, and what is there and does not help.
pub(in super::super) fn shared() -> Vec<Case> {
    let with = |name, shapes, existing, expected: &[&'static str]| Case {
        name,
        workload: workload(shapes, existing),
        expected: expected.iter().map(|one| vec![*one]).collect(),
    };
    let by_status = || leads().equal("status").by(CREATED, 50.0);
    let partial = Index {
        only: vec!["source = 'web'".to_owned()],
        ..btree("leads", "tenant_id, status, created_at desc")
    };
    let invalid = ExistingIndex {
        is_invalid: true,
        ..there("broken", btree("leads", "tenant_id, status, created_at desc"))
    };
    vec![
        with(
            "one is the beginning of the other",
            vec![by_status(), leads().equal("status").named("count")],
            vec![],
            &["leads (tenant_id, status, created_at DESC)"],
        ),
        with(
            "both compare the same",
            vec![
                leads().equal_of("assigned_to", 0.05),
                leads().equal_of("assigned_to", 0.05).equal("status").named("two"),
            ],
            vec![],
            &["leads (tenant_id, assigned_to, status)"],
        ),
        with(
            "they have nothing in common",
            vec![leads().equal("zip_code"), leads().equal("email").named("two")],
            vec![],
            &["leads (tenant_id, zip_code)", "leads (tenant_id, email)"],
        ),
        with(
            "what is there does not sort",
            vec![by_status()],
            vec![there("by_status", btree("leads", "tenant_id, status"))],
            &["leads (tenant_id, status, created_at DESC)"],
        ),
        with(
            "what is there is broken",
            vec![by_status()],
            vec![invalid],
            &["leads (tenant_id, status, created_at DESC)"],
        ),
        with(
            "what is there has other rows",
            vec![by_status()],
            vec![there("web", partial)],
            &["leads (tenant_id, status, created_at DESC)"],
        ),
    ]
}

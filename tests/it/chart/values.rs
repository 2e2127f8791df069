//! Values that are refused, and what is said of them.

use super::{VERSIONS, helm};

#[test]
fn values_that_cannot_be_meant_are_refused_with_what_is_wrong() {
    let faults: &[(&[&str], &str)] = &[
        (&["--set", "api.replicas=two"], "api.replicas"),
        (&["--set", "api.autoscaling.minReplicas=0"], "minReplicas"),
        (&["--set", "api.autoscaling.cpuPercent=170"], "cpuPercent"),
        (&["--set", "preset=production"], "preset"),
        (&["--set", "replicaCount=3"], "replicaCount"),
        // A key that is spelled wrong, one that holds a secret, and one that the chart sets itself.
        (&["--set", r"config.databse\.pool\.max=4"], "databse.pool.max"),
        (
            &["--set", r"config.database\.url=postgres://a:b@c/d"],
            "database.url",
        ),
        (&["--set", r"config.http\.port=9000"], "http.port"),
        (&["--set", r"worker.config.roles=api"], "roles"),
        // A Secret without its entry, and one for a key that is none.
        (&["--set", r"secrets.kit\.api_key.name=kit"], "key is required"),
        (
            &["--set", r"secrets.log\.filter.name=a,secrets.log\.filter.key=b"],
            "log.filter",
        ),
        (&["--set", "signingKeys.secretName="], "secretName"),
        (&["--set", "image.digest=sha256:abc"], "digest"),
        (&["--set", "drain.preStopSeconds=0"], "preStopSeconds"),
        (
            &["--set", "monitoring.thresholds.errorObjective=0"],
            "errorObjective",
        ),
        (&["--set", "service.type=Ingress"], "service.type"),
        // More connections than the database takes.
        (
            &["--set", "api.autoscaling.maxReplicas=40"],
            "lower database.pool.max",
        ),
        (
            &["--set", r"config.database\.pool\.max=20"],
            "but it has 187 for them",
        ),
        (&["--kube-version", "1.28"], "kubeVersion"),
    ];

    for (arguments, said) in faults {
        let refused = helm(VERSIONS[1], arguments).expect_err(&format!("{arguments:?}"));
        assert!(refused.contains(said), "{arguments:?}: {refused}");
    }
}

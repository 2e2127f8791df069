//! What the manifests say.

use serde_json::{Value, json};

use super::{PRESETS, Rendered, VERSIONS, combinations};

/// The containers of a document that runs something.
fn pod(document: &Value) -> &Value {
    let template = &document["spec"]["template"]["spec"];
    if template.is_null() {
        &document["spec"]
    } else {
        template
    }
}

fn is_ours(container: &Value) -> bool {
    container["image"].as_str().unwrap().starts_with("fairlead:")
}

fn variable<'c>(container: &'c Value, name: &str) -> &'c str {
    let mut variables = container["env"].as_array().unwrap().iter();
    let found = variables.find(|variable| variable["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))["value"]
        .as_str()
        .unwrap()
}

#[test]
fn kubernetes_takes_every_documented_combination_of_values() {
    let [oldest, newest] = VERSIONS;
    let presets = PRESETS.map(|preset| (oldest, vec![format!("presets/{preset}")]));
    let all = combinations().into_iter().map(|files| (newest, files));
    for (version, files) in presets.into_iter().chain(all) {
        let rendered = Rendered::judged(version, &files);

        assert_eq!(rendered.faults, [""; 0], "{files:?}");
        assert!(rendered.of_kind("Deployment").count() > 0);
    }
}

#[test]
fn production_scales_as_it_should() {
    let rendered = Rendered::production();

    let api = &rendered.find("HorizontalPodAutoscaler", "fairlead-api-hpa")["spec"];
    assert_eq!(
        (&api["minReplicas"], &api["maxReplicas"]),
        (&json!(3), &json!(20))
    );
    assert_eq!(
        api["metrics"],
        json!([
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}}},
            {"type": "Pods", "pods": {"metric": {"name": "active_connections"},
                                      "target": {"type": "AverageValue", "averageValue": "100"}}},
            {"type": "Pods", "pods": {"metric": {"name": "http_requests_per_second"},
                                      "target": {"type": "AverageValue", "averageValue": "1000"}}},
        ])
    );
    assert_eq!(
        api["behavior"],
        json!({
            "scaleUp": {"stabilizationWindowSeconds": 60,
                        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
            "scaleDown": {"stabilizationWindowSeconds": 300,
                          "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]},
        })
    );
    // By how long jobs wait, which the adapter makes of our metrics.
    let worker = &rendered.find("HorizontalPodAutoscaler", "fairlead-worker-hpa")["spec"];
    let external = &worker["metrics"][1]["external"];
    assert_eq!(external["target"], json!({"type": "Value", "value": "10"}));
    let name = external["metric"]["name"].as_str().unwrap();
    let adapter = &rendered.find("ConfigMap", "fairlead-metrics-adapter")["data"]["config.yaml"];
    assert!(
        adapter
            .as_str()
            .unwrap()
            .contains(&format!("name: {{as: {name}}}"))
    );
}

#[test]
fn on_a_budget_processes_are_given_back_when_the_processor_idles_for_ten_minutes() {
    let rendered = Rendered::with(&["presets/cost-optimized".to_owned()]);

    let api = &rendered.find("HorizontalPodAutoscaler", "fairlead-api-hpa")["spec"];

    assert_eq!(
        (&api["minReplicas"], &api["maxReplicas"]),
        (&json!(2), &json!(10))
    );
    let down = &api["behavior"]["scaleDown"];
    assert_eq!(down["stabilizationWindowSeconds"], 600);
    // 30 is 0.571 below 70.
    assert_eq!(down["tolerance"], "0.571");
}

#[test]
fn a_process_has_the_time_that_it_takes_to_end() {
    for (_, rendered) in Rendered::all() {
        for deployment in rendered.of_kind("Deployment") {
            let pod = pod(deployment);
            let container = &pod["containers"][0];

            let seconds = |name| variable(container, name).parse::<u64>().unwrap() / 1000;
            let own = seconds("FAIRLEAD__HTTP__DRAIN_MS")
                + seconds("FAIRLEAD__HTTP__SHUTDOWN_TIMEOUT_MS")
                + seconds("FAIRLEAD__JOBS__STOP_TIMEOUT_MS");
            let sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
                .as_u64()
                .unwrap();
            let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            // Two more, in which Redis is told, and three for traces.
            assert!(grace > own + sleep + 2 + 3, "{grace} for {own} after {sleep}");
            assert!(sleep > 0);
        }
    }
}

#[test]
fn every_role_is_somebodys() {
    for (files, rendered) in Rendered::all() {
        let mut roles: Vec<&str> = rendered
            .of_kind("Deployment")
            .flat_map(|deployment| variable(&pod(deployment)["containers"][0], "FAIRLEAD__ROLES").split(','))
            .collect();
        roles.sort_unstable();

        assert_eq!(roles, ["api", "relay", "scheduler", "worker"], "{files:?}");
    }
}

#[test]
fn the_schema_is_brought_up_to_date_before_anything_is_rolled_out() {
    let job = |rendered: &Rendered| rendered.find("Job", "fairlead-migrate").clone();
    let hooks = |job: &Value| job["metadata"]["annotations"]["helm.sh/hook"].clone();

    let with_own = job(Rendered::production());
    assert_eq!(hooks(&with_own), "pre-install,pre-upgrade");
    assert_eq!(pod(&with_own)["containers"][0]["args"], json!(["migrate"]));
    // An account of the chart is not there yet before an installation.
    assert!(pod(&with_own)["serviceAccountName"].is_null());

    // A database of the chart is not there before it is installed, either: there, processes wait for the job.
    let values = format!("{}/presets/development.yaml", super::chart().display());
    let installed = job(&Rendered::of(&["--values", &values]));
    assert!(hooks(&installed).is_null());
    let upgraded = job(&Rendered::of(&["--values", &values, "--is-upgrade"]));
    assert_eq!(hooks(&upgraded), "pre-install,pre-upgrade");
}

#[test]
fn our_containers_may_do_nothing_that_they_need_not() {
    for (_, rendered) in Rendered::all() {
        for document in ["Deployment", "Job", "Pod"]
            .iter()
            .flat_map(|kind| rendered.of_kind(kind))
        {
            let pod = pod(document);
            assert_eq!(pod["automountServiceAccountToken"], false);
            assert_eq!(pod["enableServiceLinks"], false);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            for container in pod["containers"].as_array().unwrap() {
                let security = &container["securityContext"];
                assert_eq!(security["readOnlyRootFilesystem"], true);
                assert_eq!(security["allowPrivilegeEscalation"], false);
                assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
            }
        }
    }
}

#[test]
fn no_secret_stands_in_a_manifest() {
    for (_, rendered) in Rendered::all() {
        assert_eq!(rendered.of_kind("Secret").count(), 0);
        for deployment in rendered.of_kind("Deployment") {
            for variable in pod(deployment)["containers"][0]["env"].as_array().unwrap() {
                let name = variable["name"].as_str().unwrap();
                let value = variable["value"].as_str().unwrap_or_default();
                let is_secret = ["SECRET", "PASSWORD", "API_KEY"]
                    .iter()
                    .any(|part| name.contains(part));
                assert!(!is_secret || value.is_empty(), "{name} is {value}");
                // A URL has its password from another variable.
                let password = value.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
                if let Some((credentials, _)) = password {
                    assert!(credentials.ends_with("_PASSWORD)"), "{name} is {value}");
                }
            }
        }
    }
}

#[test]
fn keys_that_sign_are_mounted_as_the_program_takes_them() {
    let rendered = Rendered::production();

    let pod = pod(rendered.find("Deployment", "fairlead-api"));

    let volumes = pod["volumes"].as_array().unwrap();
    let keys = volumes.iter().find(|volume| volume["name"] == "keys").unwrap();
    // Root's, and our group may read them: nobody else, or the program refuses them.
    assert_eq!(keys["secret"]["defaultMode"], 0o440);
    assert_eq!(
        pod["securityContext"]["fsGroup"],
        pod["securityContext"]["runAsGroup"]
    );
    assert!(is_ours(&pod["containers"][0]));
}

"""Reads manifests, and checks those of kinds that Kubernetes itself has against its schemas.

Standard input is what Helm rendered; the arguments are versions of Kubernetes. Prints {"documents": [...], "faults": [...]}.
"""

import json
import sys

import yaml

versions = sys.argv[1:]
if versions:
    # It takes a while to load.
    import kubernetes_validate

documents = [document for document in yaml.load_all(sys.stdin, Loader=yaml.CSafeLoader) if document]
faults = []
for document in documents:
    if document.get("apiVersion", "").startswith("monitoring.coreos.com/"):
        continue
    for version in versions:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            name = "{}/{}".format(document["kind"], document["metadata"]["name"])
            faults.append("{} in {}: {}".format(name, version, getattr(error, "message", error)))
json.dump({"documents": documents, "faults": faults}, sys.stdout)

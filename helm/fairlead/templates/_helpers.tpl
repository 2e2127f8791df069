{{- define "fairlead.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "fairlead.fullname" -}}
{{- $name := include "fairlead.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fairlead.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "fairlead.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "fairlead.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "fairlead.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fairlead.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The Deployments there are, as `{"items": […]}`. */}}
{{- define "fairlead.components" -}}
{{- $items := list "api" -}}
{{- if .Values.worker.enabled }}{{ $items = append $items "worker" }}{{ end -}}
{{- if .Values.relay.enabled }}{{ $items = append $items "relay" }}{{ end -}}
{{- dict "items" $items | toJson -}}
{{- end -}}

{{/* What the processes of a Deployment do. What has no Deployment of its own is done by those of api. */}}
{{- define "fairlead.roles" -}}
{{- $values := .root.Values -}}
{{- if eq .component "worker" -}}
worker
{{- else if eq .component "relay" -}}
relay,scheduler
{{- else -}}
api{{ if not $values.worker.enabled }},worker{{ end }}{{ if not $values.relay.enabled }},relay,scheduler{{ end }}
{{- end -}}
{{- end -}}

{{/* The environment variable of a key. */}}
{{- define "fairlead.variable" -}}
FAIRLEAD__{{ . | replace "." "__" | upper }}
{{- end -}}

{{/* A value as the program reads it: Helm takes large whole numbers for fractions. */}}
{{- define "fairlead.scalar" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* Keys of a Deployment, merged: those of all, then its own. */}}
{{- define "fairlead.config" -}}
{{- $own := (index .root.Values .component) | default dict -}}
{{- mergeOverwrite (deepCopy .root.Values.config) (deepCopy (default dict $own.config)) | toJson -}}
{{- end -}}

{{/* All that a process is told. Takes root and component; component "migrate" is no Deployment. */}}
{{- define "fairlead.env" -}}
{{- $values := .root.Values -}}
{{- $bundled := $values.bundled -}}
{{- $fullname := include "fairlead.fullname" .root -}}
{{- $plain := include "fairlead.config" . | fromJson -}}
{{- $plain = merge (dict
  "preset" $values.preset
  "data_dir" "/var/lib/fairlead"
  "auth.keys_dir" "/etc/fairlead/keys"
  "http.host" $values.listen
  "http.port" 8080
  "http.drain_ms" (mul 1000 (int $values.drain.connectionsSeconds))
  "http.shutdown_timeout_ms" (mul 1000 (int $values.drain.requestsSeconds))
  "jobs.stop_timeout_ms" (mul 1000 (int $values.drain.jobsSeconds))
  "metrics.enabled" true
  "metrics.host" $values.listen
  "metrics.port" 9464
  "metrics.tenants" $values.metrics.tenants
) $plain -}}
{{- if ne .component "migrate" }}{{ $plain = set $plain "roles" (include "fairlead.roles" .) }}{{ end -}}
{{- range $key := keys $plain | sortAlpha }}
- name: {{ include "fairlead.variable" $key }}
  value: {{ include "fairlead.scalar" (get $plain $key) | quote }}
{{- end }}
{{- $composed := list -}}
{{- if $bundled.postgresql.enabled }}
{{- range $role := list "app" "owner" "system" }}
{{ include "fairlead.password" (dict "name" (printf "FAIRLEAD_BOOTSTRAP_%s_PASSWORD" (upper $role)) "secret" $bundled.secretName "key" (printf "%s-password" $role)) }}
{{- end }}
{{- range $key, $role := dict "database.url" "app" "database.system_url" "system" "database.owner_url" "owner" }}
{{- $composed = append $composed $key }}
- name: {{ include "fairlead.variable" $key }}
  value: {{ printf "postgres://fairlead_%s:$(FAIRLEAD_BOOTSTRAP_%s_PASSWORD)@%s-postgresql:5432/fairlead" $role (upper $role) $fullname | quote }}
{{- end }}
{{- end }}
{{- if $bundled.redis.enabled }}
{{- $composed = append $composed "cache.redis.url" }}
{{ include "fairlead.password" (dict "name" "REDIS_PASSWORD" "secret" $bundled.secretName "key" "redis-password") }}
- name: {{ include "fairlead.variable" "cache.redis.url" }}
  value: {{ printf "redis://:$(REDIS_PASSWORD)@%s-redis:6379/0" $fullname | quote }}
{{- end }}
{{- if $bundled.rabbitmq.enabled }}
{{- $composed = append $composed "events.amqp.url" }}
{{ include "fairlead.password" (dict "name" "RABBITMQ_PASSWORD" "secret" $bundled.secretName "key" "rabbitmq-password") }}
- name: {{ include "fairlead.variable" "events.amqp.url" }}
  value: {{ printf "amqp://fairlead:$(RABBITMQ_PASSWORD)@%s-rabbitmq:5672/%%2f" $fullname | quote }}
{{- end }}
{{- range $key, $of := $values.secrets }}
{{- if not (has $key $composed) }}
- name: {{ include "fairlead.variable" $key }}
  valueFrom:
    secretKeyRef: {name: {{ $of.name | quote }}, key: {{ $of.key | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "fairlead.password" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}
{{- end -}}

{{- define "fairlead.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
# The program takes signing keys that root owns and its group may read.
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "fairlead.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "fairlead.volumeMounts" -}}
- {name: data, mountPath: /var/lib/fairlead}
- {name: tmp, mountPath: /tmp}
- {name: keys, mountPath: /etc/fairlead/keys, readOnly: true}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "fairlead.volumes" -}}
- name: data
  emptyDir: {sizeLimit: 1Gi}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
- name: keys
  secret:
    secretName: {{ .Values.signingKeys.secretName | quote }}
    defaultMode: 0440
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Series of this installation. */}}
{{- define "fairlead.series" -}}
{{- if .Values.monitoring.selector -}}
{{ .Values.monitoring.selector }}
{{- else -}}
namespace="{{ .Release.Namespace }}",job="{{ include "fairlead.fullname" . }}-metrics"
{{- end -}}
{{- end -}}

{{/*
Fails where the processes could open more connections than the primary takes. A rollout of api and worker starts one
process more than there are. Each has a few connections beside its pools: it listens for events and jobs, or holds the lock.
*/}}
{{- define "fairlead.requireConnections" -}}
{{- $root := . -}}
{{- $sum := 1 -}}
{{- $parts := list "1 for the migration" -}}
{{- range $component := (include "fairlead.components" . | fromJson).items -}}
{{- $own := index $root.Values $component -}}
{{- $config := include "fairlead.config" (dict "root" $root "component" $component) | fromJson -}}
{{- $scaling := default dict $own.autoscaling -}}
{{- $processes := int $own.replicas -}}
{{- if $scaling.enabled }}{{ $processes = int $scaling.maxReplicas }}{{ end -}}
{{- if ne $component "relay" }}{{ $processes = add1 $processes }}{{ end -}}
{{- $beside := 1 -}}
{{- if or (ne $component "api") (not $root.Values.worker.enabled) }}{{ $beside = 2 }}{{ end -}}
{{- $each := add (int (get $config "database.pool.max")) (int (get $config "database.system_pool.max")) $beside -}}
{{- $sum = add $sum (mul $processes $each) -}}
{{- $parts = append $parts (printf "%d %s × %d" (int $processes) $component (int $each)) -}}
{{- end -}}
{{- $free := sub (int .Values.database.maxConnections) (int .Values.database.reservedConnections) -}}
{{- if gt (int $sum) (int $free) -}}
{{- fail (printf "the processes could open %d connections to the primary (%s), but it has %d for them: lower database.pool.max, database.system_pool.max or maxReplicas, or raise database.maxConnections (there, or by a pooler)" (int $sum) (join ", " $parts) (int $free)) -}}
{{- end -}}
{{- end -}}

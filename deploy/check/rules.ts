// What we demand of manifests beyond their schemas. Each rule gives one sentence per breach.
import { arrowBreaches } from "./arrows.ts";
import { monitorBreaches } from "./monitors.ts";
import { type Container, containersOf, entryOf, type Pod, podsOf } from "./pods.ts";
import type { Manifest } from "./render.ts";
import { nameOf } from "./schemas.ts";
import { settingsOf } from "./settings.ts";

/** Every rule. `given`: secrets and config maps that something else makes, by name. */
export function ruleBreaches(manifests: readonly Manifest[], given: ReadonlySet<string>): string[] {
  const pods = podsOf(manifests);
  return [
    ...pods.flatMap((pod) => [
      ...podBreaches(pod),
      ...containersOf(pod).flatMap((container) =>
        [...containerBreaches(pod, container), ...settingBreaches(pod, container, manifests)].map(
          (breach) => `${pod.owner}, ${container.name}: ${breach}`,
        ),
      ),
      ...sourceBreaches(pod, manifests, given),
    ]),
    ...deploymentBreaches(manifests),
    ...scheduleBreaches(manifests),
    ...arrowBreaches(manifests, pods),
    ...monitorBreaches(manifests),
  ];
}

function podBreaches({ owner, spec, kind }: Pod): string[] {
  const { securityContext: context = {} } = spec;
  const faults = [
    spec.automountServiceAccountToken !== false && "has a token of the cluster's API",
    context.runAsNonRoot !== true && "may run as root",
    (context.seccompProfile as { type?: string } | undefined)?.type !== "RuntimeDefault" &&
      "has no seccomp profile",
    kind === "Deployment" && !spec.topologySpreadConstraints && "may have all its replicas on one node",
    ["hostNetwork", "hostPID", "hostIPC"].some((name) => spec[name]) && "shares its host's namespaces",
    spec.volumes?.some((volume) => volume.hostPath) && "mounts its host's files",
  ];
  return faults.filter(Boolean).map((fault) => `${owner}: ${fault}`);
}

const IMAGE = /^([\w.-]+(:\d+)?\/)?[\w./-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/;
const PROBES = ["startupProbe", "livenessProbe", "readinessProbe"];

function containerBreaches({ kind }: Pod, container: Container): string[] {
  const { image, resources, securityContext: context } = container;
  const faults = [
    !IMAGE.test(image) && `${image} is no name of an image`,
    (!/[:@]/.test(image.replace(/^[^/]*\//, "")) || /:latest$/.test(image)) && `${image} has no version`,
    ...["cpu", "memory"].flatMap((name) => [
      !resources?.requests?.[name] && `asks for no ${name}`,
      !resources?.limits?.[name] && `has no limit of ${name}`,
    ]),
    context?.allowPrivilegeEscalation !== false && "may gain privileges",
    context?.readOnlyRootFilesystem !== true && "may write into its image",
    !context?.capabilities?.drop?.includes("ALL") && "keeps capabilities",
    context?.capabilities?.add && "has more capabilities",
    context?.privileged && "is privileged",
    ...(kind === "Deployment" ? PROBES.map((probe) => !container[probe] && `has no ${probe}`) : []),
  ];
  return faults.filter((fault): fault is string => typeof fault === "string");
}

/** Its program has to know each variable, and find each file where its volumes are. */
function settingBreaches(pod: Pod, container: Container, manifests: readonly Manifest[]): string[] {
  const entry = entryOf(container);
  if (entry === null) return [];
  const settings = settingsOf(entry);
  if (!settings) return [`runs ${entry || "nothing"}, which is no program of the image`];
  const names = new Set(Object.keys(settings.shape));
  const breaches: string[] = [];
  const given = new Set<string>();
  const values: Record<string, string> = {};
  for (const { name, value } of container.env ?? []) {
    const setting = names.has(name) ? name : name.replace(/_FILE$/, "");
    if (!names.has(setting) && !name.startsWith("OTEL_")) breaches.push(`${name} is no setting of ${entry}`);
    if (given.has(setting)) breaches.push(`${setting} is given twice`);
    given.add(setting);
    if (names.has(name) && value !== undefined) values[name] = value;
    if (/_(FILE|DIR)$/.test(name))
      breaches.push(...placeBreaches(pod, container, name, value ?? "", manifests));
  }
  for (const { path, message } of settings.safeParse(values).error?.issues ?? []) {
    const name = String(path[0]);
    if (name in values) breaches.push(`${name} is ${values[name]}: ${message}`);
    else if (!given.has(name)) breaches.push(`${name} is missing`);
  }
  return [...new Set(breaches)];
}

/** A file that a setting names has to be in a volume: a secret with that key, or a folder. */
function placeBreaches(
  { spec }: Pod,
  container: Container,
  name: string,
  place: string,
  manifests: readonly Manifest[],
): string[] {
  const mount = container.volumeMounts?.find(
    ({ mountPath }) => place === mountPath || place.startsWith(`${mountPath}/`),
  );
  const volume = spec.volumes?.find((one) => one.name === mount?.name);
  if (!mount || !volume) return [`${name}: nothing is mounted at ${place}`];
  if (!volume.secret) return [];
  const { secretName, items } = volume.secret;
  const file = place.slice(mount.mountPath.length + 1);
  const key = items ? items.find((item) => item.path === file)?.key : file;
  if (key === undefined) return [`${name}: ${file} is no item of its secret`];
  const keys = manifests.filter((one) => madeBy(one).includes(`Secret ${secretName}`)).flatMap(keysOf);
  return keys.length > 0 && !keys.includes(key) ? [`${name}: Secret ${secretName} has no ${key}`] : [];
}

/** Keys of a secret that a manifest makes; none where it does not say. */
function keysOf({ kind, data = {}, spec }: Manifest): string[] {
  if (kind === "Certificate") return ["tls.crt", "tls.key", "ca.crt"];
  if (kind === "ExternalSecret")
    return ((spec as { data?: { secretKey: string }[] }).data ?? []).map(({ secretKey }) => secretKey);
  return Object.keys(data as object);
}

/** What pods mount has to be made by a manifest, or given. */
function sourceBreaches(
  { owner, spec }: Pod,
  manifests: readonly Manifest[],
  given: ReadonlySet<string>,
): string[] {
  const made = new Set(manifests.flatMap(madeBy));
  const wanted = (spec.volumes ?? []).flatMap(
    ({ secret, configMap, persistentVolumeClaim: claim, projected }) => [
      ...(projected?.sources ?? []).flatMap((source) =>
        source.secret ? [`Secret ${source.secret.name}`] : [],
      ),
      ...(secret ? [`Secret ${secret.secretName}`] : []),
      ...(configMap ? [`ConfigMap ${configMap.name}`] : []),
      ...(claim ? [`PersistentVolumeClaim ${claim.claimName}`] : []),
    ],
  );
  const missing = wanted.filter((source) => !made.has(source) && !given.has(source));
  return missing.map((source) => `${owner}: nothing makes ${source}`);
}

function madeBy(manifest: Manifest): string[] {
  const spec = (manifest.spec ?? {}) as { secretName?: string; target?: { name?: string } };
  if (manifest.kind === "Certificate") return [`Secret ${spec.secretName}`];
  if (manifest.kind === "SealedSecret") return [`Secret ${manifest.metadata.name}`];
  if (manifest.kind === "ExternalSecret") return [`Secret ${spec.target?.name ?? manifest.metadata.name}`];
  return [nameOf(manifest)];
}

/** Of each service: two replicas at least, a Service, a budget, no name but its own. */
function deploymentBreaches(manifests: readonly Manifest[]): string[] {
  const has = (kind: string, name: string) =>
    manifests.find((one) => one.kind === kind && one.metadata.name === name);
  return manifests
    .filter(({ kind }) => kind === "Deployment")
    .flatMap((manifest) => {
      const { name } = manifest.metadata;
      const scaler = has("HorizontalPodAutoscaler", name)?.spec as { minReplicas?: number } | undefined;
      const replicas = scaler?.minReplicas ?? (manifest.spec as { replicas?: number }).replicas ?? 1;
      return [
        replicas < 2 && "has one replica, which nothing stands in for",
        ...["Service", "PodDisruptionBudget", "ServiceAccount"].map(
          (kind) => !has(kind, name) && `has no ${kind}`,
        ),
      ]
        .filter(Boolean)
        .map((fault) => `${nameOf(manifest)}: ${fault}`);
    });
}

/** Of each schedule: one run at a time, which ends, in a time zone that is said or does not matter. */
function scheduleBreaches(manifests: readonly Manifest[]): string[] {
  return manifests
    .filter(({ kind }) => kind === "CronJob")
    .flatMap((manifest) => {
      const { schedule, timeZone, concurrencyPolicy, jobTemplate } = manifest.spec as CronJob;
      const faults = [
        concurrencyPolicy !== "Forbid" && "may run beside itself",
        !jobTemplate.spec.activeDeadlineSeconds && "may run for ever",
        !/^\* /.test(schedule) &&
          timeZone !== "Etc/UTC" &&
          "runs at an hour of a time zone that it does not say",
      ];
      return faults.filter(Boolean).map((fault) => `${nameOf(manifest)}: ${fault}`);
    });
}

interface CronJob {
  schedule: string;
  timeZone?: string;
  concurrencyPolicy?: string;
  jobTemplate: { spec: { activeDeadlineSeconds?: number } };
}

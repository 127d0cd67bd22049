import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { root } from "../../dev/lib/paths.mjs";
import { telemetryDir } from "../../dev/telemetry/rules.ts";
import { telemetryFile } from "./monitors.ts";
import { outsideNames } from "./names.ts";
import { type Container, type Pod, podsOf } from "./pods.ts";
import { type Manifest, render } from "./render.ts";
import { ruleBreaches } from "./rules.ts";
import { schemaBreaches, typeBreaches } from "./schemas.ts";

/** What ../k8s/README.md asks for beforehand. */
const GIVEN = new Set<string>();
const OVERLAYS = ["overlays/dev", "overlays/production", "overlays/alerts"];
/** Production, with what is optional in it. */
const WITH_ALERTS = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: medvault
resources: [../production]
components: [../../components/alerts]
`;

const rendered = new Map<string, Manifest[]>();
beforeAll(() => {
  // A copy, since the secrets of overlays/dev are made within it.
  const copy = mkdtempSync(path.join(tmpdir(), "medvault-k8s-"));
  try {
    for (const part of ["k8s", "telemetry"])
      cpSync(path.join(root, "deploy", part), path.join(copy, part), { recursive: true });
    mkdirSync(path.join(copy, "k8s/overlays/alerts"));
    writeFileSync(path.join(copy, "k8s/overlays/alerts/kustomization.yaml"), WITH_ALERTS);
    const secrets = path.join(copy, "k8s/overlays/dev/secrets");
    execFileSync(process.execPath, ["tools/make-secrets.ts", secrets], { cwd: root, stdio: "pipe" });
    for (const overlay of OVERLAYS) rendered.set(overlay, render(path.join(copy, "k8s", overlay)));
  } finally {
    rmSync(copy, { recursive: true });
  }
});
/** A copy, to be spoilt. */
const of = (overlay: string): Manifest[] => structuredClone(rendered.get(overlay) ?? []);

test.each(OVERLAYS)(
  "%s fits the schemas of its kinds, and has no field that they do not know",
  async (overlay) => {
    expect(of(overlay).length).toBeGreaterThan(50);
    expect(await schemaBreaches(of(overlay))).toEqual([]);
    expect(typeBreaches(of(overlay))).toEqual([]);
  },
);

test.each(OVERLAYS)(
  "%s keeps our rules: pods, settings, secrets, and exactly the arrows that settings need",
  (overlay) => {
    expect(ruleBreaches(of(overlay), GIVEN)).toEqual([]);
  },
);

test("audit reaches receivers of alerts by the component alone, and nobody but them", () => {
  const egress = (overlay: string) =>
    of(overlay)
      .filter(({ kind, spec }) => kind === "NetworkPolicy" && JSON.stringify(spec).includes('"audit"'))
      .filter(({ spec }) => JSON.stringify(spec).includes("ipBlock"))
      .map(({ metadata }) => metadata.name);
  expect(egress("overlays/production")).toEqual([]);
  expect(egress("overlays/alerts")).toEqual(["alerts"]);
});

test("each namespace demands Pod Security restricted", () => {
  for (const namespace of of("overlays/production").filter(({ kind }) => kind === "Namespace"))
    expect(namespace.metadata.labels).toMatchObject({ "pod-security.kubernetes.io/enforce": "restricted" });
});

test("production has every alert rule and dashboard of deploy/telemetry, as the operator and Grafana take them", () => {
  const all = of("overlays/production");
  expect(all.find(({ kind }) => kind === "PrometheusRule")?.spec).toEqual(telemetryFile("alerts.yml"));
  const text = (file: string) => readFileSync(path.join(telemetryDir, "dashboards", file), "utf8");
  const names = readdirSync(path.join(telemetryDir, "dashboards"));
  expect(all.find(({ metadata }) => metadata.labels?.grafana_dashboard)).toMatchObject({
    ...{ kind: "ConfigMap", metadata: { name: "medvault-dashboards" } },
    data: Object.fromEntries(names.map((name) => [name, text(name)])),
  });
});

type Spoil = (records: Container, manifests: Manifest[], pod: Pod) => unknown;
const specOf = <T>(manifests: Manifest[], kind: string, name: string): T => {
  const found = manifests.find((one) => one.kind === kind && one.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found.spec as T;
};
const policy = (manifests: Manifest[], name: string) =>
  specOf<{
    egress: { to: { podSelector: { matchLabels: Record<string, string> } }[] }[];
    ingress: unknown[];
  }>(manifests, "NetworkPolicy", name);

const without = <T extends { name: string }>(all: T[] = [], name: string): T[] =>
  all.filter((one) => one.name !== name);
const drop = (manifests: Manifest[], kind: string, name: string): void => {
  const at = manifests.findIndex((one) => one.kind === kind && one.metadata.name === name);
  manifests.splice(at, 1);
};
const endpoint = (manifests: Manifest[]) =>
  specOf<{ endpoints: [{ tlsConfig: object }] }>(manifests, "ServiceMonitor", "records").endpoints[0];
const cron = (manifests: Manifest[], name: string) =>
  specOf<{ jobTemplate: { spec: { activeDeadlineSeconds?: number } } }>(manifests, "CronJob", name);
const app = (name: string) => ({ podSelector: { matchLabels: { "app.kubernetes.io/name": name } } });

const SPOILT: Record<string, { spoil: Spoil; says: string }> = {
  "no version": {
    spoil: (records) => Object.assign(records, { image: "medvault" }),
    says: "medvault has no version",
  },
  latest: {
    spoil: (records) => Object.assign(records, { image: "medvault:latest" }),
    says: "medvault:latest has no version",
  },
  "no limit": {
    spoil: (records) => delete records.resources?.limits?.memory,
    says: "has no limit of memory",
  },
  "no probe": { spoil: (records) => delete records.readinessProbe, says: "has no readinessProbe" },
  privilege: {
    spoil: (records) => Object.assign(records, { securityContext: {} }),
    says: "may gain privileges",
  },
  root: { spoil: (_, __, pod) => Object.assign(pod.spec, { securityContext: {} }), says: "may run as root" },
  "a misspelt setting": {
    spoil: (records) => records.env?.push({ name: "LOG_LEVLE" }),
    says: "LOG_LEVLE is no setting of services/records/src/main.ts",
  },
  "another's setting": {
    spoil: (records) => records.env?.push({ name: "MEDVAULT_SMTP_URL" }),
    says: "MEDVAULT_SMTP_URL is no setting",
  },
  "a setting that is missing": {
    spoil: (records) => Object.assign(records, { env: without(records.env, "DATABASE_URL_FILE") }),
    says: "DATABASE_URL is missing",
  },
  "a setting given twice": {
    spoil: (records) => records.env?.push({ name: "DATABASE_URL", value: "postgres://" }),
    says: "DATABASE_URL is given twice",
  },
  "a secret that is not mounted": {
    spoil: (records) => Object.assign(records, { volumeMounts: without(records.volumeMounts, "secrets") }),
    says: "DATABASE_URL_FILE: nothing is mounted",
  },
  "a secret without what is read of it": {
    spoil: (_, manifests) => {
      specOf<{ data: object[] }>(manifests, "ExternalSecret", "medvault-records").data.shift();
    },
    says: "DATABASE_URL_FILE: Secret medvault-records has no DATABASE_URL",
  },
  "sentinels that may not be asked": {
    spoil: (_, manifests) => drop(manifests, "NetworkPolicy", "sentinel"),
    says: "may not call, and has to: auth → redis:26379",
  },
  "a secret that nothing makes": {
    spoil: (_, __, pod) => pod.spec.volumes?.push({ name: "x", secret: { secretName: "none" } }),
    says: "nothing makes Secret none",
  },
  "one replica": {
    spoil: (_, manifests) => drop(manifests, "HorizontalPodAutoscaler", "records"),
    says: "Deployment records: has one replica",
  },
  "no default deny": {
    spoil: (_, manifests) => drop(manifests, "NetworkPolicy", "default-deny"),
    says: "no NetworkPolicy denies",
  },
  "an arrow that is missing": {
    spoil: (_, manifests) => policy(manifests, "records").egress.pop(),
    says: "may not call, and has to: records →",
  },
  "an arrow too many": {
    spoil: (_, manifests) => policy(manifests, "records").egress[0]?.to.push(app("backup")),
    says: "may call, and has no need to: records → backup:8080",
  },
  "a callee that lets nobody in": {
    spoil: (_, manifests) => Object.assign(policy(manifests, "records"), { ingress: [] }),
    says: "may not be called, and has to: gateway → records:8080",
  },
  "metrics that nobody may read": {
    spoil: (_, manifests) => drop(manifests, "NetworkPolicy", "metrics"),
    says: "may not be called, and has to: prometheus → records:9090",
  },
  "a service that Prometheus forgets": {
    spoil: (_, manifests) => drop(manifests, "ServiceMonitor", "records"),
    says: "Service records: Prometheus reads it 0 times",
  },
  "a monitor of nothing": {
    spoil: (_, manifests) => drop(manifests, "Service", "records"),
    says: "ServiceMonitor records: selects no Service",
  },
  "metrics where none are": {
    spoil: (_, manifests) => Object.assign(endpoint(manifests), { port: "https", path: "/prometheus" }),
    says: "records: reads the port https, which shows no metrics\nServiceMonitor records: reads /prometheus",
  },
  "metrics in the clear": {
    spoil: (_, manifests) => Object.assign(endpoint(manifests), { scheme: "http" }),
    says: "ServiceMonitor records: reads in the clear",
  },
  "metrics of anybody": {
    spoil: (_, manifests) => Object.assign(endpoint(manifests).tlsConfig, { insecureSkipVerify: true }),
    says: "ServiceMonitor records: believes any certificate",
  },
  "a certificate for another name": {
    spoil: (_, manifests) => Object.assign(endpoint(manifests).tlsConfig, { serverName: "auth" }),
    says: "ServiceMonitor records: expects auth, for which tls-records is not",
  },
  "another's CA": {
    spoil: (_, manifests) => Object.assign(endpoint(manifests).tlsConfig, { ca: {} }),
    says: "ServiceMonitor records: trusts another CA than that of tls-records",
  },
  "a job that rules do not know": {
    spoil: (_, manifests) => {
      Object.assign(specOf<object>(manifests, "ServiceMonitor", "records"), { jobLabel: "part-of" });
    },
    says: "rules and dashboards know no such job",
  },
  "backups beside each other": {
    spoil: (_, manifests) => Object.assign(cron(manifests, "backup"), { concurrencyPolicy: "Allow" }),
    says: "CronJob backup: may run beside itself",
  },
  "a job without an end": {
    spoil: (_, manifests) => delete cron(manifests, "verify").jobTemplate.spec.activeDeadlineSeconds,
    says: "CronJob verify: may run for ever",
  },
  "an hour of no time zone": {
    spoil: (_, manifests) => Object.assign(cron(manifests, "verify"), { timeZone: "Europe/Berlin" }),
    says: "CronJob verify: runs at an hour",
  },
  "a job's setting that is missing": {
    spoil: (_, manifests) => {
      const job = podsOf(manifests).find(({ owner }) => owner === "CronJob backup")?.spec.containers[0];
      Object.assign(job ?? {}, { env: without(job?.env, "MEDVAULT_FILES_DIR") });
    },
    says: "CronJob backup, backup: MEDVAULT_FILES_DIR is missing",
  },
  "a job that may not reach what it works on": {
    spoil: (_, manifests) => drop(manifests, "NetworkPolicy", "backups"),
    says: "may not call, and has to: backups → postgres:5432",
  },
};

test.each(Object.entries(SPOILT))("the rules find %s", (_, { spoil, says }) => {
  const manifests = of("overlays/production");
  const pod = podsOf(manifests).find(({ owner }) => owner === "Deployment records");
  const [records] = pod?.spec.containers ?? [];
  if (!pod || !records) throw new Error("no records");
  spoil(records, manifests, pod);
  expect(ruleBreaches(manifests, GIVEN).join("\n")).toContain(says);
});

test("a misspelt field and a value of the wrong kind are found", async () => {
  const manifests = of("overlays/production");
  const [records] =
    podsOf(manifests).find(({ owner }) => owner === "Deployment records")?.spec.containers ?? [];
  if (!records) throw new Error("no records");
  records.redinessProbe = {};
  expect(typeBreaches(manifests).join()).toContain("redinessProbe");
  records.ports = [{ containerPort: "https" }];
  expect((await schemaBreaches(manifests)).join()).toContain("containerPort must be integer");
});

test("npm run k8s names all that is to be done, and fails", () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["deploy/check/overlay.ts", "deploy/k8s/overlays/production"],
    { cwd: root, encoding: "utf8" },
  );
  expect([status, stdout]).toEqual([1, expect.stringMatching(/^k8s: 9 to put right .*\(9 of them/m)]);
  for (const { name } of outsideNames()) expect(stderr).toMatch(new RegExp(`^- ${name} is still `, "m"));
});

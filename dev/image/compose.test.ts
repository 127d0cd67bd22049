// docker-compose.yml by our own rules: a limit, a setting or a secret that was forgotten is named here.
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { WATCHERS } from "../../tools/secrets/folders.ts";
import { root } from "../lib/paths.mjs";
import { SCHEMAS, TOOLS } from "../settings/registry.ts";
import { type ComposeService, readCompose } from "./compose.ts";

const compose = readCompose();
const service = (name: string) => compose.services.find((one) => one.name === name) as ComposeService;
const OURS = compose.services.filter(({ image }) => image === "medvault:local");

/** Which settings a container's program reads. */
function readBy({ name, command: [entry = ""] }: ComposeService): Set<string> {
  const job = {
    "services/auth/src/bootstrap.job.ts": "bootstrap",
    "services/backup/src/restore.job.ts": "restore",
  }[entry];
  const schema = SCHEMAS[(job ?? name) as keyof typeof SCHEMAS];
  const schemas = entry.startsWith("tools/") ? TOOLS : [schema];
  return new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));
}

/** What is wrong with a container, in words. */
function faultsOf(one: ComposeService): string[] {
  const faults: string[] = [];
  const must = (isGood: unknown, fault: string) => isGood || faults.push(`${one.name}: ${fault}`);
  must(/:[^:]+$/.test(one.image) && !one.image.endsWith(":latest"), "its image has no version");
  must(one.isReadOnly && one.capDrop.includes("ALL"), "its file system is writable, or it has capabilities");
  must(one.securityOpt.includes("no-new-privileges:true"), "it may gain privileges");
  must(one.limits.cpus && one.limits.memory && one.limits.pids, "it lacks a limit");
  must(one.healthcheck !== null || one.restart === "no", "it lacks a health check");
  must(one.networks.length > 0, "it is in the default network");
  if (OURS.includes(one)) faults.push(...settingFaults(one));
  for (const [name, condition] of Object.entries(one.needs))
    must(
      condition === (service(name).healthcheck ? "service_healthy" : "service_completed_successfully"),
      `it waits for ${name} in a way that never comes`,
    );
  return faults;
}

function settingFaults(one: ComposeService): string[] {
  const known = readBy(one);
  return Object.entries(one.environment).flatMap(([name, value]) => {
    const isFile = !known.has(name) && name.endsWith("_FILE");
    const base = isFile ? name.slice(0, -"_FILE".length) : name;
    if (!known.has(base) && name !== "NODE_EXTRA_CA_CERTS") return [`${one.name}: nothing reads ${name}`];
    const isSecret =
      /(^|_)(DATABASE_URL|REDIS_URL|AMQP_URL|PASSWORDS?|MEDVAULT_KEYS|SMTP_URL|WEBHOOK_URL|WEBHOOK_SECRETS|TOKEN)$/.test(
        base,
      );
    if (isSecret && !isFile && value) return [`${one.name}: ${name} would be in the environment`];
    const place = value.startsWith("/") ? value : null;
    const isMounted = one.mounts.some(({ target }) => place?.startsWith(`${target}/`) || place === target);
    return place && !isMounted ? [`${one.name}: ${name} names ${place}, where nothing is mounted`] : [];
  });
}

test("every container has a version, limits, a read-only file system, no privilege, and settings that are read", () => {
  expect(compose.services.flatMap(faultsOf)).toEqual([]);
});

test("a container that breaks a rule is named: planted breaches", () => {
  const records = service("records");
  const broken: Partial<ComposeService>[] = [
    { image: "medvault" },
    { isReadOnly: false },
    { securityOpt: [] },
    { limits: { cpus: 1 } },
    { healthcheck: null },
    { networks: [] },
    { needs: { postgres: "service_completed_successfully" } },
  ];
  for (const change of broken)
    expect(faultsOf({ ...records, ...change }), JSON.stringify(change)).toHaveLength(1);
  const settings = {
    MEDVAULT_FRILLS: "1",
    DATABASE_URL: "postgres://in-clear",
    MEDVAULT_KEYS_FILE: "/run/elsewhere/records.json",
  };
  expect(settingFaults({ ...records, environment: settings })).toHaveLength(3);
});

test("each service mounts its own secrets, and the owner's password is with jobs alone", () => {
  for (const one of OURS.filter(({ profiles, name }) => profiles.length === 0 && name !== "setup")) {
    const own = one.name === "first-admin" ? "auth" : one.name === "migrate" ? "jobs" : one.name;
    const secrets = one.mounts.filter(({ volume }) => volume === "secrets").map(({ subpath }) => subpath);
    expect([one.name, secrets.filter((subpath) => subpath !== own && subpath !== `keys/${own}`)]).toEqual([
      one.name,
      [],
    ]);
  }
  const owners = OURS.filter(({ environment }) =>
    Object.keys(environment).some((name) => /OWNER|SUPERUSER/.test(name)),
  );
  expect(owners.map(({ name }) => name)).toEqual(["migrate", "restore"]);
});

test("only the gateway, and on demand Grafana and a mail catcher, have a port outside; servers reach nothing there", () => {
  expect(compose.services.filter(({ ports }) => ports.length > 0).map(({ name }) => name)).toEqual([
    "gateway",
    "mail",
    "grafana",
  ]);
  const outside = compose.services.filter(({ networks }) =>
    networks.some((name) => !compose.networks[name]?.internal),
  );
  expect(outside.map(({ name }) => name)).toEqual(["auth", "gateway", "mail", "grafana"]);
});

test("all that is mounted is declared, and what only reads may only read", () => {
  const mounts = compose.services.flatMap(({ mounts }) => mounts);
  const [ofRepository = [], volumes = []] = [true, false].map((isPath) =>
    mounts.filter(({ volume }) => volume.startsWith("./") === isPath),
  );
  expect([...new Set(volumes.map(({ volume }) => volume))].toSorted()).toEqual(compose.volumes.toSorted());
  for (const { volume, isReadOnly } of ofRepository)
    expect([volume, isReadOnly]).toEqual(["./deploy/telemetry", true]);
  const writers = (volume: string) =>
    compose.services
      .filter(({ mounts }) => mounts.some((mount) => mount.volume === volume && !mount.isReadOnly))
      .map(({ name }) => name);
  expect(writers("files")).toEqual(["files", "restore"]);
  expect(writers("audit")).toEqual(["audit"]);
});

test("who watches is sent no password of MedVault, has none that anybody knows, and Grafana reaches none of it", () => {
  const watchers = compose.services.filter(({ profiles }) => profiles.includes("telemetry"));
  expect(watchers.map(({ name }) => name)).toEqual(["collector", "prometheus", "grafana"]);
  for (const { name, mounts, user, environment } of watchers) {
    const secrets = mounts.filter(({ volume }) => volume === "secrets").map(({ subpath }) => subpath);
    expect([name, secrets, Number(user?.split(":")[0])]).toEqual([name, [name], WATCHERS[name]]);
    expect(
      Object.keys(environment).filter((key) => /PASSWORD|SECRET_KEY/.test(key) && !/__FILE$/.test(key)),
    ).toEqual([]);
  }
  expect(service("grafana").environment).toMatchObject({
    GF_SERVER_PROTOCOL: "https",
    GF_SECURITY_ADMIN_PASSWORD__FILE: "/run/medvault/password",
    GF_SECURITY_SECRET_KEY__FILE: "/run/medvault/secret-key",
  });
  expect(service("grafana").networks).not.toContain("inside");
});

const telemetry = (file: string): unknown =>
  parse(readFileSync(path.join(root, "deploy/telemetry", file), "utf8"));

test("Prometheus finds each service where it shows metrics, and rules; Grafana finds both, and the dashboards", () => {
  const { scrape_configs: jobs, rule_files: rules } = telemetry("prometheus.yml") as {
    scrape_configs: { job_name: string; static_configs: [{ targets: string[] }] }[];
    rule_files: string[];
  };
  const serving = OURS.filter(({ environment }) => environment.ADMIN_PORT);
  const targets = serving.map(({ name, environment }) => [name, [`${name}:${environment.ADMIN_PORT}`]]);
  const found = jobs.map(({ job_name, static_configs: [{ targets }] }) => [job_name, targets]);
  expect(found.toSorted()).toEqual(targets.toSorted());
  expect(rules).toEqual(["alerts.yml"]);
  const { datasources } = telemetry("grafana/datasources/medvault.yml") as {
    datasources: { url: string; jsonData: object; secureJsonData: object }[];
  };
  for (const { url, jsonData, secureJsonData } of datasources) {
    const { protocol, hostname } = new URL(url);
    expect([protocol, service(hostname).networks]).toEqual(["https:", expect.arrayContaining(["watching"])]);
    expect(jsonData).not.toHaveProperty("tlsSkipVerify");
    expect(secureJsonData).toEqual({ tlsCACert: "$__file{/run/medvault/ca.pem}" });
  }
  expect(telemetry("grafana/dashboards/medvault.yml")).toMatchObject({
    providers: [{ options: { path: "/etc/medvault/dashboards" } }],
  });
});

// docker-compose.yml by our own rules: a limit, a setting or a secret that was forgotten is named here.
import { expect, test } from "vitest";
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
    const isSecret = /(^|_)(DATABASE_URL|REDIS_URL|AMQP_URL|PASSWORDS?|MEDVAULT_KEYS|SMTP_URL|TOKEN)$/.test(
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

test("only the gateway, and a mail catcher on demand, have a port outside, and the servers reach nothing outside", () => {
  expect(compose.services.filter(({ ports }) => ports.length > 0).map(({ name }) => name)).toEqual([
    "gateway",
    "mail",
  ]);
  const outside = compose.services.filter(({ networks }) =>
    networks.some((name) => !compose.networks[name]?.internal),
  );
  expect(outside.map(({ name }) => name)).toEqual(["auth", "gateway", "mail"]);
});

test("all that is mounted is declared, and what only reads may only read", () => {
  const mounts = compose.services.flatMap(({ mounts }) => mounts);
  expect([...new Set(mounts.map(({ volume }) => volume))].toSorted()).toEqual(compose.volumes.toSorted());
  const writers = (volume: string) =>
    compose.services
      .filter(({ mounts }) => mounts.some((mount) => mount.volume === volume && !mount.isReadOnly))
      .map(({ name }) => name);
  expect(writers("files")).toEqual(["files", "restore"]);
  expect(writers("audit")).toEqual(["audit"]);
});

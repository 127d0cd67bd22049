// The six services: each with the settings that it needs and no other's.
import path from "node:path";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root } from "../lib/paths.mjs";
import { newProofKey, provenAnswer } from "../lib/proof.mjs";
import type { Infrastructure } from "../servers/infrastructure.ts";
import type { Ports } from "../servers/ports.ts";
import { SERVICES, type Secrets, type ServiceName } from "../servers/secrets.ts";
import type { Program } from "../servers/supervise.ts";
import type { Dirs } from "./dirs.ts";

/**
 * How V8 collects garbage. The first makes the young generation 3 x 4 MiB instead of 3 x 16 (six
 * idle processes hold a seventh less RSS), and has it collected whenever 8 MiB of buffers gathered
 * outside of the heap (1 ms), not 64. The second lets the old generation, to which V8 counts those
 * buffers, grow by half between two collections: by its own choice of a tenth, one began after
 * each, 30 to 100 ms at every second upload of 5 MiB. (The Dockerfile has them too; another
 * version of Node may not know them, and would not start.)
 */
const HEAP = process.versions.node.startsWith("24.")
  ? ["--scavenger-max-new-space-capacity-mb=2", "--heap-growing-percent=50"]
  : ["--max-semi-space-size=4"];

export type Declared = Readonly<Record<ProcessName, readonly string[]>>;

export interface ServiceOptions {
  dirs: Dirs;
  gatewayPort: number;
  ports: Ports;
  secrets: Secrets;
  /** By which each process proves that an answer is its own. */
  proofKeys: Readonly<Record<ServiceName, string>>;
  servers: Infrastructure;
  settings: NodeJS.ProcessEnv;
  /** The settings that each process reads. */
  declared: Declared;
  /** The backup service asks for its restore job. */
  onBackupMessage: (message: unknown) => void;
}

export const withDatabase = SERVICES.filter((name) => name !== "gateway");

export function portsOf(name: ServiceName, ports: Ports, gatewayPort: number) {
  return { port: name === "gateway" ? gatewayPort : ports[name], adminPort: ports[`${name}Admin`] };
}

/** The role's own DSN; the superuser's stays here. */
export function serviceDsn(databaseUrl: string, role: string, password: string): string {
  const url = new URL(databaseUrl);
  url.username = role;
  url.password = password;
  return url.href;
}

/** New ones at every start. */
export const newProofKeys = () =>
  Object.fromEntries(SERVICES.map((name) => [name, newProofKey()])) as Record<ServiceName, string>;

/** How to run one service. */
export function service(name: ServiceName, o: ServiceOptions): Program {
  const { port, adminPort } = portsOf(name, o.ports, o.gatewayPort);
  return {
    name,
    command: process.execPath,
    args: [...NODE_FLAGS, ...HEAP, `services/${name}/src/main.ts`],
    env: environment(name, o),
    cwd: root,
    log: path.join(o.dirs.logs, `${name}.log`),
    ...(name === "backup" ? { onMessage: o.onBackupMessage } : {}),
    isReady: () => answersItself(name === "gateway" ? port : adminPort, o.proofKeys[name]),
    stopSignal: "SIGTERM",
    stopGraceMs: 5_000,
  };
}

/** It answers, and no other: what is behind it may be away, which is the gateway's readyz to say. */
async function answersItself(port: number, proofKey: string): Promise<boolean> {
  const answer = await provenAnswer(`http://127.0.0.1:${port}/healthz`, proofKey);
  await answer?.body?.cancel();
  return answer?.ok ?? false;
}

/**
 * A service, or a job that runs once with settings of its own: the first admin (of auth), a restore
 * (of backup).
 */
export type ProcessName = ServiceName | "bootstrap" | "restore";
const JOB_OF: Partial<Record<ProcessName, ServiceName>> = { bootstrap: "auth", restore: "backup" };

/**
 * The settings that npm start decides itself, whatever its own environment says. Undefined: not
 * set, since what is started here is plain, on 127.0.0.1, and each service has its own key file.
 */
const DECIDED: Record<string, (o: ServiceOptions, name: ServiceName) => string | undefined> = {
  NODE_ENV: () => "development",
  HOST: () => "127.0.0.1",
  PORT: (o, name) => String(portsOf(name, o.ports, o.gatewayPort).port),
  ADMIN_PORT: (o, name) => String(portsOf(name, o.ports, o.gatewayPort).adminPort),
  DATABASE_URL: ({ servers, secrets }, name) =>
    serviceDsn(servers.databaseUrl, `medvault_${name}`, secrets.roles[name]),
  MEDVAULT_OWNER_DATABASE_URL: ({ servers, secrets }) =>
    serviceDsn(servers.databaseUrl, "medvault_owner", secrets.owner),
  MEDVAULT_READ_DATABASE_URL: ({ settings, secrets }, name) =>
    settings.MEDVAULT_READ_DATABASE_URL &&
    serviceDsn(settings.MEDVAULT_READ_DATABASE_URL, `medvault_${name}`, secrets.roles[name]),
  REDIS_URL: ({ servers }) => servers.redisUrl,
  AMQP_URL: (o, name) => brokerUrl(name, o),
  MEDVAULT_PROOF_KEY: ({ proofKeys }, name) => proofKeys[name],
  MEDVAULT_INSTANCE: (_, name) => `${name}-1`,
  MEDVAULT_KEYS_FILE: ({ dirs }, name) => path.join(dirs.keys, `${name}.json`),
  MEDVAULT_KEYS: () => undefined,
  MEDVAULT_ASSERTION_JWKS_FILE: ({ dirs }) => path.join(dirs.keys, "public/gateway.jwks.json"),
  MEDVAULT_PUBLIC_URL: (o) => publicUrl(o),
  MEDVAULT_MAIL_DIR: ({ dirs }) => dirs.mail,
  MEDVAULT_FILES_DIR: ({ dirs }) => dirs.files,
  MEDVAULT_AUDIT_DIR: ({ dirs }) => dirs.audit,
  MEDVAULT_BACKUPS_DIR: ({ dirs }) => dirs.backups,
  ...Object.fromEntries(
    withDatabase.map((name) => [
      `MEDVAULT_${name.toUpperCase()}_URL`,
      (o: ServiceOptions) => `http://127.0.0.1:${portsOf(name, o.ports, o.gatewayPort).port}`,
    ]),
  ),
  MEDVAULT_TLS_CERT_FILE: () => undefined,
  MEDVAULT_TLS_KEY_FILE: () => undefined,
  MEDVAULT_TLS_CLIENT_CA_FILE: () => undefined,
  MEDVAULT_TLS_TERMINATED: () => undefined,
};
export const decidedHere: ReadonlySet<string> = new Set(Object.keys(DECIDED));

/**
 * Exactly the settings that the process declares: decided here, or as the environment of npm start
 * has them.
 */
export function environment(process: ProcessName, o: ServiceOptions): Record<string, string> {
  const service = JOB_OF[process] ?? (process as ServiceName);
  const declared = o.declared[process].map((name) => {
    const decided = DECIDED[name];
    return [name, decided ? decided(o, service) : o.settings[name]] as const;
  });
  const telemetry = Object.entries(o.settings).filter(([name]) => name.startsWith("OTEL_"));
  return {
    PATH: o.settings.PATH ?? "",
    LANG: "C.UTF-8",
    TZ: "UTC",
    NODE_COMPILE_CACHE: o.dirs.compileCache,
    ...(Object.fromEntries([...declared, ...telemetry].filter(([, value]) => value)) as Record<
      string,
      string
    >),
  };
}

export const publicUrl = (o: Pick<ServiceOptions, "gatewayPort">) => `http://127.0.0.1:${o.gatewayPort}`;

function brokerUrl(name: ServiceName, o: ServiceOptions): string {
  const url = new URL(o.servers.amqpUrl);
  url.username = name;
  url.password = o.secrets.broker[name];
  url.pathname = `/${encodeURIComponent(o.servers.vhost)}`;
  return url.href;
}

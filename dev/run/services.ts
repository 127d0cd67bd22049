// The six services: each with the settings that it needs and no other's.
import path from "node:path";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root } from "../lib/paths.mjs";
import type { Infrastructure } from "../servers/infrastructure.ts";
import type { Ports } from "../servers/ports.ts";
import { SERVICES, type Secrets, type ServiceName } from "../servers/secrets.ts";
import type { Program } from "../servers/supervise.ts";
import type { Dirs } from "./dirs.ts";

/** A young generation of 3 x 4 MiB instead of 3 x 16: six idle processes hold a seventh less (measured as RSS). */
const YOUNG_HEAP = "--max-semi-space-size=4";

export interface ServiceOptions {
  dirs: Dirs;
  gatewayPort: number;
  ports: Ports;
  secrets: Secrets;
  servers: Infrastructure;
  settings: NodeJS.ProcessEnv;
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

/** How to run one service. */
export function service(name: ServiceName, o: ServiceOptions): Program {
  const { port, adminPort } = portsOf(name, o.ports, o.gatewayPort);
  const telemetry = o.settings.OTEL_EXPORTER_OTLP_ENDPOINT
    ? ["--import", path.join(root, "libs/service-kit/src/telemetry-loader.ts")]
    : [];
  return {
    name,
    command: process.execPath,
    args: [...NODE_FLAGS, YOUNG_HEAP, ...telemetry, `services/${name}/src/main.ts`],
    env: environment(name, o),
    cwd: root,
    log: path.join(o.dirs.logs, `${name}.log`),
    ...(name === "backup" ? { onMessage: o.onBackupMessage } : {}),
    isReady: () => isListening(`http://127.0.0.1:${name === "gateway" ? port : adminPort}`),
    stopSignal: "SIGTERM",
    stopGraceMs: 5_000,
  };
}

/** It answers at all: what is behind it may be away, which is the gateway's readyz to say. */
async function isListening(base: string): Promise<boolean> {
  try {
    const answer = await fetch(`${base}/healthz`, { signal: AbortSignal.timeout(1_000) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

/** Also what one-shot jobs of a service (bootstrap, restore) run with. */
export function environment(name: ServiceName, o: ServiceOptions): Record<string, string> {
  const { port, adminPort } = portsOf(name, o.ports, o.gatewayPort);
  return {
    PATH: process.env.PATH ?? "",
    LANG: "C.UTF-8",
    TZ: "UTC",
    NODE_ENV: "development",
    NODE_COMPILE_CACHE: o.dirs.compileCache,
    HOST: "127.0.0.1",
    PORT: String(port),
    ADMIN_PORT: String(adminPort),
    LOG_LEVEL: o.settings.LOG_LEVEL ?? "info",
    ...settings(o, "MEDVAULT_TLS_CA_FILE"), // of servers that were given; what is started here is plain, on 127.0.0.1
    AMQP_URL: brokerUrl(name, o),
    MEDVAULT_INSTANCE: `${name}-1`,
    MEDVAULT_KEYS_FILE: path.join(o.dirs.keys, `${name}.json`),
    MEDVAULT_ASSERTION_JWKS_FILE: path.join(o.dirs.keys, "public/gateway.jwks.json"),
    ...(name === "gateway"
      ? {}
      : { DATABASE_URL: serviceDsn(o.servers.databaseUrl, `medvault_${name}`, o.secrets.roles[name]) }),
    ...passedOn(o.settings, (key) => key.startsWith(`MEDVAULT_${name.toUpperCase()}_`)),
    ...own[name](o),
    ...passedOn(o.settings, (key) => key.startsWith("OTEL_")),
  };
}

const FINAL_ROTATION = "MEDVAULT_FINAL_ROTATION_AFTER_HOURS";

/** What only one service needs, or only some. */
const own: Record<ServiceName, (o: ServiceOptions) => Record<string, string>> = {
  gateway: (o) => ({
    REDIS_URL: o.servers.redisUrl,
    MEDVAULT_PUBLIC_URL: publicUrl(o),
    ...Object.fromEntries(
      withDatabase.map((name) => [`MEDVAULT_${name.toUpperCase()}_URL`, internalUrl(name, o)]),
    ),
    ...settings(
      o,
      "MEDVAULT_ISSUER",
      "MEDVAULT_RATE_LIMIT",
      "MEDVAULT_LOGIN_RATE",
      "MEDVAULT_PATIENTS_PER_HOUR",
      "MEDVAULT_MAX_UPLOAD_BYTES",
      "MEDVAULT_TRUSTED_PROXIES",
      "MEDVAULT_CORS_ORIGINS",
      "MEDVAULT_TRUSTED_RANGES",
    ),
  }),
  auth: (o) => ({
    REDIS_URL: o.servers.redisUrl,
    MEDVAULT_MAIL_DIR: o.dirs.mail,
    MEDVAULT_PUBLIC_URL: publicUrl(o),
    ...settings(
      o,
      "MEDVAULT_ISSUER",
      "MEDVAULT_PASSKEY_RP_ID",
      "MEDVAULT_PASSKEY_ORIGINS",
      "MEDVAULT_LOGIN_RATE",
      "MEDVAULT_SMTP_URL",
      "MEDVAULT_MAIL_FROM",
      "MEDVAULT_GEOIP_FILE",
      "MEDVAULT_POLICY_FILE",
      "SESSION_DAILY_RESET",
      "MEDVAULT_KNOWN_DEVICE_DAYS",
      "MEDVAULT_TOKEN_BITS",
      "MEDVAULT_RECOVERY_CODE_BITS",
      FINAL_ROTATION,
    ),
    ...passedOn(o.settings, (name) =>
      /^(MEDVAULT_(SESSION|LOCKOUT|PASSWORD|ARGON2|REGISTRATION)_|PASSWORD_POLICY$)/.test(name),
    ),
  }),
  records: (o) => settings(o, "MEDVAULT_POLICY_FILE", FINAL_ROTATION),
  files: (o) => ({
    MEDVAULT_FILES_DIR: o.dirs.files,
    MEDVAULT_RECORDS_URL: internalUrl("records", o),
    ...settings(o, "MEDVAULT_MAX_UPLOAD_BYTES", "MEDVAULT_POLICY_FILE", FINAL_ROTATION),
  }),
  audit: (o) => ({ MEDVAULT_AUDIT_DIR: o.dirs.audit }),
  backup: (o) => ({
    MEDVAULT_BACKUPS_DIR: o.dirs.backups,
    MEDVAULT_FILES_DIR: o.dirs.files,
    MEDVAULT_AUDIT_DIR: o.dirs.audit,
  }),
};

export const publicUrl = (o: Pick<ServiceOptions, "gatewayPort">) => `http://127.0.0.1:${o.gatewayPort}`;
const internalUrl = (name: ServiceName, o: ServiceOptions) =>
  `http://127.0.0.1:${portsOf(name, o.ports, o.gatewayPort).port}`;

function brokerUrl(name: ServiceName, o: ServiceOptions): string {
  const url = new URL(o.servers.amqpUrl);
  url.username = name;
  url.password = o.secrets.broker[name];
  url.pathname = `/${encodeURIComponent(o.servers.vhost)}`;
  return url.href;
}

const settings = (o: ServiceOptions, ...names: string[]) =>
  passedOn(o.settings, (name) => names.includes(name));

function passedOn(env: NodeJS.ProcessEnv, isWanted: (name: string) => boolean): Record<string, string> {
  const found = Object.entries(env).filter(([name, value]) => value && isWanted(name));
  return Object.fromEntries(found) as Record<string, string>;
}

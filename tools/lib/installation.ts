// Where a MedVault is: its gateway, databases, keys and backups, by the environment or by ops.json.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ConnectionOptions } from "node:tls";
import {
  createPool,
  DatabaseUnavailable,
  type PoolOptions,
  SERVICES_WITH_DATA,
  type ServiceName,
} from "@medvault/postgres";
import { createLogger, openTls, type TlsSettings } from "@medvault/service-kit";
import { type DatabaseConfig, databaseSetting, type GatewayConfig, type KeysConfig } from "../config.ts";
import { UsageError } from "./command.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

interface DemoUser {
  readonly role: string;
  readonly username: string;
  readonly password: string;
  readonly totpSecret?: string | null;
}

/**
 * What `npm start` writes; a MedVault that runs elsewhere has no such file, and settings say it
 * all.
 */
interface Ops {
  gateway?: string;
  processes?: { name?: string; proofKey?: string }[];
  postgres?: { owner?: string; services?: Partial<Record<ServiceName, string>>; pid?: number | null };
  dirs?: { keys?: string; backups?: string; audit?: string };
  demo?: { users?: DemoUser[] };
}

export interface Installation {
  readonly gateway: string;
  /** The gateway of ops.json. */
  readonly ownGateway: string | null;
  /** By which the gateway of ops.json proves itself. */
  readonly proofKey: string | null;
  /** The folder of ops.json; null: there is none. */
  readonly dataDir: string | null;
  /** Null where nothing says so. */
  readonly keysDir: string | null;
  readonly backupsDir: string | null;
  /** Of ops.json: the log's store outside Postgres, and the role that owns the schemas. */
  readonly auditDir: string | null;
  readonly ownerUrl: string | null;
  readonly databaseUrls: Readonly<Partial<Record<ServiceName, string>>>;
  /** Of these, ops.json's are of a server that has ended: another's may listen there by now. */
  readonly stoppedUrls: ReadonlySet<string>;
  readonly demoUsers: readonly DemoUser[];
  readonly tls: TlsSettings;
}

/** A setting wins over ops.json. Throws UsageError for a file that cannot be read. */
export function findInstallation(
  settings: Pick<DatabaseConfig, "MEDVAULT_DATA"> & Partial<DatabaseConfig & KeysConfig & GatewayConfig>,
): Installation {
  const data = path.resolve(ROOT, settings.MEDVAULT_DATA);
  const file = path.join(data, "ops.json");
  const ops = readOps(file);
  const databaseUrls = SERVICES_WITH_DATA.map(
    (service) => [service, settings[databaseSetting(service)] ?? ops.postgres?.services?.[service]] as const,
  );
  return {
    gateway: settings.MEDVAULT_GATEWAY_URL ?? ops.gateway ?? "http://127.0.0.1:8080",
    ownGateway: ops.gateway ?? null,
    proofKey: ops.processes?.find(({ name }) => name === "gateway")?.proofKey ?? null,
    dataDir: existsSync(file) ? data : null,
    keysDir: settings.MEDVAULT_KEYS_DIR ?? ops.dirs?.keys ?? ownDir(data, "keys"),
    backupsDir: settings.MEDVAULT_BACKUPS_DIR ?? ops.dirs?.backups ?? ownDir(data, "backups"),
    auditDir: ops.dirs?.audit ?? null,
    ownerUrl: ops.postgres?.owner ?? null,
    stoppedUrls: new Set(hasEnded(ops.postgres?.pid) ? Object.values(ops.postgres?.services ?? {}) : []),
    databaseUrls: Object.fromEntries(databaseUrls.filter(([, url]) => url !== undefined)),
    demoUsers: ops.demo?.users ?? [],
    tls: settings,
  };
}

/** Null: the server was given, and is not ours to know. */
function hasEnded(pid: number | null | undefined): boolean {
  try {
    return Boolean(pid) && !process.kill(pid ?? 0, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH"; // EPERM: there, as another user's
  }
}

/** Where `npm start` keeps them, also while it does not run: keys come back before it can. */
const ownDir = (data: string, name: string): string | null =>
  existsSync(data) ? path.join(data, name) : null;

const LOOPBACK = /^(127\.[\d.]+|localhost|\[::1\])$/;

/** Whether a URL leads to the port of this machine where ops.json has its gateway. */
export function isOwnGateway({ ownGateway }: Installation, gateway: string): boolean {
  if (ownGateway === null) return false;
  const [own, asked] = [new URL(ownGateway), new URL(gateway)];
  return asked.host === own.host || (asked.port === own.port && LOOPBACK.test(asked.hostname));
}

function readOps(file: string): Ops {
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Ops;
  } catch {
    throw new UsageError(`${file} cannot be read; is MedVault just starting, or is it another user's?`);
  }
}

/** The services whose databases are known. Throws UsageError when none is. */
export function reachableServices({ databaseUrls }: Installation): ServiceName[] {
  const services = SERVICES_WITH_DATA.filter((service) => databaseUrls[service] !== undefined);
  if (services.length > 0) return services;
  throw new UsageError(
    "nothing says where the databases are: start MedVault (npm start), set MEDVAULT_DATA, or MEDVAULT_<SERVICE>_DATABASE_URL.",
  );
}

/** The database of a service does not answer; the sentence says what to do. */
export class DatabaseAway extends Error {
  readonly kind = "unavailable";
}

/**
 * Runs `work` with a pool of the service's own role. Throws UsageError when nothing says where its
 * database is, and DatabaseAway.
 */
export async function withPool<T>(
  installation: Installation,
  service: ServiceName,
  options: Pick<PoolOptions, "applicationName" | "max" | "statementTimeoutMs">,
  work: (pool: ReturnType<typeof createPool>) => Promise<T>,
): Promise<T> {
  const connectionString = installation.databaseUrls[service];
  if (!connectionString) {
    throw new UsageError(
      `nothing says where the database of ${service} is: start MedVault (npm start), or set MEDVAULT_DATA or ${databaseSetting(service)}.`,
    );
  }
  if (installation.stoppedUrls.has(connectionString))
    throw new DatabaseAway(
      `MedVault is not running, and the database of ${service} with it: start it (npm start).`,
    );
  const pool = createPool({
    connectionString,
    tls: await trusted(installation.tls),
    schema: service,
    ...options,
  });
  try {
    return await work(pool);
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    throw new DatabaseAway(
      `the database of ${service} does not answer at ${new URL(connectionString).host}: start MedVault (npm start), or set ${databaseSetting(service)} to where it is (keys recover works without).`,
    );
  } finally {
    await pool.end();
  }
}

/**
 * Whom a tool trusts, and who it is, to a server with TLS: by the same settings as the services.
 * Throws ConfigError.
 */
export async function trusted(settings: TlsSettings): Promise<ConnectionOptions> {
  const tls = await openTls(settings, createLogger({ service: "medvault", level: "silent" }));
  tls.close(); // a command is over before certificates change
  return tls.outgoing;
}

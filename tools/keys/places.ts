import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { createKeyring, type Keyring } from "@medvault/keys";
import type { KeyPlace } from "@medvault/keys/operations";
import { createPool, SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";
import { trusted } from "../lib/trust.ts";
import { UsageError } from "./options.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Where a MedVault keeps its keys, and how each service reaches its database. */
export interface Installation {
  readonly keysDir: string;
  /** Where backups lie; null when nothing says so. */
  readonly backupsDir: string | null;
  readonly databaseUrls: Readonly<Partial<Record<ServiceName, string>>>;
}

interface Ops {
  postgres?: { services?: Partial<Record<ServiceName, string>> };
  dirs?: { keys?: string; backups?: string };
}

/** From MEDVAULT_<SERVICE>_DATABASE_URL and MEDVAULT_KEYS_DIR, else from ops.json. Throws UsageError. */
export function findInstallation(env: NodeJS.ProcessEnv): Installation {
  const file = path.resolve(ROOT, env.MEDVAULT_DATA || ".data", "ops.json");
  const ops = existsSync(file) ? readOps(file) : null;
  const databaseUrls: Partial<Record<ServiceName, string>> = { ...ops?.postgres?.services };
  for (const service of SERVICES_WITH_DATA) {
    const url = env[`MEDVAULT_${service.toUpperCase()}_DATABASE_URL`];
    if (url) databaseUrls[service] = url;
  }
  const keysDir = env.MEDVAULT_KEYS_DIR || ops?.dirs?.keys;
  if (!keysDir) {
    throw new UsageError(
      `${file} is not there: start MedVault (npm start), or set MEDVAULT_DATA, or MEDVAULT_KEYS_DIR and MEDVAULT_<SERVICE>_DATABASE_URL.`,
    );
  }
  return { keysDir, backupsDir: env.MEDVAULT_BACKUPS_DIR || (ops?.dirs?.backups ?? null), databaseUrls };
}

export const keysFileOf = (installation: Installation, service: ServiceName): string =>
  path.join(installation.keysDir, `${service}.json`);

/** Runs `work` with a service's key file and a pool of the service's own role. Throws UsageError without a database URL. */
export async function withPlace<T>(
  installation: Installation,
  service: ServiceName,
  work: (place: KeyPlace) => Promise<T>,
): Promise<T> {
  const connectionString = installation.databaseUrls[service];
  if (!connectionString) {
    throw new UsageError(
      `nothing says where the database of ${service} is: set MEDVAULT_${service.toUpperCase()}_DATABASE_URL.`,
    );
  }
  // A count reads all of a table once, which for millions of keys takes longer than a request may.
  const pool = createPool({
    connectionString,
    tls: await trusted(),
    applicationName: "medvault-keys",
    schema: service,
    max: 3,
    statementTimeoutMs: 120_000,
  });
  try {
    return await work({ service, keysFile: keysFileOf(installation, service), pool });
  } finally {
    await pool.end();
  }
}

export const keyringOf = ({ service, keysFile }: KeyPlace): Promise<Keyring> =>
  createKeyring({ service, keysFile });

function readOps(file: string): Ops {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Ops;
  } catch {
    throw new UsageError(`${file} cannot be read; is MedVault just starting, or is it another user's?`);
  }
}

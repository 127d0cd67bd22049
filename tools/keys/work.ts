// What every command of `keys` works with: where the keys are, a service's pool beside its key
// file, and events.
import { type Keyring, openKeyring } from "@medvault/keys";
import type { Audit, KeyPlace } from "@medvault/keys/operations";
import { keyEvent } from "@medvault/messaging";
import { inTransaction, type ServiceName } from "@medvault/postgres";
import { type Output, UsageError } from "../lib/command.ts";
import { type Installation, withPool } from "../lib/installation.ts";
import { keyFileIn } from "../lib/key-files.ts";

export interface Work {
  readonly installation: Installation;
  readonly output: Output;
  /** The field policy that the services follow, if there is one. */
  readonly policyFile: string | undefined;
  /** Aborted by Ctrl-C: what is done stays done. */
  readonly signal: AbortSignal;
}

/** The services whose subjects are patients. */
export const OF_PATIENTS: readonly ServiceName[] = ["records", "files"];

/**
 * A count reads all of a table once, which for millions of keys takes longer than a request may.
 */
const POOL = { applicationName: "medvault-keys", max: 3, statementTimeoutMs: 120_000 };

/** Where the key files are. Throws UsageError when nothing says so. */
export function keysDirOf({ keysDir }: Installation): string {
  if (keysDir) return keysDir;
  throw new UsageError(
    "nothing says where the keys are: start MedVault (npm start), or set MEDVAULT_DATA, or MEDVAULT_KEYS_DIR and MEDVAULT_<SERVICE>_DATABASE_URL.",
  );
}

export const keysFileOf = (installation: Installation, service: ServiceName): string =>
  keyFileIn(keysDirOf(installation), service);

/**
 * Runs `work` with a service's key file and a pool of the service's own role. Throws UsageError
 * without a database URL.
 */
export function withPlace<T>(
  installation: Installation,
  service: ServiceName,
  work: (place: KeyPlace) => Promise<T>,
): Promise<T> {
  const keysFile = keysFileOf(installation, service);
  return withPool(installation, service, POOL, (pool) => work({ service, keysFile, pool }));
}

/** Throws KeysDoNotFit where the file is not the one of the tables. */
export const keyringOf = ({ service, keysFile, pool }: KeyPlace): Promise<Keyring> =>
  openKeyring(pool, { service, keysFile });

/** The same with the service's keyring, whose keys are wiped afterwards. */
export function withKeyring<T>(
  installation: Installation,
  service: ServiceName,
  work: (place: KeyPlace, keyring: Keyring) => Promise<T>,
): Promise<T> {
  return withPlace(installation, service, async (place) => {
    const keyring = await keyringOf(place);
    try {
      return await work(place, keyring);
    } finally {
      keyring.wipe();
    }
  });
}

/**
 * Writes `medvault.<service>.keys.<verb>.v1` into the service's outbox: done by an operator, with
 * counts and versions.
 */
export function auditOf(service: string, verb: string, patientIds: readonly string[] = []): Audit {
  return keyEvent(service, verb, "operator", patientIds);
}

/** The same for what changes nothing, in a transaction of its own. */
export function recordIn(
  installation: Installation,
  service: ServiceName,
  verb: string,
  details: Readonly<Record<string, number>>,
): Promise<void> {
  return withPlace(installation, service, ({ pool }) =>
    inTransaction(pool, (tx) => auditOf(service, verb)(tx, details)),
  );
}

import { openNewestEntry } from "@medvault/audit-service/newest-entry";
import { createKeyring, type Keyring, KeysError, openKeyring, VaultRefused } from "@medvault/keys";
import { findUnopenable, openSamples, readKeyFile } from "@medvault/keys/operations";
import type { Db, ServiceName } from "@medvault/postgres";
import type { Installation } from "../lib/installation.ts";
import { archiveKeys } from "./archives.ts";
import type { Finding } from "./doctor.ts";
import { tablesOf } from "./tables.ts";

const HELP = 'damaged, or under another key (docs/runbooks/keys.md, "A key file is lost")';

/**
 * Proves a service's keys by opening with them: every wrapped key, a row of each sealed table under
 * each version, the newest entry of the log, the archives of backups. Names what does not open.
 */
export async function openingFindings(
  installation: Installation,
  service: ServiceName,
  { pool, keysFile }: { pool: Db; keysFile: string },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const find = (check: Finding["check"], says: string) => findings.push({ service, check, says });
  try {
    (await openKeyring(pool, { service, keysFile })).wipe();
  } catch (error) {
    if (!(error instanceof KeysError)) throw error;
    if (error instanceof VaultRefused) return []; // a finding of its own
    find("key_file", error.message);
  }
  const keyring = await createKeyring({ service, keysFile });
  const { count, named } = await findUnopenable(pool, keyring, {});
  if (count > 0)
    find(
      "keys",
      `${count} keys do not open (${named.join(", ")}${count > named.length ? ", …" : ""}): ${HELP}.`,
    );
  for (const { table, version, id } of await closedRows(pool, keyring, service, keysFile))
    find("rows", `row ${id} of ${table}, under version ${version}, does not open: ${HELP}.`);
  if (service === "audit") {
    const entry = await openNewestEntry(pool, keyring);
    if (entry?.opens === false) find("rows", `entry ${entry.idx} of the log does not open: ${HELP}.`);
  }
  const archives = service === "backup" ? archiveKeys(installation) : [];
  for (const { id, wrapped } of archives.filter((archive) => !opens(keyring, archive)))
    find(
      "archives",
      `the key of backup ${id}, under version ${wrapped.readUInt32BE(2)}, does not open: ${HELP}.`,
    );
  keyring.wipe();
  return findings;
}

/** Of each sealed table one row for each version that is not destroyed: those that do not open. */
async function closedRows(db: Db, keyring: Keyring, service: ServiceName, keysFile: string) {
  const { versions } = readKeyFile(keysFile, service).document;
  const live = versions.filter(({ state }) => state !== "destroyed").map(({ version }) => version);
  const closed: { table: string; version: number; id: string }[] = [];
  for (const table of tablesOf(service)) {
    const samples = await openSamples(db, keyring, table, live);
    for (const { version, id, opens } of samples)
      if (!opens) closed.push({ table: table.declaration.table, version, id });
  }
  return closed;
}

function opens(keyring: Keyring, { id, wrapped }: { id: string; wrapped: Buffer }): boolean {
  try {
    keyring.unwrap(wrapped, ["backup", "archive", id]).fill(0);
    return true;
  } catch {
    return false;
  }
}

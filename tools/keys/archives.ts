import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { countInBackups, type Keyring, writeDurably } from "@medvault/keys";
import type { KeyPlace, Need } from "@medvault/keys/operations";
import type { Installation } from "../lib/installation.ts";
import { keyringOf, withPlace } from "./work.ts";

// A wrapped key names the version that wraps it in its bytes 2 to 5 (libs/crypto/FORMATS.md).
const VERSION_AT = 2;
const WRAPPED_BYTES = 102;
const BACKED_UP: readonly string[] = ["auth", "records", "files"];

interface ArchiveKey {
  readonly id: string;
  readonly file: string;
  readonly wrapped: Buffer;
}

/**
 * What kept backups need of a version: the keys of their archives (of backup), or the keysets
 * within (of the others).
 */
export async function backupNeeds(
  installation: Installation,
  place: KeyPlace,
  version: number,
): Promise<Need[]> {
  if (place.service === "backup") {
    const count = archiveCounts(installation).get(version) ?? 0;
    return [{ what: "archives of backups", count }];
  }
  if (!BACKED_UP.includes(place.service)) return [];
  const count = await countInBackups(place.pool, place.service, version);
  return [{ what: "keys in kept backups", count }];
}

/**
 * Renews the keysets of kept backups, as the backup service does by itself, where this machine has
 * backups. Returns how many; 0 also while the service is at it.
 */
export async function renewBackups(installation: Installation, signal: AbortSignal): Promise<number> {
  const { backupsDir, databaseUrls } = installation;
  if (backupsDir === null || !existsSync(backupsDir) || !databaseUrls.backup) return 0;
  // Loaded for this alone: every other command starts without a service.
  const { renewKeysets } = await import("@medvault/backup-service/keysets");
  const silent = () => undefined;
  const logger = { info: silent, warn: silent, error: silent };
  return withPlace(installation, "backup", async (place) => {
    const keyring = await keyringOf(place);
    const context = { pool: place.pool, keyring, archiveDir: backupsDir, logger };
    return renewKeysets(context, { signal, evenIfTried: true });
  });
}

/** How many archives each version of backup's service key wraps. */
export function archiveCounts(installation: Installation): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { wrapped } of archiveKeys(installation)) {
    const version = wrapped.readUInt32BE(VERSION_AT);
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  return counts;
}

/**
 * Wraps the keys of all archives under the newest version; each file is replaced whole. Returns how
 * many.
 */
export async function rewrapArchives(installation: Installation, keyring: Keyring): Promise<number> {
  let count = 0;
  for (const { id, file, wrapped } of archiveKeys(installation)) {
    const rewrapped = keyring.rewrap(wrapped, ["backup", "archive", id]);
    if (rewrapped === null) continue;
    await writeDurably(file, rewrapped);
    count += 1;
  }
  return count;
}

/** The wrapped key of each archive that is there. */
export function archiveKeys({ backupsDir }: Installation): ArchiveKey[] {
  if (backupsDir === null || !existsSync(backupsDir)) return [];
  return readdirSync(backupsDir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^(tmp-)?[0-9a-f-]{36}$/.test(entry.name))
    .map((entry) => ({
      id: entry.name.replace(/^tmp-/, ""),
      file: path.join(backupsDir, entry.name, "key"),
    }))
    .filter(({ file }) => existsSync(file))
    .map((found) => ({ ...found, wrapped: readFileSync(found.file) }))
    .filter(({ wrapped }) => wrapped.length === WRAPPED_BYTES);
}

import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Keyring, signingKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx, withClient } from "@medvault/postgres";
import type { Logger } from "@medvault/service-kit";
import type pg from "pg";
import { type Archive, readPart, syncFolder, writePart } from "../backup/archive.ts";
import { BackupRefused } from "../backup/backup.errors.ts";
import { backupEvent } from "../backup/backup.ts";
import { readTuples, writeTuples } from "../backup/copy-tuples.ts";
import type { Part } from "../backup/manifest.ts";
import { MANIFEST_KEY, type OpenedBackup, openBackup, writeKeyset } from "../backup/seal-manifest.ts";
import {
  closedVersions,
  type KeptKeyset,
  keysetsToRenew,
  liveKeys,
  lockKeysets,
  noteLooked,
  noteSwept,
  noteTally,
  putKeysetInForce,
  unlockKeysets,
} from "./keyset.store.ts";
import { KEY_PART, type Keyset, keysetFile, Tally } from "./keyset.ts";
import { type Renewal, renew, serviceOf, survey } from "./renew.ts";

export interface KeysetDeps {
  /** Of backup's own role. */
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly archive: Archive;
  readonly logger: Pick<Logger, "info" | "error">;
  readonly signal: AbortSignal;
  /** Also those that were tried in vain a short while ago. */
  readonly evenIfTried?: boolean;
}

/**
 * Renews the keysets of kept backups that hold keys under versions that were closed, so that those versions can be
 * destroyed and every backup still opens for those who were not shredded. Copies what the services have wrapped anew:
 * nothing is unwrapped here. One process at a time; the backup's row says in one transaction which keyset is in force, so
 * one killed anywhere leaves the old or the new one, whole. Returns how many were renewed.
 */
export async function renewKeysets(deps: KeysetDeps): Promise<number> {
  const { pool, logger, signal } = deps;
  if ((await keysetsToRenew(pool, await closedVersions(pool), deps.evenIfTried === true)).length === 0)
    return 0;
  return withClient(pool, async (client) => {
    if (!(await lockKeysets(client))) return 0;
    const closed = await closedVersions(client);
    let count = 0;
    for (const kept of await keysetsToRenew(client, closed, deps.evenIfTried === true)) {
      signal.throwIfAborted();
      try {
        if (await renewOne(deps, client, kept, closed)) count += 1;
      } catch (err) {
        signal.throwIfAborted();
        // One damaged backup must not hold up the others; it holds its versions until it is deleted.
        const reason = err instanceof BackupRefused ? err.reason : "unexpected";
        logger.error({ err, backupId: kept.id, reason }, "keyset cannot be renewed");
        await noteLooked(client, kept.id);
      }
    }
    await unlockKeysets(client);
    return count;
  });
}

async function renewOne(
  deps: KeysetDeps,
  client: pg.PoolClient,
  kept: KeptKeyset,
  closed: ReadonlyMap<string, ReadonlySet<number>>,
): Promise<boolean> {
  const { pool, keyring, archive } = deps;
  const folder = archive.folderOf(kept.id);
  const opened = await openBackup(pool, keyring, folder, kept.id, kept);
  try {
    await sweep(client, opened, kept.keysetSha256, kept.generation);
    const renewal: Renewal = { live: liveKeys(client), closed, tally: new Tally(), renewed: 0, leftOut: 0 };
    const { parts, made } = await renewParts(opened, renewal, deps.signal);
    if (renewal.renewed + renewal.leftOut === 0) {
      await removeParts(folder, made);
      await inTransaction(pool, (tx) => noteTally(tx, kept.id, renewal.tally));
      return false;
    }
    return await putInForce(deps, client, kept, opened, parts, renewal);
  } finally {
    opened.key.fill(0);
  }
}

/** Writes every part of a key table that changes anew, beside the one in force. */
async function renewParts(opened: OpenedBackup, renewal: Renewal, signal: AbortSignal) {
  const parts: Part[] = [];
  const made: string[] = [];
  for (const part of opened.manifest.parts.filter(({ kind }) => kind === "keys")) {
    const tuples = readTuples(readPart(opened.folder, opened.id, opened.key, part));
    if (!renewal.closed.get(serviceOf(part))?.size) {
      await survey(part, tuples, renewal.tally);
      parts.push(part);
      continue;
    }
    const name = `${part.schema}.${part.table}.${randomBytes(8).toString("hex")}`;
    made.push(name);
    let rows = 0;
    const counted = async function* () {
      for await (const tuple of renew(part, tuples, renewal)) {
        rows += 1;
        yield tuple;
      }
    };
    const plain = Readable.from(writeTuples(counted()));
    const written = await writePart(opened.folder, opened.id, opened.key, name, plain, signal);
    parts.push({
      ...part,
      name,
      rows,
      bytes: written.plain.bytes,
      sha256: written.plain.sha256,
      sealedBytes: written.sealed.bytes,
      sealedSha256: written.sealed.sha256,
    });
  }
  return { parts, made };
}

async function putInForce(
  deps: KeysetDeps,
  client: pg.PoolClient,
  kept: KeptKeyset,
  opened: OpenedBackup,
  parts: readonly Part[],
  renewal: Renewal,
): Promise<boolean> {
  const generation = kept.generation + 1;
  const keyset = {
    format: "medvault-keyset/1",
    backupId: kept.id,
    generation,
    createdAt: new Date().toISOString(),
    parts: parts.map((part) => ({ ...part, kind: "keys" })),
  } as Keyset;
  const signer = await signingKey(deps.pool, deps.keyring, MANIFEST_KEY);
  const sha256 = await writeKeyset(opened, keyset, signer);
  await syncFolder(join(opened.folder, "parts"));
  await syncFolder(opened.folder);
  const { renewed, leftOut, tally } = renewal;
  const stray = tally.all.reduce((sum, count) => sum + count.stray, 0);
  // By the connection that holds the lock: whoever has lost that can put nothing in force any more.
  const isOurs = await onClient(client, async (tx) => {
    if (!(await putKeysetInForce(tx, kept, sha256))) return false;
    await noteTally(tx, kept.id, tally);
    const details = { generation, keysetSha256: sha256, renewed, leftOut, stray };
    await emit(tx, "backup", backupEvent(null, "keyset_renewed", { backupId: kept.id, details }));
    return true;
  });
  if (isOurs) {
    deps.logger.info({ backupId: kept.id, count: renewed, generation }, "keyset renewed");
    const now = { ...opened, manifest: { ...opened.manifest, parts: [...parts] } };
    await sweep(client, now, sha256, generation);
  }
  return isOurs;
}

async function onClient<T>(client: pg.PoolClient, work: (tx: Tx) => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    const result = await work(client as Tx);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

/** Removes what is left of keysets that are not in force: replaced ones, and ones that never were. */
async function sweep(
  client: pg.PoolClient,
  { id, folder, manifest }: OpenedBackup,
  keysetSha256: string | null,
  generation: number,
): Promise<void> {
  const present = new Set(manifest.parts.map(({ name }) => name));
  const parts = await readdir(join(folder, "parts"));
  await removeParts(
    folder,
    parts.filter((name) => KEY_PART.test(name) && !present.has(name)),
  );
  for (const name of await readdir(folder)) {
    const isOther = keysetSha256 === null || name !== keysetFile(keysetSha256);
    if (name.startsWith("keyset-") && isOther) await rm(join(folder, name), { force: true });
  }
  await noteSwept(client, id, generation);
}

async function removeParts(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(folder, "parts", name), { force: true });
}

/** Counts what a backup's keyset holds, part by part. */
export async function surveyKeyset(backup: OpenedBackup): Promise<Tally> {
  const tally = new Tally();
  for (const part of backup.manifest.parts.filter(({ kind }) => kind === "keys")) {
    await survey(part, readTuples(readPart(backup.folder, backup.id, backup.key, part)), tally);
  }
  return tally;
}

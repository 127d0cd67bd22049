import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { syncDirectory } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx, withClient } from "@medvault/postgres";
import type pg from "pg";
import { BackupRefused } from "../archive/archive.errors.ts";
import { readTuples, writeTuples } from "../archive/copy-format.ts";
import { KEY_PART, type Keyset, keysetFile } from "../archive/keyset.ts";
import { Count } from "../archive/lines.ts";
import { type OpenedBackup, openBackup, writeKeyset } from "../archive/manifest.store.ts";
import type { Part } from "../archive/manifest.ts";
import { readPart, writePart } from "../archive/part.store.ts";
import type { ArchiveContext } from "../context.ts";
import { keysetRenewed } from "./keyset.events.ts";
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
import { type Renewal, renew, serviceOf, survey } from "./renewal.ts";
import { Tally } from "./tally.ts";

export interface RenewOptions {
  readonly signal: AbortSignal;
  /** Also those that were tried in vain a short while ago. */
  readonly evenIfTried?: boolean;
}

/**
 * Renews the keysets of kept backups that hold keys under versions that were closed, so that those
 * versions can be destroyed and every backup still opens for those who were not shredded. Copies
 * what the services have wrapped since: nothing is unwrapped here. One process at a time; the
 * backup's row says in one transaction which keyset is in force, so a process that is killed
 * anywhere leaves the old or the new one, whole. `context.pool` is that of backup's own role.
 * Returns how many were renewed.
 */
export async function renewKeysets(context: ArchiveContext, options: RenewOptions): Promise<number> {
  const { pool, logger } = context;
  const { signal, evenIfTried = false } = options;
  if ((await keysetsToRenew(pool, await closedVersions(pool), evenIfTried)).length === 0) return 0;
  return withClient(pool, async (client) => {
    if (!(await lockKeysets(client))) return 0;
    const closed = await closedVersions(client);
    let count = 0;
    for (const kept of await keysetsToRenew(client, closed, evenIfTried)) {
      signal.throwIfAborted();
      try {
        if (await renewOne(context, client, kept, closed, signal)) count += 1;
      } catch (err) {
        signal.throwIfAborted();
        // One damaged backup does not hold up the others; its versions stay until it is deleted.
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
  context: ArchiveContext,
  client: pg.PoolClient,
  kept: KeptKeyset,
  closed: ReadonlyMap<string, ReadonlySet<number>>,
  signal: AbortSignal,
): Promise<boolean> {
  const opened = await openBackup(context, kept.id, kept);
  try {
    await sweep(client, opened, kept.keysetSha256, kept.generation);
    const renewal: Renewal = { live: liveKeys(client), closed, tally: new Tally(), renewed: 0, leftOut: 0 };
    const { parts, made } = await renewParts(opened, renewal, signal);
    if (renewal.renewed + renewal.leftOut > 0) {
      return await putInForce(context, client, kept, opened, parts, renewal);
    }
    await removeParts(opened.folder, made);
    await inTransaction(context.pool, (tx) => noteTally(tx, kept.id, renewal.tally));
    return false;
  } finally {
    opened.key.fill(0);
  }
}

/** Writes every part of a key table that changes, beside the one in force. */
async function renewParts(opened: OpenedBackup, renewal: Renewal, signal: AbortSignal) {
  const parts: Part[] = [];
  const made: string[] = [];
  for (const part of opened.manifest.parts.filter(({ kind }) => kind === "keys")) {
    const tuples = readTuples(readPart(opened, part));
    if (!renewal.closed.get(serviceOf(part))?.size) {
      await survey(part, tuples, renewal.tally);
      parts.push(part);
      continue;
    }
    const name = `${part.schema}.${part.table}.${randomBytes(8).toString("hex")}`;
    made.push(name);
    const count = new Count();
    const plain = Readable.from(writeTuples(count.of(renew(part, tuples, renewal))));
    const written = await writePart(opened, name, plain, { signal });
    parts.push({ ...part, ...written, name, rows: count.items });
  }
  return { parts, made };
}

async function putInForce(
  context: ArchiveContext,
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
  await syncDirectory(join(opened.folder, "parts"));
  const sha256 = await writeKeyset(context, opened, keyset);
  const { renewed, leftOut, tally } = renewal;
  const stray = tally.all.reduce((sum, count) => sum + count.stray, 0);
  // By the connection that has the lock: a process that lost it can put nothing in force.
  const isOurs = await onClient(client, async (tx) => {
    if (!(await putKeysetInForce(tx, kept, sha256))) return false;
    await noteTally(tx, kept.id, tally);
    const details = { generation, keysetSha256: sha256, renewed, leftOut, stray };
    await emit(tx, "backup", keysetRenewed(kept.id, details));
    return true;
  });
  if (isOurs) {
    context.logger.info({ backupId: kept.id, count: renewed, generation }, "keyset renewed");
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

/** Removes the files of keysets that are not in force: replaced ones, and ones that never were. */
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
    const isOther = name.startsWith("keyset-") && (!keysetSha256 || name !== keysetFile(keysetSha256));
    if (isOther || name.endsWith(".tmp")) await rm(join(folder, name), { force: true });
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
    await survey(part, readTuples(readPart(backup, part)), tally);
  }
  return tally;
}

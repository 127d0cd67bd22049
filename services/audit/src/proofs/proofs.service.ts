import { setTimeout as delay } from "node:timers/promises";
import {
  type Actor,
  type AuditConsistency,
  type AuditProof,
  InvalidInput,
  type NewEvent,
  NotFound,
} from "@medvault/contracts";
import type pg from "pg";
import { checkpointOfSize } from "../checkpoints/checkpoint.store.ts";
import { demandWholeLog } from "../events/events.service.ts";
import { readingEvent } from "../events/reading.ts";
import type { BodySeal } from "../log/body-seal.ts";
import { eventOf, splitBody } from "../log/entry.ts";
import { type LogRow, leavesBetween, rowById } from "../log/log.store.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import type { OutsideStore } from "../outside/outside.store.ts";
import { tilesAt } from "../outside/tiles-at.ts";
import { openCheckpoint, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { leafHash } from "../tree/hash.ts";
import type { NoteKey } from "../tree/note.ts";
import { consistencyProof, inclusionProof, rootFromTiles } from "../tree/proof.ts";
import { consistencyHolds, rootFromInclusion } from "../tree/proof-check.ts";
import { encodeEntryBundle, encodeTile, TILE_WIDTH, type TileName, tileWidth } from "../tree/tile.ts";
import { AuditLogDamaged, NotYetSigned } from "./proofs.errors.ts";

const WAIT_MS = 5_000;
const POLL_MS = 100;

export interface ProofsParts {
  readonly pool: pg.Pool;
  readonly outside: OutsideStore;
  readonly seal: BodySeal;
  readonly key: NoteKey;
  readonly origin: string;
  readonly record: (event: NewEvent) => Promise<void>;
  /** Longest wait for a checkpoint; default 5,000. */
  readonly waitMs?: number;
}

/** Proofs from what is kept outside Postgres; each is checked before it leaves, so that none is handed out in vain. */
export function createProofsService(parts: ProofsParts) {
  const { pool, outside, key, origin } = parts;

  /** The latest signed checkpoint. @throws NotYetSigned, AuditLogDamaged */
  async function latest(): Promise<SignedCheckpoint> {
    const note = await outside.readCheckpoint();
    if (note === null) throw new NotYetSigned();
    const checkpoint = openCheckpoint(note, key, origin);
    if (checkpoint === null) throw new AuditLogDamaged();
    return checkpoint;
  }

  /** Waits until a checkpoint counts more than `idx` entries. @throws NotYetSigned */
  async function covering(idx: number): Promise<SignedCheckpoint> {
    const until = performance.now() + (parts.waitMs ?? WAIT_MS);
    for (;;) {
      const checkpoint = await latest().catch((error: unknown) => {
        if (error instanceof NotYetSigned) return null;
        throw error;
      });
      if (checkpoint !== null && checkpoint.size > idx) return checkpoint;
      if (performance.now() >= until) throw new NotYetSigned();
      await delay(POLL_MS);
    }
  }

  return {
    latest,

    /** The proof that one event is in the log. @throws NotFound, NotYetSigned, AuditLogDamaged */
    async inclusion(actor: Actor, id: string): Promise<AuditProof> {
      demandWholeLog(actor);
      const row = await rowById(pool, id);
      if (row === null) throw new NotFound();
      const proof = await damagedWhenOutsideIs(() => inclusionOf(parts, row, () => covering(row.idx)));
      await parts.record(
        readingEvent(actor, "proved", { subject: `audit/${row.id}`, patientIds: row.patientIds }),
      );
      return proof;
    },

    /** The proof that the log of `to` entries extends the one of `from`. @throws InvalidInput, AuditLogDamaged */
    async consistency(from: number, to: number): Promise<AuditConsistency> {
      const checkpoint = await latest();
      if (from > to || to > checkpoint.size) {
        const message = from > to ? "is less than `from`" : "is beyond the latest checkpoint";
        throw new InvalidInput("The sizes do not fit the log.", [{ path: "to", message }]);
      }
      return await damagedWhenOutsideIs(() => consistencyOf(parts, checkpoint, from, to));
    },

    /** The bytes of a tile or an entry bundle of the signed tree. @throws NotFound, AuditLogDamaged */
    async tile({ level, index, width }: TileName): Promise<Buffer> {
      const checkpoint = await latest();
      const there = tileWidth(checkpoint.size, level === "entries" ? 0 : level, index);
      if (width > there) throw new NotFound();
      if (level === "entries") return await entryBundle(pool, index, width);
      const readTile = tilesAt(outside, checkpoint.size);
      return await damagedWhenOutsideIs(async () => encodeTile([...(await readTile(level, index, width))]));
    },
  };
}
export type ProofsService = ReturnType<typeof createProofsService>;

async function inclusionOf(
  { seal, outside }: ProofsParts,
  row: LogRow,
  covering: () => Promise<SignedCheckpoint>,
): Promise<AuditProof> {
  const body = seal.open(row.idx, row.id, row.sealed);
  const split = body && eventOf(body, row.leaf) ? splitBody(body) : null;
  if (split === null) throw new AuditLogDamaged();
  const checkpoint = await covering();
  const hashes = await inclusionProof(tilesAt(outside, checkpoint.size), row.idx, checkpoint.size);
  const root = rootFromInclusion(leafHash(row.leaf), row.idx, checkpoint.size, hashes);
  if (!root?.equals(checkpoint.root)) throw new AuditLogDamaged();
  return {
    leafIndex: row.idx,
    leaf: row.leaf.toString("base64"),
    salt: split.salt.toString("base64"),
    canonicalEvent: split.canonicalEvent.toString("base64"),
    treeSize: checkpoint.size,
    hashes: hashes.map((hash) => hash.toString("base64")),
    checkpoint: checkpoint.note,
  };
}

async function consistencyOf(
  { pool, outside }: ProofsParts,
  checkpoint: SignedCheckpoint,
  from: number,
  to: number,
): Promise<AuditConsistency> {
  const readTile = tilesAt(outside, checkpoint.size);
  const rootAt = (size: number) =>
    size === checkpoint.size ? Promise.resolve(checkpoint.root) : rootFromTiles(readTile, size);
  const [hashes, older, newer] = [
    await consistencyProof(readTile, from, to),
    await rootAt(from),
    await rootAt(to),
  ];
  if (!consistencyHolds(from, older, to, newer, hashes)) throw new AuditLogDamaged();
  const [past, present] = [await checkpointOfSize(pool, from), await checkpointOfSize(pool, to)];
  return {
    from,
    to,
    hashes: hashes.map((hash) => hash.toString("base64")),
    fromCheckpoint: past?.note ?? null,
    toCheckpoint: to === checkpoint.size ? checkpoint.note : (present?.note ?? null),
  };
}

async function entryBundle(pool: pg.Pool, index: number, width: number): Promise<Buffer> {
  const from = index * TILE_WIDTH;
  const rows = await leavesBetween(pool, from, from + width);
  if (rows.length < width) throw new AuditLogDamaged();
  return encodeEntryBundle(rows.map((row) => row.leaf));
}

async function damagedWhenOutsideIs<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OutsideDamaged ? new AuditLogDamaged() : error;
  }
}

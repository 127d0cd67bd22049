import { type AuditHashesQuery, type AuditRangeQuery, InvalidInput } from "@medvault/contracts";
import type { Caller } from "@medvault/service-kit";
import type { z } from "zod";
import type { Context } from "../context.ts";
import { requireWholeLog } from "../events/event.ts";
import { readingEvent } from "../events/reading.events.ts";
import { splitBody } from "../log/entry.ts";
import { type LogRow, leavesBetween, rowsFrom } from "../log/log.store.ts";
import { readRetirement } from "../log/retirement.service.ts";
import { OutsideDamaged } from "../outside/outside.errors.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { HASH_BYTES, sha256 } from "../tree/hash.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { readCheckpoint } from "./proof.service.ts";

/** Entries of one piece: 16 tiles, 128 KiB of hashes. */
const STEP = 16 * TILE_WIDTH;
const STEP_BODIES = TILE_WIDTH;

/**
 * The signed log as 32 bytes an entry, for who checks all of it: leaves as the database has them,
 * or level 0 as the store outside has it. What is missing is zeros, which is no hash of anything:
 * the one who checks learns where. @throws InvalidInput, NotYetSigned, AuditLogDamaged
 */
export async function beginHashes(
  context: Context,
  { of, from, to }: z.infer<typeof AuditHashesQuery>,
): Promise<AsyncGenerator<Buffer>> {
  const { size } = await readCheckpoint(context);
  requireRange(from, to, size);
  return of === "log" ? leaves(context, from, to) : levelZero(context, from, to, size);
}

async function* leaves(context: Context, first: number, to: number): AsyncGenerator<Buffer> {
  const { pool, outside } = context;
  const retired = Math.min((await readRetirement(context)).size, to);
  const from = Math.max(first, retired);
  for (let at = first; at < retired; at += TILE_WIDTH - (at % TILE_WIDTH)) {
    const bundle = await orNull(outside.readLeaves(Math.floor(at / TILE_WIDTH)));
    const [start, end] = [at % TILE_WIDTH, Math.min(TILE_WIDTH, (at % TILE_WIDTH) + retired - at)];
    yield bundle ? Buffer.concat(bundle.slice(start, end)) : Buffer.alloc((end - start) * HASH_BYTES);
  }
  for (let at = from; at < to; at += STEP) {
    const end = Math.min(at + STEP, to);
    const piece = Buffer.alloc((end - at) * HASH_BYTES);
    for (const { idx, leaf } of await leavesBetween(pool, at, end)) leaf.copy(piece, (idx - at) * HASH_BYTES);
    yield piece;
  }
}

async function* levelZero(
  { outside }: Context,
  from: number,
  to: number,
  size: number,
): AsyncGenerator<Buffer> {
  const readTile = tilesAt(outside, size);
  for (let at = from; at < to; ) {
    const index = Math.floor(at / TILE_WIDTH);
    const [start, end] = [index * TILE_WIDTH, Math.min((index + 1) * TILE_WIDTH, to)];
    const hashes = await orNull(readTile(0, index, end - start));
    yield hashes ? Buffer.concat(hashes.slice(at - start)) : Buffer.alloc((end - at) * HASH_BYTES);
    at = end;
  }
}

/** What the store outside has; null where it is missing or damaged. */
const orNull = <T>(reading: Promise<T>): Promise<T | null> =>
  reading.catch((error: unknown) => {
    if (error instanceof OutsideDamaged) return null;
    throw error;
  });

/**
 * The bodies of the signed log as lines of JSON: `index`, `salt` and `event` (base64; the leaf is
 * SHA-256 of both), `columns` of the row, by which queries go. One that does not open has only its
 * index, one that is missing has no line; the last line has `end` and their number. Resolves once
 * the event of the reading is durable. @throws Forbidden, InvalidInput, NotYetSigned
 */
export async function beginBodies(
  context: Context,
  caller: Caller,
  { from, to }: z.infer<typeof AuditRangeQuery>,
): Promise<AsyncGenerator<string>> {
  requireWholeLog(caller);
  const { size } = await readCheckpoint(context);
  requireRange(from, to, size);
  await context.appender.append(
    readingEvent(caller, "exported", { details: { format: "bodies", from, to } }),
  );
  return bodies(context, from, to);
}

async function* bodies({ pool, seal }: Context, from: number, to: number): AsyncGenerator<string> {
  let count = 0;
  for (let at = from; at < to; at += STEP_BODIES) {
    const rows = await rowsFrom(pool, at, Math.min(at + STEP_BODIES, to), STEP_BODIES);
    count += rows.length;
    yield rows
      .map((row) => `${JSON.stringify(lineOf(row, seal.open(row.idx, row.id, row.sealed)))}\n`)
      .join("");
  }
  yield `${JSON.stringify({ end: true, count })}\n`;
}

function lineOf(row: LogRow, body: Buffer | null) {
  const { idx: index, leaf, sealed: _sealed, ...columns } = row;
  // What does not give its leaf is not shown: nobody vouches for what it says.
  const parts = body && sha256(body).equals(leaf) ? splitBody(body) : null;
  if (parts === null) return { index };
  const { salt, canonicalEvent } = parts;
  return { index, salt: salt.toString("base64"), event: canonicalEvent.toString("base64"), columns };
}

function requireRange(from: number, to: number, size: number): void {
  if (from <= to && to <= size) return;
  const message = from > to ? "is less than `from`" : "is beyond the latest checkpoint";
  throw new InvalidInput("The range does not fit the log.", [{ path: "to", message }]);
}

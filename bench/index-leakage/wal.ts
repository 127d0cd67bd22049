import { createHmac } from "node:crypto";
import type pg from "pg";
import { Chance, limitByChance } from "./chance.ts";

const AROUND_BYTES = 400;
const WINDOW_BYTES = 8;
const MIN_ROWS = 4;
const SLOTS = 2 ** 24;

/** A row of which the thief wants to know what it holds. */
export interface Wanted {
  readonly id: string;
  readonly patientId: string;
  readonly truth: string;
}

/**
 * Runs `work` while the server keeps its write-ahead log, and gives the log's files of that time, as
 * a thief of the disk has them.
 */
export async function withWal(client: pg.Client, work: () => Promise<void>): Promise<Buffer> {
  const slot = `leakage_${process.pid}`;
  const { rows: from } = await client.query<{ lsn: string }>(
    "select lsn::text from pg_create_physical_replication_slot($1, true)",
    [slot],
  );
  try {
    await work();
    const { rows } = await client.query<{ bytes: Buffer }>(
      `select pg_read_binary_file('pg_wal/' || name) as bytes from pg_ls_waldir()
        where name between pg_walfile_name($1::pg_lsn) and pg_walfile_name(pg_current_wal_insert_lsn())
        order by name`,
      [from[0]?.lsn],
    );
    return Buffer.concat(rows.map(({ bytes }) => bytes));
  } finally {
    await client.query("select pg_drop_replication_slot($1)", [slot]);
  }
}

/** Those texts, of eight bytes and more, that stand in the log in the clear. */
export function wordsIn(wal: Buffer, texts: Iterable<string>): string[] {
  const words = [...new Set(texts)]
    .map((text) => Buffer.from(text))
    .filter(({ length }) => length >= WINDOW_BYTES);
  const bySlot = Map.groupBy(words, (word) => slotOf(word, 0));
  const isBegun = new Uint8Array(SLOTS);
  for (const slot of bySlot.keys()) isBegun[slot] = 1;
  const found = new Set<string>();
  for (let at = 0; at + WINDOW_BYTES <= wal.length; at += 1) {
    const slot = slotOf(wal, at);
    if (isBegun[slot] !== 1) continue;
    for (const word of bySlot.get(slot) ?? []) {
      if (wal.subarray(at, at + word.length).equals(word)) found.add(word.toString());
    }
  }
  return [...found];
}

/**
 * How many pieces of 8 bytes stand beside four rows or more of one value, of two patients or more,
 * and beside no other row: what a token would be. `byChance` is what shuffled values hardly pass,
 * `planted` what is found when each row has a token beside it.
 */
export function tellingPieces(wal: Buffer, rows: readonly Wanted[]) {
  const near = rows.map(({ id }) => surroundings(wal, Buffer.from(id.replaceAll("-", ""), "hex")));
  const shared = sharedPieces(near);
  const chance = new Chance(rows.length);
  const byChance = limitByChance(() => telling(shared, chance.dealtOut(rows)));
  const marked = near.map((pieces, at) => [
    ...pieces,
    createHmac("sha256", "a key")
      .update(rows[at]?.truth ?? "")
      .digest()
      .subarray(0, 16),
  ]);
  return {
    rowsSeen: near.filter((pieces) => pieces.length > 0).length,
    found: telling(shared, rows),
    byChance,
    planted: telling(sharedPieces(marked), rows),
  };
}

/** What stands around each place of an id: its row, and its entries of indexes. */
function surroundings(wal: Buffer, id: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = wal.indexOf(id); at !== -1; at = wal.indexOf(id, at + id.length)) {
    found.push(
      wal.subarray(Math.max(0, at - AROUND_BYTES), at),
      wal.subarray(at + id.length, at + AROUND_BYTES),
    );
  }
  return found;
}

/** The pieces that stand beside more than one row, each with its rows. */
function sharedPieces(near: readonly (readonly Buffer[])[]): Map<string, Set<number>> {
  const firstRow = new Int32Array(SLOTS); // by hash: 0 none yet, -1 several
  eachPiece(near, (bytes, at, row) => {
    const slot = slotOf(bytes, at);
    const first = firstRow[slot] ?? 0;
    firstRow[slot] = first === 0 || first === row + 1 ? row + 1 : -1;
  });
  const shared = new Map<string, Set<number>>();
  eachPiece(near, (bytes, at, row) => {
    if (firstRow[slotOf(bytes, at)] !== -1) return;
    const piece = bytes.toString("latin1", at, at + WINDOW_BYTES);
    const rows = shared.get(piece);
    if (rows) rows.add(row);
    else shared.set(piece, new Set([row]));
  });
  return shared;
}

function eachPiece(
  near: readonly (readonly Buffer[])[],
  take: (bytes: Buffer, at: number, row: number) => void,
): void {
  for (const [row, pieces] of near.entries()) {
    for (const bytes of pieces) {
      for (let at = 0; at + WINDOW_BYTES <= bytes.length; at += 1) take(bytes, at, row);
    }
  }
}

const slotOf = (bytes: Buffer, at: number): number =>
  Math.imul(bytes.readInt32LE(at) ^ Math.imul(bytes.readInt32LE(at + 4), 0x9e3779b1), 0x85ebca6b) >>> 8;

function telling(shared: ReadonlyMap<string, ReadonlySet<number>>, rows: readonly Wanted[]): number {
  let pieces = 0;
  for (const of of shared.values()) {
    if (of.size < MIN_ROWS) continue;
    const beside = [...of].flatMap((row) => rows[row] ?? []);
    const values = new Set(beside.map(({ truth }) => truth));
    if (values.size === 1 && new Set(beside.map(({ patientId }) => patientId)).size > 1) pieces += 1;
  }
  return pieces;
}

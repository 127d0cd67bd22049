import type { LogContext } from "../context.ts";
import { type LogRow, rowsFrom } from "../log/log.store.ts";
import type { OutsideBody } from "../outside/body-bundle.ts";
import { TILE_WIDTH } from "../tree/tile.ts";
import { requireRow } from "../verification/verification.ts";
import { type ProvenRow, proven } from "./entry-repair.ts";

const STEP_ROWS = 1_000;

/** What becomes of entries that no checkpoint covers. */
export interface UnsignedPart {
  /** Where the log ends afterwards. */
  readonly size: number;
  /** Places whose rows no writer appended. */
  readonly foreign: readonly number[];
  /** Places whose rows say something else than their bodies. */
  readonly edited: readonly number[];
  /** Places of entries that were behind a hole: they go to other ones. */
  readonly moved: readonly number[];
  /** Places of entries that outside alone has. */
  readonly restored: readonly number[];
  /** Rows to be put in, at their new places. */
  readonly rows: readonly LogRow[];
}

/**
 * Entries that their bodies prove, from the log or from outside, close up in their order; one that
 * gets another place is sealed again for that.
 */
export async function unsignedPart(
  { pool, outside, seal }: Pick<LogContext, "pool" | "outside" | "seal">,
  signed: number,
): Promise<UnsignedPart> {
  const kept = await keptFrom(outside, signed);
  const proved = new Map<number, { row: ProvenRow; isThere: boolean }>();
  const foreign: number[] = [];
  const edited: number[] = [];
  const restored: number[] = [];
  for (let at = signed; ; ) {
    const rows = await rowsFrom(pool, at, Number.MAX_SAFE_INTEGER, STEP_ROWS);
    for (const row of rows) {
      const right = proven(seal, row.idx, row);
      const isThere = right !== null && isWhole(seal, row);
      if (!right) foreign.push(row.idx);
      else if (!isThere) edited.push(row.idx);
      if (right) proved.set(row.idx, { row: right, isThere });
    }
    at = (rows.at(-1)?.idx ?? at) + 1;
    if (rows.length < STEP_ROWS) break;
  }
  const ids = new Set([...proved.values()].map(({ row }) => row.id));
  for (const [idx, body] of kept) {
    const right = proved.has(idx) || ids.has(body.id) ? null : proven(seal, idx, body);
    if (!right) continue;
    restored.push(idx);
    proved.set(idx, { row: right, isThere: false });
  }
  const inOrder = [...proved].sort(([one], [other]) => one - other);
  const moved: number[] = [];
  const rows: LogRow[] = [];
  for (const [at, [from, { row, isThere }]] of inOrder.entries()) {
    const idx = signed + at;
    if (from === idx && isThere) continue;
    if (from !== idx && isThere) moved.push(from);
    const { body, ...columns } = row;
    const sealed = from === idx ? row.sealed : seal.seal(idx, row.id, body);
    rows.push({ ...columns, idx, sealed });
  }
  return { size: signed + inOrder.length, foreign, edited, moved, restored, rows };
}

function isWhole(seal: LogContext["seal"], row: LogRow): boolean {
  try {
    requireRow(seal, row, row.idx);
    return true;
  } catch {
    return false;
  }
}

async function keptFrom(outside: LogContext["outside"], signed: number): Promise<Map<number, OutsideBody>> {
  const kept = new Map<number, OutsideBody>();
  for (let bundle = Math.floor(signed / TILE_WIDTH); ; bundle += 1) {
    const bodies = await outside.readBodies(bundle);
    for (const [at, body] of bodies.entries()) {
      const idx = bundle * TILE_WIDTH + at;
      if (idx >= signed) kept.set(idx, body);
    }
    if (bodies.length < TILE_WIDTH) return kept;
  }
}

import { isDeepStrictEqual } from "node:util";
import type { CloudEvent } from "@medvault/contracts";
import type { BodySeal } from "../log/body-seal.ts";
import { type Columns, columnsOf, eventOf } from "../log/entry.ts";
import type { LogRow } from "../log/log.store.ts";
import type { OutsideBody } from "../outside/body-bundle.ts";
import { LogFault } from "./verification.errors.ts";

/**
 * Requires that a row is at its place, gives its leaf, and says in its columns what its event says,
 * which it gives. @throws LogFault
 */
export function requireRow(seal: BodySeal, row: LogRow, idx: number): CloudEvent {
  if (row.idx !== idx) throw new LogFault(`entry ${idx} is missing from the log`, idx);
  const body = seal.open(idx, row.id, row.sealed);
  if (body === null) throw new LogFault("the sealed body does not open: it was changed or moved", idx);
  const event = eventOf(body, row.leaf);
  if (event === null) throw new LogFault("salt and event do not give the leaf", idx);
  const wrong = wrongColumn(columnsOf(event), row);
  if (wrong !== null) throw new LogFault(`the column ${wrong} is not what the event says`, idx);
  return event;
}

/** Requires that the body kept outside is the one of the row. @throws LogFault */
export function requireOutsideBody(row: LogRow, outside: OutsideBody | undefined): void {
  if (outside === undefined) throw new LogFault("the body is missing outside Postgres", row.idx);
  if (outside.id !== row.id || !outside.sealed.equals(row.sealed)) {
    throw new LogFault("the body outside Postgres is another one than in the log", row.idx);
  }
}

function wrongColumn(expected: Columns, row: LogRow): string | null {
  const names = Object.keys(expected) as (keyof Columns)[];
  return names.find((name) => !isDeepStrictEqual(row[name], expected[name])) ?? null;
}

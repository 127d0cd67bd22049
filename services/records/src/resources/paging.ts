import { createHash } from "node:crypto";
import { decodeCursor, encodeCursor, Instant, InvalidInput, PlainDate } from "@medvault/contracts";
import { z } from "zod";
import type { Found } from "./damaged-row.ts";
import type { Row } from "./patient-owned.ts";
import type { Resource } from "./resource.ts";

/** Where a page begins: after the row with this date or instant and id, newest first. */
export interface Position {
  at: string;
  id: string;
}

const Cursor = z.strictObject({
  at: z.union([Instant, PlainDate]),
  id: z.uuid(),
  filter: z.string().length(16),
});

/** A cursor that is good for this filter only, so that no page of one search continues another. */
export function cursorFor(position: Position, filter: unknown): string {
  return encodeCursor({ at: position.at, id: position.id, filter: fingerprint(filter) });
}

/**
 * The position of a cursor, null for none. Throws InvalidInput for one that is not ours, or of
 * another filter.
 */
export function positionOf(cursor: string | undefined, filter: unknown): Position | null {
  const decoded = decodeCursor(Cursor, cursor);
  if (decoded === undefined) return null;
  if (decoded.filter !== fingerprint(filter)) {
    throw new InvalidInput("The cursor belongs to another query.", [
      { path: "cursor", message: "belongs to another query" },
    ]);
  }
  return { at: decoded.at, id: decoded.id };
}

/** Where a value stands in its list. */
export const positionIn =
  <T extends Row>({ order }: Resource<T>) =>
  (value: Found<T>): Position => {
    const at = (value as T)[order as keyof T];
    return { at: at instanceof Date ? at.toISOString() : String(at), id: value.id };
  };

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/**
 * A page of at most `limit` of the rows; a further row among them says that there is a next page.
 */
export function pageOf<T>(rows: T[], limit: number, filter: unknown, at: (row: T) => Position): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const nextCursor = rows.length > limit && last ? cursorFor(at(last), filter) : null;
  return { items, nextCursor };
}

/** Tells the queries apart to which cursors belong. */
export function fingerprint(filter: unknown): string {
  return createHash("sha256").update(JSON.stringify(filter)).digest("hex").slice(0, 16);
}

import { type Actor, decodeCursor, encodeCursor, InvalidInput } from "@medvault/contracts";
import { type BoxContext, openBox, sealBox } from "@medvault/crypto";
import { z } from "zod";
import { fingerprint } from "../resources/paging.ts";
import type { ChartPosition } from "./chart.store.ts";
import type { SearchPairs, SearchQuery } from "./search-query.ts";

const Cursor = z.strictObject({
  at: z.tuple([z.int().min(0).max(9), z.uuid()]),
  of: z.string().length(16),
});
const Sealed = z.strictObject({ sealed: z.base64url().max(8_192) });
const Hidden = z.strictObject({
  cursor: z.string(),
  pairs: z.array(z.tuple([z.string(), z.string()])).max(100),
});

/** Where a search goes on: its cursor is good for the same search alone. */
export function cursorAfter(query: SearchQuery, { table, id }: ChartPosition): string {
  return encodeCursor({ at: [table, id], of: boundTo(query) });
}

/** Throws InvalidInput for a cursor that is none, or of another search. */
export function positionIn(query: SearchQuery): ChartPosition | null {
  const decoded = decodeCursor(Cursor, query.cursor);
  if (decoded === undefined) return null;
  if (decoded.of !== boundTo(query)) throw foreign();
  return { table: decoded.at[0], id: decoded.at[1] };
}

const boundTo = ({ type, open, sealed }: SearchQuery): string =>
  fingerprint(["fhir-search", type, open, sealed]);

const foreign = () =>
  new InvalidInput("The cursor belongs to another query.", [
    { path: "_cursor", message: "belongs to another query" },
  ]);

/**
 * A cursor that a link may carry: what no link may spell is sealed in it, for the one who searched.
 */
export function sealedCursor(key: Buffer, actor: Actor, query: SearchQuery, cursor: string): string {
  const text = JSON.stringify({ cursor, pairs: query.sealed });
  const sealed = sealBox({ key, version: 1 }, contextOf(actor, query.type), Buffer.from(text));
  return encodeCursor({ sealed: sealed.toString("base64url") });
}

/** Whether it is a cursor that has to be opened. */
export const isSealed = (cursor: string): boolean =>
  Buffer.from(cursor, "base64url").toString("utf8").startsWith('{"sealed":');

/** The search's sealed part, and the cursor in it. Throws InvalidInput. */
export function openedCursor(
  key: Buffer,
  actor: Actor,
  type: string,
  cursor: string,
): { cursor: string; pairs: SearchPairs } {
  const { sealed } = decodeCursor(Sealed, cursor) ?? { sealed: "" };
  try {
    const text = openBox({ key, version: 1 }, contextOf(actor, type), Buffer.from(sealed, "base64url"));
    return Hidden.parse(JSON.parse(text.toString("utf8")));
  } catch {
    throw foreign();
  }
}

const contextOf = ({ id }: Actor, type: string): BoxContext => ({
  ...{ service: "records", table: "fhir-search", rowId: id, subjectId: id, rev: 1 },
  ...{ typed: JSON.stringify({ type }), open: "{}" },
});

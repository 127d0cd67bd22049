import { cursorFor, type Page, type Position, positionOf } from "./paging.ts";

/** Candidates looked at for one page; then it stays short and the next one goes on from there. */
const MAX_CANDIDATES = 600;

/**
 * Candidates, and whether there were as many as were asked for: one that vanished meanwhile is not
 * the end.
 */
export interface Batch<T> {
  candidates: T[];
  isFull: boolean;
}

/** Asked for besides, where many candidates may not match. */
const SPARE_ROWS = 20;

/**
 * A page of what really matches among candidates: each is opened and checked before it is shown.
 * `fetch` gives at most `rows` candidates after a position, newest first; `spareRows` more than the
 * page has, one of which says that there is a next page.
 */
export async function fillPage<T>(search: {
  limit: number;
  cursor: string | undefined;
  filter: unknown;
  spareRows?: number;
  fetch: (after: Position | null, rows: number) => Promise<Batch<T>>;
  matches: (candidate: T) => boolean;
  at: (candidate: T) => Position;
}): Promise<Page<T>> {
  const { limit, filter, spareRows = SPARE_ROWS, fetch, matches, at } = search;
  const batchRows = limit + spareRows;
  const items: T[] = [];
  let after = positionOf(search.cursor, filter);
  for (let seen = 0; seen < MAX_CANDIDATES; seen += limit + SPARE_ROWS) {
    const { candidates, isFull } = await fetch(after, batchRows);
    for (const candidate of candidates) {
      if (items.length === limit && after) return { items, nextCursor: cursorFor(after, filter) };
      after = at(candidate);
      if (matches(candidate)) items.push(candidate);
    }
    if (!isFull || candidates.length === 0) return { items, nextCursor: null };
  }
  return { items, nextCursor: after && cursorFor(after, filter) };
}

import type { AuditFilter } from "@medvault/contracts";
import type { Context } from "../context.ts";
import { indexesInOrder } from "../events/event.store.ts";
import { tilesAt } from "../outside/outside.store.ts";
import { type ReadTile, subtreeHash } from "../tree/proof.ts";
import { type Subtree, subtreesOf } from "./cover.ts";
import type { Node } from "./ndjson.ts";

const STEP_ROWS = 1_000;
const STEP_ENTRIES = 50_000;
const NODES_PER_LINE = 256;
/** Neighbours are in the same tile. */
const KEPT_TILES = 16;

/** Which entries an export holds, in the order of the log. */
export interface Exported {
  readonly filter: AuditFilter;
  readonly first: number;
  readonly end: number;
}

/**
 * The hashes of all that is not in an export: of the subtrees of the tree of `treeSize` leaves
 * which hold none of its entries, in their order. With the entries they give the root, and no leaf
 * is left out.
 */
export async function* nodesBeside(
  context: Context,
  exported: Exported,
  treeSize: number,
): AsyncGenerator<Node[]> {
  const readTile = rememberingTiles(tilesAt(context.outside, treeSize));
  let nodes: Node[] = [];
  for await (const { first, level } of subtreesBeside(context, exported, treeSize)) {
    const hash = await subtreeHash(readTile, treeSize, first, level);
    nodes.push([first, level, hash.toString("base64")]);
    if (nodes.length < NODES_PER_LINE) continue;
    yield nodes;
    nodes = [];
  }
  if (nodes.length > 0) yield nodes;
}

async function* subtreesBeside(
  { pool }: Context,
  { filter, first, end }: Exported,
  treeSize: number,
): AsyncGenerator<Subtree> {
  let next = 0;
  for (let from = first; from < end; ) {
    const to = Math.min(end, from + STEP_ENTRIES);
    const indexes = await indexesInOrder(pool, filter, from, to, STEP_ROWS);
    for (const index of indexes) {
      yield* subtreesOf(next, index);
      next = index + 1;
    }
    from = indexes.length < STEP_ROWS ? to : next;
  }
  yield* subtreesOf(next, treeSize);
}

function rememberingTiles(readTile: ReadTile): ReadTile {
  const kept = new Map<string, ReturnType<ReadTile>>();
  return (level, index, width) => {
    const key = `${level}/${index}/${width}`;
    const known = kept.get(key) ?? readTile(level, index, width);
    kept.delete(key);
    kept.set(key, known);
    const [oldest] = kept.keys();
    if (kept.size > KEPT_TILES && oldest !== undefined) kept.delete(oldest);
    return known;
  };
}

// The root of a tree from some of its leaves and the hashes of what is between them.
import { bytesOf, HASH_BYTES } from "./bytes.mjs";
import { nodeHash } from "./tree.mjs";
import { NotChecked } from "./verify.mjs";

/** @typedef {import("./engine.mjs").Engine} Engine */
/** @typedef {{ first: number, level: number, hash: Uint8Array }} Node */

const MAX_LEVEL = 52;

/**
 * The hashes of what is between the entries.
 * @param {AsyncIterable<any>} lines
 * @returns {AsyncGenerator<Node>}
 */
export async function* nodesOf(lines) {
  for await (const line of lines) {
    if (!Array.isArray(line?.nodes)) throw new NotChecked("a line of hashes is not well-formed");
    for (const node of line.nodes) {
      const [first, level, text] = Array.isArray(node) ? node : [];
      const hash = bytesOf(text, HASH_BYTES);
      const isPlace =
        Number.isSafeInteger(first) && Number.isInteger(level) && level >= 0 && level <= MAX_LEVEL;
      if (!isPlace || first < 0 || hash === null) throw new NotChecked("a line of hashes is not well-formed");
      yield { first, level, hash };
    }
  }
}

/**
 * The root over both, in the order of the log; null where they do not cover it exactly once.
 * @param {Engine} engine
 * @param {AsyncGenerator<Node>} entries
 * @param {AsyncGenerator<Node>} nodes
 * @param {number} size
 * @param {((done: number, size: number) => void) | undefined} onProgress
 */
export async function rootOfMerged(engine, entries, nodes, size, onProgress) {
  /** @type {Node[]} */
  const stack = [];
  let [entry, node, next, isWhole] = [await entries.next(), await nodes.next(), 0, true];
  while (!entry.done || !node.done) {
    const isEntry = !entry.done && (node.done || entry.value.first <= node.value.first);
    const piece = /** @type {Node} */ (isEntry ? entry.value : node.value);
    const width = 2 ** piece.level;
    // What does not fit is not merged, and the entries behind it are still looked at.
    isWhole &&= piece.first === next && piece.first % width === 0;
    next = piece.first + width;
    if (isWhole) await push(engine, stack, piece);
    if (isEntry) entry = await entries.next();
    else node = await nodes.next();
    onProgress?.(next, size);
  }
  if (!isWhole || next !== size) return null;
  let root = stack.pop()?.hash ?? (await engine.sha256All([new Uint8Array(0)]))[0] ?? null;
  for (let left = stack.pop(); left !== undefined && root !== null; left = stack.pop())
    root = await nodeHash(engine, left.hash, root);
  return root;
}

/** @param {Engine} engine @param {Node[]} stack @param {Node} piece */
async function push(engine, stack, piece) {
  let rising = piece;
  for (let top = stack.at(-1); top?.level === rising.level; top = stack.at(-1)) {
    stack.pop();
    rising = { first: top.first, level: top.level + 1, hash: await nodeHash(engine, top.hash, rising.hash) };
  }
  stack.push(rising);
}

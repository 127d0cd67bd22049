// One way through the whole log, a tile of 256 entries at a time: every account of its entries
// makes a tree of its
// own, as long as it differs from the others.
import { HASH_BYTES, isEqual } from "./bytes.mjs";
import { Differences, isMissing } from "./difference.mjs";
import { extend, leafHashes, partialTiles, rootOf, TILE_WIDTH } from "./tree.mjs";

/** @typedef {import("./engine.mjs").Engine} Engine */
/** @typedef {import("./tree.mjs").Edge} Edge */
/** @typedef {import("./tree.mjs").Tile} Tile */
/**
 * Gives `to - from` hashes or leaves of 32 bytes each, in the order of the log; a missing one is
 * zeros.
 * @typedef {(from: number, to: number) => Promise<Uint8Array>} ReadHashes
 */
/** @typedef {"log" | "store" | "mirror"} SideName */
/** @typedef {{ name: SideName, edge: Edge, read: ReadHashes, until: number }} Side */
/**
 * What there is to walk through. `log`: the leaves of the database. `store`: level 0 of the tiles
 * outside of it.
 * `mirror`: what the verifier itself kept. `tile`: other tiles outside, null where one is missing.
 * @typedef {object} Accounts
 * @property {ReadHashes} [log]
 * @property {ReadHashes} [store]
 * @property {{ read: ReadHashes, size: number }} [mirror]
 * @property {(level: number, index: number, width: number) => Promise<Uint8Array | null>} [tile]
 * @property {(from: number, hashes: Uint8Array) => Promise<void>} [entries] looks at the same
 * entries' bodies
 */
/**
 * @typedef {object} Walked
 * @property {Map<SideName, Edge>} edges
 * @property {Map<SideName, Uint8Array>} roots at the end
 * @property {Map<string, Differences>} differences by "log store": of the first from the second
 * @property {{ side: SideName, size: number }[]} broken accounts that do not give the root of a
 * kept checkpoint
 * @property {{ level: number, index: number, entry: number }[]} badTiles and the first entry that
 * they are wrong about
 * @property {Map<SideName, { first: number, count: number }>} missing
 */

/**
 * @param {Engine} engine
 * @param {Accounts} accounts
 * @param {object} way
 * @param {Edge} way.from
 * @param {number} way.size
 * @param {readonly { size: number, root: Uint8Array }[]} way.kept checkpoints whose roots are
 * looked for
 * @param {(from: number, hashes: Uint8Array) => Promise<void>} way.keep takes the hashes of the
 * first account
 * @param {(done: number) => void} way.onProgress
 * @returns {Promise<Walked>}
 */
export async function walk(engine, accounts, way) {
  const sides = sidesOf(engine, accounts, way);
  /** @type {Walked} */
  const walked = {
    edges: new Map(),
    roots: new Map(),
    differences: new Map(),
    broken: [],
    badTiles: [],
    missing: new Map(),
  };
  const stops = [...way.kept.map(({ size }) => size), accounts.mirror?.size ?? 0, way.size].sort(
    (a, b) => a - b,
  );
  for (let from = way.from.size; from < way.size; ) {
    const border = (Math.floor(from / TILE_WIDTH) + 1) * TILE_WIDTH;
    const to = Math.min(border, stops.find((stop) => stop > from) ?? border);
    const active = sides.filter(({ until }) => until > from);
    const rows = await Promise.all(active.map((side) => side.read(from, to)));
    for (const row of rows)
      if (row.length !== (to - from) * HASH_BYTES) throw new RangeError("an account gave too few hashes");
    await accounts.entries?.(from, rows[0] ?? new Uint8Array(0));
    compare(walked, active, rows, from);
    const full = await grow(engine, active, rows);
    await checkTiles(accounts, walked, full);
    await way.keep(from, rows[0] ?? new Uint8Array(0));
    for (const { size, root } of way.kept)
      if (size === to) await checkRoot(engine, walked, active, size, root);
    from = to;
    way.onProgress(from);
  }
  for (const { name, edge } of sides) {
    walked.edges.set(name, edge);
    walked.roots.set(name, await rootOf(engine, edge));
  }
  const ends = sides.filter(({ name }) => name !== "mirror").map(({ edge }) => partialTiles(edge));
  await checkTiles(accounts, walked, ends);
  return walked;
}

/**
 * @param {Engine} engine
 * @param {Accounts} accounts
 * @param {{ from: Edge, size: number }} way
 * @returns {Side[]}
 */
function sidesOf(engine, { log, store, mirror }, { from, size }) {
  /** @type {Side[]} */
  const sides = [];
  const hashed = log && hashesOf(engine, log);
  if (hashed) sides.push({ name: "log", edge: from, read: hashed, until: size });
  if (store) sides.push({ name: "store", edge: from, read: store, until: size });
  if (mirror && mirror.size > from.size)
    sides.push({ name: "mirror", edge: from, read: mirror.read, until: Math.min(mirror.size, size) });
  return sides;
}

/**
 * @param {Engine} engine
 * @param {ReadHashes} read leaves
 * @returns {ReadHashes}
 */
const hashesOf = (engine, read) => async (from, to) => {
  const leaves = await read(from, to);
  const hashes = (await leafHashes(engine, leaves)).slice();
  for (let at = 0; at < leaves.length; at += HASH_BYTES)
    if (isMissing(leaves.subarray(at, at + HASH_BYTES))) hashes.fill(0, at, at + HASH_BYTES);
  return hashes;
};

/**
 * @param {Walked} walked
 * @param {readonly Side[]} sides
 * @param {readonly Uint8Array[]} rows
 * @param {number} from
 */
function compare({ differences, missing }, sides, rows, from) {
  for (const [at, { name }] of sides.entries()) {
    const row = rows[at] ?? new Uint8Array(0);
    noteMissing(missing, name, row, from);
    for (let other = at + 1; other < sides.length; other += 1) {
      const pair = `${name} ${sides[other]?.name}`;
      const known = differences.get(pair) ?? new Differences();
      differences.set(pair, known);
      known.add(from, row, rows[other] ?? new Uint8Array(0));
    }
  }
}

/**
 * @param {Walked["missing"]} missing
 * @param {SideName} side
 * @param {Uint8Array} row
 * @param {number} from
 */
function noteMissing(missing, side, row, from) {
  for (let at = 0; at < row.length; at += HASH_BYTES) {
    if (row[at] !== 0 || !isMissing(row.subarray(at, at + HASH_BYTES))) continue;
    const known = missing.get(side) ?? { first: from + at / HASH_BYTES, count: 0 };
    missing.set(side, { ...known, count: known.count + 1 });
  }
}

/**
 * Grows each side's tree, and those that are still the same only once. Gives the tiles that became
 * full, of each.
 * @param {Engine} engine
 * @param {Side[]} sides
 * @param {readonly Uint8Array[]} rows
 */
async function grow(engine, sides, rows) {
  /** @type {{ before: Edge, row: Uint8Array, grown: { edge: Edge, full: Tile[] } }[]} */
  const done = [];
  const full = [];
  for (const [at, side] of sides.entries()) {
    const row = rows[at] ?? new Uint8Array(0);
    const same = done.find(({ before, row: other }) => before === side.edge && isEqual(other, row));
    const grown = same?.grown ?? (await extend(engine, side.edge, row));
    if (!same) done.push({ before: side.edge, row, grown });
    side.edge = grown.edge;
    if (side.name !== "mirror") full.push(grown.full);
  }
  return full;
}

/**
 * Tiles above level 0 are those of one of the sides.
 * @param {Accounts} accounts
 * @param {Walked} walked
 * @param {readonly (readonly Tile[])[]} sides
 */
async function checkTiles({ tile }, { badTiles }, sides) {
  if (tile === undefined) return;
  for (const { level, index, hashes } of sides[0] ?? []) {
    if (level === 0) continue;
    const kept = await tile(level, index, hashes.length / HASH_BYTES);
    const isKept = sides.some((side) =>
      side.some((one) => one.level === level && one.index === index && kept && isEqual(kept, one.hashes)),
    );
    if (!isKept) badTiles.push({ level, index, entry: firstEntry(level, index, hashes, kept) });
  }
}

/**
 * The first entry below the first hash of a tile that is another one.
 * @param {number} level
 * @param {number} index
 * @param {Uint8Array} hashes
 * @param {Uint8Array | null} kept
 */
function firstEntry(level, index, hashes, kept) {
  let at = 0;
  while (kept && at < hashes.length && hashes[at] === kept[at]) at += 1;
  return (index * TILE_WIDTH + Math.floor(at / HASH_BYTES)) * TILE_WIDTH ** level;
}

/**
 * @param {Engine} engine
 * @param {Walked} walked
 * @param {readonly Side[]} sides
 * @param {number} size
 * @param {Uint8Array} root
 */
async function checkRoot(engine, { broken }, sides, size, root) {
  for (const { name, edge } of sides)
    if (!isEqual(await rootOf(engine, edge), root)) broken.push({ side: name, size });
}

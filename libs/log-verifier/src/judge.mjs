// What a walk through the log shows: which account leads to the signed root, and what was done to
// the others.
import { isEqual } from "./bytes.mjs";
import { whatWasDone } from "./difference.mjs";

/** @typedef {import("./difference.mjs").Finding} Finding */
/** @typedef {import("./walk.mjs").SideName} SideName */
/** @typedef {import("./walk.mjs").Walked} Walked */

/** @type {Record<SideName, string>} */
const WHERE = {
  log: "the database",
  store: "the tiles outside the database",
  mirror: "what this verifier kept",
};

/**
 * @param {Walked} walked
 * @param {Uint8Array} signedRoot
 * @param {readonly number[]} kept sizes of kept checkpoints that were passed
 * @returns {Finding[]}
 */
export function judge(walked, signedRoot, kept) {
  const isTrue = (/** @type {SideName} */ side) => {
    const root = walked.roots.get(side);
    return root !== undefined && isEqual(root, signedRoot);
  };
  const sides = /** @type {SideName[]} */ (["log", "store"]).filter((side) => walked.roots.has(side));
  const honest = sides.find(isTrue);
  const findings = honest ? againstTruth(walked, sides, honest) : withoutTruth(walked, sides, kept);
  if (honest) findings.push(...forks(walked, honest));
  return [...findings, ...badTiles(walked, findings)];
}

/**
 * @param {Walked} walked
 * @param {SideName[]} sides
 * @param {SideName} honest
 */
function againstTruth(walked, sides, honest) {
  return sides
    .filter((side) => side !== honest)
    .map((side) => doneTo(walked, side, honest))
    .filter((found) => found !== null);
}

/**
 * The signed root is of another history than the one that was kept: the key has signed both.
 * @param {Walked} walked
 * @param {SideName} honest
 * @returns {Finding[]}
 */
function forks(walked, honest) {
  const first = walked.broken.find(({ side }) => side === honest);
  if (first === undefined) return [];
  const index = pairOf(walked, honest, "mirror")?.list[0]?.index ?? null;
  const from = index === null ? "" : `, the two part at entry ${index}`;
  const words = `the log's key has signed two histories: today's does not contain the one of ${first.size} entries that was kept${from}`;
  return [{ kind: "fork", index, words }];
}

/**
 * No account leads to the signed root.
 * @param {Walked} walked
 * @param {SideName[]} sides
 * @param {readonly number[]} kept
 * @returns {Finding[]}
 */
function withoutTruth(walked, sides, kept) {
  const byMirror = sides.map((side) => doneTo(walked, side, "mirror")).filter((found) => found !== null);
  if (byMirror.length > 0) return byMirror;
  const [one, other] = sides;
  const between = one && other ? doneTo(walked, one, other) : null;
  const neither = "neither the database nor the tiles outside lead to the root that was signed";
  if (between) return [{ ...between, words: `${neither}; ${between.words}` }];
  const missing = sides.map((side) => walked.missing.get(side)).find((some) => some !== undefined);
  if (!missing) return [rebuilt(walked, kept)];
  const words = `${missing.count} entries are missing, the first is entry ${missing.first}`;
  return [{ kind: "deleted", index: missing.first, words, count: missing.count }];
}

/**
 * Entries and tiles agree, and not with the signature. Where, is told by tiles above that were left
 * as they were,
 * and by the last kept checkpoint that still fits.
 * @param {Walked} walked
 * @param {readonly number[]} kept
 * @returns {Finding}
 */
function rebuilt({ broken, badTiles: tiles }, kept) {
  const good = kept.filter((size) => !broken.some((one) => one.size === size));
  const least = Math.max(...good, 0, ...tiles.map(({ entry }) => entry).slice(0, 1));
  const words = `what is there does not give the root that was signed: it was rebuilt without a signature, at entry ${least} or behind it`;
  return { kind: "rebuilt_unsigned", index: least, words };
}

/**
 * @param {Walked} walked
 * @param {SideName} side
 * @param {SideName} truth
 */
function doneTo(walked, side, truth) {
  const differences = pairOf(walked, side, truth);
  return differences ? whatWasDone(differences, WHERE[side]) : null;
}

/**
 * The differences of `side` from `truth`, whichever of them was first in the walk.
 * @param {Walked} walked
 * @param {SideName} side
 * @param {SideName} truth
 */
function pairOf({ differences }, side, truth) {
  const straight = differences.get(`${side} ${truth}`);
  const turned = differences.get(`${truth} ${side}`);
  if (straight || !turned) return straight ?? null;
  return {
    count: turned.count,
    list: turned.list.map((one) => ({ ...one, is: one.should, should: one.is })),
  };
}

/**
 * @param {Walked} walked
 * @param {readonly Finding[]} others
 * @returns {Finding[]}
 */
function badTiles({ badTiles: tiles }, others) {
  const [first] = tiles;
  if (first === undefined || others.some(({ kind }) => kind === "rebuilt_unsigned")) return [];
  const words = `${tiles.length} tiles outside are missing or are not made of those below, the first is ${first.level}/${first.index}, wrong about entry ${first.entry} or one behind it`;
  return [{ kind: "tile_changed", index: first.entry, words, count: tiles.length }];
}

// An export of the log (medvault-export/1): lines of entries, hashes of what is between them, and
// an end that says for
// which checkpoint. Together they have to give the signed root: then every line is in the log, at
// its place.
import { addArrival, gapsOf } from "./arrivals.mjs";
import { bytesOf, HASH_BYTES, isEqual, joined, printable } from "./bytes.mjs";
import { bodyOf, eventOf, numberOf, wrongInView } from "./entry.mjs";
import { nodesOf, rootOfMerged } from "./merged-root.mjs";
import { NotSigned, openCheckpoint } from "./note.mjs";
import { leafHashes } from "./tree.mjs";
import { NotChecked } from "./verify.mjs";

/** @typedef {import("./arrivals.mjs").Gap} Gap */
/** @typedef {import("./difference.mjs").Finding} Finding */
/** @typedef {import("./engine.mjs").Engine} Engine */
/** @typedef {import("./note.mjs").Key} Key */
/** @typedef {import("./merged-root.mjs").Node} Node */
/**
 * @typedef {object} ExportReport
 * @property {boolean} ok
 * @property {string} origin
 * @property {string} checkpoint
 * @property {number} size of the tree that it is proved by
 * @property {{ first: number, end: number, count: number, isFiltered: boolean }} range
 * @property {Finding[]} findings
 * @property {string[]} unchecked
 * @property {string[]} witnesses who cosigned
 * @property {Gap[] | null} gaps null: only an export of all entries from the first on tells
 */

const FORMAT = "medvault-export/1";
const BATCH = 256;

/**
 * @param {Engine} engine
 * @param {{ entries: () => AsyncIterable<any>, nodes: () => AsyncIterable<any>, end: any }} lines
 * parsed, in their order
 * @param {object} asked
 * @param {Key} asked.key
 * @param {string} [asked.origin]
 * @param {readonly Key[]} [asked.witnesses]
 * @param {number} [asked.quorum]
 * @param {(done: number, size: number) => void} [asked.onProgress]
 * @returns {Promise<ExportReport>}
 */
export async function verifyExport(engine, { entries, nodes, end }, asked) {
  const { key, origin = key.name, witnesses = [], quorum = witnesses.length } = asked;
  const said = endOf(end);
  const isFiltered = Object.keys(said.filter).length > 0;
  /** @type {ExportReport} */
  const report = {
    ...{ ok: false, origin, checkpoint: said.checkpoint, size: said.treeSize, findings: [], gaps: null },
    ...{
      range: { first: said.first, end: said.end, count: said.count, isFiltered },
      unchecked: [],
      witnesses: [],
    },
  };
  const { findings } = report;
  try {
    const { checkpoint, cosignatures } = await openCheckpoint(
      engine,
      said.checkpoint,
      key,
      origin,
      witnesses,
    );
    report.witnesses = [...new Set(cosignatures.map((one) => one.key.name))];
    if (report.witnesses.length < quorum)
      add(
        findings,
        "witnesses",
        null,
        `${report.witnesses.length} witnesses cosigned, ${quorum} are asked for`,
      );
    if (checkpoint.size !== said.treeSize)
      add(findings, "forged", null, "the end names another size than its checkpoint");
    const looked = new Entries(engine, entries(), said, findings);
    const root = await rootOfMerged(
      engine,
      looked.nodes(),
      nodesOf(nodes()),
      said.treeSize,
      asked.onProgress,
    );
    if (root === null || !isEqual(root, checkpoint.root))
      add(
        findings,
        "edited",
        null,
        "entries and hashes do not lead to the signed root: lines were changed, added or taken away",
      );
    looked.finish(isFiltered);
    if (!isFiltered && said.first === 0) report.gaps = gapsOf(looked.arrivals);
  } catch (error) {
    if (!(error instanceof NotSigned)) throw error;
    add(findings, "forged", null, `the checkpoint ${error.message}`);
  }
  for (const { producer, epoch, from, to } of (report.gaps ?? []).slice(0, 10))
    add(
      findings,
      "numbers_missing",
      null,
      `of ${printable(producer)}, epoch ${epoch}, the numbers ${from} to ${to} never arrived`,
    );
  if (isFiltered)
    report.unchecked.push(
      "that what the filter left out does not match it: compare with an export without a filter",
    );
  report.ok = findings.length === 0;
  return report;
}

/**
 * @param {Finding[]} findings
 * @param {string} kind
 * @param {number | null} index
 * @param {string} words
 */
const add = (findings, kind, index, words) => void findings.push({ kind, index, words });

/** @param {any} end */
function endOf(end) {
  const { kind, format, first, end: behind, count, filter, treeSize, checkpoint } = end ?? {};
  if (kind !== "end" || format !== FORMAT)
    throw new NotChecked("the export broke off: it has no end that is known here");
  if (treeSize === null)
    throw new NotChecked("no checkpoint covered the export yet: make it again in a few seconds");
  const numbers = [first, behind, count, treeSize].every((one) => Number.isSafeInteger(one) && one >= 0);
  const isFilter = filter !== null && typeof filter === "object" && !Array.isArray(filter);
  if (!numbers || !isFilter || typeof checkpoint !== "string" || first > behind || behind > treeSize)
    throw new NotChecked("the end of the export is not well-formed");
  return { first, end: behind, count, filter, treeSize, checkpoint };
}

/** The lines of entries: what each says, and the node of the tree that it is. */
class Entries {
  #last = -1;
  #count = 0;
  /** @type {number | null} */
  #hole = null;
  /** @type {import("./arrivals.mjs").Arrivals} */
  arrivals = {};

  /**
   * @param {Engine} engine
   * @param {AsyncIterable<any>} lines
   * @param {{ first: number, end: number, count: number }} said
   * @param {Finding[]} findings
   */
  constructor(engine, lines, said, findings) {
    this.engine = engine;
    this.lines = lines;
    this.said = said;
    this.findings = findings;
    this.#last = said.first - 1;
  }

  /** @returns {AsyncGenerator<Node>} */
  async *nodes() {
    let batch = [];
    for await (const line of this.lines) {
      batch.push(line);
      if (batch.length < BATCH) continue;
      yield* await this.#look(batch);
      batch = [];
    }
    yield* await this.#look(batch);
  }

  /** @param {any[]} lines */
  async #look(lines) {
    const bodies = lines.map((line) => bodyOf({ index: 0, salt: line?.salt, event: line?.canonicalEvent }));
    const derived = await this.engine.sha256All(bodies.map((body) => body ?? new Uint8Array(0)));
    const leaves = lines.map((line) => bytesOf(line?.leaf, HASH_BYTES));
    for (const [at, line] of lines.entries())
      this.#take(line, bodies[at] ?? null, leaves[at] ?? null, derived[at]);
    const hashes = await leafHashes(
      this.engine,
      joined(...leaves.map((leaf) => leaf ?? new Uint8Array(HASH_BYTES))),
    );
    return lines.map((line, at) => ({
      first: line.index,
      level: 0,
      hash: hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
    }));
  }

  /**
   * @param {any} line
   * @param {Uint8Array | null} body
   * @param {Uint8Array | null} leaf
   * @param {Uint8Array | undefined} derived
   */
  #take(line, body, leaf, derived) {
    const index = line?.index;
    if (!Number.isSafeInteger(index) || index <= this.#last || index >= this.said.end || leaf === null)
      throw new NotChecked("the entries of the export are not in their order, or have no leaf");
    if (index > this.#last + 1) this.#hole ??= this.#last + 1;
    this.#last = index;
    this.#count += 1;
    const event = body && derived && isEqual(derived, leaf) ? eventOf(body) : null;
    if (event === null)
      return this.#fault(
        "body_changed",
        index,
        "does not give its leaf, or was damaged when it was exported",
      );
    const wrong = wrongInView(event, line);
    if (wrong !== null)
      this.#fault("line_changed", index, `says something else in "${printable(wrong)}" than its event`);
    const numbered = numberOf(event);
    if (numbered) addArrival(this.arrivals, numbered);
  }

  /**
   * Of each kind the first is named.
   * @param {string} kind
   * @param {number} index
   * @param {string} words
   */
  #fault(kind, index, words) {
    const known = this.findings.find((one) => one.kind === kind);
    if (known) known.count = (known.count ?? 1) + 1;
    else this.findings.push({ kind, index, words: `the line of entry ${index} ${words}`, count: 1 });
  }

  /** @param {boolean} isFiltered */
  finish(isFiltered) {
    if (this.#count !== this.said.count)
      add(
        this.findings,
        "deleted",
        null,
        `the export has ${this.#count} entries, and its end says ${this.said.count}`,
      );
    if (this.#last + 1 < this.said.end) this.#hole ??= this.#last + 1;
    if (!isFiltered && this.#hole !== null)
      add(
        this.findings,
        "deleted",
        this.#hole,
        `entry ${this.#hole} is missing from an export without a filter`,
      );
  }
}

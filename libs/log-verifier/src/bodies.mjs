// The bodies of the log, beside the walk: what they say, and what was done to them.
import { addArrival } from "./arrivals.mjs";
import { HASH_BYTES, isEqual, joined } from "./bytes.mjs";
import { isMissing } from "./difference.mjs";
import { bodyOf, eventOf, numberOf, wrongColumn } from "./entry.mjs";
import { leafHashes } from "./tree.mjs";

/** @typedef {import("./arrivals.mjs").Arrivals} Arrivals */
/** @typedef {import("./difference.mjs").Finding} Finding */
/** @typedef {import("./entry.mjs").BodyLine} BodyLine */
/**
 * Gives the lines of [from, to) that there are, in order.
 * @typedef {(from: number, to: number) => Promise<BodyLine[]>} ReadBodies
 */

/** What bodies can show; of each kind the first is named, and all are counted. */
export class BodyCheck {
  /** @type {Map<string, Finding & { count: number }>} */
  #found = new Map();
  /** @type {{ from: number, to: number }[]} dropped by retention, as entries of the log say */
  #dropped = [];
  /** @type {number[]} */
  #missing = [];
  #missingCount = 0;

  /**
   * @param {import("./engine.mjs").Engine} engine
   * @param {ReadBodies} read
   * @param {Arrivals} arrivals are added to
   */
  constructor(engine, read, arrivals) {
    this.engine = engine;
    this.read = read;
    this.arrivals = arrivals;
    this.count = 0;
  }

  /**
   * Looks at the bodies of entries whose tree hashes are given.
   * @param {number} from
   * @param {Uint8Array} hashes
   */
  async look(from, hashes) {
    const to = from + hashes.length / HASH_BYTES;
    const lines = new Map((await this.read(from, to)).map((line) => [line.index, line]));
    const bodies = Array.from({ length: to - from }, (_, at) => bodyOf(lines.get(from + at) ?? { index: 0 }));
    const leaves = await this.engine.sha256All(bodies.map((body) => body ?? new Uint8Array(0)));
    const own = await leafHashes(this.engine, joined(...leaves));
    for (const [at, body] of bodies.entries()) {
      const range = [at * HASH_BYTES, (at + 1) * HASH_BYTES];
      const hash = hashes.subarray(...range);
      if (isMissing(hash)) continue;
      const line = lines.get(from + at);
      if (line === undefined) this.#miss(from + at);
      else if (body === null)
        this.#add("body_changed", from + at, "does not open: it was changed, or moved here");
      else if (!isEqual(own.subarray(...range), hash))
        this.#add("body_changed", from + at, "does not give the entry that is in the tree: it was changed");
      else this.#take(from + at, body, line);
    }
  }

  /**
   * @param {number} index
   * @param {Uint8Array} body
   * @param {BodyLine} line
   */
  #take(index, body, line) {
    const event = eventOf(body);
    if (event === null) return this.#add("body_changed", index, "is no event in canonical form");
    this.count += 1;
    const column = wrongColumn(event, line.columns);
    if (column !== null)
      this.#add(
        "column_changed",
        index,
        `says something else than the column ${column}, by which it is found`,
      );
    const numbered = numberOf(event);
    if (numbered) addArrival(this.arrivals, numbered);
    const dropped = droppedBy(event);
    if (dropped) this.#dropped.push(dropped);
  }

  /** @param {number} index */
  #miss(index) {
    this.#missingCount += 1;
    if (this.#missing.length < 1_000_000) this.#missing.push(index);
  }

  /**
   * @param {string} kind
   * @param {number} index
   * @param {string} words
   */
  #add(kind, index, words) {
    const known = this.#found.get(kind);
    if (known) known.count += 1;
    else this.#found.set(kind, { kind, index, words: `the body of entry ${index} ${words}`, count: 1 });
  }

  /** Bodies that are missing though no entry says that their time was over. */
  findings() {
    const lost = this.#missing.filter(
      (index) => !this.#dropped.some(({ from, to }) => index >= from && index < to),
    );
    if (lost.length > 0) {
      const words = `${lost.length} bodies are missing, and no entry says that they were dropped; the first is of entry ${lost[0]}`;
      this.#found.set("body_deleted", {
        kind: "body_deleted",
        index: lost[0] ?? null,
        words,
        count: lost.length,
      });
    }
    return [...this.#found.values()];
  }

  /** How many bodies were dropped when their time was over. */
  get dropped() {
    return this.#missingCount - (this.#found.get("body_deleted")?.count ?? 0);
  }
}

/**
 * The range of entries whose bodies an entry says were dropped, [from, to).
 * @param {Record<string, any>} event
 */
function droppedBy({ type, data }) {
  const { from, to } = data?.details ?? {};
  const isDrop = type === "medvault.audit.log.retired.v1";
  return isDrop && Number.isSafeInteger(from) && Number.isSafeInteger(to) ? { from, to } : null;
}

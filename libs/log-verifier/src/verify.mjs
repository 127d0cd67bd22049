// The whole log, from its signed checkpoint down: the one core of the command and of browsers.
import { gapsOf } from "./arrivals.mjs";
import { BodyCheck } from "./bodies.mjs";
import { HASH_BYTES, isEqual, printable } from "./bytes.mjs";
import { judge } from "./judge.mjs";
import { COSIGNATURE, NotSigned, openCheckpoint } from "./note.mjs";
import { EMPTY_EDGE, rootOf } from "./tree.mjs";
import { walk } from "./walk.mjs";

/** @typedef {import("./arrivals.mjs").Arrivals} Arrivals */
/** @typedef {import("./arrivals.mjs").Gap} Gap */
/** @typedef {import("./difference.mjs").Finding} Finding */
/** @typedef {import("./engine.mjs").Engine} Engine */
/** @typedef {import("./note.mjs").Checkpoint} Checkpoint */
/** @typedef {import("./note.mjs").Key} Key */
/** @typedef {import("./tree.mjs").Edge} Edge */
/** @typedef {import("./walk.mjs").ReadHashes} ReadHashes */
/**
 * Where a log is read from. What is left out is not there to be checked. A source throws for what
 * it cannot reach.
 * @typedef {object} Source
 * @property {() => Promise<string>} checkpoint the signed note
 * @property {ReadHashes} [log]
 * @property {ReadHashes} [store]
 * @property {(level: number, index: number, width: number) => Promise<Uint8Array | null>} [tile]
 * @property {import("./bodies.mjs").ReadBodies} [bodies]
 * @property {() => Promise<Gap[] | null>} [gaps] what the service says is missing; null: it does
 * not tell us
 */
/**
 * What the last verification left: where it ended, and its own copy of the entries' hashes.
 * @typedef {object} Kept
 * @property {Checkpoint[]} checkpoints
 * @property {Edge} edge
 * @property {ReadHashes} mirror of `edge.size` hashes
 * @property {Arrivals | null} arrivals null: not all entries were counted
 */
/**
 * @typedef {object} Report
 * @property {boolean} ok
 * @property {string} origin
 * @property {string} checkpoint the note, when its signature is true
 * @property {number} size
 * @property {number} from entries before it were verified by the run before
 * @property {Finding[]} findings the first bad entry first
 * @property {string[]} unchecked what could not be looked at, in words
 * @property {{ of: number, quorum: number, by: string[] }} witnesses
 * @property {{ by: "entries" | "service" | "nobody", gaps: Gap[] }} completeness
 * @property {number} bodies that were read and give their entries
 * @property {number} dropped bodies whose time was over
 * @property {{ edge: Edge, checkpoint: Checkpoint, arrivals: Arrivals | null } | null} next for the
 * run after; null when something was found
 */

/** Nothing was proved: the words say why. */
export class NotChecked extends Error {}

/**
 * @param {Engine} engine
 * @param {Source} source
 * @param {object} asked
 * @param {Key} asked.key
 * @param {string} [asked.origin]
 * @param {readonly Key[]} [asked.witnesses]
 * @param {number} [asked.quorum]
 * @param {Kept | null} [asked.kept]
 * @param {boolean} [asked.whole] read again what the run before read
 * @param {number} [asked.now] seconds since 1970
 * @param {(from: number, hashes: Uint8Array) => Promise<void>} [asked.keep]
 * @param {(done: number, size: number) => void} [asked.onProgress]
 * @returns {Promise<Report>}
 */
export async function verifyLog(engine, source, asked) {
  const { key, origin = key.name, witnesses = [], quorum = witnesses.length, kept = null } = asked;
  if (key.type === COSIGNATURE || witnesses.some(({ type }) => type !== COSIGNATURE))
    throw new NotChecked("the log's key must be of type 1, a witness's of type 4");
  const note = await source.checkpoint();
  const report = emptyReport(origin, witnesses.length, quorum);
  const opened = await opening(engine, note, key, origin, witnesses);
  if (opened instanceof NotSigned)
    return { ...report, ok: false, findings: [found("forged", null, `the checkpoint ${opened.message}`)] };
  const { checkpoint, cosignatures } = opened;
  const signers = countedBy(cosignatures, asked.now ?? Date.now() / 1_000);
  Object.assign(report, { checkpoint: note, size: checkpoint.size });
  report.witnesses.by = signers;
  const findings = [...quorumFindings(signers, quorum, witnesses.length), ...keptFindings(checkpoint, kept)];
  if (kept) await requireOwnState(engine, kept);
  const way = wayOf(
    checkpoint,
    kept,
    (asked.whole ?? false) || findings.some(({ kind }) => kind !== "witnesses"),
  );
  report.from = way.from.size;
  await goThrough(engine, source, { ...asked, checkpoint, way, kept, report, findings });
  report.findings = findings.sort((a, b) => placeOf(a) - placeOf(b));
  report.ok = findings.length === 0;
  if (!report.ok) report.next = null;
  return report;
}

/** @param {Finding} finding */
const placeOf = ({ index }) => index ?? Number.MAX_SAFE_INTEGER;

/**
 * Walks, and once more from the beginning where the new part does not fit the old one.
 * @param {Engine} engine
 * @param {Source} source
 * @param {any} run
 */
async function goThrough(engine, source, run) {
  const { checkpoint, kept, report, findings } = run;
  const { way } = run;
  const bodies = bodyCheck(engine, source, run);
  const walked = await walk(
    engine,
    {
      ...(source.log && { log: source.log }),
      ...(source.store && { store: source.store }),
      ...(source.tile && { tile: source.tile }),
      ...(bodies && { entries: (from, hashes) => bodies.look(from, hashes) }),
      ...(kept && { mirror: { read: kept.mirror, size: Math.min(kept.edge.size, checkpoint.size) } }),
    },
    {
      from: way.from,
      size: checkpoint.size,
      kept: way.kept,
      keep: async (from, hashes) => {
        if (from + hashes.length / HASH_BYTES > (kept?.edge.size ?? 0)) await run.keep?.(from, hashes);
      },
      onProgress: (done) => run.onProgress?.(done, checkpoint.size),
    },
  );
  const sizes = way.kept.map((/** @type {Checkpoint} */ { size }) => size);
  const seen = judge(walked, checkpoint.root, sizes);
  if (seen.length > 0 && way.from.size > 0) {
    // The part that was verified before may be what changed: only a look at all of it can tell.
    run.way = wayOf(checkpoint, kept, true);
    report.from = 0;
    return await goThrough(engine, source, run);
  }
  findings.push(...seen, ...(bodies?.findings() ?? []));
  Object.assign(report, { bodies: bodies?.count ?? 0, dropped: bodies?.dropped ?? 0 });
  // Of bodies whose time was over the numbers are not there to be counted.
  const counted = bodies && bodies.dropped === 0 ? bodies.arrivals : null;
  await completeness(source, report, findings, counted);
  report.unchecked.push(...uncheckedOf(source));
  const edge = walked.edges.get(source.log ? "log" : "store") ?? EMPTY_EDGE;
  report.next = { edge, checkpoint, arrivals: counted };
}

/** @param {string} origin @param {number} of @param {number} quorum @returns {Report} */
const emptyReport = (origin, of, quorum) => ({
  ...{ ok: true, origin, checkpoint: "", size: 0, from: 0, findings: [], unchecked: [] },
  ...{ witnesses: { of, quorum, by: [] }, completeness: { by: "nobody", gaps: [] } },
  ...{ bodies: 0, dropped: 0, next: null },
});

/** @param {string} kind @param {number | null} index @param {string} words @returns {Finding} */
const found = (kind, index, words) => ({ kind, index, words });

/**
 * @param {Engine} engine
 * @param {string} note
 * @param {Key} key
 * @param {string} origin
 * @param {readonly Key[]} witnesses
 */
async function opening(engine, note, key, origin, witnesses) {
  try {
    return await openCheckpoint(engine, note, key, origin, witnesses);
  } catch (error) {
    if (error instanceof NotSigned) return error;
    throw error;
  }
}

/** A cosignature from the future proves nothing of now. Five minutes are for clocks. */
const MAX_AHEAD_SECONDS = 300;

/**
 * @param {readonly import("./note.mjs").Signature[]} cosignatures
 * @param {number} now
 */
const countedBy = (cosignatures, now) => [
  ...new Set(
    cosignatures.filter(({ at }) => at !== null && at <= now + MAX_AHEAD_SECONDS).map(({ key }) => key.name),
  ),
];

/** @param {string[]} signers @param {number} quorum @param {number} of */
const quorumFindings = (signers, quorum, of) =>
  signers.length >= quorum
    ? []
    : [
        found(
          "witnesses",
          null,
          `${signers.length} of ${of} witnesses cosigned the checkpoint, ${quorum} are asked for`,
        ),
      ];

/**
 * @param {Checkpoint} now
 * @param {Kept | null} kept
 */
function keptFindings(now, kept) {
  const latest = kept?.checkpoints.reduce((most, one) => (one.size > most.size ? one : most), now);
  if (latest && latest.size > now.size) {
    const words = `the log has ${now.size} entries, ${latest.size} were signed before: it was rolled back`;
    return [found("rolled_back", now.size, words)];
  }
  const same = kept?.checkpoints.find(({ size, root }) => size === now.size && !isEqual(root, now.root));
  return same
    ? [found("fork", null, `two checkpoints of ${now.size} entries are signed, with different roots`)]
    : [];
}

/**
 * @param {Engine} engine
 * @param {Kept} kept
 */
async function requireOwnState(engine, { edge, checkpoints }) {
  const own = checkpoints.find(({ size }) => size === edge.size);
  const isWhole = edge.size === 0 || (own && isEqual(await rootOf(engine, edge), own.root));
  if (!isWhole)
    throw new NotChecked(
      "what the verifier kept does not fit its own checkpoint: put it back, or begin again in a new folder",
    );
}

/**
 * @param {Checkpoint} checkpoint
 * @param {Kept | null} kept
 * @param {boolean} whole
 */
function wayOf(checkpoint, kept, whole) {
  const from = !whole && kept && kept.edge.size <= checkpoint.size ? kept.edge : EMPTY_EDGE;
  const passed = (kept?.checkpoints ?? []).filter(({ size }) => size > from.size && size <= checkpoint.size);
  return { from, kept: passed };
}

/**
 * @param {Engine} engine
 * @param {Source} source
 * @param {any} run
 */
function bodyCheck(engine, { bodies }, { way, kept }) {
  if (!bodies || (way.from.size > 0 && kept.arrivals === null)) return null;
  return new BodyCheck(engine, bodies, way.from.size > 0 ? structuredClone(kept.arrivals) : {});
}

/**
 * @param {Source} source
 * @param {Report} report
 * @param {Finding[]} findings
 * @param {Arrivals | null} arrivals
 */
async function completeness(source, report, findings, arrivals) {
  const gaps = arrivals ? gapsOf(arrivals) : ((await source.gaps?.()) ?? null);
  if (gaps === null) return;
  report.completeness = { by: arrivals ? "entries" : "service", gaps };
  for (const { producer, epoch, from, to } of gaps.slice(0, 10)) {
    const words = `of ${printable(producer)}, epoch ${epoch}, the numbers ${from} to ${to} never arrived`;
    findings.push(found("numbers_missing", null, words));
  }
}

/** @param {Source} source */
function uncheckedOf(source) {
  return [
    ...(source.log ? [] : ["the entries in the database: only their hashes outside of it were read"]),
    ...(source.store ? [] : ["the tiles outside the database"]),
    ...(source.bodies ? [] : ["the bodies of entries, and so who did what and whether all numbers arrived"]),
  ];
}

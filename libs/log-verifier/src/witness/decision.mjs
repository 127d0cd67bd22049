// What a witness answers to a checkpoint (C2SP tlog-witness, add-checkpoint): it cosigns the one
// history of a log that
// it has seen, and no other. Pure: what it knew goes in, what it knows now comes out.
import { bytesOf, HASH_BYTES, isEqual } from "../bytes.mjs";
import { NotSigned, openNote, readCheckpoint } from "../note.mjs";
import { isExtension } from "../tree.mjs";

/** @typedef {import("../engine.mjs").Engine} Engine */
/** @typedef {import("../note.mjs").Checkpoint} Checkpoint */
/** @typedef {import("../note.mjs").Key} Key */
/** @typedef {{ key: Key, origin: string }} KnownLog */
/**
 * `checkpoint` is what may be cosigned, `line` the log's own signature; `isMisbehaviour`: the log
 * signed what it
 * must not.
 * @typedef {object} Decision
 * @property {number} status
 * @property {string} words
 * @property {number} [latest] for 409
 * @property {Checkpoint} [checkpoint]
 * @property {string} [line]
 * @property {boolean} [isMisbehaviour]
 */

const MAX_PROOF_LINES = 63;

/**
 * @param {string} body `old <size>`, lines of the proof, an empty line, the note
 * @returns {{ old: number, proof: Uint8Array[], note: string } | null}
 */
function readRequest(body) {
  const split = body.indexOf("\n\n");
  const [first = "", ...lines] = body.slice(0, Math.max(0, split)).split("\n");
  const old = Number(/^old (0|[1-9]\d{0,15})$/.exec(first)?.[1] ?? Number.NaN);
  const proof = lines.map((line) => bytesOf(line, HASH_BYTES));
  if (!Number.isSafeInteger(old) || proof.length > MAX_PROOF_LINES) return null;
  const whole = proof.filter((hash) => hash !== null);
  return whole.length === proof.length ? { old, proof: whole, note: body.slice(split + 2) } : null;
}

/**
 * The origin that a request is about; null: it is malformed.
 * @param {string} body
 */
export const originIn = (body) => {
  const note = readRequest(body)?.note ?? "";
  return readCheckpoint(note.slice(0, note.lastIndexOf("\n\n") + 1))?.origin ?? null;
};

/**
 * @param {Engine} engine
 * @param {string} body
 * @param {readonly KnownLog[]} logs
 * @param {(origin: string) => Promise<Checkpoint | null>} latestOf the last that was cosigned
 * @returns {Promise<Decision>}
 */
export async function decide(engine, body, logs, latestOf) {
  const request = readRequest(body);
  const origin = originIn(body);
  if (request === null || origin === null) return { status: 400, words: "this is no add-checkpoint request" };
  const known = logs.filter((log) => log.origin === origin);
  if (known.length === 0) return { status: 404, words: "this log is not known here" };
  const signed = await signedBy(
    engine,
    request.note,
    known.map(({ key }) => key),
  );
  if (signed === null) return { status: 403, words: "no key of this log signed the checkpoint" };
  const { checkpoint, line } = signed;
  if (request.old > checkpoint.size) return { status: 400, words: "the old size is beyond the checkpoint" };
  const latest = await latestOf(origin);
  const size = latest?.size ?? 0;
  if (request.old !== size) return { status: 409, words: "another size was cosigned last", latest: size };
  const fits = await extendsLatest(engine, latest, checkpoint, request.proof);
  if (fits) return { status: 200, words: "cosigned", checkpoint, line };
  return {
    status: 422,
    words: "the checkpoint does not extend the one that was cosigned last",
    isMisbehaviour: latest !== null && latest.size === checkpoint.size,
  };
}

/**
 * @param {Engine} engine
 * @param {string} note
 * @param {Key[]} keys
 */
async function signedBy(engine, note, keys) {
  try {
    const { text, signatures } = await openNote(engine, note, keys);
    const [first] = signatures;
    const checkpoint = readCheckpoint(text);
    return first && checkpoint ? { checkpoint, line: first.line } : null;
  } catch (error) {
    if (error instanceof NotSigned) return null;
    throw error;
  }
}

/**
 * @param {Engine} engine
 * @param {Checkpoint | null} latest
 * @param {Checkpoint} next
 * @param {readonly Uint8Array[]} proof
 */
async function extendsLatest(engine, latest, next, proof) {
  if (next.size === 0) {
    const [empty] = await engine.sha256All([new Uint8Array(0)]);
    return proof.length === 0 && empty !== undefined && isEqual(next.root, empty);
  }
  const older = latest ?? { size: 0, root: new Uint8Array(0) };
  return await isExtension(engine, older, next, proof);
}

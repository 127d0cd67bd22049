// C2SP signed-note, tlog-checkpoint and tlog-cosignature: keys, notes, and who signed them.
import { bytesOf, hexOf, joined, utf8 } from "./bytes.mjs";

/** @typedef {import("./engine.mjs").Engine} Engine */
/**
 * A trusted key; `type` 1 signs notes, 4 cosigns checkpoints at a time.
 * @typedef {{ name: string, id: string, type: number, publicKey: Uint8Array }} Key
 */
/** @typedef {{ origin: string, size: number, root: Uint8Array, text: string }} Checkpoint */
/** @typedef {{ key: Key, line: string, at: number | null }} Signature */

export const ED25519 = 1;
export const COSIGNATURE = 4;
const ID_BYTES = 4;
const TIME_BYTES = 8;
const MAX_NOTE_CHARACTERS = 64 * 1024;
const MAX_SIGNATURES = 64;

/** A note or key is not what it should be; its words say why. */
export class NotSigned extends Error {}

/**
 * Reads a verifier key `name+id+base64(type || 32 bytes)`. @throws NotSigned
 * @param {Engine} engine
 * @param {string} text
 * @returns {Promise<Key>}
 */
export async function readKey(engine, text) {
  const [, name = "", id = "", encoded = ""] =
    /^([^+\p{White_Space}\p{Cc}]{1,250})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44,48})$/u.exec(text.trim()) ?? [];
  const typed = bytesOf(encoded, 33);
  const type = typed?.[0] ?? 0;
  if (typed === null || (type !== ED25519 && type !== COSIGNATURE))
    throw new NotSigned("is no Ed25519 verifier key (name+id+base64)");
  const [own] = await engine.sha256All([joined(utf8(`${name}\n`), typed)]);
  if (hexOf((own ?? typed).subarray(0, ID_BYTES)) !== id)
    throw new NotSigned("is damaged: its id is not its own");
  return { name, id, type, publicKey: typed.subarray(1) };
}

/**
 * The text of a note and those of `keys` that signed it. A signature of one of them that does not
 * verify refuses
 * the whole note; of keys that are not known nothing is said. @throws NotSigned
 * @param {Engine} engine
 * @param {string} note
 * @param {readonly Key[]} keys
 */
export async function openNote(engine, note, keys) {
  const split = note.lastIndexOf("\n\n");
  // biome reads a control class in a regular expression as a mistake; a loop says the same.
  const isText = ![...note.slice(0, MAX_NOTE_CHARACTERS)].some((one) => one < " " && one !== "\n");
  if (note.length > MAX_NOTE_CHARACTERS || split < 0 || !note.endsWith("\n") || !isText)
    throw new NotSigned("is not a signed note");
  const text = note.slice(0, split + 1);
  return { text, signatures: await signaturesOf(engine, text, note.slice(split + 2), keys) };
}

/**
 * The signatures by `keys` among lines that end in newlines. @throws NotSigned
 * @param {Engine} engine
 * @param {string} text of the note
 * @param {string} lines
 * @param {readonly Key[]} keys
 */
async function signaturesOf(engine, text, lines, keys) {
  const each = lines.split("\n");
  if (each.pop() !== "" || each.length > MAX_SIGNATURES) throw new NotSigned("is not a signed note");
  /** @type {Signature[]} */
  const found = [];
  for (const line of each) {
    const [, name = "", encoded = ""] = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
    const bytes = bytesOf(encoded);
    if (name === "" || bytes === null || bytes.length <= ID_BYTES)
      throw new NotSigned("is not a signed note");
    const id = hexOf(bytes.subarray(0, ID_BYTES));
    const key = keys.find((known) => known.name === name && known.id === id);
    if (key)
      found.push({ key, line, at: await requireSignature(engine, key, text, bytes.subarray(ID_BYTES)) });
  }
  return found;
}

/**
 * @param {Engine} engine
 * @param {Key} key
 * @param {string} text
 * @param {Uint8Array} signature
 */
async function requireSignature(engine, key, text, signature) {
  const at = key.type === COSIGNATURE ? secondsOf(signature) : null;
  const message = at === null ? text : cosignedText(text, at);
  const bytes = at === null ? signature : signature.subarray(TIME_BYTES);
  if (bytes.length !== 64 || !(await engine.ed25519(key.publicKey, utf8(message), bytes)))
    throw new NotSigned(`has a false signature of ${key.name}: it was forged or changed`);
  return at;
}

/** @param {Uint8Array} signature */
function secondsOf(signature) {
  const seconds = signature.subarray(0, TIME_BYTES).reduce((sum, byte) => sum * 256 + byte, 0);
  return Number.isSafeInteger(seconds) ? seconds : -1;
}

/**
 * What a witness signs (C2SP tlog-cosignature, "Ed25519 signed message").
 * @param {string} text of the checkpoint
 * @param {number} seconds since 1970
 */
export const cosignedText = (text, seconds) => `cosignature/v1\ntime ${seconds}\n${text}`;

/**
 * Reads the text of a checkpoint; lines behind its root are extensions. Null where it is none.
 * @param {string} text
 * @returns {Checkpoint | null}
 */
export function readCheckpoint(text) {
  const [, origin = "", sizeText = "", rootText = ""] =
    /^([^\n]{1,250})\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*$/.exec(text) ?? [];
  const root = bytesOf(rootText, 32);
  const size = Number(sizeText);
  return root === null || !Number.isSafeInteger(size) ? null : { origin, size, root, text };
}

/**
 * The checkpoint of a note that `key` signed for `origin`, and which witnesses cosigned it. @throws
 * NotSigned
 * @param {Engine} engine
 * @param {string} note
 * @param {Key} key
 * @param {string} origin
 * @param {readonly Key[]} [witnesses]
 */
export async function openCheckpoint(engine, note, key, origin, witnesses = []) {
  const { text, signatures } = await openNote(engine, note, [key, ...witnesses]);
  if (!signatures.some((one) => one.key === key)) throw new NotSigned("is not signed by the log's key");
  const checkpoint = readCheckpoint(text);
  if (checkpoint === null) throw new NotSigned("is signed and says no size and root");
  if (checkpoint.origin !== origin) throw new NotSigned("is signed for another log");
  return { checkpoint, cosignatures: signatures.filter((one) => one.key !== key) };
}

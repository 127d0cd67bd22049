import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { sha256 } from "./hash.ts";

/** Signature type of plain Ed25519 (C2SP signed-note, "Signature types"). */
const ED25519 = 0x01;
const KEY_ID_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;
/** C2SP signed-note asks for a limit of at least 16. */
const MAX_SIGNATURES = 16;
/** DER of an Ed25519 SubjectPublicKeyInfo up to its 32 key bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** One trusted key: its name, its raw 32 bytes, and the id that signature lines carry. */
export interface NoteKey {
  readonly name: string;
  readonly id: Buffer;
  readonly publicKey: KeyObject;
}

/** SHA-256(name || 0x0A || 0x01 || public key)[:4], as C2SP signed-note recommends. */
export function noteKeyId(name: string, rawPublicKey: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ED25519]), rawPublicKey])).subarray(
    0,
    KEY_ID_BYTES,
  );
}

/** The raw 32 bytes of an Ed25519 public key. */
export function rawEd25519(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
}

/** Whether a name may stand in a signature line: no Unicode space, plus or control character. */
export function isKeyName(name: string): boolean {
  return /^[^\p{White_Space}\p{Cc}+]+$/u.test(name);
}

/** The verifier key `name+hexid+base64(0x01 || key)`, as golang.org/x/mod/sumdb/note reads it. */
export function encodeVkey(name: string, publicKey: KeyObject): string {
  const raw = rawEd25519(publicKey);
  const typed = Buffer.concat([Buffer.from([ED25519]), raw]);
  return `${name}+${noteKeyId(name, raw).toString("hex")}+${typed.toString("base64")}`;
}

/** Reads a verifier key; null when it is not a well-formed Ed25519 one or its id is not its own. */
export function decodeVkey(vkey: string): NoteKey | null {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(vkey.trim());
  if (match === null) return null;
  const [, name = "", hexId = "", encoded = ""] = match;
  const typed = Buffer.from(encoded, "base64");
  if (typed.length !== 1 + PUBLIC_KEY_BYTES || typed[0] !== ED25519 || !isKeyName(name)) return null;
  const raw = typed.subarray(1);
  const id = noteKeyId(name, raw);
  if (id.toString("hex") !== hexId) return null;
  const der = Buffer.concat([SPKI_PREFIX, raw]);
  return { name, id, publicKey: createPublicKey({ key: der, format: "der", type: "spki" }) };
}

/** Puts the signature line under `text`, which ends in a newline. */
export function assembleNote(text: string, key: Pick<NoteKey, "name" | "id">, signature: Uint8Array): string {
  return `${text}\n— ${key.name} ${Buffer.concat([key.id, signature]).toString("base64")}\n`;
}

/**
 * The text of a note that `key` signed; null when it is malformed or not signed by it. Signatures
 * of other keys are ignored, one of this key that does not verify refuses the whole note.
 */
export function openNote(note: string, key: NoteKey): string | null {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n") || !isNoteText(note)) return null;
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) return null;
  let signed = false;
  for (const line of lines) {
    const match = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
    if (match === null) return null;
    const bytes = Buffer.from(match[2] ?? "", "base64");
    if (match[1] !== key.name || !bytes.subarray(0, KEY_ID_BYTES).equals(key.id)) continue;
    if (!verify(null, Buffer.from(text), key.publicKey, bytes.subarray(KEY_ID_BYTES))) return null;
    signed = true;
  }
  return signed ? text : null;
}

function isNoteText(note: string): boolean {
  // biome reads a control class in a regular expression as a mistake; a loop says the same.
  for (const character of note) {
    if (character < " " && character !== "\n") return false;
  }
  return true;
}

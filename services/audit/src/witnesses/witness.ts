import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { z } from "zod";
import { sha256 } from "../tree/hash.ts";
import { isKeyName } from "../tree/note.ts";

/** Someone who cosigns checkpoints (C2SP tlog-witness), as the operator names them. */
export interface Witness {
  readonly name: string;
  /** Where `add-checkpoint` is, without a slash at its end. */
  readonly url: string;
  readonly id: Buffer;
  readonly publicKey: KeyObject;
}

/** Why a witness gave no cosignature. */
export type WitnessFault =
  | "witness_unreachable"
  | "witness_disagrees"
  | "witness_ahead"
  | "witness_refuses"
  | "cosignature_false";

/** C2SP signed-note, "Signature types": a timestamped Ed25519 cosignature. */
const COSIGNATURE = 0x04;
const ID_BYTES = 4;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** Clocks of others may be off; a time that is further ahead says nothing of now. */
const MAX_AHEAD_SECONDS = 300;
const MAX_WITNESSES = 16;

/** The setting: `<url> <verifier key>` of each, separated by commas. */
export const witnesses = z.string().transform((text, context): readonly Witness[] => {
  const found = text.split(",").map((part) => witnessIn(part.trim()));
  const known = found.filter((witness) => witness !== null);
  const names = new Set(known.map(({ name }) => name));
  if (known.length === found.length && names.size === known.length && known.length <= MAX_WITNESSES)
    return known;
  const message =
    "must be `<url> <verifier key>` of each witness, separated by commas: https (or http on this machine), keys of type 4, names once each, 16 at most";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

function witnessIn(text: string): Witness | null {
  const [, address = "", name = "", hexId = "", encoded = ""] =
    /^(\S+) ([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(text) ?? [];
  const url = URL.parse(address);
  const isLocal = /^(localhost|127\.[\d.]+|\[::1\])$/.test(url?.hostname ?? "");
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isLocal);
  const typed = Buffer.from(encoded, "base64");
  if (!url || !isSafe || !isKeyName(name) || typed[0] !== COSIGNATURE) return null;
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])).subarray(0, ID_BYTES);
  if (id.toString("hex") !== hexId) return null;
  const der = Buffer.concat([SPKI_PREFIX, typed.subarray(1)]);
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  return { name, url: url.href.replace(/\/+$/, ""), id, publicKey };
}

/**
 * The witness's own line in what it answered, when it is a true cosignature of this checkpoint;
 * null otherwise. Lines of other keys are ignored (C2SP tlog-witness).
 */
export function cosignatureIn(
  answer: string,
  text: string,
  { name, id, publicKey }: Witness,
  now: Date,
): string | null {
  for (const line of answer.split("\n")) {
    const [, signer, encoded = ""] = /^\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? [];
    const bytes = Buffer.from(encoded, "base64");
    if (signer !== name || bytes.length !== ID_BYTES + TIME_BYTES + SIGNATURE_BYTES) continue;
    if (!bytes.subarray(0, ID_BYTES).equals(id)) continue;
    const seconds = bytes.readBigUInt64BE(ID_BYTES);
    if (seconds > BigInt(Math.floor(now.getTime() / 1_000) + MAX_AHEAD_SECONDS)) return null;
    // The whole body of the note behind two lines (C2SP tlog-cosignature).
    const message = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
    return verify(null, message, publicKey, bytes.subarray(ID_BYTES + TIME_BYTES)) ? `${line}\n` : null;
  }
  return null;
}

/** The body of add-checkpoint. */
export const requestBody = (old: number, proof: readonly Buffer[], note: string): string =>
  [`old ${old}`, ...proof.map((hash) => hash.toString("base64")), "", note].join("\n");

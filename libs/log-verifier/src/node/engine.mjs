// SHA-256 and Ed25519 of Node: no promise for each hash, which makes it ten times as fast as
// WebCrypto.
import { createHash, createPublicKey, hash, verify } from "node:crypto";
import { HASH_BYTES } from "../bytes.mjs";

/** Node 20 has no `hash` before 20.12. */
const sha256 =
  typeof hash === "function"
    ? (/** @type {Uint8Array} */ bytes) => hash("sha256", bytes, "buffer")
    : (/** @type {Uint8Array} */ bytes) => createHash("sha256").update(bytes).digest();
/** DER of an Ed25519 public key up to its 32 bytes (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** @type {import("../engine.mjs").Engine} */
export const nodeEngine = {
  sha256Each(bytes, width) {
    const count = bytes.length / width;
    const out = new Uint8Array(count * HASH_BYTES);
    for (let at = 0; at < count; at += 1)
      out.set(sha256(bytes.subarray(at * width, (at + 1) * width)), at * HASH_BYTES);
    return out;
  },
  sha256All: (list) => list.map((bytes) => new Uint8Array(sha256(bytes))),
  ed25519(publicKey, message, signature) {
    const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
    return verify(null, message, key, signature);
  },
};

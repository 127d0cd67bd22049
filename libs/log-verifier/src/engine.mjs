// What the checks need of a platform: SHA-256 and Ed25519. This one is WebCrypto's; node/engine.mjs
// has a
// faster one for Node.
import { HASH_BYTES } from "./bytes.mjs";

/**
 * `sha256Each` hashes every `width` bytes of `bytes` and joins the hashes; `sha256All` hashes each
 * of them.
 * @typedef {object} Engine
 * @property {(bytes: Uint8Array, width: number) => Uint8Array | Promise<Uint8Array>} sha256Each
 * @property {(list: readonly Uint8Array[]) => Uint8Array[] | Promise<Uint8Array[]>} sha256All
 * @property {(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean |
 * Promise<boolean>} ed25519
 */

/** By `crypto.subtle`: Node 20, Chrome 137, Firefox 129, Safari 17, or newer. @type {Engine} */
export const webEngine = {
  async sha256Each(bytes, width) {
    const hashes = await webEngine.sha256All(
      Array.from({ length: bytes.length / width }, (_, at) => bytes.subarray(at * width, (at + 1) * width)),
    );
    const all = new Uint8Array(hashes.length * HASH_BYTES);
    for (const [at, hash] of hashes.entries()) all.set(hash, at * HASH_BYTES);
    return all;
  },
  sha256All: (list) =>
    Promise.all(
      list.map(async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", owned(bytes)))),
    ),
  async ed25519(publicKey, message, signature) {
    const key = await crypto.subtle.importKey("raw", owned(publicKey), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, owned(signature), owned(message));
  },
};

/**
 * WebCrypto's types take no bytes that another thread could change.
 * @param {Uint8Array} bytes
 */
const owned = (bytes) => /** @type {Uint8Array<ArrayBuffer>} */ (bytes);

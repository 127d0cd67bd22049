import { createCipheriv, createDecipheriv } from "node:crypto";
import { hkdfExpand } from "./plain-box.ts";

/** Cobblestone-256 again, from https://c2sp.org/chunked-encryption, sharing no code with src. */
export function plainCobblestone256(key: Buffer, salt: Buffer, context: Buffer, message: Buffer): Buffer {
  const name = Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0", "ascii");
  const okm = hkdfExpand("sha512", key, Buffer.concat([name, salt, context]), 32 + 12 + 32);
  const out = [salt, okm.subarray(44)];
  for (let n = 0; n <= Math.floor(message.length / 16_384); n += 1) {
    const nonce = BigInt(`0x${okm.subarray(32, 44).toString("hex")}`) ^ BigInt(n);
    const iv = Buffer.from(nonce.toString(16).padStart(24, "0"), "hex");
    const cipher = createCipheriv("aes-256-gcm", okm.subarray(0, 32), iv);
    out.push(
      cipher.update(message.subarray(n * 16_384, (n + 1) * 16_384)),
      cipher.final(),
      cipher.getAuthTag(),
    );
  }
  return Buffer.concat(out);
}

/** Opens by the published page alone: the message, or the code of the refusal. */
export function plainOpenCobblestone256(key: Buffer, context: Buffer, sealed: Buffer): Buffer | string {
  if (key.length !== 32) return "key_invalid";
  if (sealed.length < 56) return "chunked_truncated";
  const name = Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0", "ascii");
  const okm = hkdfExpand("sha512", key, Buffer.concat([name, sealed.subarray(0, 24), context]), 32 + 12 + 32);
  if (!okm.subarray(44).equals(sealed.subarray(24, 56))) return "chunked_commitment_mismatch";
  const out = [];
  for (let n = 0; ; n += 1) {
    const chunk = sealed.subarray(56 + n * 16_400, 56 + (n + 1) * 16_400);
    if (chunk.length < 16) return "chunked_truncated";
    const nonce = BigInt(`0x${okm.subarray(32, 44).toString("hex")}`) ^ BigInt(n);
    const iv = Buffer.from(nonce.toString(16).padStart(24, "0"), "hex");
    const decipher = createDecipheriv("aes-256-gcm", okm.subarray(0, 32), iv, { authTagLength: 16 });
    decipher.setAuthTag(chunk.subarray(-16));
    try {
      out.push(decipher.update(chunk.subarray(0, -16)), decipher.final());
    } catch {
      return "chunk_forged";
    }
    if (chunk.length < 16_400) return Buffer.concat(out);
  }
}

/** What was done to a sealed message, one after the other. Chunks are counted from 0. */
export type Edit =
  | { drop: number }
  | { double: number }
  | { swap: [number, number] }
  | { cutTo: number }
  | { append: string }
  | { flip: number };

/** The message after the edits, as the vectors mean them. */
export function edited(sealed: Buffer, edits: readonly Edit[]): Buffer {
  return edits.reduce<Buffer>((now, edit) => {
    if ("cutTo" in edit) return now.subarray(0, edit.cutTo);
    if ("append" in edit) return Buffer.concat([now, Buffer.from(edit.append, "hex")]);
    if ("flip" in edit) {
      const changed = Buffer.from(now);
      changed[edit.flip] = (changed[edit.flip] ?? 0) ^ 1;
      return changed;
    }
    const chunks: Buffer[] = [];
    for (let at = 56; at < now.length; at += 16_400) chunks.push(now.subarray(at, at + 16_400));
    const at = (n: number): Buffer => chunks[n] ?? Buffer.alloc(0);
    if ("drop" in edit) chunks.splice(edit.drop, 1);
    else if ("double" in edit) chunks.splice(edit.double, 0, at(edit.double));
    else [chunks[edit.swap[0]], chunks[edit.swap[1]]] = [at(edit.swap[1]), at(edit.swap[0])];
    return Buffer.concat([now.subarray(0, 56), ...chunks]);
  }, sealed);
}

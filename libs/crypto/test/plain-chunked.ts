import { createCipheriv } from "node:crypto";
import { hkdfExpand } from "./plain-box.ts";

/** Cobblestone-256 a second time, from https://c2sp.org/chunked-encryption, whole in memory, sharing no code with src. */
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

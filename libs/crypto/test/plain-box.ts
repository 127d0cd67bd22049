import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";

/**
 * The row box and the wrapped key a second time, written from FORMATS.md alone, as plainly as
 * possible, sharing no code with src. Tests require both to agree byte for byte.
 */
export interface PlainBox {
  suite: "aes-256-gcm" | "chacha20-poly1305";
  subjectKey: Buffer;
  keyVersion: number;
  nonce: Buffer;
  service: string;
  table: string;
  rowId: string;
  subjectId: string;
  rev: number;
  typed: string;
  open: string;
  plaintext: Buffer;
}

export function plainBox(o: PlainBox): Buffer {
  const format = Buffer.from([1]);
  const suite = Buffer.from([o.suite === "aes-256-gcm" ? 1 : 2]);
  const keyVersion = be(o.keyVersion, 4);
  const info = Buffer.concat(["medvault/row-box/v1", o.suite, o.service, o.table, o.rowId].map(lp));
  const derived = hkdf("sha256", o.subjectKey, info, 64);
  const places = [o.service, o.table, o.rowId, o.subjectId, be(o.rev, 8), o.typed, o.open];
  const aad = Buffer.concat([format, suite, keyVersion, ...places].map(lp));
  const commitment = derived.subarray(32);
  const header = Buffer.concat([format, suite, keyVersion, o.nonce, commitment]);
  return Buffer.concat([header, aead(o.suite, derived.subarray(0, 32), o.nonce, aad, o.plaintext)]);
}

export function plainWrap(o: {
  serviceKey: Buffer;
  serviceKeyVersion: number;
  keyVersion: number;
  nonce: Buffer;
  context: string[];
  key: Buffer;
}): Buffer {
  const head = [Buffer.from([2]), Buffer.from([1]), be(o.serviceKeyVersion, 4), be(o.keyVersion, 4)];
  const info = Buffer.concat(["medvault/wrapped-key/v1", "aes-256-gcm", ...o.context].map(lp));
  const derived = hkdf("sha256", o.serviceKey, info, 64);
  const aad = Buffer.concat([...head, ...o.context].map(lp));
  const header = Buffer.concat([...head, o.nonce, derived.subarray(32)]);
  return Buffer.concat([header, aead("aes-256-gcm", derived.subarray(0, 32), o.nonce, aad, o.key)]);
}

/** RFC 5869, both steps, with an empty salt. */
export function hkdf(hash: "sha256", key: Buffer, info: Buffer, length: number): Buffer {
  const prk = createHmac(hash, Buffer.alloc(32)).update(key).digest();
  return hkdfExpand(hash, prk, info, length);
}

export function hkdfExpand(hash: "sha256" | "sha512", prk: Buffer, info: Buffer, length: number): Buffer {
  let block = Buffer.alloc(0);
  let out = Buffer.alloc(0);
  for (let n = 1; out.length < length; n += 1) {
    block = createHmac(hash, prk)
      .update(Buffer.concat([block, info, Buffer.from([n])]))
      .digest();
    out = Buffer.concat([out, block]);
  }
  return out.subarray(0, length);
}

export function lp(part: string | Buffer): Buffer {
  const bytes = Buffer.from(part as string);
  return Buffer.concat([be(bytes.length, 4), bytes]);
}

export function be(value: number, bytes: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * bytes, "0"), "hex");
}

function aead(suite: PlainBox["suite"], key: Buffer, nonce: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const cipher =
    suite === "aes-256-gcm"
      ? createCipheriv(suite, key, nonce)
      : createCipheriv(suite, key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Opens by the page alone: the plaintext, or the code of the refusal. */
export function plainOpenBox(
  o: Omit<PlainBox, "suite" | "nonce" | "plaintext">,
  box: Buffer,
): Buffer | string {
  if (box.length < 66) return "box_truncated";
  if (box[0] !== 1) return "box_format_unknown";
  const suite = ({ 1: "aes-256-gcm", 2: "chacha20-poly1305" } as const)[box[1] ?? 0];
  if (suite === undefined) return "box_suite_unknown";
  if (!box.subarray(2, 6).equals(be(o.keyVersion, 4))) return "box_key_version_mismatch";
  const info = Buffer.concat(["medvault/row-box/v1", suite, o.service, o.table, o.rowId].map(lp));
  const derived = hkdf("sha256", o.subjectKey, info, 64);
  if (!derived.subarray(32).equals(box.subarray(18, 50))) return "box_commitment_mismatch";
  const places = [o.service, o.table, o.rowId, o.subjectId, be(o.rev, 8), o.typed, o.open];
  const aad = Buffer.concat([box.subarray(0, 1), box.subarray(1, 2), box.subarray(2, 6), ...places].map(lp));
  return unaead(suite, derived.subarray(0, 32), box.subarray(6, 18), aad, box.subarray(50)) ?? "box_forged";
}

/** Unwraps by the page alone: the key, or the code of the refusal. */
export function plainUnwrap(
  o: { serviceKey: Buffer; serviceKeyVersion: number; context: string[] },
  wrapped: Buffer,
): Buffer | string {
  if (wrapped.length !== 102) return "wrapped_key_truncated";
  if (wrapped[0] !== 2 || wrapped[1] !== 1) return "wrapped_key_format_unknown";
  const info = Buffer.concat(["medvault/wrapped-key/v1", "aes-256-gcm", ...o.context].map(lp));
  const derived = hkdf("sha256", o.serviceKey, info, 64);
  const isVersion = wrapped.subarray(2, 6).equals(be(o.serviceKeyVersion, 4));
  if (!isVersion || !derived.subarray(32).equals(wrapped.subarray(22, 54)))
    return "wrapped_key_commitment_mismatch";
  const head = [
    [0, 1],
    [1, 2],
    [2, 6],
    [6, 10],
  ].map(([from, to]) => wrapped.subarray(from, to));
  const aad = Buffer.concat([...head, ...o.context].map(lp));
  const key = unaead(
    "aes-256-gcm",
    derived.subarray(0, 32),
    wrapped.subarray(10, 22),
    aad,
    wrapped.subarray(54),
  );
  return key ?? "wrapped_key_forged";
}

function unaead(
  suite: PlainBox["suite"],
  key: Buffer,
  nonce: Buffer,
  aad: Buffer,
  sealed: Buffer,
): Buffer | null {
  const length = sealed.length - 16;
  const decipher =
    suite === "aes-256-gcm"
      ? createDecipheriv(suite, key, nonce, { authTagLength: 16 })
      : createDecipheriv(suite, key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad, { plaintextLength: length }).setAuthTag(sealed.subarray(length));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()]);
  } catch {
    return null;
  }
}

import { createHash, createHmac, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { lp } from "./plain-box.ts";

/** Index tokens and statements again, from FORMATS.md alone, for texts in normal form already. */
export function plainExact(key: Buffer, normal: string): string {
  const message = Buffer.concat([lp("medvault/index/exact/v1"), Buffer.from(normal)]);
  return createHmac("sha256", key).update(message).digest("hex").slice(0, 32);
}

export function plainLayer(key: Buffer, below: string): string {
  const message = Buffer.concat([lp("medvault/index/layer/v1"), Buffer.from(below, "hex")]);
  return createHmac("sha256", key).update(message).digest("hex").slice(0, 32);
}

export function plainStatement(purpose: string, parts: readonly string[]): Buffer {
  return Buffer.concat(["medvault/statement/v1", purpose, ...parts].map(lp));
}

/** `content` is canonical already. */
export function plainContentHash(content: string, digest: string): string {
  return createHash(digest).update(Buffer.from(content)).digest("hex");
}

/** For values that need no escape in JSON. The members stand in the order of their names. */
export function plainRecordStatement(record: {
  recordId: string;
  patientId: string;
  version: number;
  contentHash: string;
  digest: string;
  signedBy: string;
  signedAt: string;
}): string {
  const { recordId, patientId, version, contentHash, digest, signedBy, signedAt } = record;
  const named = digest === "sha256" ? "" : `"digest":"${digest}",`;
  return `{"contentHash":"${contentHash}",${named}"patientId":"${patientId}","purpose":"medvault/medical-record/v1","recordId":"${recordId}","signedAt":"${signedAt}","signedBy":"${signedBy}","version":${version}}`;
}

export function plainSign(seed: Buffer, message: Buffer): Buffer {
  return sign(null, message, privateKey(seed));
}

export function plainVerify(seed: Buffer, message: Buffer, signature: Buffer): boolean {
  return verify(null, message, createPublicKey(privateKey(seed)), signature);
}

function privateKey(seed: Buffer): ReturnType<typeof createPrivateKey> {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

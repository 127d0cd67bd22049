import type { KeyObject } from "node:crypto";
import { keyedHash } from "@medvault/crypto";
import type { KeyVersionEntry } from "./key-document.ts";

const KEY_ID_BYTES = 16;
const SHOWN_DIGITS = 12;

/**
 * Names a service key and says nothing of it (libs/crypto/FORMATS.md, "Keyed hash"): two keys of
 * one version are told apart by it, one key under two versions is known again.
 */
export function keyIdOf(key: KeyObject | Buffer): Buffer {
  return keyedHash(key, "service-key-id").subarray(0, KEY_ID_BYTES);
}

/** The id of a version in a document, as shown; null where it is in Vault, or destroyed. */
export function keyIdIn({ key }: KeyVersionEntry): string | null {
  return key === undefined ? null : shownKeyId(keyIdOf(Buffer.from(key, "base64")));
}

/** An id as people compare it. */
export function shownKeyId(id: Buffer): string {
  return id.toString("hex").slice(0, SHOWN_DIGITS);
}

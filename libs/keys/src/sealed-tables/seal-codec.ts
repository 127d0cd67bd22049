import { type BoxContext, lengthPrefixed, type Suite } from "@medvault/crypto";
import type { SealJob } from "./sealed-table.ts";

/** A job as it crosses to a worker: plain bytes, the subject's key among them. */
export interface PackedJob {
  readonly key: Buffer;
  readonly keyVersion: number;
  readonly context: BoxContext;
  readonly plaintext: Buffer;
  readonly suite: Suite;
}

const PARTS = 11;
const NONE = Buffer.alloc(0);

export function packJob({ context, plaintext, suite }: SealJob, key: Buffer, keyVersion: number): Buffer {
  const { service, table, rowId, subjectId, rev, typed, open } = context;
  const texts = [suite, String(keyVersion), service, table, rowId, subjectId, String(rev), typed, open];
  return lengthPrefixed(key, plaintext, ...texts);
}

export function* unpackJobs(bytes: Buffer): Generator<PackedJob> {
  const parts = unpack(bytes);
  for (let at = 0; at < parts.length; at += PARTS) {
    const [key = NONE, plaintext = NONE, ...rest] = parts.slice(at, at + PARTS);
    const [
      suite,
      keyVersion,
      service = "",
      table = "",
      rowId = "",
      subjectId = "",
      rev,
      typed = "",
      open = "",
    ] = rest.map((part) => part.toString("utf8"));
    const context = { service, table, rowId, subjectId, rev: Number(rev), typed, open };
    yield { key, keyVersion: Number(keyVersion), context, plaintext, suite: suite as Suite };
  }
}

/** Undoes lengthPrefixed; the parts are views. */
export function unpack(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}

/** Joined into memory of their own, which can be handed to a thread; the pieces are wiped. */
export function joinForTransfer(pieces: readonly Buffer[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
    piece.fill(0);
  }
  return joined;
}

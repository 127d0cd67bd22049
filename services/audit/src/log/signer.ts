import type { KeyObject } from "node:crypto";
import { type Checkpoint, checkpointText, type SignedCheckpoint } from "../tree/checkpoint.ts";
import { assembleNote, encodeVkey, type NoteKey, noteKeyId, rawEd25519 } from "../tree/note.ts";
import { type Retirement, retirementText } from "../tree/retirement.ts";

/** Signs this log's checkpoints, and knows the key that checks them. */
export interface CheckpointSigner {
  readonly origin: string;
  readonly key: NoteKey;
  /** The verifier key that goes to anyone who checks the log. */
  readonly vkey: string;
  sign(checkpoint: Omit<Checkpoint, "origin">): SignedCheckpoint;
  /** The signed note of what was retired. */
  signRetirement(retirement: Omit<Retirement, "origin">): string;
}

/** @param sign makes a plain Ed25519 signature (RFC 8032) with the private half of `publicKey`. */
export function createSigner(
  origin: string,
  publicKey: KeyObject,
  sign: (message: Buffer) => Buffer,
): CheckpointSigner {
  const key = { name: origin, id: noteKeyId(origin, rawEd25519(publicKey)), publicKey };
  const signed = (text: string) => assembleNote(text, key, sign(Buffer.from(text, "utf8")));
  return {
    origin,
    key,
    vkey: encodeVkey(origin, publicKey),
    sign({ size, root }) {
      return { origin, size, root, note: signed(checkpointText({ origin, size, root })) };
    },
    signRetirement: (retirement) => signed(retirementText({ origin, ...retirement })),
  };
}

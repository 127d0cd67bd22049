import { HASH_BYTES } from "./hash.ts";
import { type NoteKey, openNote } from "./note.ts";

/** What a C2SP checkpoint says: whose log, how many leaves, which RFC 6962 root. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** A checkpoint with the whole signed note that it was read from. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string;
}

/** The note text of a checkpoint, ending in a newline (C2SP tlog-checkpoint, "Note text"). */
export function checkpointText(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${checkpoint.root.toString("base64")}\n`;
}

/** Reads a note text; null unless it is exactly origin, size and root, with no extension line. */
export function parseCheckpointText(text: string): Checkpoint | null {
  const match = /^([^\n]+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=)\n$/.exec(text);
  if (match === null) return null;
  const [, origin = "", sizeText = "", encoded = ""] = match;
  const [size, root] = [Number(sizeText), Buffer.from(encoded, "base64")];
  if (!Number.isSafeInteger(size) || root.length !== HASH_BYTES || root.toString("base64") !== encoded)
    return null;
  return { origin, size, root };
}

/** The checkpoint of a note; null when it is malformed, or not signed by `key` for `origin`. */
export function openCheckpoint(note: string, key: NoteKey, origin: string): SignedCheckpoint | null {
  const text = openNote(note, key);
  const checkpoint = text === null ? null : parseCheckpointText(text);
  return checkpoint !== null && checkpoint.origin === origin ? { ...checkpoint, note } : null;
}

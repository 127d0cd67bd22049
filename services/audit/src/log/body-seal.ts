import { canonicalJson, openBox, sealBox } from "@medvault/crypto";

const TABLE = "log";
/** Bodies are sealed once and never again: a row of the log does not change. */
const REV = 1;
const KEY_VERSION = 1;

/**
 * Seals and opens bodies under audit's own table key, each bound to its place in the log and its
 * event's id.
 */
export interface BodySeal {
  seal(idx: number, id: string, body: Buffer): Buffer;
  /** Null when the box was changed, moved to another row, or sealed under another key. */
  open(idx: number, id: string, sealed: Buffer): Buffer | null;
}

/** @param key audit's 32-byte table key for its log (libs/keys). */
export function createBodySeal(key: Buffer): BodySeal {
  const subject = { key, version: KEY_VERSION };
  const contextOf = (idx: number, id: string) => ({
    service: "audit",
    table: TABLE,
    rowId: id,
    subjectId: TABLE,
    rev: REV,
    typed: canonicalJson({ idx }),
    open: "{}",
  });
  return {
    seal: (idx, id, body) => sealBox(subject, contextOf(idx, id), body),
    open(idx, id, sealed) {
      try {
        return openBox(subject, contextOf(idx, id), sealed);
      } catch {
        return null;
      }
    },
  };
}

import { openBox, sealBox } from "@medvault/crypto";

const TABLE = "alerts";
const KEY_VERSION = 1;

/** Seals the notes of alerts, each bound to its alert and revision. */
export interface NoteSeal {
  seal(id: string, rev: number, note: string): Buffer;
  /** Null when the box was changed, moved to another alert, or is of another revision. */
  open(id: string, rev: number, sealed: Buffer): string | null;
}

/** @param key audit's 32-byte table key for its alerts (libs/keys). */
export function createNoteSeal(key: Buffer): NoteSeal {
  const subject = { key, version: KEY_VERSION };
  const contextOf = (rowId: string, rev: number) => ({
    service: "audit",
    table: TABLE,
    rowId,
    subjectId: TABLE,
    rev,
    typed: "{}",
    open: "{}",
  });
  return {
    seal: (id, rev, note) => sealBox(subject, contextOf(id, rev), Buffer.from(note, "utf8")),
    open(id, rev, sealed) {
      try {
        return openBox(subject, contextOf(id, rev), sealed).toString("utf8");
      } catch {
        return null;
      }
    },
  };
}

import { canonicalJson, openBox, sealBox } from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import type { Arrival } from "./arrivals.ts";

/** What the first `size` entries say arrived; `lastLeaf` is that of the last of them. */
export interface ArrivalSnapshot {
  readonly size: number;
  readonly lastLeaf: Buffer;
  readonly arrivals: readonly Arrival[];
}

/** Seals and opens snapshots under the log's key, which Postgres does not hold. */
export interface SnapshotSeal {
  seal(snapshot: ArrivalSnapshot): Buffer;
  /** Null where it was changed, or is another size's. */
  open(size: number, sealed: Buffer): ArrivalSnapshot | null;
}

/** @param key audit's 32-byte table key for its log (libs/keys). */
export function createSnapshotSeal(key: Buffer): SnapshotSeal {
  const subject = { key, version: 1 };
  // A key of its own for each size: of one size there is one snapshot.
  const contextOf = (size: number) => ({
    service: "audit",
    table: "arrivals",
    rowId: String(size),
    subjectId: "log",
    rev: 1,
    typed: canonicalJson({ size }),
    open: "{}",
  });
  return {
    seal: ({ size, lastLeaf, arrivals }) =>
      sealBox(
        subject,
        contextOf(size),
        Buffer.from(JSON.stringify({ lastLeaf: lastLeaf.toString("base64"), arrivals }), "utf8"),
      ),
    open(size, sealed) {
      try {
        const { lastLeaf, arrivals } = JSON.parse(openBox(subject, contextOf(size), sealed).toString("utf8"));
        return { size, lastLeaf: Buffer.from(lastLeaf, "base64"), arrivals };
      } catch {
        return null;
      }
    },
  };
}

export async function readSnapshot(db: Db, seal: SnapshotSeal): Promise<ArrivalSnapshot | null> {
  const { rows } = await db.query<{ size: number; sealed: Buffer }>("select size, sealed from arrivals");
  return rows[0] ? seal.open(rows[0].size, rows[0].sealed) : null;
}

export async function writeSnapshot(db: Db, seal: SnapshotSeal, snapshot: ArrivalSnapshot): Promise<void> {
  await db.query(
    `insert into arrivals (size, sealed) values ($1, $2)
     on conflict (only_row) do update set size = excluded.size, sealed = excluded.sealed`,
    [snapshot.size, seal.seal(snapshot)],
  );
}

// What was stored before, by the identity of each row: a database of its own, which holds ids and
// hashes and nothing that could be read back.
import { createHmac, randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** A row that is stored here. */
export interface StoredRow {
  readonly id: string;
  readonly patientId: string | null;
  /** What it said when it was stored. */
  readonly contentHash: string;
}

/** Someone may look into it meanwhile. */
const BUSY_MS = 10_000;

export class State {
  readonly #database: DatabaseSync;
  readonly #salt: Buffer;
  readonly #run: number;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #see: StatementSync;

  /** @param file empty: a temporary file of SQLite's own, which goes with this process */
  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: BUSY_MS });
    if (file !== "") chmodSync(file, 0o600);
    this.#database.exec(`
      pragma journal_mode = wal; pragma synchronous = normal;
      create table if not exists settings (name text primary key, value blob not null) without rowid, strict;
      create table if not exists rows (identity blob primary key, id text, patient text, content text, run integer)
        without rowid, strict`);
    this.#salt = this.#setting("salt", () => randomBytes(32));
    const before = Number(this.#setting("run", () => Buffer.from("0")).toString());
    this.#run = before + 1;
    const raise = this.#database.prepare("update settings set value = ? where name = 'run'");
    raise.run(Buffer.from(String(this.#run)));
    this.#find = this.#database.prepare(
      "select id, patient, content from rows where identity = ? and id is not null",
    );
    this.#put = this.#database.prepare(
      `insert into rows (identity, id, patient, content, run) values (?, ?, ?, ?, ?)
       on conflict (identity) do update set id = excluded.id, patient = excluded.patient, content = excluded.content`,
    );
    this.#see = this.#database.prepare(
      `insert into rows (identity, run) values (?, ?)
       on conflict (identity) do update set run = excluded.run where run <> excluded.run`,
    );
  }

  find(identity: string): StoredRow | null {
    const found = this.#find.get(bytes(identity)) as Record<"id" | "patient" | "content", string> | undefined;
    return found ? { id: found.id, patientId: found.patient, contentHash: found.content } : null;
  }

  /** Whether this run sees it for the first time; a kind may be asked for once for each row. */
  isNew(identity: string): boolean {
    return this.#see.run(bytes(identity), this.#run).changes === 1;
  }

  put(rows: readonly (StoredRow & { identity: string })[]): void {
    this.#database.exec("begin");
    for (const { identity, id, patientId, contentHash } of rows)
      this.#put.run(bytes(identity), id, patientId, contentHash, this.#run);
    this.#database.exec("commit");
  }

  /** Of content, under a key of this file alone: what is likely cannot be tried out elsewhere. */
  hashOf(content: string): string {
    return createHmac("sha256", this.#salt).update(content).digest("base64url");
  }

  close(): void {
    this.#database.close();
  }

  #setting(name: string, make: () => Buffer): Buffer {
    const insert = this.#database.prepare("insert into settings values (?, ?) on conflict do nothing");
    insert.run(name, make());
    const found = this.#database.prepare("select value from settings where name = ?").get(name);
    return Buffer.from((found as { value: Uint8Array }).value);
  }
}

const bytes = (identity: string): Buffer => Buffer.from(identity, "hex");

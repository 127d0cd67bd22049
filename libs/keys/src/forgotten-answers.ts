import type { Tx } from "@medvault/postgres";
import { ANSWERS_TABLE, openAnswer, type StoredAnswer } from "./kept-answer.ts";
import type { Keyring } from "./keyring/keyring.ts";
import { tableKeyAndWrapped } from "./keyring/service-keys.ts";

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const OPENED_PER_BATCH = 500;

/**
 * Deletes the kept answers that name one of these ids, in the path that was called or in what was
 * answered; one that does not open goes too. The request that asks for it keeps its own. Returns
 * how many.
 */
export async function forgetAnswers(tx: Tx, keyring: Keyring, ids: ReadonlySet<string>): Promise<number> {
  const { key: secret } = await tableKeyAndWrapped(tx, keyring, ANSWERS_TABLE);
  const names = (text: string) => (text.match(UUID) ?? []).some((id) => ids.has(id));
  let forgotten = 0;
  let after: string | null = null;
  try {
    for (;;) {
      const { rows }: { rows: KeptRow[] } = await tx.query<KeptRow>(
        `select ctid::text as at, actor_id, method, path, key, body_hash, status, answer, wrapped from idempotency_keys
          where answer is not null and ($1::tid is null or ctid > $1::tid) order by ctid limit ${OPENED_PER_BATCH}`,
        [after],
      );
      const found = rows.filter((row) => names(row.path) || names(answerText(keyring, secret, row, ids)));
      const gone = found.map(({ at }) => at);
      await tx.query("delete from idempotency_keys where ctid = any($1::tid[])", [gone]);
      forgotten += gone.length;
      after = rows.at(-1)?.at ?? null;
      if (rows.length < OPENED_PER_BATCH) return forgotten;
    }
  } finally {
    secret.fill(0);
  }
}

interface KeptRow extends StoredAnswer {
  at: string;
  actor_id: string;
  method: string;
  path: string;
  key: Buffer;
}

/** What was answered; of what does not open one of `ids`, so that it counts as naming it. */
function answerText(keyring: Keyring, secret: Buffer, row: KeptRow, ids: ReadonlySet<string>): string {
  const scope = [row.actor_id, row.method, row.path, row.key] as const;
  try {
    return openAnswer(keyring, { scope, bodyHash: row.body_hash }, row, secret);
  } catch {
    return [...ids][0] ?? "";
  }
}

import type { Keyring } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { createBodySeal } from "./body-seal.ts";

/**
 * Whether the log's newest entry opens by its key: proof that the service key is the right one.
 * Null for an empty log. For `keys doctor`: makes no key where there is none.
 */
export async function openNewestEntry(
  db: Db,
  keyring: Keyring,
): Promise<{ idx: number; opens: boolean } | null> {
  const { rows } = await db.query<{ idx: number; id: string; sealed: Buffer; wrapped: Buffer | null }>(
    `select l.idx, l.id, l.sealed, k.wrapped
       from (select idx, id, sealed from log order by idx desc limit 1) l
       left join keys k on k.kind = 'table' and k.name = 'log' and k.state = 'active'`,
  );
  const [entry] = rows;
  if (entry === undefined) return null;
  const { idx, id, sealed, wrapped } = entry;
  return { idx, opens: wrapped !== null && opens(keyring, wrapped, (seal) => seal.open(idx, id, sealed)) };
}

function opens(
  keyring: Keyring,
  wrapped: Buffer,
  open: (seal: ReturnType<typeof createBodySeal>) => Buffer | null,
): boolean {
  try {
    const key = Buffer.from(keyring.opened(wrapped, ["table", "log"]).key);
    return open(createBodySeal(key)) !== null;
  } catch {
    return false;
  }
}

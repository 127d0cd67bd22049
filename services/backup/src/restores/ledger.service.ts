import { erasureHash, isErasureLedger, type SignedErasure } from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import type { Manifest } from "../archive/manifest.ts";
import { countLogged, readCopies, readLedger, readLedgerKeys } from "../erasures/ledger.store.ts";
import { RestoreFailed } from "./restore.errors.ts";

/**
 * Requires that the ledger of erasures is whole: by its numbers, chain and signatures, and as long
 * as the audit log, the copies in the directory of backups and the manifest say. What it names is
 * left out of a restore, so that a shorter one would bring the erased back. Throws RestoreFailed.
 */
export async function requireWholeLedger(
  db: Db,
  archiveDir: string,
  { erasures }: Pick<Manifest, "erasures">,
): Promise<void> {
  const ledger = await readLedger(db);
  const copies = await readCopies(archiveDir).catch((error: unknown) => {
    throw new RestoreFailed("erasure_ledger_damaged", error);
  });
  const keys = await readLedgerKeys(db);
  const hashes = new Map(ledger.map((entry) => [entry.number, erasureHash(entry)]));
  const isOther = ({ number, sha256 }: { number: number; sha256: string }) =>
    hashes.has(number) && hashes.get(number) !== sha256;
  const known = [...copies.map(named), ...(erasures ? [erasures] : [])];
  if (!isErasureLedger(ledger, keys) || known.some(isOther))
    throw new RestoreFailed("erasure_ledger_damaged");
  const needed = Math.max((await countLogged(db)) ?? 0, ...known.map(({ number }) => number));
  if (ledger.length < needed) throw new RestoreFailed("erasure_ledger_short");
}

const named = (entry: SignedErasure) => ({ number: entry.number, sha256: erasureHash(entry) });

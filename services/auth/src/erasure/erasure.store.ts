import type { Tx } from "@medvault/postgres";
import { type AccountSeals, findAccount } from "../accounts/account.store.ts";

/**
 * A patient's account, whatever its state, held until the transaction ends, and its mail addresses
 * as far as it opens; null where there is none, or it is one of staff.
 */
export async function lockPatientAccount(
  tx: Tx,
  seals: AccountSeals,
  id: string,
): Promise<{ addresses: string[] } | null> {
  const { rowCount } = await tx.query("select from users where id = $1 and role = 'patient' for update", [
    id,
  ]);
  if (rowCount === 0) return null;
  const account = await findAccount(tx, seals, id).catch(() => null);
  return { addresses: [account?.email, account?.pendingEmail].filter((one) => typeof one === "string") };
}

import type { Db } from "@medvault/postgres";
import { type AccountSeals, type FoundAccount, findWithIdentifier } from "../accounts/account.store.ts";
import type { Familiar, Whence } from "../lockout/bucket.ts";
import { type FamiliarRow, familiarColumns, familiarOf, familiarValues } from "../lockout/lockout.store.ts";

/** Whose name or address this is, and whether they signed in from here before. One statement. */
export async function findSigningIn(
  db: Db,
  seals: AccountSeals,
  identifier: string,
  from: Whence,
): Promise<{ account: FoundAccount; familiar: Familiar } | null> {
  const found = await findWithIdentifier<FamiliarRow>(db, seals, identifier, {
    columns: familiarColumns("u.id", 3),
    values: familiarValues(from),
  });
  return found && { account: found.account, familiar: familiarOf(found.row) };
}

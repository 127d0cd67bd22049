import { sealedUsers } from "./accounts/account.table.ts";
import { sealedPasskeys } from "./passkeys/passkey.table.ts";
import { sealedSessions } from "./sessions/session.table.ts";

/** Every declared table of this service: for the field policy, and for `keys reseal`. */
export const sealedTables = [sealedUsers, sealedPasskeys, sealedSessions] as const;

/** How events call one row of each. */
export const rowKinds = { users: "user", passkeys: "passkey", sessions: "session" };

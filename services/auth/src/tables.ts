import { sealedUsers } from "./accounts/account.store.ts";
import { sealedPasskeys } from "./passkeys/passkey.store.ts";
import { sealedSessions } from "./sessions/session.store.ts";

/** Every declared table of this service: what a field policy may change (the suite), and `npm run keys -- reseal` seals anew. */
export const sealedTables = [sealedUsers, sealedPasskeys, sealedSessions] as const;

/** How events call one row of each. */
export const rowKinds = { users: "user", passkeys: "passkey", sessions: "session" };

import { auditEvent } from "@medvault/contracts";
import { type Keyring, signingKey, signingKeys } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { type Db, inTransaction } from "@medvault/postgres";
import type pg from "pg";
import type { AuthContext } from "../context.ts";
import { changeSessions, endSessions } from "../sessions/session.service.ts";
import { lockBegunBefore } from "../sessions/session.store.ts";
import { listScheduledKeys, markReset, removeKey, scheduleKey } from "./signing-key.store.ts";
import { deadKeys, keyInUse, keyName, keyToMake } from "./signing-key.ts";

const RESET_BATCH_ROWS = 500;

/**
 * Brings the schedule of signing keys to what it must be at `now`: makes the next key ahead of its
 * first use, removes those whose last token is dead. Any number of replicas may do so at once; they
 * end with the same keys.
 */
export async function rotateSigningKeys(pool: pg.Pool, keyring: Keyring, now: Date): Promise<void> {
  const keys = await listScheduledKeys(pool);
  const next = keyToMake(keys, now);
  if (next) {
    await inTransaction(pool, async (tx) => {
      const ours = await scheduleKey(tx, next);
      await signingKey(tx, keyring, keyName(next.generation));
      if (ours) await emit(tx, "auth", keyEvent("published", next.generation));
    });
  }
  for (const { generation } of deadKeys(keys, now)) {
    await inTransaction(pool, async (tx) => {
      if (await removeKey(tx, generation, keyName(generation))) {
        await emit(tx, "auth", keyEvent("removed", generation));
      }
    });
  }
}

/** One round of the rotation: keys, this process's signer, the daily end of sessions where set. */
export async function rotateDaily(ctx: AuthContext): Promise<void> {
  await rotateSigningKeys(ctx.pool, ctx.keyring, ctx.now());
  await ctx.signer.reload();
  if (ctx.settings.dailyReset) await resetSessions(ctx);
}

/**
 * Ends every session that began before the key in use did. Replicas share the work; what fails is
 * done next round.
 */
async function resetSessions(ctx: AuthContext): Promise<void> {
  const key = keyInUse(await listScheduledKeys(ctx.pool), ctx.now());
  if (!key || key.generation === 0 || key.resetAt !== null || key.useFrom > ctx.now()) return;
  for (let left = true; left; ) {
    left = await changeSessions(ctx, async (change) => {
      const ids = await lockBegunBefore(change.tx, key.useFrom, RESET_BATCH_ROWS);
      await endSessions(ctx, change, null, ids, "daily_reset");
      if (ids.length === 0) await markReset(change.tx, key.generation, ctx.now());
      return ids.length > 0;
    });
  }
}

/**
 * The public keys under which a token is or will be good (RFC 7517): ahead of their first use,
 * until their last token is dead.
 */
export async function publicJwks(db: Db, now: Date) {
  const scheduled = await listScheduledKeys(db);
  const dead = new Set(deadKeys(scheduled, now).map((key) => key.generation));
  const names = scheduled.filter((key) => !dead.has(key.generation)).map((key) => keyName(key.generation));
  const keys = await Promise.all(names.map((name) => signingKeys(db, name)));
  return {
    keys: keys
      .flat()
      .filter((key) => key.state === "active")
      .map((key) => ({ ...key.publicJwk, kid: key.kid, alg: "EdDSA" as const, use: "sig" as const })),
  };
}

function keyEvent(verb: "published" | "removed", generation: number) {
  return auditEvent(null, {
    type: `medvault.auth.signing-key.${verb}.v1`,
    subject: `signing-key/access-tokens.${generation}`,
    action: "keys:rotate",
    reason: "daily",
  });
}

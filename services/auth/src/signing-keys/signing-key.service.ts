import { auditEvent } from "@medvault/contracts";
import { type Keyring, signingKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type pg from "pg";
import { type AuthContext, announce, changeSessions } from "../context.ts";
import { sessionEnded } from "../grants/issuance.service.ts";
import { endSessionsFromBefore } from "../sessions/session.store.ts";
import { keyName } from "./access-token.service.ts";
import { listScheduledKeys, markReset, removeKey, scheduleKey } from "./key-schedule.store.ts";
import { deadKeys, keyInUse, keyToMake } from "./key-schedule.ts";

const RESET_BATCH_ROWS = 500;

/**
 * Brings the schedule of signing keys to what it must be at `now`: makes the next key ahead of its turn, removes those
 * whose last token is dead. Any number of replicas may do so at once; they end with the same keys.
 */
export async function turnKeys(pool: pg.Pool, keyring: Keyring, now: Date): Promise<void> {
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

/** One round of what is due daily: keys turn, this process's signer learns of it, and sessions end where that is set. */
export async function turnDaily(ctx: AuthContext): Promise<void> {
  await turnKeys(ctx.pool, ctx.keyring, ctx.now());
  await ctx.signer.reload();
  if (ctx.settings.dailyReset) await resetSessions(ctx);
}

/** Ends every session from before the turn of the key in use. Replicas share the work; what fails is done next round. */
async function resetSessions(ctx: AuthContext): Promise<void> {
  const key = keyInUse(await listScheduledKeys(ctx.pool), ctx.now());
  if (!key || key.generation === 0 || key.resetAt !== null || key.useFrom > ctx.now()) return;
  for (;;) {
    const count = await changeSessions(ctx, async (tx, effects) => {
      const ended = await endSessionsFromBefore(tx, key.useFrom, "daily_reset", ctx.now(), RESET_BATCH_ROWS);
      effects.ended.push(...ended);
      await announce(tx, ...ended.map((id) => sessionEnded(null, id, "daily_reset")));
      if (ended.length === 0) await markReset(tx, key.generation, ctx.now());
      return ended.length;
    });
    if (count === 0) return;
  }
}

function keyEvent(verb: "published" | "removed", generation: number) {
  return auditEvent(null, {
    type: `medvault.auth.signing-key.${verb}.v1`,
    subject: `signing-key/access-tokens.${generation}`,
    action: "keys:rotate",
    reason: "daily",
  });
}

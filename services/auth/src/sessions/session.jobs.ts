import { auditEvent } from "@medvault/contracts";
import { type AuthContext, announce, changeSessions } from "../context.ts";
import { deleteUnseen } from "../lockout/known-device.store.ts";
import { deleteStale } from "../lockout/lockout.store.ts";
import { deleteParkedMails } from "../mail/mail-queue.store.ts";
import { deleteExpiredChallenges } from "../passkeys/passkey-challenge.store.ts";
import { turnDaily } from "../signing-keys/signing-key.service.ts";
import { deleteExpiredTokens } from "../tokens/one-time-token.store.ts";
import { deleteEndedSessions, endSessions, lockExpired } from "./session.store.ts";

const EVERY_MS = 60_000;
const BATCH_ROWS = 200;
/** Redis may know of a use that Postgres learns of at the next refresh: one access token's life, and some. */
const IDLE_GRACE_MS = 6 * 60_000;
const KEEP_ENDED_MS = 30 * 24 * 3600_000;

/** One round: sessions that ran out unnoticed end, with their events; what is of no more use is deleted. */
export async function sweep(ctx: AuthContext): Promise<{ ended: number }> {
  let total = 0;
  for (;;) {
    const now = ctx.now();
    const count = await changeSessions(ctx, async (tx, effects) => {
      const expired = await lockExpired(tx, now, IDLE_GRACE_MS, BATCH_ROWS);
      for (const absolute of [true, false]) {
        const ids = expired.filter((session) => session.absolute === absolute).map((session) => session.id);
        const reason = absolute ? "expired" : "idle";
        effects.ended.push(...(await endSessions(tx, ids, reason, now)));
        await announce(
          tx,
          ...ids.map((id) =>
            auditEvent(null, {
              type: "medvault.auth.session.ended.v1",
              subject: `session/${id}`,
              action: "session:end",
              reason,
            }),
          ),
        );
      }
      return expired.length;
    });
    total += count;
    if (count < BATCH_ROWS) break;
  }
  const now = ctx.now();
  await deleteEndedSessions(ctx.pool, new Date(now.getTime() - KEEP_ENDED_MS));
  await deleteExpiredTokens(ctx.pool, now);
  await deleteExpiredChallenges(ctx.pool, now);
  await deleteStale(ctx.pool, now);
  await deleteParkedMails(ctx.pool, new Date(now.getTime() - KEEP_ENDED_MS));
  await deleteUnseen(ctx.pool, new Date(now.getTime() - ctx.settings.lockout.knownMs));
  return { ended: total };
}

/** Sweeps, and turns what is due daily, every minute until stopped; a round that fails is logged and the next one tries again. */
export function startSweeping(ctx: AuthContext): { stop(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    running = turnDaily(ctx)
      .then(() => sweep(ctx))
      .then(({ ended }) => {
        if (ended > 0) ctx.logger.info({ count: ended }, "sessions ran out");
      })
      .catch((err: unknown) => ctx.logger.warn({ err }, "sweeping failed"))
      .finally(() => {
        busy = false;
      });
  }, EVERY_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

import { auditEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { Pool } from "pg";
import { DatabaseConfig } from "./config.ts";
import { command, UsageError } from "./lib/command.ts";
import { findInstallation, withPool } from "./lib/installation.ts";

const BATCH_ROWS = 500;
const DAY_MS = 24 * 3600_000;

await command({
  name: "sessions:cleanup",
  help: `Deletes what is left of sessions that ended long ago, with their refresh tokens. Live sessions stay, and what
happened in those that are deleted stays in the audit log.

  npm run sessions:cleanup -- [--days <n>] [--dry-run] [--json]

  --days <n>   those that ended more than n days ago: 1 to 3650, default 30
  --dry-run    says what would go, and deletes nothing

  The auth service deletes by itself what is older than 30 days.`,
  options: { days: { type: "string", default: "30" }, "dry-run": { type: "boolean", default: false } },
  settings: DatabaseConfig,
  isStoppable: true,
  run: async ({ values, settings, output, signal }) => {
    const days = /^[1-9][0-9]{0,3}$/.test(values.days) ? Number(values.days) : 0;
    if (days < 1 || days > 3650) throw new UsageError("--days is a number from 1 to 3650.");
    const dryRun = values["dry-run"];
    const options = { applicationName: "sessions cleanup", max: 1 };
    return withPool(findInstallation(settings), "auth", options, async (pool) => {
      const before = new Date(Date.now() - days * DAY_MS);
      const found = await countEnded(pool, before);
      let deleted = 0;
      for (let rows = dryRun ? 0 : BATCH_ROWS; rows === BATCH_ROWS; deleted += rows) {
        signal.throwIfAborted();
        rows = await deleteBatch(pool, before, days);
        output.progress("sessions", deleted + rows, found.sessions);
      }
      const what = `${found.sessions} ended sessions and ${found.refreshTokens} refresh tokens older than ${days} days`;
      return {
        lines: [dryRun ? `Would delete ${what}.` : `Deleted ${deleted} of ${what}.`],
        result: { dryRun, days, before: before.toISOString(), found, deleted },
      };
    });
  },
});

// A recipient of a session's end long ago is notified again only while it could still run: those
// stay.
async function countEnded(pool: Pool, before: Date): Promise<{ sessions: number; refreshTokens: number }> {
  const { rows } = await pool.query<{ sessions: number; tokens: number }>(
    `select count(distinct s.id)::int as sessions, count(t.hash)::int as tokens
       from sessions s left join refresh_tokens t on t.session_id = s.id
      where s.ended_at < $1 and s.absolute_expires_at < now()`,
    [before],
  );
  return { sessions: rows[0]?.sessions ?? 0, refreshTokens: rows[0]?.tokens ?? 0 };
}

/** Its event is in the same transaction, so that stopping between batches loses nothing. */
function deleteBatch(pool: Pool, before: Date, days: number): Promise<number> {
  return inTransaction(pool, async (tx) => {
    const { rowCount } = await tx.query(
      `delete from sessions where id in
         (select id from sessions where ended_at < $1 and absolute_expires_at < now()
           order by id limit $2 for update skip locked)`,
      [before, BATCH_ROWS],
    );
    const count = rowCount ?? 0;
    if (count > 0) await emit(tx, "auth", cleaned(count, days));
    return count;
  });
}

function cleaned(count: number, days: number) {
  return auditEvent(null, {
    type: "medvault.auth.session.cleaned.v1",
    subject: "sessions",
    action: "session:clean",
    reason: "operator",
    details: { count, days },
  });
}

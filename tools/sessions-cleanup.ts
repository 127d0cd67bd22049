import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { auditEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { createPool, inTransaction } from "@medvault/postgres";
import { createOutput } from "./keys/output.ts";
import { trusted } from "./lib/trust.ts";

const usage = `Deletes what is left of sessions that ended long ago, with their refresh tokens. Live sessions stay, and what
happened in those that are deleted stays in the audit log.

  npm run sessions:cleanup -- [--days <n>] [--dry-run] [--json]

  --days <n>   those that ended more than n days ago: 1 to 3650, default 30
  --dry-run    says what would go, and deletes nothing
  --json       one document instead of lines

  Reads .data/ops.json (MEDVAULT_DATA: elsewhere). The auth service deletes by itself what is older than 30 days.
`;

const BATCH_ROWS = 500;
class UsageError extends Error {}

type Pool = ReturnType<typeof createPool>;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      days: { type: "string", default: "30" },
      "dry-run": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  const days = /^[1-9][0-9]{0,3}$/.test(values.days) ? Number(values.days) : 0;
  if (days < 1 || days > 3650) throw new UsageError("--days is a number from 1 to 3650.");
  const dryRun = values["dry-run"];
  const output = createOutput(values.json);
  const pool = createPool({
    connectionString: readDsn(),
    tls: await trusted(),
    applicationName: "sessions cleanup",
    schema: "auth",
    max: 1,
  });
  try {
    const before = new Date(Date.now() - days * 24 * 3600_000);
    const found = await countEnded(pool, before);
    const deleted = dryRun
      ? 0
      : await deleteEnded(pool, before, days, (done) => {
          output.progress("sessions", done, found.sessions);
        });
    const what = `${found.sessions} ended sessions and ${found.refreshTokens} refresh tokens older than ${days} days`;
    output.finish("sessions:cleanup", {
      lines: [dryRun ? `Would delete ${what}.` : `Deleted ${deleted} of ${what}.`],
      result: { dryRun, days, before: before.toISOString(), found, deleted },
    });
  } finally {
    await pool.end();
  }
}

// Whoever was told of a session's end long ago is told again only while it could still run: those stay.
async function countEnded(pool: Pool, before: Date): Promise<{ sessions: number; refreshTokens: number }> {
  const { rows } = await pool.query<{ sessions: number; tokens: number }>(
    `select count(distinct s.id)::int as sessions, count(t.hash)::int as tokens
       from sessions s left join refresh_tokens t on t.session_id = s.id
      where s.ended_at < $1 and s.absolute_expires_at < now()`,
    [before],
  );
  return { sessions: rows[0]?.sessions ?? 0, refreshTokens: rows[0]?.tokens ?? 0 };
}

/** In batches, each with its event in the same transaction; stopping in the middle loses nothing. */
async function deleteEnded(
  pool: Pool,
  before: Date,
  days: number,
  onProgress: (done: number) => void,
): Promise<number> {
  let deleted = 0;
  for (;;) {
    const count = await inTransaction(pool, async (tx) => {
      const { rowCount } = await tx.query(
        `delete from sessions where id in
           (select id from sessions where ended_at < $1 and absolute_expires_at < now()
             order by id limit $2 for update skip locked)`,
        [before, BATCH_ROWS],
      );
      const rows = rowCount ?? 0;
      if (rows > 0) await emit(tx, "auth", cleaned(rows, days));
      return rows;
    });
    deleted += count;
    onProgress(deleted);
    if (count < BATCH_ROWS) return deleted;
  }
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

function readDsn(): string {
  const file = path.join(process.env.MEDVAULT_DATA ?? ".data", "ops.json");
  if (!existsSync(file)) throw new Error(`${file} is not there: start MedVault first (npm start).`);
  const ops = JSON.parse(readFileSync(file, "utf8")) as { postgres: { services: { auth: string } } };
  return ops.postgres.services.auth;
}

try {
  await main();
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    String((error as { code?: unknown } | null)?.code).startsWith("ERR_PARSE_ARGS");
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sessions:cleanup: ${message}\n`);
  process.exitCode = isUsage ? 2 : 1;
}

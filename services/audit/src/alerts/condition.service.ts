import { SERVICES_WITH_DATA } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { type Arrival, missingOf } from "../log/arrivals.ts";
import { firstSuccess, lastSuccess, oldestEntry, readStanding } from "./condition.store.ts";
import { type Condition, stateFact } from "./condition.ts";

const DAY_MS = 86_400_000;
/** Without a writer for longer than a standby takes. */
const UNHELD_SECONDS = 60;

/** States that any process sees in the database: one looks. */
export async function observeLog(context: Context): Promise<void> {
  const { detector, now } = context;
  const found = [...(await ofWriter(context)), ...(await ofBackups(context)), ...(await ofKeys(context))];
  await detector.observe(found.map((condition) => stateFact(condition, now())));
}

/** States of this process: it refuses to write, or misses events of others. */
export async function observeOwn({ detector, writer, arrivals, now }: Context): Promise<void> {
  const { phase, refusal } = writer.state();
  const found: Condition[] = [];
  if (refusal)
    found.push({
      rule: "writer_refusing",
      subject: "audit/writer",
      words: `${refusal.code}: ${refusal.words}`,
    });
  if (phase === "writing") found.push(...gapsOf([...arrivals.arrivals.values()]));
  await detector.observe(found.map((condition) => stateFact(condition, now())));
}

function gapsOf(arrivals: readonly Arrival[]): Condition[] {
  const producers = [...Map.groupBy(arrivals, ({ producer }) => producer)];
  return producers.flatMap(([producer, epochs]) => {
    const missing = epochs.reduce((sum, each) => sum + missingOf(each), 0);
    const words = `${missing} of its numbers are missing`;
    return missing > 0 ? [{ rule: "audit_gap" as const, subject: `producer/${producer}`, words }] : [];
  });
}

async function ofWriter({ pool }: Context): Promise<Condition[]> {
  const standing = await readStanding(pool);
  if (!standing) return [];
  const { entries, published, unheldSeconds } = standing;
  const found: Condition[] = [];
  if (unheldSeconds !== null && unheldSeconds > UNHELD_SECONDS) {
    const words = `no process has held the writer's lease for ${Math.floor(unheldSeconds)} s`;
    found.push({ rule: "writer_refusing", subject: "audit/lease", words });
  }
  if (entries > published) {
    const words = `the last one covers ${published} of ${entries} entries`;
    // Of each checkpoint that stays the last a cause of its own: one that moves on is not overdue.
    found.push({ rule: "checkpoint_overdue", subject: `checkpoint/${published}`, words });
  }
  return found;
}

async function ofBackups({ pool, alertSettings, now }: Context): Promise<Condition[]> {
  const { backupDays } = alertSettings;
  const since = now().getTime() - backupDays * DAY_MS;
  const first = await firstSuccess(pool, "medvault.backup.backup.created.v1");
  if (first === null || first > since) return [];
  const verified = await lastSuccess(pool, "medvault.backup.backup.verified.v1");
  if (verified !== null && verified >= since) return [];
  const words = `no backup was verified for ${backupDays} days${verified === null ? "" : `, last ${new Date(verified).toISOString()}`}`;
  return [{ rule: "backup_unverified", subject: "backup", words }];
}

async function ofKeys({ pool, alertSettings, now }: Context): Promise<Condition[]> {
  const { keyDays } = alertSettings;
  const since = now().getTime() - keyDays * DAY_MS;
  const oldest = await oldestEntry(pool);
  if (oldest === null || oldest >= since) return [];
  const found: Condition[] = [];
  for (const service of SERVICES_WITH_DATA) {
    const rotated = await lastSuccess(pool, `medvault.${service}.keys.rotate.v1`);
    if (rotated !== null && rotated >= since) continue;
    const words = `it was not for ${keyDays} days${rotated === null ? "" : `, last ${new Date(rotated).toISOString()}`}`;
    found.push({ rule: "key_rotation_overdue", subject: `service-key/${service}`, words });
  }
  return found;
}

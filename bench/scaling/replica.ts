import pg from "pg";
import { step, Trouble } from "../../dev/lib/words.mjs";
import { type Ops, startSystem } from "../../e2e/support/system.ts";
import { openAsker } from "../asker.ts";
import { type Load, load } from "../gateway/load.ts";
import { journey } from "./journey.ts";
import { withPostgres } from "./own-postgres.ts";
import { type Standby, startStandby } from "./standby.ts";

const SECONDS = 10;
const CONNECTIONS = 8;
const KILL_EVERY_MS = 3_000;

/** MedVault whose lists and searches are read on a streaming replica, which is killed meanwhile. */
export async function replica(say: (line: string) => void): Promise<void> {
  await withPostgres("rehearse-replica", { say }, async (own) => {
    const standby = await step(say, "a copy by pg_basebackup, which follows", () => startStandby(own));
    const env = { DATABASE_URL: own.url, MEDVAULT_READ_DATABASE_URL: standby.url };
    const system = await step(say, "starting MedVault with it", () => startSystem("rehearse-read", { env }));
    try {
      await step(say, "the journey", () => journey(system.dataDir));
      const calm = await step(say, `${SECONDS} s of lists and searches`, () =>
        counted(system.ops, own.url, standby),
      );
      say(`  ${calm.words}`);
      if (calm.onReplica === 0) throw new Trouble("nothing was read on the replica.");
      const timer = setInterval(
        () => process.kill(standby.server.id?.pid ?? process.pid, "SIGKILL"),
        KILL_EVERY_MS,
      );
      const killed = await step(
        say,
        `the same, while the replica is killed every ${KILL_EVERY_MS / 1_000} s`,
        () => counted(system.ops, own.url, standby).finally(() => clearInterval(timer)),
      );
      say(`  ${killed.words}`);
    } finally {
      await system.stop();
    }
  });
}

/** Lists and searches; what each of both servers did for records meanwhile. Throws where one fails. */
async function counted(ops: Ops, primaryUrl: string, standby: Standby) {
  const before = await Promise.all([primaryUrl, standby.url].map(rowsRead));
  const { count, failed, p50Ms } = await listsAndSearches(ops);
  const after = await Promise.all([primaryUrl, standby.url].map(rowsRead));
  if (failed > 0) throw new Trouble(`${failed} of ${count} requests failed.`);
  const [onPrimary = 0, onReplica = 0] = after.map((rows, i) => Math.max(0, rows - (before[i] ?? 0)));
  const words = `${count} answered, none failed, p50 ${p50Ms.toFixed(0)} ms; rows read on the primary ${onPrimary}, on the replica ${onReplica}`;
  return { onReplica, words };
}

async function listsAndSearches(ops: Ops): Promise<Load> {
  const doctor = await openAsker(ops, "doctor");
  const requests = [
    () => doctor.request("GET", "/v1/prescriptions?limit=20"),
    () => doctor.request("GET", "/v1/patients?limit=20"),
    () => doctor.request("POST", "/v1/prescriptions/search", '{"q":"tablet"}'),
  ];
  let at = 0;
  const request = () => requests[at++ % requests.length]?.() ?? "";
  const { port } = doctor;
  return load({ port, request, connections: CONNECTIONS, seconds: SECONDS, bearsFailures: true });
}

/** Rows that scans of tables and indexes have read; 0 while the server is away. */
async function rowsRead(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ n: string }>(
      "select tup_returned::text as n from pg_stat_database where datname = 'medvault'",
    );
    return Number(rows[0]?.n ?? 0);
  } catch {
    return 0;
  } finally {
    await client.end().catch(() => {});
  }
}

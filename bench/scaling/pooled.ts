import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { root } from "../../dev/lib/paths.mjs";
import { step, Trouble } from "../../dev/lib/words.mjs";
import { type Ops, startSystem } from "../../e2e/support/system.ts";
import { openAsker } from "../asker.ts";
import { load } from "../gateway/load.ts";
import { journey } from "./journey.ts";
import { type OwnPostgres, withPostgres } from "./own-postgres.ts";
import { findPgBouncer, pgbouncer } from "./pgbouncer.ts";
import { startReplicas } from "./replicas.ts";

const SECONDS = 10;
const CONNECTIONS = 16;
/** Of each role, as deploy/pgbouncer/pgbouncer.ini has it. */
const POOL_SIZE = 20;

/** MedVault with PgBouncer in transaction mode between all services, twice, and Postgres. */
export async function pooled(say: (line: string) => void): Promise<void> {
  await withPostgres("rehearse-pgbouncer", { say }, async (own) => {
    const tools = await findPgBouncer(say, own.stopped);
    await letPoolerAsk(own);
    const passwords = { postgres: own.password, medvault_pooler: own.password };
    const log = path.join(own.logs, "pgbouncer.log");
    const port = own.otherPort;
    await own.start(pgbouncer({ tools, data: own.data, log, port, postgresPort: own.port, passwords }));
    const url = own.url.replace(`:${own.port}/`, `:${port}/`);
    const system = await step(say, "starting MedVault through PgBouncer", () =>
      startSystem("rehearse-pooled", { env: { DATABASE_URL: url } }),
    );
    try {
      const replicas = await step(say, "starting a second process of each service", () =>
        startReplicas(system),
      );
      try {
        await step(say, "the journey, by the first gateway", () => journey(system.dataDir));
        await step(say, "the journey, by the second gateway", () => journey(replicas.dir));
        const { reads, pools } = await step(say, `${SECONDS} s of reads by both`, () =>
          underLoad([system.ops, replicas.ops], url),
        );
        say(`  ${reads} answered, none failed`);
        for (const line of pools) say(`  ${line}`);
      } finally {
        await replicas.stop();
      }
    } finally {
      await system.stop();
    }
  });
}

/** A role that may ask for what lets MedVault's roles in, as an operator makes it. */
async function letPoolerAsk(own: OwnPostgres): Promise<void> {
  const client = new pg.Client({ connectionString: own.url.replace(/medvault$/, "postgres") });
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_roles where rolname = 'medvault_pooler'");
    if (rowCount === 0)
      await client.query(fs.readFileSync(path.join(root, "deploy/pgbouncer/pooler.sql"), "utf8"));
    await client.query(`alter role medvault_pooler password ${pg.escapeLiteral(own.password)}`);
  } finally {
    await client.end();
  }
}

/** Requests by both gateways at once; what PgBouncer has open meanwhile. */
async function underLoad(all: readonly Ops[], url: string) {
  const console = new pg.Client({ connectionString: url.replace(/medvault$/, "pgbouncer") });
  await console.connect();
  try {
    const loads = all.map(async (ops) => {
      const doctor = await openAsker(ops, "doctor");
      const requests = ["/v1/patients?limit=20", "/v1/prescriptions?limit=20", "/v1/auth/sessions"];
      let at = 0;
      const request = () => doctor.request("GET", requests[at++ % requests.length] ?? "");
      return load({ port: doctor.port, request, connections: CONNECTIONS, seconds: SECONDS });
    });
    const most = new Map<string, { clients: number; servers: number; prepared: number }>();
    const watching = (async () => {
      for (let i = 0; i < SECONDS; i++) {
        await sleep(1_000);
        const pools = (await console.query("show pools")).rows;
        const servers = (await console.query("show servers")).rows;
        for (const { database, user, cl_active, cl_waiting, sv_active, sv_idle, sv_used } of pools) {
          if (database !== "medvault") continue;
          const before = most.get(user) ?? { clients: 0, servers: 0, prepared: 0 };
          most.set(user, {
            clients: Math.max(before.clients, Number(cl_active) + Number(cl_waiting)),
            servers: Math.max(before.servers, Number(sv_active) + Number(sv_idle) + Number(sv_used)),
            prepared: Math.max(
              before.prepared,
              ...servers.filter((one) => one.user === user).map((one) => Number(one.prepared_statements)),
            ),
          });
        }
      }
    })();
    const done = await Promise.all(loads);
    await watching;
    const failed = done.reduce((sum, one) => sum + one.failed, 0);
    if (failed > 0) throw new Trouble(`${failed} requests failed.`);
    const over = [...most].filter(([, { servers }]) => servers > POOL_SIZE);
    if (over.length > 0)
      throw new Trouble(
        `${over.map(([user]) => user).join(", ")} had more connections than PgBouncer may open.`,
      );
    const pools = [...most].map(
      ([user, { clients, servers, prepared }]) =>
        `${user}: ${clients} connections of services over ${servers} of Postgres, ${prepared} statements prepared in one`,
    );
    return { reads: done.reduce((sum, one) => sum + one.count, 0), pools };
  } finally {
    await console.end();
  }
}

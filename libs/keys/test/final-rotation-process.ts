import { afterCommit, createPool, type Tx } from "@medvault/postgres";
import { createKeyring } from "../src/keyring/keyring.ts";
import { makeShredsFinal } from "../src/rotation/final-rotation.ts";

/**
 * A process that makes shreds final and kills itself at a given point: `before:<verb>` in the
 * transaction of that event, just before its commit, after everything else; `after:<verb>` when it
 * is committed and nothing more is done.
 */
const [databaseUrl = "", keysFile = "", kill = "", at = ""] = process.argv.slice(2);
const [when, verb] = kill.split(":");
const die = (): void => void process.kill(process.pid, "SIGKILL");
const pool = createPool({ connectionString: databaseUrl, applicationName: "killed", schema: "records" });

function dieBeforeCommit(tx: Tx): void {
  const query = tx.query.bind(tx) as (...args: unknown[]) => unknown;
  Object.assign(tx, { query: (...args: unknown[]) => (args[0] === "commit" ? die() : query(...args)) });
}

await makeShredsFinal({
  pool,
  keyring: await createKeyring({ service: "records", keysFile }),
  keysFile,
  owner: "killed",
  afterMs: 0,
  graceMs: 0,
  pausePerWork: 0,
  now: () => new Date(at),
  countOutside: async () => 0,
  audit: (found) => async (tx, details) => {
    await tx.query(
      "insert into outbox (id, audience, type, event) values (gen_random_uuid(), 'audit', $1, $2)",
      [`keys.${found}`, JSON.stringify(details)],
    );
    if (found !== verb) return;
    if (when === "before") dieBeforeCommit(tx);
    else afterCommit(tx, die);
  },
});
await pool.end();

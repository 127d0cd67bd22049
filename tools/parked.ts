import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { listParked, redriveParked } from "@medvault/messaging";
import { createPool, SERVICES_WITH_DATA } from "@medvault/postgres";
import { trusted } from "./lib/trust.ts";

const usage = `Messages that a service could not take: not valid, not authentic, or refused again and again.

  npm run parked                            lists them, of every service
  npm run parked -- redrive <service> <id>  asks the running service to take one again

  Reads .data/ops.json (MEDVAULT_DATA: elsewhere). A message that fails again stays in the list, with its new reason.
`;

interface Ops {
  postgres: { services: Record<string, string> };
}

class UsageError extends Error {}

async function main([command = "list", service = "", id = ""]: string[]): Promise<void> {
  if (command === "--help" || command === "-h") return void process.stdout.write(usage);
  if (command === "list") return list();
  if (command !== "redrive" || !service || !/^[0-9a-f-]{36}$/.test(id)) throw new UsageError(usage);
  const found = await withPool(service, (pool) => redriveParked(pool, id));
  if (!found) throw new Error(`${service} has no parked message ${id}.`);
  console.log(`${service} will take ${id} again within some seconds; npm run parked shows whether it stays.`);
}

async function list(): Promise<void> {
  let count = 0;
  for (const service of SERVICES_WITH_DATA) {
    for (const parked of await withPool(service, listParked)) {
      count += 1;
      const waits = parked.redriveAt ? ", to be taken again" : "";
      console.log(
        `${service} ${parked.id} ${parked.parkedAt.toISOString()} ${parked.reason} ` +
          `(${parked.routingKey} from ${parked.userId ?? "nobody"}, ${parked.bytes} bytes, tried ${parked.attempts}${waits})`,
      );
    }
  }
  console.log(count === 0 ? "No message is parked." : `${count} parked.`);
}

async function withPool<T>(
  service: string,
  work: (pool: ReturnType<typeof createPool>) => Promise<T>,
): Promise<T> {
  const connectionString = readOps().postgres.services[service];
  if (!connectionString) throw new UsageError(`there is no service ${service}.\n\n${usage}`);
  const pool = createPool({
    connectionString,
    tls: await trusted(),
    applicationName: "parked",
    schema: service,
    max: 1,
  });
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

function readOps(): Ops {
  const file = path.join(process.env.MEDVAULT_DATA ?? ".data", "ops.json");
  if (!existsSync(file)) throw new Error(`${file} is not there: start MedVault first (npm start).`);
  return JSON.parse(readFileSync(file, "utf8")) as Ops;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`parked: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

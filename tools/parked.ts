import { dismissParked, listParked, redriveParked } from "@medvault/messaging";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { DatabaseConfig } from "./config.ts";
import { command, type Outcome, UsageError } from "./lib/command.ts";
import { findInstallation, type Installation, reachableServices, withPool } from "./lib/installation.ts";

const HOW =
  "npm run parked lists messages, npm run parked -- redrive (or dismiss) <service> <id> is about one";
const POOL = { applicationName: "parked", max: 1 };

await command({
  name: "parked",
  help: `Messages that a service could not take: not valid, not authentic, or refused again and again.

  npm run parked                            lists them, of every service
  npm run parked -- redrive <service> <id>  asks the running service to take one again
  npm run parked -- dismiss <service> <id>  takes one from the list for good; an event says so

  While any is there, the service's /readyz is degraded by its check parked_messages.
  A message that fails again stays in the list, with its new reason.`,
  options: {},
  takesArguments: true,
  settings: DatabaseConfig,
  run: async ({ args: [verb = "list", name, id = ""], settings }) => {
    const installation = findInstallation(settings);
    if (verb === "list") return list(installation);
    if (verb !== "redrive" && verb !== "dismiss") throw new UsageError(`parked cannot ${verb}: ${HOW}.`);
    if (!name || !id) throw new UsageError(`${verb} needs a service and an id: ${HOW}.`);
    const service = SERVICES_WITH_DATA.find((known) => known === name);
    if (!service)
      throw new UsageError(`there is no service ${name}: it is one of ${SERVICES_WITH_DATA.join(", ")}.`);
    if (!/^[0-9a-f-]{36}$/.test(id))
      throw new UsageError(`${id} is not the id of a message: npm run parked shows the ids.`);
    const done = await withPool(installation, service, POOL, (pool) =>
      verb === "redrive" ? redriveParked(pool, id) : dismissParked(pool, service, id),
    );
    if (!done)
      throw new Error(`${service} has no parked message ${id}: npm run parked shows those that there are.`);
    const line =
      verb === "redrive"
        ? `${service} will take ${id} again within some seconds; npm run parked shows whether it stays.`
        : `${id} is gone for good; ${service} has an event that says so.`;
    return { lines: [line], result: { service, id } };
  },
});

async function list(installation: Installation): Promise<Outcome> {
  const parked = [];
  for (const service of reachableServices(installation)) {
    const found = await withPool(installation, service, POOL, listParked);
    parked.push(...found.map((message) => ({ service, ...message })));
  }
  const lines = parked.map((message) => {
    const waits = message.redriveAt ? ", to be taken again" : "";
    return (
      `${message.service} ${message.id} ${message.parkedAt.toISOString()} ${message.reason} ` +
      `(${message.routingKey} from ${message.userId ?? "nobody"}, ${message.bytes} bytes, tried ${message.attempts}${waits})`
    );
  });
  const summary = parked.length === 0 ? "No message is parked." : `${parked.length} parked.`;
  return { lines: [...lines, summary], result: { parked } };
}

// npm start: what must be so before anything starts, on the machine's own Node; the rest under Node
// 24.
import path from "node:path";
import { command, handOver } from "./lib/cli.mjs";
import { alreadyRunning, holder } from "./lib/lock.mjs";
import { askedData, dataDir } from "./lib/paths.mjs";
import { checkGatewayPort, checkNode, checkRoom, ensurePackages } from "./lib/prepare.mjs";
import { forgetRun } from "./lib/stop.mjs";
import { Trouble } from "./lib/words.mjs";

const HELP = `npm start [-- --detach]

Installs what is missing, starts Postgres, Redis, RabbitMQ and the six services, makes a
demo at the first start, and keeps all of it running until Ctrl-C.

  --detach   come back when it is ready, and go on in the background (npm stop ends it)

  MEDVAULT_PORT    the gateway's port (8080)
  MEDVAULT_DATA    where data is kept (.data)
  MEDVAULT_DEMO=0  no demo: only the first admin is made

Every setting, with its default: README.md, "Settings". All are checked before anything is started.`;

await command(HELP, async (args) => {
  const unknown = args.find((arg) => arg !== "--detach");
  if (unknown)
    throw new Trouble(`npm start does not know ${unknown}: npm start -- --help shows what it knows.`);
  checkNode();
  const data = dataDir(askedData());
  const running = holder(path.join(data, "lock"));
  if (running) throw alreadyRunning(running);
  checkRoom(data);
  await forgetRun(data, console.log);
  await checkGatewayPort(Number(process.env.MEDVAULT_PORT || 8080));
  await ensurePackages(console.log);
  return handOver("dev/run/start.ts", args, { detach: args.includes("--detach") });
});

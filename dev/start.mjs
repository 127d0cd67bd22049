// npm start: what must be so before anything starts, on the machine's own Node; the rest under Node
// 24.
import path from "node:path";
import { command, handOver } from "./lib/cli.mjs";
import { alreadyRunning, holder } from "./lib/lock.mjs";
import { askedData, dataDir } from "./lib/paths.mjs";
import {
  checkGatewayPort,
  checkNode,
  checkOwnFiles,
  checkPlatform,
  checkRoom,
  ensurePackages,
  faultsBy,
  packagesMatch,
} from "./lib/prepare.mjs";
import { checkSettings } from "./lib/settings.mjs";
import { forgetRun } from "./lib/stop.mjs";
import { BAD_SETTINGS, Trouble, troubleOf } from "./lib/words.mjs";

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
  const { env } = process;
  let data = "";
  const inData = (/** @type {() => unknown} */ check) => () => (data ? check() : undefined);
  const faults = await faultsBy([
    () => checkPlatform(process.platform, env),
    () => {
      data = dataDir(askedData());
    },
    inData(() => leaveToRunning(data)),
    inData(() => checkRoom(data, env)),
    inData(() => checkOwnFiles(data)),
    inData(() => forgetRun(data, console.log)),
    () => checkGatewayPort(Number(env.MEDVAULT_PORT || 8080)),
  ]);
  // With what only the packages can tell, if they are here.
  if (faults.length > 0) {
    const ofSettings = packagesMatch() ? await settingFaults(env) : [];
    throw troubleOf([...faults, ...ofSettings], ofSettings.length > 0 ? BAD_SETTINGS : 1);
  }
  await ensurePackages(console.log);
  return handOver("dev/run/start.ts", [...args, `--since=${performance.timeOrigin}`], {
    detach: args.includes("--detach"),
  });
});

/**
 * With a MedVault running there, nothing else is a fault: the port is its own.
 * @param {string} data
 */
function leaveToRunning(data) {
  const running = holder(path.join(data, "lock"));
  if (!running) return;
  console.error(`medvault: ${alreadyRunning(running).message}`);
  process.exit(1);
}

/** @param {NodeJS.ProcessEnv} env */
async function settingFaults(env) {
  const { faults, warnings } = await checkSettings(env);
  for (const warning of warnings) console.log(`warning: ${warning}`);
  return faults;
}

// npm stop: ends a MedVault that runs in the background or in another terminal.
import path from "node:path";
import { command } from "./lib/cli.mjs";
import { askedData, dataDir } from "./lib/paths.mjs";
import { stopRunning } from "./lib/stop.mjs";

const HELP = `npm stop

Ends the MedVault of this data directory (MEDVAULT_DATA, or .data) and everything that it started.`;

await command(HELP, async () => {
  const data = dataDir(askedData());
  const stopped = await stopRunning(data);
  console.log(
    stopped
      ? "MedVault has stopped."
      : `MedVault is not running in ${path.relative(process.cwd(), data) || data}.`,
  );
});

// npm run status: what runs, and what the gateway says of it.
import fs from "node:fs";
import path from "node:path";
import { command } from "./lib/cli.mjs";
import { readJson } from "./lib/json.mjs";
import { holder } from "./lib/lock.mjs";
import { askedData, dataDir } from "./lib/paths.mjs";
import { readyz } from "./lib/ports.mjs";
import { isAlive } from "./lib/processes.mjs";
import { recorded } from "./lib/stop.mjs";

const HELP = `npm run status

Shows the processes of this data directory (MEDVAULT_DATA, or .data) and the gateway's readiness.
Exit code 0 when all is well, 1 when something is not, 3 when MedVault is not running.`;

await command(HELP, async () => {
  const data = dataDir(askedData());
  const supervisor = holder(path.join(data, "lock"));
  const processes = recorded(data);
  if (!supervisor && !processes.some(isAlive)) {
    console.log("MedVault is not running.");
    return 3;
  }
  const rows = [
    { name: "supervisor", pid: supervisor?.pid ?? 0, start: supervisor?.start ?? "" },
    ...processes,
  ];
  for (const row of rows) {
    const state = isAlive(row) ? "running" : "gone";
    console.log(
      `${row.name.padEnd(12)} ${String(row.pid).padStart(8)}  ${state.padEnd(8)} ${memory(row.pid)}`,
    );
  }
  const ops = /** @type {{gateway?: string, processes?: {name: string, proofKey?: string}[]} | null} */ (
    readJson(path.join(data, "ops.json"))
  );
  const gateway = ops?.gateway;
  const key = ops?.processes?.find(({ name }) => name === "gateway")?.proofKey;
  const ready = gateway && key ? await readyz(gateway, key) : null;
  console.log(
    `${"readyz".padEnd(12)} ${gateway ?? "not yet known"}  ${ready ? JSON.stringify(ready) : "no answer"}`,
  );
  return supervisor && ready?.status === "ok" ? 0 : 1;
});

/** @param {number} pid */
function memory(pid) {
  try {
    const kib = /^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib ? `${(Number(kib) / 1024).toFixed(0).padStart(5)} MiB` : "";
  } catch {
    return "";
  }
}

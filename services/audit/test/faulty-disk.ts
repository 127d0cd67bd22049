// Imported before a service: node --import faulty-disk.ts?directory=…&slowMs=…;
// its parent says how the disk there behaves.
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { setTimeout as delay } from "node:timers/promises";

const { searchParams } = new URL(import.meta.url);
const directory = searchParams.get("directory") ?? "-";
const slowMs = Number(searchParams.get("slowMs"));

type Disk = "well" | "away" | "hangs" | "slow";
let disk: Disk = "well";
let isWell = Promise.withResolvers<void>();
process.on("message", (said: Disk) => {
  disk = said;
  if (said === "well") isWell.resolve();
  else isWell = Promise.withResolvers();
});
process.channel?.unref();

for (const name of ["open", "readFile", "rename", "rm", "access", "readdir", "mkdir"] as const) {
  const real = fs[name] as (...args: unknown[]) => Promise<unknown>;
  const faulty = async (...args: unknown[]) => {
    if (String(args[0]).startsWith(directory)) {
      if (disk === "away") throw Object.assign(new Error("the disk is away"), { code: "EIO" });
      if (disk === "hangs") await isWell.promise;
      if (disk === "slow") await delay(slowMs);
    }
    return real(...args);
  };
  Object.assign(fs, { [name]: faulty });
}
syncBuiltinESMExports();

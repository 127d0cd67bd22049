// Imported before a service that is to be tested (node --import): its parent says how the disk at MEDVAULT_AUDIT_DIR behaves.
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { setTimeout as delay } from "node:timers/promises";

const directory = process.env.MEDVAULT_AUDIT_DIR ?? "-";
const SLOW_MS = 400 + Number(process.env.MEDVAULT_AUDIT_LEASE_MS ?? 0) / 4;

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
      if (disk === "slow") await delay(SLOW_MS);
    }
    return real(...args);
  };
  Object.assign(fs, { [name]: faulty });
}
syncBuiltinESMExports();

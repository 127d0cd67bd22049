import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { generateKeyFile } from "@medvault/keys/operations";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { generateAssertionKey } from "@medvault/service-kit";
import { z } from "zod";
import { command, UsageError } from "./lib/command.ts";

await command({
  name: "make-keys",
  help: `Makes the key files that are missing: one service key each, and the pair that signs the gateway's assertions.

  node tools/make-keys.ts <keys directory>     (npm start does it by itself)`,
  options: {},
  takesArguments: true,
  settings: z.object({}),
  run: async ({ args: [dir] }) => {
    if (!dir) throw new UsageError("name the directory of the keys.");
    const made: string[] = [];
    for (const service of SERVICES_WITH_DATA) {
      const file = path.join(dir, `${service}.json`);
      if (existsSync(file)) continue;
      await generateKeyFile(file, service);
      made.push(file);
    }
    const privateFile = path.join(dir, "gateway.json");
    const publicFile = path.join(dir, "public/gateway.jwks.json");
    if (!existsSync(privateFile) || !existsSync(publicFile)) {
      // A pair of which one half is missing signs nothing that is believed: both are made again.
      for (const half of [privateFile, publicFile]) rmSync(half, { force: true });
      await generateAssertionKey(privateFile, publicFile);
      made.push(privateFile, publicFile);
    }
    return { lines: made.map((file) => `made ${file}`), result: { made } };
  },
});

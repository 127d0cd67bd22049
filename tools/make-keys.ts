import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeDurably } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { newAssertionKey } from "@medvault/service-kit";
import { z } from "zod";
import { command, UsageError } from "./lib/command.ts";

const Private = z.object({ signing: z.object({ kid: z.string() }) });
const Public = z.object({ keys: z.array(z.object({ kid: z.string() })) });

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
    if (!isPair(privateFile, publicFile)) {
      await makePair(privateFile, publicFile);
      made.push(privateFile, publicFile);
    }
    return { lines: made.map((file) => `made ${file}`), result: { made } };
  },
});

/**
 * The gateway's assertion key: `{"service":"gateway","signing":<private JWK>}`, 0600, and its public
 * JWKS. The private half comes last: without it the next start makes both again.
 */
async function makePair(privateFile: string, publicFile: string): Promise<void> {
  const { privateJwk, jwks } = await newAssertionKey();
  const content = { service: "gateway", signing: privateJwk, createdAt: new Date().toISOString() };
  await writeDurably(publicFile, `${JSON.stringify(jwks, null, 2)}\n`, 0o644);
  await writeDurably(privateFile, `${JSON.stringify(content, null, 2)}\n`);
}

/** Whether both are whole and of one key; halves sign nothing that is believed. */
function isPair(privateFile: string, publicFile: string): boolean {
  try {
    const { signing } = Private.parse(JSON.parse(readFileSync(privateFile, "utf8")));
    const { keys } = Public.parse(JSON.parse(readFileSync(publicFile, "utf8")));
    return keys.some(({ kid }) => kid === signing.kid);
  } catch {
    return false;
  }
}

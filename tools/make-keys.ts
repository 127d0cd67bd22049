// Makes the key files that are missing: one service key each, and the pair that signs the gateway's assertions.
// node tools/make-keys.ts <keys directory>
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { generateKeyFile } from "@medvault/keys/operations";
import { generateAssertionKey } from "@medvault/service-kit";

const WITH_KEYS = ["auth", "records", "files", "audit", "backup"];

const [dir] = process.argv.slice(2);
if (!dir) throw new Error("usage: make-keys.ts <keys directory>");

for (const service of WITH_KEYS) {
  const file = path.join(dir, `${service}.json`);
  if (!existsSync(file)) await generateKeyFile(file, service);
}

const privateFile = path.join(dir, "gateway.json");
const publicFile = path.join(dir, "public/gateway.jwks.json");
if (!existsSync(privateFile) || !existsSync(publicFile)) {
  // A pair of which one half is missing signs nothing that is believed: made anew, both.
  for (const half of [privateFile, publicFile]) rmSync(half, { force: true });
  await generateAssertionKey(privateFile, publicFile);
}

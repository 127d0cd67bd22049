import fs from "node:fs";
import path from "node:path";
import { generateKeyFile } from "@medvault/keys/operations";

/** What commands that look after keys find: a key file for each service, and `ops.json` with its database. */
export async function makeKeysPlace(dir: string, urls: Readonly<Record<string, string>>): Promise<void> {
  const dirs = { keys: path.join(dir, "keys"), backups: path.join(dir, "backups") };
  fs.mkdirSync(dirs.keys, { mode: 0o700 });
  for (const name of Object.keys(urls)) await generateKeyFile(path.join(dirs.keys, `${name}.json`), name);
  fs.writeFileSync(path.join(dir, "ops.json"), JSON.stringify({ postgres: { services: urls }, dirs }));
}

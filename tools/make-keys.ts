import { existsSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { KeyFileMissing, openKeyring, writeDurably } from "@medvault/keys";
import { generateKeyFile, holdsKeys } from "@medvault/keys/operations";
import { createPool, DatabaseUnavailable, SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";
import { newAssertionKey, publicJwksOf, readAssertionKey, readJwks } from "@medvault/service-kit";
import { MakeKeysConfig } from "./config.ts";
import { command, UsageError } from "./lib/command.ts";
import { trusted } from "./lib/installation.ts";
import { keyFileIn } from "./lib/key-files.ts";

await command({
  name: "make-keys",
  help: `Makes the key files of a new installation: one service key each, and the pair that signs the gateway's assertions.
With a database, it makes a key only where nothing lies under another, and proves the keys that are there.

  node tools/make-keys.ts <keys directory>               (npm start does it by itself)
  node tools/make-keys.ts <keys directory> --folders     a folder for each service, to be mounted alone`,
  options: { folders: { type: "boolean", default: false } },
  takesArguments: true,
  settings: MakeKeysConfig,
  run: async ({ args: [dir], values, settings }) => {
    if (!dir) throw new UsageError("name the directory of the keys.");
    if (values.folders) await makeFolders(dir);
    const fileOf = (service: string) => keyFileIn(dir, service);
    const missing = SERVICES_WITH_DATA.filter((service) => !existsSync(fileOf(service)));
    if (
      !settings.MEDVAULT_OWNER_DATABASE_URL &&
      missing.length > 0 &&
      missing.length < SERVICES_WITH_DATA.length
    )
      throw new Error(
        `${dir} has key files, and none of ${missing.join(", ")}. If they were lost, put them back: npm run keys -- recover <share files>. If they never were there, set MEDVAULT_OWNER_DATABASE_URL: they are made where nothing lies under them.`,
      );
    const faults: string[] = [];
    const faultOf = (name: string) => (error: unknown) => {
      if (error instanceof DatabaseUnavailable) throw error; // nothing can be proved
      faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    };
    for (const service of SERVICES_WITH_DATA)
      await prove(settings, fileOf(service), service).catch(faultOf(service));
    const gateway = { private: fileOf("gateway"), public: path.join(dir, "public/gateway.jwks.json") };
    if (hasContent(gateway.private)) await readAssertionKey(gateway.private).catch(faultOf("gateway"));
    // Nothing is made where anything is not right: a person has to look first.
    if (faults.length > 0) throw new Error(`the keys are not those of the data.\n  ${faults.join("\n  ")}`);
    for (const service of missing) await generateKeyFile(fileOf(service), service);
    const made = [...missing.map(fileOf), ...(await makeAssertionKey(gateway.private, gateway.public))];
    return { lines: made.map((file) => `made ${file}`), result: { made } };
  },
});

/** One for each service and one for the gateway; key files that lie side by side stay where they are. */
async function makeFolders(dir: string): Promise<void> {
  for (const owner of [...SERVICES_WITH_DATA, "gateway"])
    if (!existsSync(keyFileIn(dir, owner)))
      await mkdir(path.join(dir, owner), { recursive: true, mode: 0o700 });
}

/**
 * Throws where a key file is lost, or is not the one of its tables. Without a database nothing can
 * be proved: the service itself does it at its start.
 */
async function prove(settings: MakeKeysConfig, keysFile: string, service: ServiceName): Promise<void> {
  const { MEDVAULT_OWNER_DATABASE_URL: connectionString } = settings;
  if (!connectionString) return;
  const pool = createPool({
    ...{ connectionString, tls: await trusted(settings), schema: service },
    ...{ applicationName: "medvault-make-keys", max: 1 },
  });
  try {
    if (existsSync(keysFile)) (await openKeyring(pool, { service, keysFile })).wipe();
    else if (await holdsKeys(pool)) throw new KeyFileMissing(keysFile);
  } finally {
    await pool.end();
  }
}

/**
 * The gateway's pair: `{"service":"gateway","signing":<private JWK>}`, 0600, and its public JWKS.
 * Nothing lies under it: a lost one is made again, and a public half that does not fit is written
 * again. The private half comes last: without it the next start makes both.
 */
async function makeAssertionKey(privateFile: string, publicFile: string): Promise<string[]> {
  const writeJwks = (jwks: object) => writeDurably(publicFile, `${JSON.stringify(jwks, null, 2)}\n`, 0o644);
  if (hasContent(privateFile)) {
    const key = await readAssertionKey(privateFile);
    const there = await readJwks(publicFile).catch(() => null);
    if (there?.keys.some(({ kid, x }) => kid === key.kid && x === key.x)) return [];
    await writeJwks(publicJwksOf(key));
    return [publicFile];
  }
  const { privateJwk, jwks } = await newAssertionKey();
  const content = { service: "gateway", signing: privateJwk, createdAt: new Date().toISOString() };
  await writeJwks(jwks);
  await writeDurably(privateFile, `${JSON.stringify(content, null, 2)}\n`);
  return [privateFile, publicFile];
}

/** False for what a full disk left behind. */
function hasContent(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

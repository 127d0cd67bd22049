// What is in the files that settings name, before a service finds it out after a minute.
import { existsSync } from "node:fs";
import path from "node:path";
import { openPasswordList } from "@medvault/auth-service/password-list";
import { applyPolicy, checkKeys } from "@medvault/keys";
import { ConfigError, createLogger, openLocations, openTls } from "@medvault/service-kit";
import { tablesOf } from "../../tools/keys/tables.ts";
import { askedData } from "../lib/paths.mjs";
import { withDatabase } from "../run/services.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const CHANGE = "change it, or leave it out.";

/** One sentence per fault; settings in `skip` have one already. */
export async function contentFaults(env: Environment, skip: ReadonlySet<string>): Promise<string[]> {
  const check = async (name: string, look: (file: string) => Promise<string[]>) => {
    const file = env[name];
    return file && !skip.has(name) ? look(file) : [];
  };
  const found = await Promise.all([
    check("MEDVAULT_POLICY_FILE", policyFaults),
    check("MEDVAULT_GEOIP_FILE", (file) => faultsBy(() => openLocations(file))),
    check("MEDVAULT_PASSWORD_LIST", (file) => faultsBy(async () => (await openPasswordList(file)).close())),
    check("MEDVAULT_TLS_CA_FILE", (file) =>
      faultsBy(async () => (await openTls({ MEDVAULT_TLS_CA_FILE: file }, logger)).close()),
    ),
    keyFileFaults(path.join(askedData(env), "keys")),
  ]);
  return found.flat();
}

/** The operator's field policy, as each service would read it. */
async function policyFaults(file: string): Promise<string[]> {
  const faults = new Set<string>();
  for (const service of ["auth", "records", "files"] as const) {
    await applyPolicy({ file, service, tables: tablesOf(service) }).catch((error: Error) =>
      faults.add(error.message),
    );
  }
  return [...faults].map((fault) => `MEDVAULT_POLICY_FILE: ${fault}`);
}

/** What opening what a setting names says against it. */
async function faultsBy(open: () => Promise<unknown>): Promise<string[]> {
  try {
    await open();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...error.faults].map(([name, fault]) => `${name} ${fault}: ${CHANGE}`);
  }
}

const logger = createLogger({ service: "medvault", level: "silent" });

/** Key files that are there, as their services would read them. */
async function keyFileFaults(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const service of withDatabase) {
    const keysFile = path.join(dir, `${service}.json`);
    try {
      if (existsSync(keysFile)) checkKeys({ service, keysFile });
    } catch (error) {
      found.push((error as Error).message);
    }
  }
  return found;
}

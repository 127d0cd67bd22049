// What is in the files that settings name, before a service finds it out after a minute.
import { existsSync } from "node:fs";
import path from "node:path";
import { openLocations } from "@medvault/auth-service/locations";
import { openPasswordList } from "@medvault/auth-service/password-list";
import { applyPolicy, createKeyring } from "@medvault/keys";
import { ConfigError, createLogger, openTls } from "@medvault/service-kit";
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
    check("MEDVAULT_GEOIP_FILE", geoIpFaults),
    check("MEDVAULT_PASSWORD_LIST", passwordListFaults),
    check("MEDVAULT_TLS_CA_FILE", caFaults),
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

async function geoIpFaults(file: string): Promise<string[]> {
  const isReadable = await openLocations(file).then(
    () => true,
    () => false,
  );
  return isReadable ? [] : [`MEDVAULT_GEOIP_FILE must name a whole MaxMind file (.mmdb): ${CHANGE}`];
}

async function passwordListFaults(file: string): Promise<string[]> {
  try {
    await (await openPasswordList(file)).close();
    return [];
  } catch (error) {
    return [`${(error as Error).message}: ${CHANGE}`]; // it names the setting
  }
}

async function caFaults(file: string): Promise<string[]> {
  const logger = createLogger({ service: "medvault", level: "silent" });
  try {
    (await openTls({ MEDVAULT_TLS_CA_FILE: file }, logger)).close();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...error.faults].map(([name, fault]) => `${name} ${fault}: ${CHANGE}`);
  }
}

/** Key files that are there, as their services would read them. */
async function keyFileFaults(dir: string): Promise<string[]> {
  const files = withDatabase.map((service) => ({ service, keysFile: path.join(dir, `${service}.json`) }));
  const found = await Promise.all(
    files
      .filter(({ keysFile }) => existsSync(keysFile))
      .map((file) =>
        createKeyring(file).then(
          () => [],
          (error: Error) => [error.message],
        ),
      ),
  );
  return found.flat();
}

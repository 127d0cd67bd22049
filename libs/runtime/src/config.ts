import { applyPolicy, checkKeys } from "@medvault/keys";
import { type Contents, readJwks, readSettings } from "@medvault/service-kit";
import type { z } from "zod";
import type { Service } from "./service.ts";

/**
 * A process's settings, from process.env. Throws ConfigError, which names every bad one, and what
 * does not open of what they name.
 */
export async function readConfig<C extends z.ZodObject>(schema: C, contents: Contents) {
  return readSettings(schema, process.env, contents);
}

/** The service's own keys, in whichever of the two settings they are. */
export function keyContents(service: string): Contents {
  return {
    MEDVAULT_KEYS_FILE: (keysFile) => checkKeys({ service, keysFile }),
    MEDVAULT_KEYS: (keysEnv) => checkKeys({ service, keysEnv }),
  };
}

/** What the settings of every service name, and of this one. */
export function contentsOf({ name: service, tables = [], contents }: Service): Contents {
  // Nothing follows the policy before all of it is known to be right.
  const unchanged = tables.map(({ declaration }) => ({ declaration, adopt: () => {} }));
  return {
    ...keyContents(service),
    MEDVAULT_ASSERTION_JWKS_FILE: readJwks,
    MEDVAULT_POLICY_FILE: (file) => applyPolicy({ file, service, tables: unchanged }),
    ...contents,
  };
}

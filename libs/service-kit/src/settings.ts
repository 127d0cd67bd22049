import { accessSync, constants, existsSync, statSync } from "node:fs";
import path from "node:path";
import type { z } from "zod";
import { ConfigError, examine, fileSetting } from "./config.ts";
import { SETTING_NAMES } from "./setting-names.ts";
import { type TlsSettings, tlsFaults } from "./tls.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * How what a setting holds or names is opened, by setting: whatever that throws is its fault. Asks
 * no server, and changes nothing.
 */
export type Contents = Readonly<Record<string, (value: string) => unknown>>;

/** The settings of a process, and what was probably meant to be one, by name, with what to do. */
export interface ReadSettings<C> {
  readonly settings: C;
  readonly unknown: ReadonlyMap<string, string>;
}

/**
 * As loadConfig; besides, the files of TLS and what else the settings name are looked into. Throws
 * ConfigError, which names everything that is wrong at once.
 */
export async function readSettings<S extends z.ZodObject>(
  schema: S,
  env: Environment,
  contents: Contents = {},
): Promise<ReadSettings<z.infer<S>>> {
  const { given, settings, faults } = examine(schema, env);
  const names = Object.keys(schema.shape);
  const read = Object.fromEntries(names.map((name) => [name, given[name]]));
  for (const [name, fault] of await tlsFaults(read as TlsSettings)) {
    const isSaid = fault.startsWith("missing") && faults.has(name);
    if (names.includes(name) && !isSaid) faults.set(name, fault);
  }
  for (const [name, fault] of contradictions(names, given)) if (!faults.has(name)) faults.set(name, fault);
  const looked = Object.entries(contents).map(async ([name, open]) => {
    const value = given[name];
    const isSaid = faults.has(name) || faults.has(fileSetting(name));
    return value === undefined || isSaid ? null : ([name, await faultBy(() => open(value))] as const);
  });
  for (const found of await Promise.all(looked)) if (found?.[1]) faults.set(found[0], found[1]);
  const unknown = unknownSettings(env, [...SETTING_NAMES, ...names]);
  if (settings === undefined || faults.size > 0) throw new ConfigError(faults, unknown);
  return { settings, unknown };
}

/** Settings that do not go together, whatever each of them says. */
function contradictions(names: readonly string[], given: Record<string, string | undefined>) {
  const found = new Map<string, string>();
  const { PORT: port, MEDVAULT_KEYS: keys, MEDVAULT_KEYS_FILE: keysFile } = given;
  if (names.includes("PORT") && port && port !== "0" && port === given.ADMIN_PORT)
    found.set("ADMIN_PORT", "is PORT too: give each a port of its own");
  if (!names.includes("MEDVAULT_KEYS")) return found;
  if (keys && keysFile) found.set("MEDVAULT_KEYS", "is set, and MEDVAULT_KEYS_FILE too: leave one out");
  if (!keys && !keysFile) found.set("MEDVAULT_KEYS_FILE", "missing: this or MEDVAULT_KEYS must be set");
  return found;
}

/** Throws ConfigError unless it is a directory that can be written, or can be made. */
export const writableDirectory = (directory: string) => checkDirectory(directory, constants.W_OK);

/** Throws ConfigError unless it is a directory that can be read, or another process may make it. */
export const readableDirectory = (directory: string) => checkDirectory(directory, constants.R_OK);

function checkDirectory(directory: string, access: number): void {
  const asked = path.resolve(directory);
  let nearest = asked;
  while (!existsSync(nearest)) nearest = path.dirname(nearest);
  const cannot = nearest === asked ? "" : `cannot be made: ${nearest} `;
  if (!statSync(nearest).isDirectory()) throw new DirectoryFault(`${cannot}is no directory: name another`);
  if (nearest !== asked && access === constants.R_OK) return;
  try {
    accessSync(nearest, access | constants.X_OK);
  } catch (error) {
    // A disk that is read-only or away may come back: the service says so while it runs.
    if ((error as NodeJS.ErrnoException).code !== "EACCES") return;
    const what = access === constants.R_OK ? "read" : "written";
    throw new DirectoryFault(
      `${cannot}cannot be ${what} by the user of this process: change its owner, or name another`,
    );
  }
}

class DirectoryFault extends ConfigError {
  constructor(fault: string) {
    super(new Map([["directory", fault]]));
  }
}

/** A refusal of ours says what to do; anything else may quote what it read. */
async function faultBy(open: () => unknown): Promise<string | null> {
  try {
    await open();
    return null;
  } catch (error) {
    if (error instanceof ConfigError) return [...error.faults.values()].join("; ");
    const { code, kind, message } = error as { code?: unknown; kind?: unknown; message?: string };
    if (typeof code === "string" && typeof kind === "string" && message) return message;
    return `cannot be used${typeof code === "string" ? ` (${code})` : ""}: look at what it names`;
  }
}

/**
 * Of the variables that nothing reads, those that were probably meant to be settings, by name: what
 * begins as ours do, and what is nearly one.
 */
export function unknownSettings(env: Environment, known: Iterable<string>): Map<string, string> {
  const settings = [...new Set(known)];
  const read = new Set(settings.flatMap((name) => [name, fileSetting(name)]));
  const found = new Map<string, string>();
  for (const name of Object.keys(env)) {
    if (!env[name] || read.has(name)) continue;
    let [nearest, far] = ["", Number.POSITIVE_INFINITY];
    for (const one of settings) {
      const distance = editDistance(name, one);
      if (distance < far) [nearest, far] = [one, distance];
    }
    // Others may have short names of their own that look alike.
    const isMisspelt = nearest.length >= 8 && far <= 2;
    if (name.startsWith("MEDVAULT_") || isMisspelt)
      found.set(name, `is no setting, and nothing reads it: did you mean ${nearest}?`);
  }
  return found;
}

/** How many characters differ (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, left] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...b].entries())
      next.push(
        Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (left === right ? 0 : 1)),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}

// Every setting of every process, from the schemas that read them: nothing is listed twice.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { AuditConfig } from "@medvault/audit-service/config";
import { AuthConfig, BootstrapConfig } from "@medvault/auth-service/config";
import { BackupConfig, RestoreConfig } from "@medvault/backup-service/config";
import { FilesConfig } from "@medvault/files-service/config";
import { GatewayConfig } from "@medvault/gateway-service/config";
import { RecordsConfig } from "@medvault/records-service/config";
import { z } from "zod";
import * as tools from "../../tools/config.ts";
import { DevConfig, StartConfig } from "../config.ts";
import { root } from "../lib/paths.mjs";
import { type Declared, decidedHere, type ProcessName } from "../run/services.ts";

export const SCHEMAS: Readonly<Record<ProcessName, z.ZodObject>> = {
  gateway: GatewayConfig,
  auth: AuthConfig,
  records: RecordsConfig,
  files: FilesConfig,
  audit: AuditConfig,
  backup: BackupConfig,
  bootstrap: BootstrapConfig,
  restore: RestoreConfig,
};
export const TOOLS: readonly z.ZodObject[] = Object.values(tools).filter(
  (value) => value instanceof z.ZodObject,
);

/** The settings of each tool: tools run when they are imported, so their text is looked at. */
export function settingsOfTools(): ReadonlyMap<string, z.ZodObject> {
  const schemas = new Map<string | undefined, unknown>(Object.entries(tools));
  const found = new Map<string, z.ZodObject>();
  for (const file of globSync("*.ts", { cwd: path.join(root, "tools") }).toSorted()) {
    const named = /^ {2}settings: (\w+),$/m.exec(readFileSync(path.join(root, "tools", file), "utf8"))?.[1];
    const schema = schemas.get(named);
    if (schema instanceof z.ZodObject) found.set(path.basename(file, ".ts"), schema);
  }
  return found;
}

export interface Setting {
  readonly name: string;
  readonly schema: z.ZodType;
  /** What it does. */
  readonly help: string;
  /**
   * As a person reads it: with its unit where the name has none; empty for one that must be set.
   */
  readonly default: string;
  readonly readers: readonly string[];
}

/** The names of the settings that each process reads. */
export const declared = Object.fromEntries(
  Object.entries(SCHEMAS).map(([process, { shape }]) => [process, Object.keys(shape)]),
) as unknown as Declared;

/**
 * The settings that `npm start` takes from its environment: its own, and those that it passes on.
 */
export function settingsOfStart(): Setting[] {
  const passedOn = Object.entries(SCHEMAS).flatMap(([process, schema]) => settingsOf(schema, process));
  const own = settingsOf(StartConfig, "npm start");
  const found = new Map(own.map((setting) => [setting.name, setting]));
  for (const setting of passedOn.filter(({ name }) => !decidedHere.has(name))) {
    const known = found.get(setting.name) ?? { ...setting, readers: [] };
    found.set(setting.name, { ...known, readers: [...known.readers, ...setting.readers] });
  }
  return [...found.values()];
}

export function settingsOf({ shape }: z.ZodObject, reader: string): Setting[] {
  return Object.entries(shape).map(([name, field]) => {
    const schema = field as z.ZodType;
    return { name, schema, help: schema.description ?? "", default: shownDefault(schema), readers: [reader] };
  });
}

function shownDefault(schema: z.ZodType): string {
  const { unit, shownDefault } = (schema.meta() ?? {}) as { unit?: string; shownDefault?: string | number };
  if (shownDefault !== undefined) return String(shownDefault);
  const unset = schema.safeParse(undefined);
  if (!unset.success) return "";
  if (unset.data === undefined || unset.data === "") return "none";
  const value = typeof unset.data === "string" ? `\`${unset.data}\`` : String(unset.data);
  return unit ? `${value} ${unit}` : value;
}

/** Every name that means something to some part of MedVault. */
export function knownNames(): Set<string> {
  const schemas = [...Object.values(SCHEMAS), ...TOOLS, StartConfig, DevConfig];
  return new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));
}

// The settings tables of the READMEs, made from the schemas: `npm test -- dev/generated -u` writes
// them.
import { CommonConfig } from "@medvault/service-kit";
import type { z } from "zod";
import { SERVICES } from "../servers/secrets.ts";
import { SCHEMAS, type Setting, settingsOf, settingsOfStart, TOOLS } from "./registry.ts";

const BEGIN = "<!-- settings: `npm test -- dev/generated -u` writes this table -->\n";
const END = "<!-- end of settings -->";

/** Which settings each README shows. */
export const TABLES: Readonly<Record<string, () => Setting[]>> = {
  "README.md": settingsOfStart,
  "libs/service-kit/README.md": () => settingsOf(CommonConfig, ""),
  "services/gateway/README.md": () => ownOf(SCHEMAS.gateway),
  "services/auth/README.md": () => [...ownOf(SCHEMAS.auth), ...ofJobOnly("bootstrap", SCHEMAS.auth)],
  "services/records/README.md": () => ownOf(SCHEMAS.records),
  "services/files/README.md": () => ownOf(SCHEMAS.files),
  "services/audit/README.md": () => ownOf(SCHEMAS.audit),
  "services/backup/README.md": () => [...ownOf(SCHEMAS.backup), ...ofJobOnly("restore", SCHEMAS.backup)],
  "tools/README.md": () => TOOLS.flatMap((schema) => settingsOf(schema, "")),
};

/** What a service reads besides the settings of every service, or differently. */
function ownOf(schema: z.ZodObject): Setting[] {
  const common = CommonConfig.shape as Record<string, z.ZodType>;
  return settingsOf(schema, "").filter(({ name, schema: own }) => common[name] !== own);
}

function ofJobOnly(job: "bootstrap" | "restore", service: z.ZodObject): Setting[] {
  return ownOf(SCHEMAS[job])
    .filter(({ name }) => !(name in service.shape))
    .map((setting) => ({ ...setting, help: `${setting.help} (the ${job} job alone)` }));
}

/** The README with its table as the schemas have it. Throws where there is no place for one. */
export function withTable(readme: string, settings: readonly Setting[]): string {
  const [before, rest] = readme.split(BEGIN, 2);
  const after = rest?.slice(rest.indexOf(END));
  if (after === undefined || !after.startsWith(END))
    throw new Error(`there is no "${BEGIN.trim()}" … "${END}"`);
  return `${before}${BEGIN}${tableOf(settings)}${after}`;
}

function tableOf(settings: readonly Setting[]): string {
  const unique = [...new Map(settings.map((setting) => [setting.name, setting])).values()];
  const hasReaders = unique.some(({ readers }) => readers.join(""));
  const rows = unique.map(({ name, default: value, readers, help }) => [
    `\`${name}\``,
    value,
    ...(hasReaders ? [SERVICES.every((one) => readers.includes(one)) ? "all" : readers.join(", ")] : []),
    help.replaceAll("|", "\\|"),
  ]);
  const head = ["name", "default", ...(hasReaders ? ["read by"] : []), "what it does"];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

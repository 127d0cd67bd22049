import { knownNames } from "../settings/registry.ts";

/** libs/service-kit/src/setting-names.ts: by which a process tells a misspelt setting from another's. */
export function settingNames(): string {
  const names = [...knownNames()].toSorted().map((name) => `  "${name}",\n`);
  return `// Made by \`npm test -- dev/generated -u\` from the settings of every process.
export const SETTING_NAMES: readonly string[] = [\n${names.join("")}];\n`;
}

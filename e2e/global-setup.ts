import type { TestProject } from "vitest/node";
import { startSystem } from "./support/system.ts";

declare module "vitest" {
  interface ProvidedContext {
    opsFile: string;
  }
}

/**
 * One MedVault for all e2e files, started as its user starts it and ended the same way; or the one
 * whose ops.json is named, which somebody else started.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.MEDVAULT_E2E_OPS;
  if (given) {
    project.provide("opsFile", given);
    return async () => {};
  }
  const system = await startSystem("e2e");
  project.provide("opsFile", `${system.dataDir}/ops.json`);
  return async () => {
    const ms = await system.stop();
    if (ms > 15_000) throw new Error(`stopping took ${ms} ms, 15000 ms are allowed`);
  };
}

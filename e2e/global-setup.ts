import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { startSystem } from "./support/system.ts";

declare module "vitest" {
  interface ProvidedContext {
    opsFile: string;
    /** Where each file leaves an admin for the next (`freshAdmin`). */
    nextAdmins: string;
  }
}

/**
 * One MedVault for all e2e files, started as its user starts it and ended the same way; or the one
 * whose ops.json is named, which somebody else started.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const nextAdmins = await mkdtemp(path.join(tmpdir(), "medvault-e2e-admins-"));
  project.provide("nextAdmins", nextAdmins);
  const forget = () => rm(nextAdmins, { recursive: true, force: true });
  const given = process.env.MEDVAULT_E2E_OPS;
  if (given) {
    project.provide("opsFile", given);
    return forget;
  }
  const system = await startSystem("e2e");
  project.provide("opsFile", `${system.dataDir}/ops.json`);
  return async () => {
    await forget();
    const ms = await system.stop();
    if (ms > 15_000) throw new Error(`stopping took ${ms} ms, 15000 ms are allowed`);
  };
}

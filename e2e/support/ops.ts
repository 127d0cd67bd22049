import { readFileSync } from "node:fs";
import { inject } from "vitest";
import type { Ops } from "./system.ts";

/** ops.json of this test run's MedVault, as it is now. */
export function ops(): Ops {
  return JSON.parse(readFileSync(inject("opsFile"), "utf8")) as Ops;
}

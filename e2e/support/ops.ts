import { readFileSync } from "node:fs";
import { inject } from "vitest";
import type { Ops } from "./system.ts";

/** What the running MedVault of this test run says of itself. */
export function ops(): Ops {
  return JSON.parse(readFileSync(inject("opsFile"), "utf8")) as Ops;
}

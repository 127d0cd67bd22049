import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { root } from "../../dev/lib/paths.mjs";
import { Trouble } from "../../dev/lib/words.mjs";

/** The journey of e2e, through the gateway that the ops.json of this folder names. */
export async function journey(dir: string): Promise<void> {
  const args = ["node_modules/vitest/vitest.mjs", "run", "--silent=passed-only", "e2e/journey"];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      MEDVAULT_E2E_OPS: path.join(dir, "ops.json"),

      MEDVAULT_TEST_JSON: "",
    },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Trouble("the journey failed.");
}

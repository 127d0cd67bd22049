import { NODE_FLAGS } from "../lib/cli.mjs";
import { root, sharedPath } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";
import type { Declared } from "./services.ts";

interface Checked {
  faults: string[];
  unknown: string[];
  declared: Declared;
}

/**
 * Checks the settings of all services before anything is started.
 * @returns which settings each process reads
 * @throws Trouble that names every fault
 */
export async function checkSettings(say: (line: string) => void): Promise<Declared> {
  const { code, out, words } = await run(process.execPath, [...NODE_FLAGS, "dev/settings/check.ts"], {
    cwd: root,
    env: { ...process.env, NODE_COMPILE_CACHE: sharedPath("compile-cache") },
  });
  if (code !== 0) throw new Error(words);
  const { faults, unknown, declared } = JSON.parse(out) as Checked;
  for (const sentence of unknown) say(`warning: ${sentence}`);
  if (faults.length === 0) return declared;
  const [first, ...others] = faults;
  throw new Trouble(
    others.length === 0
      ? `${first}`
      : `${faults.length} settings are not right; nothing was started.\n  ${faults.join("\n  ")}`,
  );
}

// The settings of all services, checked by a process of its own: here nothing of the services' code is
// loaded.
import { NODE_FLAGS } from "./cli.mjs";
import { root, sharedPath } from "./paths.mjs";
import { modernNode } from "./prepare.mjs";
import { run } from "./run.mjs";

/**
 * @typedef {object} Checked
 * @property {string[]} faults sentences; with one of them nothing can be started
 * @property {string[]} warnings sentences
 * @property {import("../run/services.ts").Declared} declared the settings that each process reads
 */

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Checked>}
 */
export async function checkSettings(env) {
  const args = [...NODE_FLAGS, "dev/settings/check.ts"];
  // With it 0.8 s of processor time, without 1.3.
  const cached = { NODE_COMPILE_CACHE: sharedPath("compile-cache"), ...env };
  const { code, out, words } = await run(modernNode(), args, { cwd: root, env: cached });
  if (code !== 0) throw new Error(words);
  return JSON.parse(out);
}

// The settings of all services, checked by a process of its own: here nothing of the services' code is
// loaded.
import { NODE_FLAGS } from "./cli.mjs";
import { root } from "./paths.mjs";
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
  const { code, out, words } = await run(modernNode(), args, { cwd: root, env });
  if (code !== 0) throw new Error(words);
  return JSON.parse(out);
}

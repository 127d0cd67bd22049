// The frame of every command: help, one sentence when something is in the way, hand-over to Node
// 24.
import { spawn } from "node:child_process";
import path from "node:path";
import { root } from "./paths.mjs";
import { modernNode } from "./prepare.mjs";
import { exitCodeOf, sentenceFor } from "./words.mjs";

/**
 * Runs a command and turns what it throws into one sentence and an exit code.
 * @param {string} help shown for --help
 * @param {(args: string[]) => Promise<number | void>} work returns the exit code
 */
export async function command(help, work) {
  // The reader of our lines may stop before their end: `| head`. A full disk takes no line, and is
  // no reason to stop what runs.
  process.stdout.on("error", (error) => {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EPIPE") process.exit();
  });
  process.stderr.on("error", () => {});
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    console.log(help);
    return;
  }
  try {
    process.exitCode = (await work(args)) ?? 0;
  } catch (error) {
    const sentence = sentenceFor(error);
    console.error(sentence ? `medvault: ${sentence}` : error);
    process.exitCode = exitCodeOf(error);
  }
}

/** The arguments that make a Node of our choice run one of our TypeScript files quietly. */
export const NODE_FLAGS = ["--disable-warning=ExperimentalWarning"];

/**
 * Runs a TypeScript entry under Node 24 in a session of its own, passes signals on once, and waits
 * for its end. It learns of our death by the closing of the channel between us.
 * @param {string} entry relative to the project
 * @param {string[]} args
 * @param {{detach?: boolean}} [o] detach: come back as soon as it says that it is ready
 * @returns {Promise<number>} exit code
 */
export function handOver(entry, args, { detach = false } = {}) {
  const output = detach ? "ignore" : "inherit";
  const child = spawn(modernNode(), [...NODE_FLAGS, path.join(root, entry), ...args], {
    cwd: root,
    detached: true,
    windowsHide: true,
    stdio: ["ignore", output, output, "ipc"],
  });
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
  for (const name of signals) process.on(name, () => child.kill(name === "SIGHUP" ? "SIGTERM" : name));
  if (!detach) whenNpmDies(() => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("message", (/** @type {{line?: string, ready?: boolean}} */ message) => {
      if (message.line !== undefined) console.log(message.line);
      if (detach && message.ready) {
        child.disconnect();
        child.unref();
        resolve(0);
      }
    });
    child.on("exit", (code, signal) => resolve(signal ? 1 : (code ?? 1)));
  });
}

/**
 * npm passes a signal on to its shell alone, and the shell dies of it without a word to us: our
 * parent is gone then.
 * @param {() => void} stop
 */
function whenNpmDies(stop) {
  if (!process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    stop();
  }, 250);
  watch.unref();
}

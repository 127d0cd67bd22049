// npm start under Node 24: brings everything up in order, keeps it up, and takes it down.

import { askedData, dataDir } from "../lib/paths.mjs";
import { checkSettings } from "../lib/settings.mjs";
import { BAD_SETTINGS, exitCodeOf, sentenceFor, troubleOf } from "../lib/words.mjs";
import { MedVault } from "./medvault.ts";
import { Terminal } from "./terminal.ts";

/** When the user asked for it, in milliseconds of Date.now(): packages may have been installed since. */
const since = Number(process.argv.find((arg) => arg.startsWith("--since="))?.slice(8) ?? Date.now());
const detached = process.argv.includes("--detach");
let terminal: Terminal | null = null;
let medvault: MedVault | null = null;

let ending: Promise<void> | null = null;
function end(why: string): void {
  if (ending) return;
  terminal?.say(why);
  ending = Promise.resolve(medvault?.stop()).finally(() => process.exit());
}
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => end("stopping"));
// The command in the terminal died without a word: nobody would see or stop us any more.
if (!detached) process.on("disconnect", () => end("the terminal is gone: stopping"));

try {
  const data = dataDir(askedData());
  const opened = new Terminal(data, { detached });
  terminal = opened;
  const { faults, warnings, declared } = await checkSettings(process.env);
  for (const warning of warnings) opened.show(`warning: ${warning}`);
  if (faults.length > 0) throw troubleOf(faults, BAD_SETTINGS);
  medvault = new MedVault({ data, settings: process.env, declared, terminal: opened, since });
  await medvault.start();
  opened.ready();
} catch (error) {
  if (!ending) {
    process.exitCode = exitCodeOf(error);
    complain(sentenceFor(error) ?? String((error as Error).stack));
    if (medvault) end("stopping what was started");
    else process.exit();
  }
}

function complain(sentence: string): void {
  if (terminal) terminal.trouble(sentence);
  else if (detached) process.send?.({ line: `medvault: ${sentence}` });
  else console.error(`medvault: ${sentence}`);
}

// npm start under Node 24: brings everything up in order, keeps it up, and takes it down.

import { askedData, dataDir } from "../lib/paths.mjs";
import { sentenceFor } from "../lib/words.mjs";
import { MedVault } from "./medvault.ts";
import { checkSettings } from "./settings.ts";
import { Terminal } from "./terminal.ts";

const detached = process.argv.includes("--detach");
const data = dataDir(askedData());
const terminal = new Terminal(data, { detached });
let medvault: MedVault | null = null;

let ending: Promise<void> | null = null;
function end(why: string): void {
  if (ending) return;
  terminal.say(why);
  ending = Promise.resolve(medvault?.stop()).finally(() => process.exit());
}
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => end("stopping"));
// The command in the terminal died without a word: nobody would see or stop us any more.
if (!detached) process.on("disconnect", () => end("the terminal is gone: stopping"));

try {
  const declared = await checkSettings((line) => terminal.show(line));
  medvault = new MedVault({ data, settings: process.env, declared, terminal });
  await medvault.start();
  terminal.ready();
} catch (error) {
  if (!ending) {
    process.exitCode = 1;
    terminal.trouble(sentenceFor(error) ?? String((error as Error).stack));
    if (medvault) end("stopping what was started");
    else process.exit();
  }
}

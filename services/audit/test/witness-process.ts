import { spawn } from "node:child_process";

const PROGRAM = new URL("../../../tools/witness.mjs", import.meta.url).pathname;

/** A witness as an auditor runs it. */
export async function startWitness(folder: string, vkey: string, name: string) {
  const args = ["--dir", folder, "--log", vkey, "--name", name, "--listen", "127.0.0.1:0", "--json"];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (text) => resolve(String(text))),
  );
  const { listening: url, vkey: own } = JSON.parse(line) as { listening: string; vkey: string };
  return {
    ...{ url, vkey: own },
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

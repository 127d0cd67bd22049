import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@medvault/testing";
import { root } from "../dev/lib/paths.mjs";
import { seconds } from "../dev/lib/words.mjs";

// node bench/start.ts: how long `npm start` takes on data of its own, first and second time, how
// long it takes to stop, and what the six services hold in memory when idle. What was installed
// before stays: for the very first start, run `npm start` in a fresh clone and read what it prints.
const IDLE_MS = 20_000;

interface Ops {
  processes: { name: string; pid: number }[];
}

const data = mkdtempSync(path.join(os.tmpdir(), "medvault-bench-"));
const port = await freePort();
try {
  for (const round of ["first start", "warm start"]) {
    const begun = Date.now();
    const child = start();
    await ready(child);
    console.log(`${round}: ready after ${seconds(begun)}`);
    await sleep(IDLE_MS);
    memory(JSON.parse(readFileSync(path.join(data, "ops.json"), "utf8")) as Ops);
    const stopping = Date.now();
    child.kill("SIGINT");
    await once(child, "exit");
    console.log(`stopped after ${seconds(stopping)}`);
  }
} finally {
  rmSync(data, { recursive: true, force: true });
}

function start(): ChildProcess {
  const { DATABASE_URL: _d, REDIS_URL: _r, AMQP_URL: _a, ...env } = process.env;
  return spawn(process.execPath, ["dev/start.mjs"], {
    cwd: root,
    env: { ...env, MEDVAULT_DATA: data, MEDVAULT_PORT: String(port) },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      if (/MedVault is ready/.test(chunk.toString())) resolve();
    });
    child.once("exit", (code) => reject(new Error(`npm start ended with ${code}`)));
  });
}

/** Resident (RSS) and proportional set size (PSS: shared pages are divided), from the kernel. */
function memory(ops: Ops): void {
  const total = { Rss: 0, Pss: 0 };
  for (const { name, pid } of ops.processes) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const mib = (key: "Rss" | "Pss") => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1024;
    const [rss, pss] = [mib("Rss"), mib("Pss")];
    total.Rss += rss;
    total.Pss += pss;
    console.log(
      `  ${name.padEnd(8)} RSS ${rss.toFixed(0).padStart(4)} MiB   PSS ${pss.toFixed(0).padStart(4)} MiB`,
    );
  }
  console.log(
    `  together RSS ${total.Rss.toFixed(0)} MiB, PSS ${total.Pss.toFixed(0)} MiB, idle for ${IDLE_MS / 1000} s`,
  );
}

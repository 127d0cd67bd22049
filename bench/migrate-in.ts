import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { signIn } from "../e2e/support/client.ts";
import { type Ops, startSystem } from "../e2e/support/system.ts";
import { careCryptDump, fernetKey, prescriptionTuple } from "../tools/migrate-in/source.testdata.ts";
import { cpuMs } from "./gateway/processes.ts";
import type { Finding } from "./rounds.ts";

const ROWS = 10_000;
const ROWS_OF_PATIENT = 5;
const MAX_OUTPUT_BYTES = 1024 ** 2;

interface Answer {
  counts: Record<string, { stored: number }>;
  seconds: number;
}

/** Moves a dump of CareCrypt in, through a MedVault of its own that was just started. */
export async function moveIn(): Promise<Finding[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "medvault-bench-move-"));
  const system = await startSystem("bench-migrate-in");
  try {
    return [await moved(folder, system.ops)];
  } finally {
    await system.stop();
    await rm(folder, { recursive: true });
  }
}

async function moved(folder: string, ops: Ops): Promise<Finding> {
  const key = fernetKey();
  const rowOf = (at: number) => ({
    ...{ id: at + 1, user: 1, name: `Patient Number${Math.floor(at / ROWS_OF_PATIENT)}` },
    ...{ medication: `Metformin ${at} mg`, notes: at % 2 === 0 ? "take with food" : null },
  });
  const tuples = Array.from({ length: ROWS }, (_, at) => prescriptionTuple(key, rowOf(at)));
  const at = (name: string) => path.join(folder, name);
  await writeFile(at("dump.sql"), careCryptDump(tuples));
  await writeFile(at("key"), key);
  const admin = ops.demo.users.find(({ role }) => role === "admin");
  if (!admin) throw new Error("the demo has no admin");
  const { token } = await signIn(ops.gateway, admin);
  const tool = path.resolve(import.meta.dirname, "../tools/migrate-in.ts");
  const args = ["--disable-warning=ExperimentalWarning", tool, "--format", "carecrypt", "--apply", "--json"];
  const where = [
    "--fernet-key-file",
    at("key"),
    "--work",
    at("work"),
    "--gateway",
    ops.gateway,
    at("dump.sql"),
  ];
  const env = { PATH: process.env.PATH ?? "", MEDVAULT_DATA: folder, MEDVAULT_TOKEN: token ?? "" };
  const services = ops.processes.filter(({ name }) => ["gateway", "records"].includes(name));
  const cpu = () => services.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
  const [before, since] = [cpu(), performance.now()];
  const options = { env, maxBuffer: MAX_OUTPUT_BYTES };
  const { stdout } = await promisify(execFile)(process.execPath, [...args, ...where], options);
  const whole = (performance.now() - since) / 1_000;
  const { counts, seconds } = JSON.parse(stdout) as Answer;
  const stored = Object.values(counts).reduce((sum, one) => sum + one.stored, 0);
  const each = (cpu() - before) / stored;
  return {
    name: "rows a second that migrate-in stores, of sealed cells, through the gateway",
    measured: stored / seconds,
    unit: "/s",
    atLeast: 500,
    note: `${stored} rows in ${seconds.toFixed(1)} s, ${whole.toFixed(1)} s with the look at the whole before; gateway and records take ${each.toFixed(2)} ms of processor each`,
  };
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Started {
  pid: number;
  port: number;
  stop(): void;
}

/** Starts a file of this folder, which prints its port and ends when we do. */
export async function start(file: string, ...args: string[]): Promise<Started> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  const [line] = (await once(child.stdout as NonNullable<typeof child.stdout>, "data")) as [Buffer];
  return { pid: child.pid as number, port: Number(line.toString()), stop: () => child.kill() };
}

/** Processor time that a process has used so far, in ms; 0 where there is no /proc. */
export function cpuMs(pid: number): number {
  const [utime = 0, stime = 0] = statOf(pid).slice(11, 13);
  return (utime + stime) * 10; // clock ticks, a hundred a second
}

/** The same of a server with all processes that it started, those that have ended too. */
export function treeCpuMs(pid: number): number {
  const [cutime = 0, cstime = 0] = statOf(pid).slice(13, 15);
  return treeOf(pid).reduce((sum, one) => sum + cpuMs(one), (cutime + cstime) * 10);
}

/** A process and all that come from it. */
export function treeOf(root: number): number[] {
  const parents = allPids().map((pid) => [pid, statOf(pid)[1] ?? 0] as const);
  const of = (pid: number): number[] => [
    pid,
    ...parents.flatMap(([child, parent]) => (parent === pid ? of(child) : [])),
  ];
  return of(root);
}

/** Resident memory of a process, in bytes. */
export const rssBytes = (pid: number): number => Number(textOf(pid, "statm").split(" ")[1] ?? 0) * 4096;

/** Of that, what no other process has: without Postgres' shared buffers. */
export function privateBytes(pid: number): number {
  const [, resident = 0, shared = 0] = textOf(pid, "statm").split(" ").map(Number);
  return (resident - shared) * 4096;
}

/** What a process had written to disks so far, in bytes; 0 where the kernel does not say. */
export const writtenBytes = (pid: number): number =>
  Number(/^write_bytes: (\d+)$/m.exec(textOf(pid, "io"))?.[1] ?? 0);

function allPids(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** The fields from the state on, which is NaN. */
function statOf(pid: number): number[] {
  const text = textOf(pid, "stat");
  return text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
}

/** "" for a process that has ended, and where there is no /proc. */
function textOf(pid: number, file: "stat" | "statm" | "io"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
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
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [utime = 0, stime = 0] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
      .map(Number);
    return (utime + stime) * 10; // clock ticks, a hundred a second
  } catch {
    return 0;
  }
}

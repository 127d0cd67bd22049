import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small file system of a test's own. */
export interface Disk {
  readonly dir: string;
  /** Leaves no byte free. */
  fill(): void;
  free(): void;
  unmount(): void;
}

const isRoot = process.getuid?.() === 0;
const CHUNKS = [1024 * 1024, 4096];

/** Runs mount or umount as root: ourselves, or by a sudo that asks for no password. */
function asRoot(command: "mount" | "umount", ...args: string[]): string | null {
  const [program = "", ...rest] = [...(isRoot ? [] : ["sudo", "-n"]), command, ...args];
  const { status, stderr, error } = spawnSync(program, rest, { encoding: "utf8" });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

/** Mounts a file system of `mib` MiB at `dir`, which is made. Returns why it cannot be, if so. */
export function mountDisk(dir: string, mib: number): Disk | string {
  mkdirSync(dir, { recursive: true });
  const owner = isRoot ? "" : `,uid=${process.getuid?.()},gid=${process.getgid?.()}`;
  const trouble = asRoot(
    "mount",
    "-t",
    "tmpfs",
    "-o",
    `size=${mib}m,mode=0711${owner}`,
    "medvault-test",
    dir,
  );
  if (trouble !== null) return `no file system can be mounted here, as root or by sudo -n (${trouble})`;
  const filler = join(dir, ".filler");
  return {
    dir,
    fill: () => writeUntilFull(filler),
    free: () => rmSync(filler, { force: true }),
    unmount() {
      // What still has a file open there ends a moment later.
      if (asRoot("umount", dir) !== null) asRoot("umount", "-l", dir);
    },
  };
}

function writeUntilFull(file: string): void {
  const fd = openSync(file, "a", 0o600);
  try {
    for (const bytes of CHUNKS) while (takes(fd, Buffer.alloc(bytes)));
  } finally {
    closeSync(fd);
  }
}

function takes(fd: number, bytes: Buffer): boolean {
  try {
    return writeSync(fd, bytes) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}

/** What a test is given by vitest. */
interface TestFrame {
  skip(note: string): never;
  onTestFinished(then: () => void): void;
}

/**
 * A disk of `mib` MiB for the time of one test, in a folder of its own unless `at` says where.
 * Where none can be mounted the test is skipped, and the run prints why.
 */
export function givenDisk(frame: TestFrame, mib: number, at?: string): Disk {
  const dir = at ?? mkdtempSync(join(tmpdir(), "medvault-disk-"));
  const disk = mountDisk(dir, mib);
  if (typeof disk === "string") {
    if (at === undefined) rmSync(dir, { recursive: true });
    console.warn(`skipped: ${disk}`); // not every reporter shows the note
    return frame.skip(disk);
  }
  frame.onTestFinished(() => {
    disk.unmount();
    if (at === undefined) rmSync(dir, { recursive: true });
  });
  return disk;
}

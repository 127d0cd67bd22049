import { randomBytes, randomUUID } from "node:crypto";
import { type FileHandle, link, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Writes a new file of mode 0600, whole or not at all, to be there after a power cut; never over
 * one that exists. Makes the directory. Returns whether it wrote.
 */
export function createDurably(path: string, content: Uint8Array | string): Promise<boolean> {
  // Unlike a rename, a link never replaces.
  return viaDraft(path, content, (draft) => unlessThere(() => link(draft, path)));
}

/**
 * Makes or replaces a file, of mode 0600 unless given: anyone who opens it sees the old one or the
 * new one, also after a power cut. Makes the directory. The draft lies beside it, or in `drafts`, a
 * directory of the same file system: once that is removed, this can replace nothing any more.
 */
export async function writeDurably(
  path: string,
  content: Uint8Array | string,
  mode = 0o600,
  drafts?: string,
): Promise<void> {
  await viaDraft(
    path,
    content,
    async (draft) => {
      await rename(draft, path);
      return true;
    },
    mode,
    drafts,
  );
}

/** More than what is left in the last block of a full disk, and nothing that compresses. */
const PROBE = randomBytes(64 * 1024);

/** For readiness: throws what a write throws when the directory takes no more. Leaves nothing. */
export async function probeDirectory(path: string): Promise<void> {
  const probe = join(path, `.probe-${process.pid}`);
  try {
    await closing(await open(probe, "w", 0o600), (file) => file.writeFile(PROBE));
  } finally {
    await rm(probe, { force: true });
  }
}

/**
 * Replaces a file as writeDurably does, if `isStillWanted` says so at the last moment, when no
 * other call may replace it. Returns what that said, or false while another call replaces it.
 */
export async function replaceDurably(
  path: string,
  content: Uint8Array | string,
  isStillWanted: () => Promise<boolean>,
): Promise<boolean> {
  return viaDraft(path, content, (draft) =>
    locked(`${path}.lock`, async () => {
      if (!(await isStillWanted())) return false;
      await rename(draft, path);
      return true;
    }),
  );
}

/** Makes a directory and those above it, to be there still after a power cut. Mode 0700. */
export async function makeDirectoryDurably(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // Every new directory is an entry of its parent, which must last as well.
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

/** Makes the names in a directory last: a rename that is not synced can be lost with the power. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return; // a directory cannot be opened there
  await closing(await open(path, "r"), (directory) => directory.sync());
}

/** Writes on the same file system and has `put` name the file. Returns what `put` returns. */
async function viaDraft(
  path: string,
  content: Uint8Array | string,
  put: (draft: string) => Promise<boolean>,
  mode = 0o600,
  drafts = dirname(path),
): Promise<boolean> {
  const directory = dirname(path);
  await makeDirectoryDurably(directory);
  // Not the process id: two containers that share the directory are both number 1.
  const draft = join(drafts, `.${randomUUID()}.tmp`);
  try {
    await closing(await open(draft, "wx", mode), async (file) => {
      await file.chmod(mode); // whatever the umask
      await file.writeFile(content);
      await file.sync();
    });
    const isPut = await put(draft);
    if (isPut) await syncDirectory(directory);
    return isPut;
  } finally {
    await rm(draft, { force: true });
  }
}

// Replacing takes milliseconds: a lock this old was left by a process that died in between.
const STALE_LOCK_MS = 60_000;

/** Without it two that asked at once would both replace, and one change be lost: with it a key. */
async function locked(lock: string, work: () => Promise<boolean>): Promise<boolean> {
  if (!(await take(lock))) {
    const left = await stat(lock).catch(() => null);
    if (left === null || Date.now() - left.mtimeMs < STALE_LOCK_MS) return false;
    await rm(lock, { force: true });
    if (!(await take(lock))) return false;
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

const take = (lock: string): Promise<boolean> =>
  unlessThere(async () => (await open(lock, "wx", 0o600)).close());

/** False when what `make` makes is there already. */
async function unlessThere(make: () => Promise<void>): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function closing(file: FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(file);
  } finally {
    await file.close();
  }
}

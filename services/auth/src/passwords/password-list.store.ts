import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { ConfigError } from "@medvault/service-kit";

/** The operator's list of passwords that are not taken. */
export interface PasswordList {
  /** Whether the password (in its normal form) is in it. */
  has(password: string): Promise<boolean>;
  close(): Promise<void>;
}

/** The list is not one: the service does not start. */
class PasswordListInvalid extends ConfigError {
  constructor(fault: string) {
    super(new Map([["MEDVAULT_PASSWORD_LIST", fault]]));
  }
}

const HASH_HEX = 40;
const HASH_LINE = /^[0-9A-Fa-f]{40}(:\d+)?$/;
/** More than any line of a list of hashes, with its count. */
const LINE_MAX_BYTES = 64;
/** So many bytes of words fit into memory as 8 bytes each; hashes stay in their file. */
const WORDS_MAX_BYTES = 256 * 1024 * 1024;
const SAMPLES = 1_000;

/**
 * Opens a list: one password a line, or SHA-1 hashes in hex, sorted, with or without `:count` (as
 * haveibeenpwned.com gives them out), distinguished by the first line. Hashes are searched in the
 * file (35 reads among a billion), words are kept as 64 bits each. Throws ConfigError.
 */
export async function openPasswordList(file: string): Promise<PasswordList> {
  const handle = await open(file, "r").catch(() => {
    throw new PasswordListInvalid("cannot be read");
  });
  try {
    const { size } = await handle.stat();
    if (size === 0) throw new PasswordListInvalid("is empty");
    const first = (await lineAt(handle, 0, size)).text;
    if (!HASH_LINE.test(first)) return await wordList(handle, size);
    await assertSorted(handle, size);
    return {
      has: (password) => findHash(handle, size, sha1(password)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function wordList(handle: FileHandle, size: number): Promise<PasswordList> {
  if (size > WORDS_MAX_BYTES) {
    throw new PasswordListInvalid("holds more than 256 MiB of words: make it a sorted list of SHA-1 hashes");
  }
  let words = new BigUint64Array(1024);
  let count = 0;
  for await (const line of handle.readLines({ encoding: "utf8", autoClose: false, start: 0 })) {
    if (line.length > 1024)
      throw new PasswordListInvalid("holds a line of over 1024 characters: it is no list");
    if (line === "") continue;
    if (count === words.length) {
      const larger = new BigUint64Array(count * 2);
      larger.set(words);
      words = larger;
    }
    words[count++] = shortHash(line.normalize("NFKC").toLowerCase());
  }
  await handle.close();
  const sorted = words.slice(0, count).sort();
  return {
    has: async (password) => includes(sorted, shortHash(password.toLowerCase())),
    close: async () => {},
  };
}

function includes(sorted: BigUint64Array, wanted: bigint): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0n) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}

/** Looks at a thousand places, so that an unsorted list, or another file, is refused at boot. */
async function assertSorted(handle: FileHandle, size: number): Promise<void> {
  let before = "";
  for (let at = 0; at < SAMPLES; at++) {
    const { text } = await lineAt(handle, Math.floor((size / SAMPLES) * at), size);
    if (text === "") continue; // behind the last line
    if (!HASH_LINE.test(text))
      throw new PasswordListInvalid("begins with SHA-1 hashes, but holds other lines");
    const hash = text.slice(0, HASH_HEX).toUpperCase();
    if (hash < before) throw new PasswordListInvalid("is not sorted by its hashes");
    before = hash;
  }
}

async function findHash(handle: FileHandle, size: number, wanted: string): Promise<boolean> {
  let [low, high] = [0, size];
  // The first line that begins at or behind `low` and is not below `wanted`.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { text, end } = await lineAt(handle, middle, size);
    if (text === "" || text.slice(0, HASH_HEX).toUpperCase() >= wanted) high = middle;
    else low = end;
  }
  const { text } = await lineAt(handle, low, size);
  return text.slice(0, HASH_HEX).toUpperCase() === wanted;
}

/** The first line that begins at `offset` or behind it, and where the one after it begins. */
async function lineAt(
  handle: FileHandle,
  offset: number,
  size: number,
): Promise<{ text: string; end: number }> {
  const from = Math.max(0, offset - 1); // the line break before it, if it begins here
  const buffer = Buffer.alloc(2 * LINE_MAX_BYTES + 2);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
  const read = buffer.subarray(0, bytesRead);
  const start = offset === 0 ? 0 : read.indexOf("\n") + 1;
  if (offset > 0 && start === 0) return { text: "", end: size };
  const stop = read.indexOf("\n", start);
  const end = stop === -1 ? read.length : stop;
  return { text: read.toString("latin1", start, end).trimEnd(), end: from + end + 1 };
}

function sha1(password: string): string {
  return createHash("sha1").update(password, "utf8").digest("hex").toUpperCase();
}

function shortHash(text: string): bigint {
  return createHash("sha256").update(text, "utf8").digest().readBigUInt64BE();
}

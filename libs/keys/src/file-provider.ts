import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { KeyFileMissing, KeyFileTooOpen, KeyFileUnreadable } from "./errors.ts";
import { parseKeyDocument, type ServiceKeys } from "./key-document.ts";
import type { KeyProvider } from "./provider.ts";

const OTHERS = 0o077;
const ROOT = 0;
// A row that names a version nobody made must not turn every read into a read of the file.
const RELOAD_PAUSE_MS = 1_000;

/**
 * The service's keys from a file that only its owner may read. Throws KeyFileMissing, KeyFileTooOpen, KeyFileUnreadable,
 * KeyDocumentInvalid or KeysOfAnotherService.
 */
export function fileKeyProvider(path: string, service: string): KeyProvider {
  let keys = readKeyFile(path, service);
  let readAt = Date.now();
  return {
    kind: "file",
    current: () => keys.current,
    versions: () => keys.versions,
    key: (version) => keys.key(version),
    reload: () => {
      if (Date.now() - readAt < RELOAD_PAUSE_MS) return;
      readAt = Date.now();
      keys = readKeyFile(path, service);
    },
  };
}

function readKeyFile(path: string, service: string): ServiceKeys {
  const file = open(path);
  try {
    // Asked of the opened file, so that it cannot be exchanged between the question and the reading.
    const { mode, uid } = fstatSync(file);
    if (!isRegular(mode) || (uid !== process.geteuid?.() && uid !== ROOT)) throw new KeyFileUnreadable(path);
    if ((mode & OTHERS) !== 0) throw new KeyFileTooOpen(path);
    const bytes = readFileSync(file);
    try {
      return parseKeyDocument(bytes.toString("utf8"), service, path);
    } finally {
      bytes.fill(0);
    }
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe in the file's place must not hang the start
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new KeyFileMissing(path);
    throw new KeyFileUnreadable(path);
  }
}

function isRegular(mode: number): boolean {
  return (mode & constants.S_IFMT) === constants.S_IFREG;
}

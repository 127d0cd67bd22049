import { type BigIntStats, closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { KeyFileChanged, KeyFileMissing, KeyFileTooOpen, KeyFileUnreadable } from "../errors.ts";
import { replaceDurably } from "./durable-file.ts";
import { documentText, type KeyDocument, readKeyDocument } from "./key-document.ts";

const OTHERS = 0o077n;
const ROOT = 0n;
const FILE_TYPE = BigInt(constants.S_IFMT);
const REGULAR = BigInt(constants.S_IFREG);

/** A key file as it was read, and a stamp that no later version of it has. */
export interface KeyFile {
  readonly document: KeyDocument;
  readonly stamp: string;
}

/**
 * Reads a key file that only its owner may read. Throws KeyFileMissing, KeyFileTooOpen,
 * KeyFileUnreadable, KeyDocumentInvalid or KeysOfAnotherService.
 */
export function readKeyFile(path: string, service: string): KeyFile {
  const file = open(path);
  try {
    // Asked of the opened file, so that it cannot be exchanged between question and reading.
    const stats = fstatSync(file, { bigint: true });
    const isOurs = stats.uid === BigInt(process.geteuid?.() ?? 0) || stats.uid === ROOT;
    if ((stats.mode & FILE_TYPE) !== REGULAR || !isOurs) throw new KeyFileUnreadable(path);
    // Windows has no such modes: what others may is in lists of its own.
    if (process.platform !== "win32" && (stats.mode & OTHERS) !== 0n) throw new KeyFileTooOpen(path);
    const bytes = readFileSync(file);
    try {
      return { document: readKeyDocument(bytes.toString("utf8"), service, path), stamp: stampOf(stats) };
    } finally {
      bytes.fill(0);
    }
  } finally {
    closeSync(file);
  }
}

/** Whether the file was changed or replaced: one stat, some 3 µs. False for one that is gone. */
export function hasChanged(path: string, stamp: string): boolean {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && stampOf(stats) !== stamp;
}

/**
 * Reads the document, changes it, and replaces the file. Throws what readKeyFile and `change`
 * throw, and KeyFileChanged when another process changed it meanwhile: nothing is lost then.
 */
export async function changeKeyFile(
  path: string,
  service: string,
  change: (document: KeyDocument) => KeyDocument | Promise<KeyDocument>,
): Promise<KeyDocument> {
  const { document, stamp } = readKeyFile(path, service);
  const changed = await change(document);
  if (changed === document) return document;
  const replaced = await replaceDurably(
    path,
    documentText(changed),
    async () => readKeyFile(path, service).stamp === stamp,
  );
  if (!replaced) throw new KeyFileChanged(path);
  return changed;
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(":");
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe in the file's place must not hang the start
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new KeyFileMissing(path);
    throw new KeyFileUnreadable(path);
  }
}

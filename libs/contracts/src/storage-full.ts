import { type AppError, StorageFull, Unavailable } from "./errors.ts";

/** Full, over a quota, or mounted read-only: by the operating system, and by Postgres (53100). */
const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "53100"]);
/** How Redis refuses a write: its disk or its memory is full. */
const REDIS_REFUSES = /\b(MISCONF|OOM command not allowed)\b/;
const MAX_CAUSES = 5;

/** Whether an error, or what caused it, is a disk or a store that takes nothing more. */
export function isStorageFull(error: unknown): boolean {
  for (let found = error, depth = 0; found instanceof Error && depth < MAX_CAUSES; depth++) {
    if (found instanceof StorageFull || isFullItself(found)) return true;
    found = found.cause;
  }
  return false;
}

function isFullItself(error: Error & { code?: unknown; syscall?: unknown }): boolean {
  if (typeof error.code === "string" && FULL.has(error.code)) return true;
  // A disk that fails a read has damaged what is there, which is another matter.
  if (error.code === "EIO") return error.syscall !== "read";
  return error.name === "ReplyError" && REDIS_REFUSES.test(error.message);
}

/** What another service's 503 means for its caller: its storage is full, or it is away. */
export function refusalOfService(body: unknown): AppError {
  const code = typeof body === "object" && body !== null && "code" in body ? body.code : null;
  return code === "storage_full" ? new StorageFull() : new Unavailable();
}

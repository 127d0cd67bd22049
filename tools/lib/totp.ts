// Codes of a second factor whose secret is at hand. Each works once, and using one again is reported
// as an attack: so the codes that were used are remembered beside ops.json, for all tools together.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { generate } from "otplib";

const STEP_MS = 30_000;

/**
 * The 6-digit code of a base32 secret at a time (RFC 6238, SHA-1, 30 s). Rejects for what is no
 * base32.
 */
export function totpCode(secret: string, atMs: number): Promise<string> {
  return generate({ secret, epoch: Math.floor(atMs / 1000) });
}

/** How long until the next code, in milliseconds. */
export function untilNextCodeMs(atMs: number): number {
  return STEP_MS - (atMs % STEP_MS);
}

/**
 * A code that no tool has used yet; waits for it, 30 s at most for each tool that waits too.
 * @param dataDir where used codes are noted; null, or one that cannot be written: nothing is known
 * @param onWait called before each wait
 */
export async function unusedCode(
  secret: string,
  dataDir: string | null,
  onWait: () => void = () => {},
  clock = { now: Date.now, delay: (ms: number): Promise<unknown> => delay(ms) },
): Promise<string> {
  for (;;) {
    const now = clock.now();
    if (take(secret, dataDir, Math.floor(now / STEP_MS))) return totpCode(secret, now);
    onWait();
    await clock.delay(untilNextCodeMs(now) + 100);
  }
}

/** Creating a file has one winner. False: somebody has taken this code. */
function take(secret: string, dataDir: string | null, step: number): boolean {
  if (dataDir === null || !existsSync(dataDir)) return true;
  const dir = path.join(dataDir, "used-codes");
  const owner = createHash("sha256").update(secret).digest("hex").slice(0, 16);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(path.join(dir, `${owner}.${step}`), "", { flag: "wx", mode: 0o600 });
    for (const name of readdirSync(dir))
      if (Number(name.split(".")[1]) < step) rmSync(path.join(dir, name), { force: true });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "EEXIST";
  }
}

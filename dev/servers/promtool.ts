// promtool, for the test of the alert rules: from the machine, else from Debian's package unpacked
// beside the data.
import fs from "node:fs";
import path from "node:path";
import { Trouble } from "../lib/words.mjs";
import { findOrUnpack, STAMP, unpackDebian } from "./debian.ts";
import { inPath, isProgram } from "./find.ts";

/** 19 MB to download; past this nobody waits for it any more. */
const DOWNLOAD_LIMIT_MS = 3 * 60_000;
const OTHERWISE = "install prometheus, so that promtool is in PATH";

/**
 * Finds promtool, unpacking Debian's package into `dir` when the machine has none.
 * @returns its path, or in words why there is none
 */
export async function promtool(
  dir: string,
  say: (line: string) => void,
): Promise<{ executable: string } | { missing: string }> {
  const signal = AbortSignal.timeout(DOWNLOAD_LIMIT_MS);
  // A static program: it needs nothing of what the package depends on.
  const isNeeded = (name: string) => name === "prometheus";
  const unpack = () => unpackDebian(dir, ["prometheus"], say, signal, OTHERWISE, isNeeded);
  try {
    const executable = await findOrUnpack(dir, () => find(dir), unpack);
    return executable ? { executable } : { missing: `Debian's package holds no promtool: ${OTHERWISE}.` };
  } catch (error) {
    if (!(error instanceof Trouble) && !signal.aborted) throw error;
    return {
      missing: signal.aborted ? `promtool did not come in time: ${OTHERWISE}.` : (error as Trouble).message,
    };
  }
}

function find(dir: string): string | undefined {
  const own = inPath("promtool").map((bin) => path.join(bin, "promtool"))[0];
  if (own) return own;
  const unpacked = path.join(dir, "root/usr/bin/promtool");
  return fs.existsSync(path.join(dir, STAMP)) && isProgram(unpacked) ? unpacked : undefined;
}

// Chromium, for tests that need a browser: from the machine, else from Debian's package unpacked
// beside the data.
import fs from "node:fs";
import path from "node:path";
import { Trouble } from "../lib/words.mjs";
import { findOrUnpack, STAMP, unpackDebian } from "./debian.ts";
import { inPath, isProgram } from "./find.ts";
import { libraries } from "./toolchain.ts";

/** 113 MB to download and 400 MB on disk; past this nobody waits for it any more. */
const DOWNLOAD_LIMIT_MS = 5 * 60_000;
const OTHERWISE = "install chromium (or google-chrome) so that it is in PATH";
/** The machine's own, by their names in PATH. */
const NAMES = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"];

export interface Chromium {
  /** The program itself, not a distribution's wrapper, where it was unpacked. */
  executable: string;
  /** LD_LIBRARY_PATH for what was unpacked; "" for the machine's own. */
  libraries: string;
}

/**
 * Finds Chromium, unpacking Debian's package into `dir` when the machine has none.
 * @throws Trouble when it is neither here nor to be had within five minutes
 */
export async function chromium(
  dir: string,
  say: (line: string) => void,
  names: readonly string[] = NAMES,
): Promise<Chromium> {
  const signal = AbortSignal.timeout(DOWNLOAD_LIMIT_MS);
  const unpack = () => unpackDebian(dir, ["chromium"], say, signal, OTHERWISE);
  const found = await findOrUnpack(dir, () => find(dir, names), unpack).catch((error: unknown) => {
    throw signal.aborted ? new Trouble(`Chromium did not come within five minutes: ${OTHERWISE}.`) : error;
  });
  if (found) return found;
  throw new Trouble(`Debian's packages do not hold Chromium: ${OTHERWISE}.`);
}

function find(dir: string, names: readonly string[]): Chromium | undefined {
  const own = names.flatMap((name) => inPath(name).map((bin) => path.join(bin, name)))[0];
  if (own) return { executable: own, libraries: "" };
  const root = path.join(dir, "root");
  const unpacked = path.join(root, "usr/lib/chromium/chromium");
  const isWhole = fs.existsSync(path.join(dir, STAMP)) && isProgram(unpacked);
  return isWhole ? { executable: unpacked, libraries: libraries(root) } : undefined;
}

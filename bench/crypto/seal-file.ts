import { randomBytes } from "node:crypto";
import { type FileHandle, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openFile, type SealedFile, sealFile } from "@medvault/crypto";
import { type Finding, growth } from "../rounds.ts";

/**
 * A file of zeros (sparse, so that it takes no room) through sealFile onto the disk and back
 * through openFile, and how far the process grew meanwhile: the highest resident size seen, less
 * what it was after a file of 64 MiB.
 */
const WARM_UP_BYTES = 64 << 20;
const MIB = 1 << 20;

export async function sealedFile(folder: string, fileBytes: number): Promise<Finding[]> {
  const work = await mkdtemp(join(folder, "medvault-bench-"));
  const key = randomBytes(32);
  const context = Buffer.from("bench");
  try {
    const [plain, sealed] = [join(work, "plain"), join(work, "sealed")];
    const through = async (bytes: number) => {
      await writeFile(plain, "");
      await truncate(plain, bytes);
      const sealing = await passing(plain, sealed, (from, to) => sealFile(from, to, key, context));
      const opening = await passing(sealed, plain, (from, to) => openFile(from, to, key, context));
      if (opening.result.plaintextBytes !== bytes)
        throw new Error("what was opened is not as long as what was sealed");
      return [sealing, opening];
    };
    await through(WARM_UP_BYTES);
    const passed = await through(fileBytes);
    return passed.map(({ grownBytes, seconds }, n) => ({
      name: `${["sealFile", "openFile"][n]}, ${fileBytes / MIB} MiB, growth of the process`,
      measured: grownBytes / MIB,
      unit: "MiB",
      atMost: 32,
      note: `${(fileBytes / seconds / 1e6).toFixed(0)} MB/s with the disk`,
    }));
  } finally {
    await rm(work, { recursive: true });
  }
}

async function passing(
  fromPath: string,
  toPath: string,
  work: (from: FileHandle, to: FileHandle) => Promise<SealedFile>,
) {
  const from = await open(fromPath, "r");
  const to = await open(toPath, "w");
  try {
    return await growth(process.memoryUsage.rss, () => work(from, to));
  } finally {
    await from.close();
    await to.close();
  }
}

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { createDurably } from "@medvault/keys";
import { noteEscrow, splitFiles } from "@medvault/keys/operations";
import { SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";
import { type Outcome, UsageError } from "../lib/command.ts";
import { keyFileIn, keyOwnersIn } from "../lib/key-files.ts";
import { keysDirOf, keysFileOf, recordIn, type Work, withKeyring } from "./work.ts";

/** `keys escrow --shares <n> --threshold <k> --out <folder>` */
export async function escrow(
  work: Work,
  o: { shares: number; threshold: number; out: string | undefined },
): Promise<Outcome> {
  const { shares, threshold, out } = o;
  if (threshold < 2 || threshold > shares || shares > 255) {
    throw new UsageError("--threshold is at least 2 and at most --shares, which is at most 255.");
  }
  if (!out) throw new UsageError("--out names the folder for the shares.");
  if (existsSync(out) && readdirSync(out).length > 0) throw new UsageError(`${out} is not empty.`);
  const keysDir = keysDirOf(work.installation);
  const services = servicesIn(readKeyFiles(keysDir));
  // Shares of a key that is not the one of the tables would take the place of those that are.
  for (const service of services) await withKeyring(work.installation, service, async () => undefined);
  for (const service of services) await noteEscrow(keysFileOf(work.installation, service), service);
  const files = readKeyFiles(keysDir);
  const made = await splitFiles(files, shares, threshold);
  for (const service of servicesIn(files))
    await recordIn(work.installation, service, "escrow", { shares, threshold });
  await mkdir(out, { recursive: true, mode: 0o700 });
  const written: string[] = [];
  for (const share of made) {
    const file = path.join(out, `share-${share.number}-of-${shares}.json`);
    await createDurably(file, `${JSON.stringify(share, null, 2)}\n`);
    written.push(file);
  }
  return {
    lines: [
      `${shares} shares of ${Object.keys(files).join(", ")} are in ${out}; any ${threshold} give them back.`,
      "Hand each to another person and keep none of them here. Make new ones after every rotation.",
    ],
    result: { set: made[0]?.set, shares, threshold, files: written },
  };
}

function readKeyFiles(keysDir: string): Record<string, string> {
  const owners = keyOwnersIn(keysDir);
  if (owners.length === 0) throw new UsageError(`there are no key files in ${keysDir}.`);
  return Object.fromEntries(
    owners.map((owner) => [`${owner}.json`, readFileSync(keyFileIn(keysDir, owner), "utf8")]),
  );
}

function servicesIn(files: Readonly<Record<string, string>>): ServiceName[] {
  return SERVICES_WITH_DATA.filter((service) => files[`${service}.json`] !== undefined);
}

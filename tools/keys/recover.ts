import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import path from "node:path";
import { createDurably, KeyFileTooOpen, KeyFileUnreadable, KeysError } from "@medvault/keys";
import {
  changeKeyFile,
  combineShares,
  type Joined,
  joinDocuments,
  type KeyDocument,
  keyIdIn,
  readKeyDocument,
  readKeyFile,
} from "@medvault/keys/operations";
import { SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";
import { readAssertionKey } from "@medvault/service-kit";
import { type Outcome, UsageError } from "../lib/command.ts";
import { keyFileIn } from "../lib/key-files.ts";
import { keysDirOf, recordIn, type Work } from "./work.ts";

/** What was done with one key file, and the sentence about it. */
interface Recovered {
  readonly file: string;
  /** `aside`: what was there was no key file of that service; it lies beside under another name. */
  readonly did: "put_back" | "joined" | "aside" | "kept" | "failed";
  readonly says: string;
}

/**
 * `keys recover <share …>`: puts key files back, from the shares alone. Nothing that is there is
 * lost: another key is joined to the one of the shares, what is no key file is moved aside.
 */
export async function recover(work: Work, shareFiles: readonly string[]): Promise<Outcome> {
  if (shareFiles.length === 0) throw new UsageError("name the files of the shares.");
  const missing = shareFiles.find((file) => !existsSync(file));
  if (missing) throw new UsageError(`${missing} is not there.`);
  const shared = await combineShares(shareFiles.map((file) => readFileSync(file, "utf8")));
  const keysDir = keysDirOf(work.installation);
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  const files: Recovered[] = [];
  for (const [name, content] of Object.entries(shared)) files.push(await tried(keysDir, name, content));
  const changed = files.filter(({ did }) => did !== "kept" && did !== "failed");
  const unrecorded: string[] = [];
  // The database needs the keys to start, so they come first; or there is none yet.
  for (const service of SERVICES_WITH_DATA.filter((name) =>
    changed.some(({ file }) => file === `${name}.json`),
  ))
    await recordIn(work.installation, service, "recover", { files: changed.length }).catch(() =>
      unrecorded.push(service),
    );
  return {
    lines: [
      `In ${keysDir}:`,
      ...files.map(({ file, says }) => `  ${file}: ${says}`),
      ...(unrecorded.length > 0
        ? [`No event could be written for ${unrecorded.join(", ")}: the database does not answer.`]
        : []),
      "Next: start MedVault, then npm run keys -- doctor. It names what these keys do not open: versions newer than the shares.",
    ],
    result: { files: files.map(({ file, did }) => ({ file, did })), unrecorded },
    ok: files.every(({ did }) => did !== "failed"),
  };
}

/** What cannot be done with one file is said of it; the others come back all the same. */
async function tried(keysDir: string, name: string, content: string): Promise<Recovered> {
  try {
    return await recoverFile(keysDir, name, content);
  } catch (error) {
    if (!(error instanceof KeysError)) throw error;
    return { file: name, did: "failed", says: error.message };
  }
}

async function recoverFile(keysDir: string, name: string, content: string): Promise<Recovered> {
  const file = keyFileIn(keysDir, path.basename(name, ".json"));
  const service = SERVICES_WITH_DATA.find((known) => `${known}.json` === name);
  const shared = service ? readKeyDocument(content, service, "the shares") : null;
  const holds = shared ? `: ${allNamed(shared)}` : "";
  if (await createDurably(file, content)) return { file: name, did: "put_back", says: `put back${holds}.` };
  if (await isKeyFile(file, service)) {
    if (service && shared) return joinFile(file, service, shared);
    return { file: name, did: "kept", says: "there already, and left alone: nothing lies under it." };
  }
  const aside = `${name}.aside-${new Date().toISOString().replaceAll(/[-:]|[.]\d+/g, "")}`;
  await rename(file, path.join(path.dirname(file), aside));
  await createDurably(file, content);
  return {
    ...{ file: name, did: "aside" },
    says: `put back${holds}. What was there is no key file of it, and is kept as ${aside}.`,
  };
}

/** Whether what is there is a key file of that service; null: of the gateway. */
async function isKeyFile(file: string, service: ServiceName | undefined): Promise<boolean> {
  try {
    if (service) readKeyFile(file, service);
    else await readAssertionKey(file);
    return true;
  } catch (error) {
    // Rights are put right by hand: who else could read it has to be thought of.
    if (error instanceof KeyFileTooOpen || error instanceof KeyFileUnreadable) throw error;
    return false;
  }
}

async function joinFile(file: string, service: ServiceName, shared: KeyDocument): Promise<Recovered> {
  let joined: Joined | undefined;
  const before = readKeyFile(file, service).document;
  const document = await changeKeyFile(file, service, (there) => {
    joined = joinDocuments(there, shared, file, new Date());
    return joined.document;
  });
  const { putBack = [], renamed = [] } = joined ?? {};
  const name = path.basename(file);
  if (putBack.length === 0) {
    const says = `there already, with all that the shares hold (${allNamed(document)}); left alone.`;
    return { file: name, did: "kept", says };
  }
  const back = putBack.map((version) => named(document, version)).join(", ");
  const others = renamed.map(
    ({ from, to }) =>
      ` Version ${from} that was there is another key (${named(before, from)}): it is version ${to} now, and what it wrapped opens too. Once MedVault runs: npm run keys -- rewrap ${service}, then escrow.`,
  );
  return { file: name, did: "joined", says: `put back into it: ${back}.${others.join("")}` };
}

const allNamed = (document: KeyDocument): string =>
  document.versions.map(({ version }) => named(document, version)).join(", ");

/** `version 2 (key 0123456789ab)`: by the key's id, versions of two files are told apart. */
function named({ versions }: KeyDocument, version: number): string {
  const entry = versions.find((known) => known.version === version);
  const id = entry ? keyIdIn(entry) : null;
  if (id !== null) return `version ${version} (key ${id})`;
  return `version ${version} (${entry?.wrapped === undefined ? "destroyed" : "in Vault"})`;
}

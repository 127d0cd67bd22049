import { createHash } from "node:crypto";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { KeyDocumentInvalid, VaultRefused } from "../errors.ts";
import { documentProvider } from "./file-provider.ts";
import { type KeyDocument, ServiceKeys, type VaultPlace } from "./key-document.ts";
import { type KeyFile, readKeyFile } from "./key-file.ts";
import type { KeyProvider } from "./provider.ts";
import { TransitFault, transitDecrypt } from "./vault.client.ts";

// Two requests' worth: a process that waits longer would miss its own health checks.
const RELOAD_TIMEOUT_MS = 6_000;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * The service's keys from a file in which Vault's transit engine has wrapped each of them:
 * unwrapped once at boot, all at once, and kept in memory. A version that appears in the file later
 * is unwrapped when it is met, by a thread for which this one waits, since opening a row is
 * synchronous. Throws VaultRefused or what reading the file throws.
 */
export async function vaultKeyProvider(path: string, service: string): Promise<KeyProvider> {
  const first = readKeyFile(path, service);
  const known = new Map<string, Buffer>(); // sha256 of what is wrapped -> key, so that a rotation asks for one key alone
  const place = placeOf(first.document, path);
  for (const wrapped of wrappedIn(first.document)) {
    try {
      known.set(nameOf(wrapped), await transitDecrypt(place, wrapped));
    } catch (error) {
      throw new VaultRefused(error instanceof TransitFault ? error.status : 0);
    }
  }
  return documentProvider("vault", path, service, first, (file) => opened(file, path, known));
}

function opened({ document }: KeyFile, path: string, known: Map<string, Buffer>): ServiceKeys {
  const all = wrappedIn(document);
  const unknown = all.filter((wrapped) => !known.has(nameOf(wrapped)));
  if (unknown.length > 0) {
    const keys = decryptBlocking(placeOf(document, path), unknown);
    for (const [at, wrapped] of unknown.entries()) known.set(nameOf(wrapped), keys[at] ?? Buffer.alloc(0));
  }
  const present = new Set(all.map(nameOf));
  for (const [name, key] of known) {
    if (present.has(name)) continue;
    key.fill(0); // destroyed
    known.delete(name);
  }
  return new ServiceKeys(document, path, (entry) =>
    Buffer.from(known.get(nameOf(entry.wrapped ?? "")) ?? Buffer.alloc(0)),
  );
}

function decryptBlocking(place: VaultPlace, wrapped: readonly string[]): Buffer[] {
  const { port1, port2 } = new MessageChannel();
  const done = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./vault.worker.ts", import.meta.url), {
    workerData: { place, wrapped, port: port2, done },
    transferList: [port2],
  });
  worker.on("error", () => {}); // it shows as a wait in vain
  try {
    Atomics.wait(done, 0, 0, RELOAD_TIMEOUT_MS);
    const answer = receiveMessageOnPort(port1)?.message as
      | { keys?: Uint8Array[]; status?: number }
      | undefined;
    if (!answer?.keys) throw new VaultRefused(answer?.status ?? 0);
    return answer.keys.map((key) => Buffer.from(key.buffer, key.byteOffset, key.byteLength));
  } finally {
    port1.close();
    void worker.terminate();
  }
}

function placeOf(document: KeyDocument, path: string): VaultPlace {
  const { vault } = document;
  if (!vault) throw new KeyDocumentInvalid(path, ["it names no vault"]);
  assertSafePlace(vault, path);
  return vault;
}

/** Keys cross by TLS, or within this machine. Throws KeyDocumentInvalid. */
export function assertSafePlace(vault: VaultPlace, path: string): void {
  const { protocol, hostname } = new URL(vault.url);
  if (protocol === "http:" && !LOOPBACK.test(hostname)) {
    throw new KeyDocumentInvalid(path, ["vault.url is not https"]);
  }
}

function wrappedIn({ versions }: KeyDocument): string[] {
  return versions.flatMap(({ state, wrapped }) => (state !== "destroyed" && wrapped ? [wrapped] : []));
}

const nameOf = (wrapped: string): string => createHash("sha256").update(wrapped).digest("hex");
